use burn::tensor::Device;

use super::super::testing::{
    classifier, composed, computes_what_its_filters_say, deviation,
    gradients_are_those_of_differences, model, numbers, toy,
};
use crate::{ModelConfig, ModelName};

#[test]
fn a_network_computes_what_its_filters_say() {
    computes_what_its_filters_say("cifar10/resnet20-tbasis3r4");
    computes_what_its_filters_say("cifar10/resnet20-tbasis4r3-all");
}

#[test]
fn gradients_of_the_basis_are_sums_over_layers() {
    gradients_are_those_of_differences(4, "tbasis2r3", 0.01);
}

#[test]
fn filters_start_with_the_deviation_of_their_inputs_and_scales_at_zero() {
    let model = model("cifar10/resnet20-tbasis4r4-all", &Device::flex());
    for (path, filters) in composed(&model) {
        let [_, inputs, height, width] = filters.dims();
        let expected = (2.0 / (inputs * height * width) as f64).sqrt();
        let ratio = deviation([&filters]) / expected;
        assert!((ratio - 1.0).abs() < 2e-3, "{path}: {ratio}");
    }
    let state = model.state();
    let scales = state.iter().filter(|(path, _)| path.ends_with(".scales"));
    assert!(scales.clone().count() > 0);
    assert!(scales.flat_map(|(_, data)| data.iter::<f32>()).all(|scale| scale == 0.0));
}

#[test]
fn a_classifier_is_a_ring_of_the_same_basis_only_where_all_blocks_are() {
    let device = Device::flex();
    let ordinary = model("cifar10/resnet20-tbasis3r4", &device);
    assert!(classifier(&ordinary).is_none() && ordinary.can_reorder_classes());
    let all = model("cifar10/resnet20-tbasis3r4-all", &device);
    let weights = classifier(&all).expect("a ring");
    assert_eq!(weights.dims(), [10, 64, 1, 1]);
    let state = all.state();
    assert_eq!(state["head.coefficients"].shape().to_vec(), [4, 3]);
    assert_eq!(state["head.scales"].shape().to_vec(), [4, 4]);
    assert_eq!(state["head.bias"].shape().to_vec(), [10]);
    assert!(!state.contains_key("head.weight") && !all.can_reorder_classes());
    // The weights stand: a new classifier for other classes is one of the same kind, and starts with
    // the deviation of its inputs.
    let tuned = all.clone().with_new_head(37);
    let weights = classifier(&tuned).expect("a ring");
    assert_eq!(weights.dims(), [37, 64, 1, 1]);
    let ratio = deviation([&weights]) / (2.0f64 / 64.0).sqrt();
    assert!((ratio - 1.0).abs() < 2e-3, "{ratio}");
    let bases = |model: &crate::Model| model.state()["bases.0.weight"].clone();
    assert_eq!(bases(&tuned), bases(&all));
    let same = tuned.config.init_from(tuned.state(), &device).expect("its own tensors");
    assert_eq!(same.state(), tuned.state());
}

#[test]
fn a_basis_starts_clamped() {
    let model = toy(4, "tbasis8r16").init(&Device::flex());
    let basis = numbers(model.bases()[0].1.weight.val());
    let bound = 3.0 / (8.0f32 * 16.0).sqrt();
    let largest = basis.iter().fold(0.0f32, |max, number| max.max(number.abs()));
    assert!((largest - bound).abs() < 1e-6, "some of 18,432 numbers are cut: {largest}");
    let squares: f32 = basis.iter().map(|number| number * number).sum();
    let deviation = (squares / basis.len() as f32).sqrt() * 3.0 / bound;
    assert!((0.97..1.01).contains(&deviation), "{deviation}");
}

#[test]
fn names_are_read_and_numbers_that_cannot_be_refused() {
    let name = "cifar10/resnet32-tbasis20r28-all";
    assert_eq!(name.parse::<ModelName>().expect("a name").to_string(), name);
    for suffix in ["tbasis0r4", "tbasis4r0", "tbasis257r1"] {
        let name = format!("cifar10/resnet20-{suffix}");
        let error = name.parse::<ModelName>().expect_err("no network").to_string();
        assert!(error.contains("1 to 256"), "{error}");
    }
    for suffix in ["tbasis", "tbasis4", "tbasis4r", "tbasisr4", "tbasis04r4"] {
        let name = format!("cifar10/resnet20-{suffix}");
        let error = name.parse::<ModelName>().expect_err("no network").to_string();
        assert!(error.contains("expected"), "{error}");
    }
}

#[test]
fn the_composition_is_counted() {
    let config = ModelConfig::new("cifar10/resnet20-tbasis3r4".parse().expect("a name"));
    let composition = config.cost([32, 32], &Device::flex()).composition();
    // Sums and factors of 4 × (4 + 5 + 5) cores, then products: of 16, 32 and 64 channels.
    let sums = 4 * 14 * 9 * 16 * (3 + 1);
    let step = 9 * 64;
    let narrow = (4 + 9) * step + 36 * 16 * 9 * 9;
    let middle = (4 + 9 + 81) * step + 16 * 16 * 81 * 9;
    let wide = (9 + 9 + 81) * step + 64 * 16 * 81 * 9;
    assert_eq!(composition.macs, sums + 4 * (narrow + middle + wide));
}

#[test]
#[should_panic(expected = "have their order in its structure")]
fn the_classes_of_a_ring_keep_their_order() {
    let model = model("cifar10/resnet20-tbasis1r2-all", &Device::flex());
    let order: Vec<usize> = (0..10).collect();
    let model = model.with_class_order(&order);
    let reversed: Vec<usize> = order.into_iter().rev().collect();
    model.with_class_order(&reversed);
}
