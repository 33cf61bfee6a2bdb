use std::collections::HashSet;

use burn::tensor::Device;
use proptest::prelude::*;

use super::super::testing::{
    composed, computes_what_its_filters_say, deviation, gradients_are_those_of_differences, model,
    numbers,
};
use super::*;
use crate::ModelName;

#[test]
fn a_network_computes_what_its_filters_say() {
    computes_what_its_filters_say("cifar10/resnet20-hashed48888");
    computes_what_its_filters_say("cifar10/resnet20-hashed600-all");
}

#[test]
fn the_gradient_of_a_number_is_the_sum_over_its_weights() {
    gradients_are_those_of_differences(4, "hashed40", 0.05);
}

#[test]
fn a_layer_has_as_many_values_as_numbers_and_the_deviation_of_the_dense_one() {
    let model = model("cifar10/resnet20-hashed4096", &Device::flex());
    let filters = composed(&model);
    assert_eq!(filters.len(), 12);
    for (path, filters) in &filters {
        let [outputs, ..] = filters.dims();
        let dense = (2.0 / (9.0 * outputs as f64)).sqrt();
        let ratio = deviation([filters]) / dense;
        assert!((0.75..1.25).contains(&ratio), "{path}: {ratio}");
        // 4096 · size / 193,536 numbers, of which a hash of many times more weights misses few.
        let kept = (4096.0 * (filters.shape().num_elements() as f64) / 193_536.0).round() as usize;
        let values: HashSet<u32> = numbers(filters.clone()).into_iter().map(f32::to_bits).collect();
        assert!(values.len() <= kept + 1 && values.len() + 1 >= kept, "{path}: {}", values.len());
    }
    // Layers of one shape have different hashes.
    let pattern = |layer: usize| {
        let numbers = numbers(filters[layer].1.clone());
        numbers.iter().map(|number| *number == numbers[0]).collect::<Vec<_>>()
    };
    assert_ne!(pattern(0), pattern(1));
}

#[test]
fn with_a_bijection_a_layer_is_the_plain_convolution() {
    let device = Device::flex();
    let layer = HashedConv2d {
        numbers: Initializer::Ones.init([72], &device),
        shape: [2, 4, 3, 3],
        geometry: Geometry::default(),
        layer: 0,
        table: Arc::new(OnceLock::from(Lookup::new(72, 1.0, (0..72).map(|place| (place, false))))),
    };
    let list: Vec<f32> = (0..72).map(|place| place as f32).collect();
    assert_eq!(numbers(layer.table().of(Tensor::from_floats(list.as_slice(), &device))), list);
}

#[test]
fn numbers_that_cannot_be_are_refused() {
    let error = |name: &str| name.parse::<ModelName>().expect_err(name).to_string();
    assert!(error("cifar10/resnet20-hashed193537").contains("at most as many numbers"));
    assert!(error("cifar10/resnet20-hashed267265-all").contains("at most as many numbers"));
    assert!(error("cifar10/resnet20-hashed11").contains("at least one number"));
    assert!(error("cifar10/resnet20-hashed").contains("expected"));
    assert!(error("cifar10/resnet20-hashed01").contains("expected"));
    for name in ["cifar10/resnet20-hashed193536", "cifar10/resnet20-hashed12"] {
        assert_eq!(name.parse::<ModelName>().expect("a name").to_string(), name);
    }
}

proptest! {
    #[test]
    fn shares_are_proportional_and_add_up(
        sizes in proptest::collection::vec(1usize..5000, 1..20), part in 0.0f64..=1.0,
    ) {
        let all: usize = sizes.iter().sum();
        let numbers = sizes.len() + (part * (all - sizes.len()) as f64) as usize;
        let shares = shares(numbers, &sizes);
        prop_assert_eq!(shares.iter().sum::<usize>(), numbers);
        for (&share, &size) in shares.iter().zip(&sizes) {
            let exact = numbers as f64 * size as f64 / all as f64;
            prop_assert!((1..=size).contains(&share), "{} of {}", share, size);
            // A layer whose share rounds to nothing takes its one number from the largest.
            let given = sizes.len() as f64;
            prop_assert!((share as f64) < exact + 1.0 || share == 1);
            prop_assert!(share as f64 > exact - 1.0 - given);
        }
    }
}
