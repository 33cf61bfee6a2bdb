use burn::tensor::{Device, Tensor, TensorData};
use cobasis::ParameterCount;

use super::*;
use crate::deploy::FactorisedLayers;
use crate::head::Head;
use crate::{Model, ModelConfig};

const SHARED: HeadKind = HeadKind::Shared { shared: 16, unique: 1 };

fn config(name: &str, detector: DetectorConfig) -> ModelConfig {
    ModelConfig::new(name.parse().expect("a name")).with_detector(detector)
}

/// Parameters of the network, the neck, and the rest, shared filters included.
fn params(config: &ModelConfig) -> [u64; 3] {
    let model = config.init(&Device::flex());
    let Head::Detector(detector) = &model.head else { panic!("a detector") };
    let network = ParameterCount::of(&model.network).trainable;
    let neck = ParameterCount::of(&detector.laterals).trainable;
    [network, neck, model.parameters().trainable - network - neck]
}

/// Numbers from 0 to 1, always the same.
fn images(shape: [usize; 4], device: &Device) -> Tensor<4> {
    let number = |index: usize| (index * 7919 % 1009) as f32 / 1009.0;
    let numbers: Vec<f32> = (0..shape.iter().product()).map(number).collect();
    Tensor::from_data(TensorData::new(numbers, shape), device)
}

fn numbers<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().iter::<f32>().collect()
}

fn farthest(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    let largest = a.iter().map(|a| a.abs()).fold(0.0, f32::max);
    a.iter().zip(b).map(|(a, b)| (a - b).abs() / largest).fold(0.0, f32::max)
}

#[test]
fn sizes_are_those_of_the_plan() {
    // Counted by hand: network, neck, head.
    let half = config("bccd/resnet14", DetectorConfig::new([256, 320]));
    assert_eq!(params(&half), [174_896, 3_200, 74_768]);
    let device = Device::flex();
    let macs = |config: &ModelConfig| config.cost([256, 320], &device).total().macs;
    assert_eq!((macs(&half) + 500_000) / 1_000_000, 203);
    // Of the head, 4,608 shared; of each convolution 288 unique, 17 × 32 coefficients, 98 of norms.
    let shared = DetectorConfig::new([256, 320]).with_head(SHARED);
    let head = 4_608 + 8 * (288 + 17 * 32 + 34 + 64) + 528;
    assert_eq!(params(&config("bccd/resnet14", shared)), [174_896, 3_200, head]);
}

#[test]
fn points_and_boxes_are_in_pixels_of_the_picture() {
    let device = Device::flex();
    // Sizes that no stride divides.
    let model = config("bccd/resnet14", DetectorConfig::new([40, 50])).init(&device);
    let all = model.points([40, 50]);
    assert_eq!(all.len(), 5 * 7 + 3 * 4);
    assert_eq!(all[8], Point { x: 12.0, y: 12.0, stride: 8.0 });
    assert_eq!(all[35], Point { x: 8.0, y: 8.0, stride: 16.0 });
    let point = [Point { x: 12.0, y: 20.0, stride: 8.0 }];
    let given = Tensor::from_data([[0.5, 0.25, 0.0, 2f32.ln(), 7.0, -7.0]], &device);
    // Centre (8, 16) + 8 × (.5, .25), size 8 × (1, 2).
    let centre = numbers(decode(BoxCoding::Centre, given.clone(), &point));
    assert!(farthest(&centre, &[8.0, 10.0, 16.0, 26.0, 7.0, -7.0]) < 1e-6, "{centre:?}");
    let sides = numbers(decode(BoxCoding::Sides, given, &point));
    let [left, top] = [12.0 - 8.0 * 0.5f32.exp(), 20.0 - 8.0 * 0.25f32.exp()];
    assert!(farthest(&sides, &[left, top, 20.0, 36.0, 7.0, -7.0]) < 1e-6, "{sides:?}");
}

