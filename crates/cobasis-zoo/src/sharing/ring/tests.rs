use burn::tensor::Device;

use super::super::testing::{
    composed, computes_what_its_filters_say, deviation, gradients_are_those_of_differences, model,
    numbers, toy,
};
use super::*;
use crate::layer_types::block::Block;
use crate::sharing::SlotConv;
use crate::{Model, ModelName, Network};

/// The tables of all layers.
fn tables(model: &Model) -> Vec<&Lookup> {
    let Network::ResNet(network) = &model.network else { panic!("a ResNet") };
    let blocks = network.stages.iter().flat_map(|stage| &stage.blocks);
    let layers = blocks.flat_map(|block| match block {
        Block::Basic(block) => [&block.conv1, &block.conv2],
        other => panic!("basic blocks, not {other:?}"),
    });
    let tables = layers.filter_map(|layer| match layer {
        SlotConv::Ring(layer) => Some(layer.table()),
        _ => None,
    });
    tables.collect()
}

#[test]
fn a_network_computes_what_its_filters_say() {
    computes_what_its_filters_say("cifar10/resnet20-ring48888");
    computes_what_its_filters_say("cifar10/resnet20-ring600-all");
}

#[test]
fn the_gradient_of_the_ring_is_the_sum_over_layers() {
    gradients_are_those_of_differences(4, "ring40", 0.002);
}

#[test]
fn every_number_is_used_equally_often_up_to_one_with_both_signs() {
    for (name, weights) in [
        ("cifar10/resnet20-ring48888", 193_536),
        ("cifar10/resnet20-ring193536", 193_536),
        ("cifar10/resnet20-ring1000-all", 267_264),
    ] {
        let model = model(name, &Device::flex());
        let tables = tables(&model);
        let count = model.bases()[0].1.weight.lazy_shape()[0];
        let mut uses = vec![0; count];
        let mut negative = 0;
        for (place, factor) in tables.iter().flat_map(|table| table.places()) {
            uses[place] += 1;
            negative += usize::from(factor < 0.0);
        }
        assert_eq!(uses.iter().sum::<usize>(), weights, "{name}");
        let [least, most] = [weights / count, weights.div_ceil(count)];
        assert!(uses.iter().all(|uses| (least..=most).contains(uses)), "{name}");
        assert!(negative.abs_diff(weights / 2) < weights / 100, "{name}: {negative}");
        // No layer has more than its part of a number: where layers differ, each is everywhere.
        if count == 1000 {
            for table in tables {
                let mut places: Vec<usize> = table.places().map(|(place, _)| place).collect();
                places.sort_unstable();
                places.dedup();
                assert!(places.len() > 850, "{}", places.len());
            }
        }
    }
}

#[test]
fn a_ring_as_long_as_the_weights_is_the_plain_network_up_to_order_and_signs() {
    let toy = toy(4, "ring288").init(&Device::flex());
    let ring = numbers(toy.bases()[0].1.weight.val());
    let scale = (4608.0f64 / 36.0).sqrt() as f32;
    let sorted = |numbers: Vec<f32>| {
        let mut sizes: Vec<f32> = numbers.into_iter().map(f32::abs).collect();
        sizes.sort_by(f32::total_cmp);
        sizes
    };
    let weights = composed(&toy).into_iter().flat_map(|(_, filters)| numbers(filters));
    let expected = ring.into_iter().map(|number| number * scale);
    assert_eq!(sorted(weights.collect()), sorted(expected.collect()));
}

#[test]
fn layers_have_the_deviation_of_dense_ones() {
    let model = model("cifar10/resnet32-ring73584", &Device::flex());
    for (path, filters) in composed(&model) {
        let [outputs, ..] = filters.dims();
        let ratio = deviation([&filters]) / (2.0 / (9.0 * outputs as f64)).sqrt();
        assert!((0.95..1.05).contains(&ratio), "{path}: {ratio}");
    }
}

#[test]
fn numbers_that_cannot_be_are_refused() {
    let error = |name: &str| name.parse::<ModelName>().expect_err(name).to_string();
    assert!(error("cifar10/resnet20-ring193537").contains("at most as many numbers"));
    assert!(error("cifar10/resnet20-ring0").contains("without filters"));
    assert!(error("cifar10/resnet20-ring99999999999999999999").contains("at most as many"));
    assert!("cifar10/resnet20-ring193537-all".parse::<ModelName>().is_ok());
}
