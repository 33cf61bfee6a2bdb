//! ONNX files give the logits of their models in onnxruntime, if Python has it.

mod common;
mod methods;
mod moved;

use std::fs;
use std::path::Path;
use std::process::Command;

use burn::tensor::activation::sigmoid;
use burn::tensor::{Device, Tensor, TensorData, s};
use cobasis_zoo::deploy::{FactorisedLayers, Weights};
use cobasis_zoo::{
    AdapterError, AdapterKind, BoxCoding, Deployed, DetectorConfig, HeadKind, ModelConfig, Variant,
};
use common::{check_that_images_matter, difference, images, numbers, trained, trained_as};
use methods::METHODS;
use moved::moved;

/// One of each family and of each other kind of layer, and the size of an image.
const MODELS: &[(&str, usize)] = &[
    ("cifar10/resnet20", 16),
    ("cifar10/resnet32-s16u1-double", 17),
    ("cifar100/resnet34-s32u1", 16),
    ("imagenet/resnet18", 33),
    ("imagenet/resnet50-shared++", 32),
    ("cifar100/resnext50-32x4d-s64u4", 16),
    ("cifar100/mobilenet-v2-shared", 16),
    ("imagenet/mobilenet-v2-shared++-eca", 32),
    ("cifar100/densenet121-s16u1", 16),
];

const SHARED: HeadKind = HeadKind::Shared { shared: 16, unique: 1 };

/// Whether Python has what the files are run with.
fn has_onnxruntime() -> bool {
    let mut python = Command::new("python3");
    let found = python.args(["-c", "import numpy, onnx, onnxruntime"]).output();
    found.is_ok_and(|output| output.status.success())
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes.as_chunks().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect()
}

/// What onnxruntime gives for an image alone, and then for all.
fn run(deployed: &Deployed, images: &Tensor<4>, folder: &Path) -> Vec<f32> {
    let [_, _, height, width] = images.dims();
    let [model, input, output] =
        ["model.onnx", "images.f32", "outputs.f32"].map(|name| folder.join(name));
    let bytes: Vec<u8> = numbers(images.clone()).into_iter().flat_map(f32::to_le_bytes).collect();
    fs::write(&model, deployed.to_onnx([height, width])).expect("written");
    fs::write(&input, bytes).expect("written");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/run_onnx.py");
    let python = Command::new("python3").args([&script, &model, &input, &output]).output();
    let python = python.expect("Python runs");
    assert!(python.status.success(), "{}", String::from_utf8_lossy(&python.stderr));
    floats(&fs::read(output).expect("read"))
}

/// The relative error of onnxruntime's logits, for an image alone and for three of them.
fn error(deployed: &Deployed, size: usize, folder: &Path, device: &Device) -> f32 {
    // Large enough for ReLU6 to reach its bound.
    let images = images(3, size, device) * 16.0;
    let logits = |images: &Tensor<4>| numbers(deployed.forward(images.clone()));
    let alone = logits(&images.clone().narrow(0, 0, 1));
    let together = logits(&images);
    check_that_images_matter(&together, 3);
    difference(&[alone, together].concat(), &run(deployed, &images, folder))
}

/// Whether onnxruntime is there; if it has to be, it is.
fn can_run() -> bool {
    let there = has_onnxruntime();
    if !there {
        let required = std::env::var("COBASIS_REQUIRE").unwrap_or_default();
        let required = required.split(',').any(|name| name.trim() == "onnx");
        assert!(!required, "COBASIS_REQUIRE has onnx: python3 has no numpy, onnx and onnxruntime");
        eprintln!("skipped: python3 has no numpy, onnx and onnxruntime");
    }
    there
}

#[test]
fn onnxruntime_gives_the_logits_of_every_family() {
    if !can_run() {
        return;
    }
    let device = Device::flex();
    let folder = tempfile::tempdir().expect("a folder");
    for &(name, size) in MODELS.iter().chain(METHODS) {
        let model = trained(name, Variant::Corrected, &device);
        let forms = match model.deploy(&device).factorised_layers() {
            [] => &FactorisedLayers::ALL[..1],
            _ => &FactorisedLayers::ALL[..],
        };
        for &factorised in forms {
            let deployed = model.deploy_with(factorised, &device);
            let error = error(&deployed, size, folder.path(), &device);
            eprintln!("{name} {factorised}: {error:.1e}");
            assert!(error < 1e-5, "{name} {factorised}: {error}");
        }
    }
}