#[test]
fn a_new_detector_believes_in_nothing() {
    let device = Device::flex();
    let detector = DetectorConfig::new([64, 64]).with_head(SHARED).with_levels(3);
    let model = config("bccd/resnet14-s8u1", detector).init(&device);
    let images = images([1, 3, 64, 64], &device);
    let output = numbers(model.forward(images));
    let sigmoid = |logit: f32| 1.0 / (1.0 + (-logit).exp());
    for point in output.chunks_exact(8) {
        let scores = point[5..].iter().map(|&class| sigmoid(point[4]) * sigmoid(class));
        assert!(scores.max_by(f32::total_cmp).is_some_and(|most| most < 0.02), "{point:?}");
    }
    let bias = |conv: &Conv2d| numbers(conv.bias.as_ref().expect("a bias").val());
    let Head::Detector(head) = &model.head else { panic!("a detector") };
    assert_eq!(bias(&head.levels[0].boxes), [0.0; 4]);
    assert!((bias(&head.levels[2].quality)[0] + 4.595_12).abs() < 1e-6);
    // The penalty sees the basis of the head and its unique filters.
    let families = model.families();
    assert_eq!(families.len(), 1);
    let of_head = families[0].last().expect("groups");
    assert_eq!((of_head.shared[0].dims(), of_head.unique.len()), ([16, 32, 3, 3], 12));
}

#[test]
fn every_network_can_be_the_backbone() {
    let device = Device::flex();
    for (name, side) in [
        ("cifar10/resnet20-s8u1", 16),
        ("cifar100/mobilenet-v2-shared", 32),
        ("imagenet/mobilenet-v2", 64),
        ("imagenet/resnet18-s16u1-double", 64),
    ] {
        let detector = DetectorConfig::new([side, side + 6]).with_head(SHARED).with_levels(3);
        let model = config(name, detector).init(&device);
        let points = model.points([side, side + 6]).len();
        let images = Tensor::zeros([2, 3, side, side + 6], &device);
        let classes = model.config.num_classes;
        let dims = model.forward(images).dims();
        assert_eq!(dims, [2, points * (5 + classes)], "{name}");
    }
    // The stages of a DenseNet round down.
    let detector = DetectorConfig::new([32, 32]);
    let model = config("cifar100/densenet121-s16u1", detector).init(&device);
    assert_eq!(model.points([32, 32]).len(), 8 * 8 + 4 * 4);
}

/// A detector whose norms are no identities, and images for it.
fn trained(name: &str, coding: BoxCoding) -> (Model, Tensor<4>) {
    let device = Device::flex();
    let detector = DetectorConfig::new([40, 50]).with_head(SHARED).with_coding(coding);
    let model = config(name, detector).with_seed(3).init(&device);
    let mut state = model.state();
    for (place, (name, tensor)) in state.iter_mut().enumerate() {
        let is_of_norm = ["gamma", "beta", "running_mean", "running_var", "bias"];
        if is_of_norm.iter().any(|end| name.ends_with(end)) {
            let values: Vec<f32> = tensor.iter::<f32>().collect();
            let moved = values
                .iter()
                .enumerate()
                .map(|(index, value)| value + 0.1 * ((index * 7 + place * 3) % 11) as f32 / 11.0);
            let moved: Vec<f32> = moved.collect();
            *tensor = TensorData::new(moved, tensor.shape().to_vec());
        }
    }
    let model = model.config.init_from(state, &device).expect("the same tensors");
    let images = images([2, 3, 40, 50], &device);
    (model, images)
}

#[test]
fn deployed_detectors_find_the_same() {
    for (name, coding) in
        [("bccd/resnet14-s8u1", BoxCoding::Centre), ("bccd/resnet14", BoxCoding::Sides)]
    {
        let (model, images) = trained(name, coding);
        let expected = numbers(model.forward(images.clone()));
        for form in FactorisedLayers::ALL {
            let deployed = model.deploy_with(form, &Device::flex());
            let got = numbers(deployed.forward(images.clone()));
            let far = farthest(&expected, &got);
            assert!(far < 1e-5, "{name} {form:?}: {far:e}");
            assert_eq!(deployed.points([40, 50]), model.points([40, 50]));
        }
    }
}

