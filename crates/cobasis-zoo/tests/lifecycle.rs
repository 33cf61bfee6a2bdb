//! A model through its life: training step, validation copy, file; and what damaged files do.

use std::fs;
use std::path::Path;

use burn::module::Module;
use burn::nn::loss::CrossEntropyLossConfig;
use burn::optim::{GradientsParams, SgdConfig};
use burn::tensor::{Device, Int, Tensor, TensorData};
use cobasis_zoo::cobasis::ortho::Counted;
use cobasis_zoo::{Model, ModelConfig, Variant, load, save};
use proptest::prelude::*;

const NAMES: [&str; 6] = [
    "digits/resnet14",
    "digits/resnet14-s4u1",
    "digits/resnet14-s4u1-double",
    "digits/resnet14-s4u0",
    "digits/resnet14-s4u0-double",
    "digits/resnet14-s0u4",
];

/// Flex, the fast CPU backend, and NdArray, a second and independent reference.
#[allow(deprecated)]
fn devices() -> [Device; 2] {
    [Device::flex(), Device::ndarray()]
}

fn config(name: &str) -> ModelConfig {
    ModelConfig::new(name.parse().expect("a name"))
}

fn images(device: &Device) -> Tensor<4> {
    let values: Vec<f32> = (0..2 * 64).map(|i| (i * 37 % 101) as f32 / 50.0 - 1.0).collect();
    Tensor::from_data(TensorData::new(values, [2, 1, 8, 8]), device)
}

fn logits(model: &Model, device: &Device) -> Vec<f32> {
    model.valid().forward(images(device)).into_data().iter::<f32>().collect()
}

/// One step of SGD on cross entropy and penalty.
fn step(model: Model, device: &Device) -> Model {
    let labels = Tensor::<1, Int>::from_data([3, 7], device);
    let cross_entropy = CrossEntropyLossConfig::new().init(device);
    let mut loss = cross_entropy.forward(model.forward(images(device)), labels);
    if let Some(penalty) = model.penalty(Counted::SharedAndUnique) {
        loss = loss + penalty * 10.0;
    }
    let gradients = GradientsParams::from_grads(loss.backward(), &model);
    SgdConfig::new().init().step(0.1, model, gradients)
}

#[test]
fn every_kind_of_model_trains_and_moves_all_its_tensors() {
    for name in NAMES {
        for device in devices() {
            let training = device.autodiff();
            let model = config(name).init(&training);
            let before = model.state();
            let after = step(model, &training).state();
            for (path, data) in &before {
                assert_ne!(*data, after[path], "{name}: {path} did not move");
            }
        }
    }
}

#[test]
fn devices_agree() {
    for name in NAMES {
        let [a, b] = devices().map(|device| logits(&config(name).init(&device), &device));
        let scale = a.iter().fold(0.0f32, |max, v| max.max(v.abs()));
        for (a, b) in a.iter().zip(&b) {
            assert!((a - b).abs() < 1e-5 * scale, "{name}: {a} {b}");
        }
    }
}

#[test]
fn a_file_brings_back_the_model_that_was_saved() {
    let folder = tempfile::tempdir().expect("a folder");
    for name in NAMES {
        for device in devices() {
            let training = device.clone().autodiff();
            let model = step(config(name).with_num_classes(9).init(&training), &training);
            let path = folder.path().join("model.safetensors");
            save(&model, &path).expect("saved");
            let bytes = fs::read(&path).expect("read");
            save(&model, &path).expect("saved again");
            assert_eq!(fs::read(&path).expect("read"), bytes);
            let loaded = load(&path, &device).expect("loaded");
            assert_eq!(loaded.config.name, model.config.name);
            assert_eq!(loaded.config.num_classes, 9);
            assert_eq!(loaded.state(), model.state());
            assert_eq!(logits(&loaded, &device), logits(&model, &device));
        }
    }
    assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 1, "no temporary files");
}

#[test]
fn a_file_says_whether_a_model_is_the_authors_variant() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("model.safetensors");
    let device = Device::flex();
    for variant in [Variant::Corrected, Variant::Authors] {
        let model = config("digits/resnet14-s4u1").with_variant(variant).init(&device);
        save(&model, &path).expect("saved");
        assert_eq!(load(&path, &device).expect("loaded").config.variant, variant);
    }
    let mut bytes = fs::read(&path).expect("read");
    let at = bytes.windows(9).position(|window| window == b"\"authors\"").expect("the variant");
    bytes[at + 1..at + 8].copy_from_slice(b"unknown");
    fs::write(&path, bytes).expect("written");
    assert!(
        refused(&path)
            .contains("expected \"authors\", \"torchvision\" or nothing, got \"unknown\"")
    );
}

#[test]
fn a_basis_is_in_the_file_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("model.safetensors");
    let model = config("digits/resnet14-s4u1-double").init(&Device::flex());
    save(&model, &path).expect("saved");
    let bytes = fs::read(&path).expect("read");
    let (_, header) = safetensors::SafeTensors::read_metadata(&bytes).expect("a header");
    let tensors = header.tensors();
    let bases = tensors.keys().filter(|name| name.contains("bases")).count();
    assert_eq!(bases, 6);
    assert_eq!(tensors.len(), model.state().len());
}

