use burn::tensor::{Device, TensorData};

use super::super::testing::{
    composed, computes_what_its_filters_say, deviation, gradients_are_those_of_differences, model,
    numbers, toy,
};
use crate::{Model, ModelConfig, ModelName};

#[test]
fn a_network_computes_what_its_filters_say() {
    computes_what_its_filters_say("cifar10/resnet20-hypernet8");
    computes_what_its_filters_say("cifar10/resnet20-hypernet4-all");
}

#[test]
fn gradients_of_the_network_are_sums_over_layers() {
    gradients_are_those_of_differences(4, "hypernet3", 0.01);
}

/// A model with other numbers in some of its tensors.
fn with(model: &Model, change: impl Fn(&str, usize, f32) -> f32) -> Model {
    let mut state = model.state();
    for (path, data) in &mut state {
        let numbers = data.iter::<f32>().enumerate().map(|(at, old)| change(path, at, old));
        *data = TensorData::new(numbers.collect::<Vec<f32>>(), data.shape().to_vec());
    }
    model.config.init_from(state, &Device::flex()).expect("the same tensors")
}

#[test]
fn each_tile_is_the_networks_output_for_its_code() {
    // Independently, in 64 bits: every weight of a layer of 2×2 tiles, of which 24 channels are left.
    let model = toy(24, "hypernet3").init(&Device::flex());
    let model = with(&model, |path, at, old| match path.starts_with("bases.") {
        true => old + (at % 5) as f32 * 0.1,
        false => old,
    });
    let state = model.state();
    let of = |path: &str| -> Vec<f64> { state[path].iter::<f32>().map(f64::from).collect() };
    let [w2, b2, w1, b1] = [0, 1, 2, 3].map(|bank| of(&format!("bases.{bank}.weight")));
    for (path, filters) in composed(&model) {
        assert_eq!(filters.dims(), [24, 24, 3, 3]);
        let codes = of(&format!("{path}.codes"));
        for (at, &got) in numbers(filters).iter().enumerate() {
            let (output, input, tap) = (at / (24 * 9), at / 9 % 24, at % 9);
            let tile = output / 16 * 2 + input / 16;
            let row = |entry: usize| -> f64 {
                let entry = output % 16 * 3 + entry;
                b2[entry] + (0..3).map(|k| codes[tile * 3 + k] * w2[entry * 3 + k]).sum::<f64>()
            };
            let column = input % 16 * 9 + tap;
            let expected = b1[column] + (0..3).map(|k| row(k) * w1[column * 3 + k]).sum::<f64>();
            assert!((f64::from(got) - expected).abs() < 1e-5, "{path} {at}: {got} {expected}");
        }
    }
}

#[test]
fn twice_the_codes_without_biases_are_twice_the_kernel() {
    let model = toy(16, "hypernet5").init(&Device::flex());
    let twice = with(&model, |path, _, old| if path.ends_with(".codes") { 2.0 * old } else { old });
    for ((path, once), (_, twice)) in composed(&model).into_iter().zip(composed(&twice)) {
        let doubled: Vec<f32> = numbers(once).iter().map(|number| 2.0 * number).collect();
        assert_eq!(numbers(twice), doubled, "{path}");
    }
}

#[test]
fn layers_have_a_tile_for_each_16_by_16_channels_and_about_the_dense_deviation() {
    let model = model("cifar10/resnet32-hypernet64", &Device::flex());
    let state = model.state();
    let filters = composed(&model);
    for (stage, tiles) in [(0, 1), (1, 4), (2, 16)] {
        let of_stage: Vec<_> = filters
            .iter()
            .filter(|(path, _)| path.starts_with(&format!("stages.{stage}.")))
            .collect();
        assert_eq!(of_stage.len(), 8);
        for (path, _) in &of_stage {
            assert_eq!(state[&format!("{path}.codes")].shape().to_vec(), [tiles, 64]);
        }
        let dense = (2.0 / (9.0 * f64::from(16 << stage))).sqrt();
        let ratio = deviation(of_stage.iter().map(|(_, filters)| filters)) / dense;
        assert!((0.8..1.2).contains(&ratio), "stage {stage}: {ratio}");
    }
}

#[test]
fn codes_that_cannot_be_are_refused_and_the_count_of_composing_is_that_of_two_products() {
    for name in ["cifar10/resnet20-hypernet0", "cifar10/resnet20-hypernet4097"] {
        let error = name.parse::<ModelName>().expect_err(name).to_string();
        assert!(error.contains("1 to 4096"), "{error}");
    }
    let config = ModelConfig::new("cifar10/resnet32-hypernet64".parse().expect("a name"));
    let table = config.cost([32, 32], &Device::flex());
    // 168 tiles: z by 64×1024, then 16 rows by 64×144.
    assert_eq!(table.composition().macs, 168 * (64 * 1024 + 16 * 64 * 144));
    assert_eq!(table.composition().index_bits, 0);
}