#[test]
fn a_trained_network_becomes_a_detector() {
    let device = Device::flex();
    let classifier = ModelConfig::new("bccd/resnet14-s8u1".parse().expect("a name"));
    let before = classifier.with_seed(5).init(&device);
    let detector = DetectorConfig::new([64, 64]).with_head(SHARED);
    let model = before.clone().into_detector(detector.clone(), 2);
    let (old, new) = (before.state(), model.state());
    assert_eq!(new["stages.2.bases.0.weight"], old["stages.2.bases.0.weight"]);
    assert_eq!(new["stem.conv.weight"], old["stem.conv.weight"]);
    assert!(!new.contains_key("head.weight") && new.contains_key("head.bases.0.weight"));
    assert_eq!((model.config.num_classes, &model.config.detector), (2, &Some(detector)));
    let again = model.clone().into_classifier(5);
    assert_eq!(again.state()["stem.conv.weight"], old["stem.conv.weight"]);
    assert_eq!(again.forward(Tensor::zeros([1, 3, 64, 64], &device)).dims(), [1, 5]);
    let more = model.with_new_head(4);
    assert_eq!(more.state()["stem.conv.weight"], old["stem.conv.weight"]);
    assert_eq!(more.state()["head.levels.1.classes.weight"].shape().to_vec(), [4, 32, 1, 1]);
}

#[test]
fn classes_can_come_in_another_order() {
    let (model, images) = trained("bccd/resnet14-s8u1", BoxCoding::Centre);
    let before = numbers(model.forward(images.clone()));
    let after = numbers(model.with_class_order(&[2, 0, 1]).forward(images));
    for (before, after) in before.chunks_exact(8).zip(after.chunks_exact(8)) {
        assert_eq!(before[..5], after[..5]);
        assert_eq!([before[7], before[5], before[6]], after[5..]);
    }
}

#[test]
fn files_hold_detectors() {
    let device = Device::flex();
    let (model, images) = trained("bccd/resnet14-s8u1", BoxCoding::Sides);
    let bytes = crate::files::to_bytes(&model);
    let again = crate::files::from_bytes(&bytes, &device).expect("a file");
    assert_eq!(again.config.detector, model.config.detector);
    assert_eq!(numbers(again.forward(images.clone())), numbers(model.forward(images)));
    // The basis of the head comes before the head's layers, once.
    let order: Vec<String> = model.tensors().into_iter().map(|tensor| tensor.path).collect();
    let place = |name: &str| order.iter().position(|path| path == name);
    assert!(place("head.bases.0.weight") < place("head.laterals.0.conv.weight"));
    assert!(place("stages.2.bases.0.weight") < place("head.bases.0.weight"));
}

#[test]
fn what_makes_no_detector_is_refused_in_words() {
    let name = "bccd/resnet14".parse().expect("a name");
    let plain = || DetectorConfig::new([256, 320]);
    for (detector, said) in [
        (plain().with_levels(4), "levels: expected 1 to 3 on bccd/resnet14, got 4"),
        (plain().with_levels(0), "levels: expected 1 to 3 on bccd/resnet14, got 0"),
        (plain().with_width(5000), "width: expected 1 to 1024 channels, got 5000"),
        (DetectorConfig::new([256, 8]), "input: expected sides of 16 to 8192 pixels, got 8"),
        (
            plain().with_head(HeadKind::Shared { shared: 0, unique: 1 }),
            "shared: expected at least one filter, got 0",
        ),
        (
            plain().with_head(HeadKind::Shared { shared: 288, unique: 1 }),
            "shared and unique: expected at most 288 filters of 32 channels, got 288 and 1",
        ),
    ] {
        assert_eq!(detector.check(&name).expect_err("must be refused"), said);
    }
}

#[test]
fn gradients_reach_every_tensor() {
    let device = Device::flex().autodiff();
    let detector = DetectorConfig::new([32, 32]).with_head(SHARED);
    let model = config("bccd/resnet14-s8u1", detector).init(&device);
    let images = images([2, 3, 32, 32], &device);
    let output = model.forward(images);
    let penalty = model.penalty().expect("shared filters");
    let loss = output.powf_scalar(2.0).mean() + penalty;
    let gradients = burn::optim::GradientsParams::from_grads(loss.backward(), &model);
    let trained = model.tensors().into_iter().filter(|tensor| !tensor.path.contains(".running_"));
    assert_eq!(gradients.len(), trained.count());
}
