//! What `cobasis-run` makes of deployed files are the numbers of the zoo's own forward pass.

mod common;
mod methods;

use burn::tensor::{Device, Tensor, s};
use cobasis_run::Network;
use cobasis_zoo::deploy::{FactorisedLayers, Weights};
use cobasis_zoo::{
    BoxCoding, Deployed, DetectorConfig, HeadKind, ModelConfig, Variant, files, registry,
};
use common::{check_that_images_matter, difference, images, numbers, trained, trained_as};
use methods::METHODS;

/// One of each kind of sharing.
const SHARED: &[&str] = &[
    "cifar10/resnet20-s8u1",
    "cifar10/resnet32-s16u1-double",
    "cifar10/resnet20-s12,24,40u1",
    "cifar100/resnet34-s32u1",
    "cifar100/resnext50-32x4d-s64u4",
    "cifar100/mobilenet-v2-shared",
    "cifar100/densenet121-s16u1",
    "cifar100/densenet121-tied",
    "imagenet/resnet50-shared",
    "imagenet/resnet50-shared++",
    "imagenet/mobilenet-v2-shared++-eca",
];

/// Fails if a network and the zoo differ for one of the batches.
fn check(name: &str, deployed: &Deployed, size: [usize; 2], batches: &[usize], device: &Device) {
    let bytes = files::deployed_to_bytes(deployed);
    let mut network = Network::from_bytes(&bytes).expect("a network").with_threads(2);
    let most = batches.iter().copied().max().unwrap_or(1);
    let all = images(most, size[0].max(size[1]), device);
    let all = all.slice(s![.., .., 0..size[0], 0..size[1]]);
    let expected = numbers(deployed.forward(all.clone()));
    // Boxes are large beside what images change of them.
    if deployed.config.model.detector.is_none() {
        check_that_images_matter(&expected, most);
    }
    let (pixels, each) = (numbers(all.clone()), expected.len() / most);
    let image = pixels.len() / most;
    for &batch in batches {
        let shape = [batch, 3, size[0], size[1]];
        let got = network.run(&pixels[..batch * image], shape).expect("numbers");
        let error = difference(&expected[..batch * each], got);
        assert!(error < 1e-5, "{name}, batch {batch}: {error}");
    }
    let runtime = deployed.runtime(2).expect("a plan");
    let got = numbers(runtime.forward(all));
    let error = difference(&expected, &got);
    assert!(error < 1e-5, "{name} as a runtime: {error}");
}

#[test]
fn every_network_of_the_registry_gives_the_logits_of_the_zoo() {
    let device = Device::flex();
    for entry in registry::ENTRIES.iter().filter(|entry| entry.input[0] == 3) {
        let deployed = trained(&entry.name, Variant::Corrected, &device).deploy(&device);
        check(&entry.name, &deployed, [32, 32], &[3, 1], &device);
    }
}

#[test]
fn every_kind_of_sharing_gives_the_logits_of_the_zoo() {
    let device = Device::flex();
    for name in SHARED.iter().copied().chain(METHODS.iter().map(|(name, _)| *name)) {
        let model = trained(name, Variant::Corrected, &device);
        for factorised in FactorisedLayers::ALL {
            let deployed = model.deploy_with(factorised, &device);
            check(&format!("{name} {factorised}"), &deployed, [32, 32], &[1, 3], &device);
        }
    }
}

#[test]
fn weights_of_16_and_of_8_bits_give_the_logits_of_the_zoo() {
    let device = Device::flex();
    for name in [
        "cifar10/resnet20",
        "cifar10/resnet32-s16u1-double",
        "cifar100/resnext50-32x4d-s64u4",
        "cifar100/mobilenet-v2-shared",
        "cifar100/densenet121-s16u1",
        "imagenet/mobilenet-v2-shared++-eca",
    ] {
        let model = trained(name, Variant::Corrected, &device);
        for weights in [Weights::F16, Weights::Int8] {
            let deployed = model.deploy(&device).with_weights(weights).expect("numbers");
            check(&format!("{name} {weights}"), &deployed, [32, 32], &[1, 3], &device);
            // What files have is what is computed.
            let bytes = files::deployed_to_bytes(&deployed);
            let read = files::deployed_from_bytes(&bytes, &device).expect("its file");
            assert_eq!((read.weights(), read.state()), (weights, deployed.state()), "{name}");
            assert!(files::deployed_to_bytes(&read) == bytes, "{name} {weights}");
        }
    }
}