#[test]
fn onnxruntime_gives_the_logits_of_weights_of_16_and_of_8_bits() {
    if !can_run() {
        return;
    }
    let device = Device::flex();
    let folder = tempfile::tempdir().expect("a folder");
    for &(name, size) in MODELS {
        let model = trained(name, Variant::Corrected, &device);
        for weights in [Weights::F16, Weights::Int8] {
            let deployed = model.deploy(&device).with_weights(weights).expect("numbers");
            let error = error(&deployed, size, folder.path(), &device);
            eprintln!("{name} {weights}: {error:.1e}");
            assert!(error < 1e-5, "{name} {weights}: {error}");
        }
    }
}

#[test]
fn onnxruntime_gives_the_logits_of_every_adapter() {
    if !can_run() {
        return;
    }
    let device = Device::flex();
    let folder = tempfile::tempdir().expect("a folder");
    for name in ["cifar10/resnet20", "cifar10/resnet20-s8u1", "cifar100/mobilenet-v2-shared"] {
        for kind in AdapterKind::ALL {
            let base = trained(name, Variant::Corrected, &device);
            let task = match base.with_adapter(kind, 7) {
                Ok(task) => moved(task),
                Err(AdapterError::NoUniqueFilters { .. }) => continue,
                Err(error) => panic!("{error}"),
            };
            let error = error(&task.deploy(&device), 16, folder.path(), &device);
            assert!(error < 1e-5, "{name} {kind}: {error}");
        }
    }
}

#[test]
fn onnxruntime_gives_the_boxes_and_scores_of_detectors() {
    if !can_run() {
        return;
    }
    let device = Device::flex();
    let folder = tempfile::tempdir().expect("a folder");
    for (name, coding, head, image) in [
        ("bccd/resnet14", BoxCoding::Centre, HeadKind::Dense, [40, 50]),
        ("bccd/resnet14-s8u1", BoxCoding::Sides, SHARED, [64, 96]),
        ("cifar100/mobilenet-v2-shared", BoxCoding::Centre, SHARED, [32, 46]),
    ] {
        let detector = DetectorConfig::new(image).with_coding(coding).with_head(head);
        let config = ModelConfig::new(name.parse().expect("a name"));
        let config = config.with_num_classes(3).with_detector(detector);
        let mut state = trained_as(config.clone(), &device).state();
        // onnxruntime's sigmoid is a fraction of polynomials, off by 1e-9: much of a score near 0.
        let of_scores =
            |name: &str| name.ends_with("quality.bias") || name.ends_with("classes.bias");
        for (_, bias) in state.iter_mut().filter(|(name, _)| of_scores(name)) {
            *bias = TensorData::zeros::<f32, _>(bias.shape().to_vec());
        }
        let model = config.init_from(state, &device).expect("its own tensors");
        let [height, width] = image;
        let images = images(3, height.max(width), &device).slice(s![.., .., 0..height, 0..width]);
        for factorised in FactorisedLayers::ALL {
            let deployed = model.deploy_with(factorised, &device);
            let of = |images: Tensor<4>| {
                let [batch, ..] = images.dims();
                let found = deployed.forward(images).reshape([batch as i32, -1, 8]);
                let boxes = numbers(found.clone().slice(s![.., .., 0..4]));
                let quality = sigmoid(found.clone().slice(s![.., .., 4..5]));
                let scores = numbers(quality * sigmoid(found.slice(s![.., .., 5..])));
                [boxes, scores]
            };
            let got = run(&deployed, &images, folder.path());
            let mut rest = &got[..];
            let alone = of(images.clone().narrow(0, 0, 1));
            for expected in alone.into_iter().chain(of(images.clone())) {
                let (part, after) = rest.split_at(expected.len());
                rest = after;
                let error = difference(&expected, part);
                eprintln!("{name} {factorised}: {error:.1e}");
                assert!(error < 1e-5, "{name} {factorised}: {error}");
            }
            assert!(rest.is_empty());
        }
    }
}
