//! Deployed models with weights of fewer bits.

#[allow(dead_code, reason = "what this test needs of it is a part")]
mod common;

use burn::tensor::{Device, TensorData, bf16, f16};
use cobasis_zoo::deploy::{FactorisedLayers, Weights};
use cobasis_zoo::{Deployed, State, Variant, files};
use common::{images, numbers, trained};
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};

fn deployed(name: &str) -> Deployed {
    let device = Device::flex();
    trained(name, Variant::Corrected, &device).deploy(&device)
}

/// The tensors with one number of one of them changed.
fn with(deployed: &Deployed, name: &str, number: f32) -> Deployed {
    let mut state = deployed.state();
    let data = state.get_mut(name).expect("a tensor");
    let mut values: Vec<f32> = data.iter::<f32>().collect();
    values[1] = number;
    *data = TensorData::new(values, data.shape().to_vec());
    deployed.config.init_from(state, &Device::flex()).expect("its own tensors")
}

fn values(state: &State, name: &str) -> Vec<f32> {
    state[name].iter::<f32>().collect()
}

/// The greatest difference, relative to the largest number expected.
fn difference(expected: &[f32], got: &[f32]) -> f32 {
    assert_eq!(expected.len(), got.len());
    let largest = expected.iter().fold(f32::MIN_POSITIVE, |most, value| most.max(value.abs()));
    let errors = expected.iter().zip(got).map(|(a, b)| (a - b).abs());
    errors.fold(0.0, f32::max) / largest
}

/// A file with its numbers in 16 bits.
fn halved(bytes: &[u8], dtype: Dtype) -> Vec<u8> {
    let file = SafeTensors::deserialize(bytes).expect("a file");
    let (_, metadata) = SafeTensors::read_metadata(bytes).expect("a file");
    let half = |bytes: &[u8; 4]| {
        let value = f32::from_le_bytes(*bytes);
        match dtype {
            Dtype::F16 => f16::from_f32(value).to_le_bytes(),
            _ => bf16::from_f32(value).to_le_bytes(),
        }
    };
    let tensors: Vec<(String, Dtype, Vec<usize>, Vec<u8>)> = file
        .tensors()
        .into_iter()
        .map(|(name, view)| {
            let shape = view.shape().to_vec();
            match view.dtype() {
                Dtype::F32 => {
                    let numbers = view.data().as_chunks().0.iter().flat_map(half);
                    (name, dtype, shape, numbers.collect())
                }
                other => (name, other, shape, view.data().to_vec()),
            }
        })
        .collect();
    let views = tensors.iter().map(|(name, dtype, shape, bytes)| {
        (name, TensorView::new(*dtype, shape.clone(), bytes).expect("a tensor"))
    });
    safetensors::serialize(views, metadata.metadata().clone()).expect("written")
}

#[test]
fn weights_are_rounded_and_all_else_is_kept() {
    let whole = deployed("cifar10/resnet20-s8u1");
    let images = images(3, 16, &Device::flex());
    let logits = |deployed: &Deployed| numbers(deployed.forward(images.clone()));
    for (weights, most) in [(Weights::F16, 2e-3), (Weights::Int8, 0.1)] {
        let rounded = whole.clone().with_weights(weights).expect("numbers");
        let (before, after) = (whole.state(), rounded.state());
        let mut changed = 0;
        for name in before.keys() {
            let [before, after] = [&before, &after].map(|state| values(state, name));
            let error = difference(&before, &after);
            match name.ends_with("weight") || name.ends_with("unique") {
                true => changed += usize::from(error > 0.0),
                false => assert_eq!(before, after, "{name}"),
            }
            assert!(error < if weights == Weights::F16 { 5e-4 } else { 4.1e-3 }, "{name}: {error}");
        }
        assert!(changed > 20, "{changed} tensors of {weights}");
        let error = difference(&logits(&whole), &logits(&rounded));
        assert!(error > 0.0 && error < most, "{weights}: {error}");
        // Bits that are gone do not come back.
        let same = rounded.clone().with_weights(Weights::F32).expect("numbers");
        assert_eq!((same.weights(), same.state()), (Weights::F32, rounded.state()));
    }
}

#[test]
fn channels_of_zeros_stay_zeros() {
    let mut state = deployed("cifar10/resnet20").state();
    let data = state.get_mut("stem.conv.weight").expect("filters");
    let (shape, mut values) = (data.shape().to_vec(), data.iter::<f32>().collect::<Vec<_>>());
    values[..27].fill(0.0);
    *data = TensorData::new(values, shape);
    let config = deployed("cifar10/resnet20").config;
    let zeros = config.init_from(state, &Device::flex()).expect("its own tensors");
    let rounded = zeros.with_weights(Weights::Int8).expect("numbers");
    let bytes = files::deployed_to_bytes(&rounded);
    let read = files::deployed_from_bytes(&bytes, &Device::flex()).expect("its file");
    let stem = self::values(&read.state(), "stem.conv.weight");
    assert!(stem[..27].iter().all(|value| *value == 0.0) && stem[27..54].iter().any(|x| *x != 0.0));
}