#[test]
fn large_batches_and_images_that_are_no_squares_give_the_logits_of_the_zoo() {
    let device = Device::flex();
    for (name, size) in [
        ("cifar10/resnet20-s8u1", [32, 32]),
        ("cifar100/resnet34-s32u1", [32, 32]),
        ("cifar100/densenet121-s16u1", [32, 32]),
        ("cifar100/mobilenet-v2-shared", [32, 32]),
        ("imagenet/resnet50-shared", [48, 65]),
        ("imagenet/mobilenet-v2-shared++-eca", [61, 40]),
    ] {
        let deployed = trained(name, Variant::Corrected, &device).deploy(&device);
        check(name, &deployed, size, &[32, 1, 3], &device);
    }
}

#[test]
fn digits_of_one_channel_give_the_logits_of_the_zoo() {
    let device = Device::flex();
    let deployed = trained("digits/resnet14-s8u1", Variant::Corrected, &device).deploy(&device);
    let bytes = files::deployed_to_bytes(&deployed);
    let mut network = Network::from_bytes(&bytes).expect("a network");
    let all: Tensor<4> = images(32, 8, &device).narrow(1, 0, 1);
    let expected = numbers(deployed.forward(all.clone()));
    let got = network.run(&numbers(all), [32, 1, 8, 8]).expect("logits");
    assert!(difference(&expected, got) < 1e-5);
    assert_eq!(network.metadata("model"), Some("digits/resnet14-s8u1"));
}

#[test]
fn detectors_give_the_boxes_of_the_zoo() {
    let device = Device::flex();
    let shared = HeadKind::Shared { shared: 16, unique: 1 };
    for (name, coding, head, size) in [
        ("bccd/resnet14", BoxCoding::Centre, HeadKind::Dense, [40, 50]),
        ("bccd/resnet14-s8u1", BoxCoding::Sides, shared, [64, 96]),
        ("cifar100/mobilenet-v2-shared", BoxCoding::Centre, shared, [32, 46]),
    ] {
        let detector = DetectorConfig::new(size).with_coding(coding).with_head(head);
        let config = ModelConfig::new(name.parse().expect("a name"));
        let config = config.with_num_classes(3).with_detector(detector);
        let deployed = trained_as(config, &device).deploy(&device);
        check(name, &deployed, size, &[3, 1], &device);
        let bytes = files::deployed_to_bytes(&deployed);
        let mut network = Network::from_bytes(&bytes).expect("a network");
        let points: Vec<[f32; 3]> = network
            .points(size)
            .expect("points")
            .iter()
            .map(|point| [point.x, point.y, point.stride])
            .collect();
        let expected: Vec<[f32; 3]> =
            deployed.points(size).iter().map(|point| [point.x, point.y, point.stride]).collect();
        assert_eq!(points, expected);
    }
}

#[test]
fn damaged_files_are_refused_or_run() {
    let device = Device::flex();
    let deployed = trained("digits/resnet14-s8u1", Variant::Corrected, &device).deploy(&device);
    let whole = files::deployed_to_bytes(&deployed);
    let header = u64::from_le_bytes(whole[..8].try_into().expect("8 bytes")) as usize + 8;
    let image = vec![0.5; 64];
    for index in 0..1000 {
        let mut bytes = whole.clone();
        bytes[index * 7919 % header] = b"0123456789,[]{}\":\\ xu\xff"[index % 22];
        if let Ok(mut network) = Network::from_bytes(&bytes) {
            let _ = network.run(&image, [1, 1, 8, 8]);
        }
    }
}

#[test]
fn a_file_without_a_plan_says_what_to_do() {
    let device = Device::flex();
    let deployed = trained("digits/resnet14-s8u1", Variant::Corrected, &device).deploy(&device);
    let bytes = files::deployed_to_bytes(&deployed);
    let key = b"\"plan\"";
    let at = bytes.windows(key.len()).position(|window| window == key).expect("a plan");
    let mut old = bytes;
    old[at..at + key.len()].copy_from_slice(b"\"nalp\"");
    let error = Network::from_bytes(&old).map(|_| ()).expect_err("no plan").to_string();
    assert!(error.contains("has no plan") && error.contains("deploy the trained model again"));
    // The zoo folds the model that it names, and writes the plan.
    let again = files::deployed_from_bytes(&old, &device).expect("a deployed model");
    assert_eq!(again.state(), deployed.state());
    assert!(Network::from_bytes(&files::deployed_to_bytes(&again)).is_ok());
}
