//! ONNX files give the logits of their models in onnxruntime, if Python has it.

mod common;

use std::fs;
use std::path::Path;
use std::process::Command;

use burn::tensor::{Device, Tensor};
use cobasis_zoo::deploy::FactorisedLayers;
use cobasis_zoo::{Deployed, Variant};
use common::{METHODS, check_that_images_matter, difference, images, numbers, trained};

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

/// Whether Python has what the files are run with.
fn has_onnxruntime() -> bool {
    let mut python = Command::new("python3");
    let found = python.args(["-c", "import numpy, onnx, onnxruntime"]).output();
    found.is_ok_and(|output| output.status.success())
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes.as_chunks().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect()
}

/// The relative error of onnxruntime's logits, for an image alone and for three of them.
fn error(deployed: &Deployed, size: usize, folder: &Path, device: &Device) -> f32 {
    // Large enough for ReLU6 to reach its bound.
    let images = images(3, size, device) * 16.0;
    let logits = |images: &Tensor<4>| numbers(deployed.forward(images.clone()));
    let alone = logits(&images.clone().narrow(0, 0, 1));
    let together = logits(&images);
    check_that_images_matter(&together, 3);
    let [model, input, output] =
        ["model.onnx", "images.f32", "logits.f32"].map(|name| folder.join(name));
    let bytes: Vec<u8> = numbers(images).into_iter().flat_map(f32::to_le_bytes).collect();
    fs::write(&model, deployed.to_onnx([size, size])).expect("written");
    fs::write(&input, bytes).expect("written");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/run_onnx.py");
    let python = Command::new("python3").args([&script, &model, &input, &output]).output();
    let python = python.expect("Python runs");
    assert!(python.status.success(), "{}", String::from_utf8_lossy(&python.stderr));
    difference(&[alone, together].concat(), &floats(&fs::read(output).expect("read")))
}

#[test]
fn onnxruntime_gives_the_logits_of_every_family() {
    if !has_onnxruntime() {
        let required = std::env::var("COBASIS_REQUIRE").unwrap_or_default();
        let required = required.split(',').any(|name| name.trim() == "onnx");
        assert!(!required, "COBASIS_REQUIRE has onnx: python3 has no numpy, onnx and onnxruntime");
        eprintln!("skipped: python3 has no numpy, onnx and onnxruntime");
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