#[test]
fn training_changes_running_statistics_and_evaluation_does_not() {
    let device = Device::flex();
    let training = device.clone().autodiff();
    let model = config("digits/resnet14-s4u1").init(&training);
    let before = model.state();
    logits(&model, &device);
    assert_eq!(model.state(), before);
    model.forward(images(&training));
    assert_ne!(model.state()["stem.norm.running_mean"], before["stem.norm.running_mean"]);
}

fn refused(path: &Path) -> String {
    let line = load(path, &Device::flex()).map(|_| ()).expect_err("damaged").to_string();
    assert!(line.contains(&path.display().to_string()) && !line.contains('\n'), "{line}");
    line
}

#[test]
fn damaged_files_are_refused_by_name() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("model.safetensors");
    assert!(refused(&path).contains("No such file"));
    assert!(refused(folder.path()).contains("directory"));
    for bytes in [&b""[..], b"text that is no model", &[0xff; 64], &[0; 4096]] {
        fs::write(&path, bytes).expect("written");
        assert!(refused(&path).contains("not a valid safetensors file"));
    }
    let mut wrong = config("digits/resnet14-s4u1").init(&Device::flex());
    wrong.config = config("digits/resnet14-s5u1");
    save(&wrong, &path).expect("saved");
    let line = refused(&path);
    assert!(line.contains("not the tensors of digits/resnet14-s5u1: tensor "), "{line}");

    let metadata = [("format".to_string(), "other".to_string())].into();
    let empty: [(&str, safetensors::tensor::TensorView); 0] = [];
    fs::write(&path, safetensors::serialize(empty, Some(metadata)).expect("bytes"))
        .expect("written");
    assert!(refused(&path).contains("does not say which model it holds"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_truncation_or_bit_flip_panics(at in 0.0f64..1.0, bit in 0u32..8, truncate: bool) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("model.safetensors");
        let model = config("digits/resnet14-s1u0").with_num_classes(2).init(&Device::flex());
        save(&model, &path).expect("saved");
        let mut bytes = fs::read(&path).expect("read");
        // Most of the file is numbers, of which any are valid; the header is what can be wrong.
        let header = 8 + u64::from_le_bytes(bytes[..8].try_into().expect("8 bytes")) as usize;
        let index = (at * header as f64) as usize;
        if truncate {
            bytes.truncate(index);
        } else {
            bytes[index] ^= 1 << bit;
        }
        fs::write(&path, &bytes).expect("written");
        let result = load(&path, &Device::flex());
        prop_assert!(!truncate || result.is_err());
    }
}

#[test]
fn bases_are_listed_by_their_paths() {
    let device = Device::flex();
    for (name, count) in [
        ("digits/resnet14", 0),
        ("digits/resnet14-s4u1", 3),
        ("digits/resnet14-s4u1-double", 6),
        ("imagenet/resnet50-shared++", 8),
        ("cifar100/mobilenet-v2-shared", 4),
        ("cifar100/densenet121-s16u1", 4),
    ] {
        let model = config(name).init(&device);
        let tensors = model.tensors();
        let bases = model.bases();
        assert_eq!(bases.len(), count, "{name}");
        let known = tensors.iter().filter(|tensor| tensor.path.contains(".bases."));
        let known = known.map(|tensor| (tensor.path.clone(), tensor.id));
        let listed = bases.iter().map(|(path, basis)| (format!("{path}.weight"), basis.weight.id));
        assert!(known.eq(listed), "{name}");
    }
}

#[test]
fn features_are_the_stages_outputs_for_every_network() {
    let device = Device::flex();
    for (name, size, expected) in [
        ("cifar10/resnet20-s8u1", 32, vec![[16, 32], [32, 16], [64, 8]]),
        ("imagenet/resnet50-shared", 32, vec![[256, 8], [512, 4], [1024, 2], [2048, 1]]),
        (
            "cifar100/mobilenet-v2-shared",
            32,
            vec![[16, 34], [24, 17], [32, 9], [64, 5], [96, 5], [160, 5], [320, 5]],
        ),
        ("cifar100/densenet121", 16, vec![[256, 16], [512, 8], [1024, 4], [1024, 2]]),
    ] {
        let model = config(name).init(&device);
        let images = Tensor::ones([1, 3, size, size], &device);
        let maps = model.forward_features(images.clone());
        let shapes: Vec<[usize; 4]> = maps.iter().map(Tensor::dims).collect();
        let expected: Vec<[usize; 4]> =
            expected.iter().map(|&[channels, side]| [1, channels, side, side]).collect();
        assert_eq!(shapes, expected, "{name}");
        let logits = model.classify(model.pooled(images.clone()));
        assert_eq!(logits.into_data(), model.forward(images).into_data(), "{name}");
    }
}

#[test]
fn a_new_head_changes_the_classifier_only_and_can_be_saved() {
    let device = Device::flex();
    let model = config("digits/resnet14-s4u1").init(&device);
    let tuned = model.clone().with_new_head(3);
    assert_eq!(tuned.forward(images(&device)).dims(), [2, 3]);
    assert_eq!(
        tuned.pooled(images(&device)).into_data(),
        model.pooled(images(&device)).into_data()
    );
    let head = tuned.state()["head.weight"].iter::<f32>().collect::<Vec<_>>();
    assert!(head.iter().all(|weight| weight.abs() < 1.0 / 8.0) && head.iter().any(|&w| w != 0.0));

    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("tuned.safetensors");
    save(&tuned, &path).expect("a file");
    let loaded = load(&path, &device).expect("a model");
    assert_eq!(loaded.state(), tuned.state());
    assert_eq!(loaded.config.num_classes, 3);
}