#[test]
fn numbers_that_are_none_or_too_large_are_errors_that_name_the_tensor() {
    let whole = deployed("cifar10/resnet20-s8u1");
    let weight = "stages.1.blocks.0.conv1.weight";
    for (name, number, weights, said) in [
        (weight, f32::NAN, Weights::F16, "up to 6.5504e4 for weights of f16, got NaN"),
        (weight, 65520.0, Weights::F16, "up to 6.5504e4 for weights of f16, got 6.552e4"),
        (weight, f32::NAN, Weights::Int8, "for weights of int8, got NaN"),
        (weight, f32::NEG_INFINITY, Weights::Int8, "for weights of int8, got -inf"),
        ("head.bias", f32::NAN, Weights::F16, "for weights of f16, got NaN"),
        ("head.bias", f32::INFINITY, Weights::Int8, "for weights of int8, got inf"),
    ] {
        let error = with(&whole, name, number).with_weights(weights).map(|_| ());
        let error = error.expect_err("a number that is none").to_string();
        assert!(error.starts_with(&format!("tensor \"{name}\": expected numbers ")), "{error}");
        assert!(error.ends_with(said), "{error}");
    }
    for (name, number, expected) in [(weight, 65519.0, 65504.0), ("head.bias", 1e6, 1e6)] {
        let rounded = with(&whole, name, number).with_weights(Weights::F16).expect("numbers");
        assert_eq!(values(&rounded.state(), name)[1], expected);
    }
}

#[test]
fn files_are_as_much_smaller_as_their_numbers() {
    for name in ["cifar10/resnet32-s8u1", "cifar10/resnet32-s16u1-double", "cifar10/resnet56-s8u1"]
    {
        let device = Device::flex();
        let model = trained(name, Variant::Corrected, &device);
        for factorised in FactorisedLayers::ALL {
            let deployed = model.deploy_with(factorised, &device);
            let size = |weights: Weights| {
                let deployed = deployed.clone().with_weights(weights).expect("numbers");
                files::deployed_to_bytes(&deployed).len() as f64
            };
            let whole = size(Weights::F32);
            let [half, quarter] = [Weights::F16, Weights::Int8].map(|form| size(form) / whole);
            eprintln!("{name} {factorised}: {whole} bytes, {half:.4}, {quarter:.4}");
            assert!(half < 0.54 && quarter < 0.28, "{name} {factorised}: {half}, {quarter}");
        }
    }
}

#[test]
fn files_that_do_not_say_the_truth_about_their_weights_are_refused() {
    let device = Device::flex();
    let small = deployed("digits/resnet14-s8u1");
    let bytes = |weights| {
        let small = small.clone().with_weights(weights).expect("numbers");
        files::deployed_to_bytes(&small)
    };
    let replaced = |bytes: &[u8], from: &str, to: &str| {
        assert_eq!(from.len(), to.len());
        let at = bytes.windows(from.len()).position(|window| window == from.as_bytes());
        let at = at.unwrap_or_else(|| panic!("{from} in the file"));
        let mut bytes = bytes.to_vec();
        bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
        bytes
    };
    for (weights, from, to, said) in [
        (Weights::F32, "\"f32\"", "\"f16\"", "expected F16, as the metadata say"),
        (Weights::F16, "\"f16\"", "\"f32\"", "expected F32, as the metadata say"),
        (Weights::F16, "\"f16\"", "\"f17\"", "expected f32, f16, bf16 or int8, got \"f17\""),
        (Weights::Int8, "\"int8\"", "\"int9\"", "expected f32, f16, bf16 or int8, got \"int9\""),
        (Weights::Int8, "\"weights\"", "\"heights\"", "got I8"),
        (
            Weights::Int8,
            "\"scales\"",
            "\"escale\"",
            "tensor \"scales\": expected in a file of int8",
        ),
        (Weights::F32, "\"F32\"", "\"I32\"", "expected "),
    ] {
        let damaged = replaced(&bytes(weights), from, to);
        let error = files::deployed_from_bytes(&damaged, &device).map(|_| ());
        let error = error.expect_err("a file that is refused").to_string();
        assert!(error.contains(said), "{error}");
        let error = cobasis_run::Network::from_bytes(&damaged).map(|_| ()).expect_err("refused");
        assert!(!error.to_string().contains('\n'), "{error}");
    }
    // Files that say nothing may have numbers of any kind, as older ones have.
    for weights in [Weights::F32, Weights::F16] {
        let silent = replaced(&bytes(weights), "\"weights\"", "\"heights\"");
        let read = files::deployed_from_bytes(&silent, &device).expect("a deployed model");
        let expected = small.clone().with_weights(weights).expect("numbers");
        assert_eq!((read.weights(), read.state()), (Weights::F32, expected.state()));
        assert!(cobasis_run::Network::from_bytes(&silent).is_ok());
    }
}

#[test]
fn models_of_16_bits_are_read_wherever_weights_are() {
    let device = Device::flex();
    let model = trained("digits/resnet14-s8u1", Variant::Corrected, &device);
    let bytes = [files::to_bytes(&model), cobasis_zoo::pytorch::to_bytes(&model).expect("names")];
    for bytes in bytes {
        for (dtype, bits) in [(Dtype::F16, 10), (Dtype::BF16, 7)] {
            let halved = halved(&bytes, dtype);
            let read = files::from_bytes(&halved, &device).expect("a model");
            let [expected, got] = [&model, &read].map(|model| model.state());
            assert_eq!(expected.len(), got.len());
            for name in expected.keys() {
                let error = difference(&values(&expected, name), &values(&got, name));
                assert!(error < 2f32.powi(-bits), "{dtype:?} {name}: {error}");
            }
        }
    }
}
