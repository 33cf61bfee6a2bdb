use burn::tensor::Device;
use rand::rngs::Xoshiro256PlusPlus;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};

use super::super::tests::{difference, images, trained_as};
use super::*;
use crate::registry::Entry;
use crate::spec::{Architecture, BlockKind, ResNetSpec};
use crate::{ModelConfig, ModelName};

/// A ResNeXt of so many blocks in each stage, with 64 channels inside those of the first stage.
fn name(blocks: &[usize]) -> ModelName {
    let spec = ResNetSpec::new(BlockKind::ResNeXt, blocks).with_width(32);
    let entry = Entry::new("test/resnext", Architecture::ResNet(spec), 5, [3, 32, 32]);
    ModelName::own(entry).expect("a network")
}

/// A dense one, and the configuration of one that shares.
pub(in crate::factorise) fn networks(
    blocks: &[usize],
    suffix: &str,
    device: &Device,
) -> (Model, ModelConfig) {
    let name = name(blocks);
    let dense = trained_as(ModelConfig::new(name.clone()), device);
    (dense, ModelConfig::new(name.with_sharing(suffix).expect("a form")))
}

#[test]
fn ranks_with_room_for_all_filters_keep_the_function() {
    let device = Device::flex();
    // One block of each stage shares; or the unique filters are all there.
    for (blocks, suffix) in
        [(&[2, 2, 2][..], "s64u4"), (&[2, 2], "s64u16"), (&[4], "s8u64"), (&[3, 3], "s8u64")]
    {
        let (dense, to) = networks(blocks, suffix, &device);
        let x = images(2, &device);
        let matched = dense.matched(&to).expect("a match");
        let change = difference(dense.forward(x.clone()), matched.forward(x.clone()));
        assert!(change < 1e-5, "{blocks:?} matched: {change}");
        let (model, errors) =
            factorise(&dense, to.skeleton(&device), &Moments::new(), Weighting::Plain)
                .expect("one");
        let change = difference(dense.forward(x.clone()), model.forward(x.clone()));
        assert!(change < 1e-4, "{blocks:?} {suffix}: {change}");
        assert!(errors.iter().all(|error| error.filters < 1e-5), "{errors:?}");
    }
}

#[test]
fn blocks_that_differ_in_their_channels_only_share_without_a_loss() {
    let device = Device::flex();
    let (dense, to) = networks(&[4, 3], "s64u4", &device);
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(11);
    let borrowers = Borrowers::of(&to.skeleton(&device));
    let mut state = dense.state();
    for stage in borrowers.grouped(Borrower::stage) {
        let first = HiddenBlock::read(&state, stage[0].block(), &borrowers.epsilons).expect("one");
        for layer in &stage {
            let mut block = HiddenBlock { path: layer.block().to_string(), ..first.clone() };
            let (width, size) = (block.convs[1].shape[1], block.convs[1].shape[0]);
            let mut numbers =
                || -> Vec<f64> { (0..size).map(|_| rng.random_range(0.5..2.0)).collect() };
            block.scale_hidden(0, &numbers());
            block.scale_hidden(1, &numbers());
            let signed: Vec<f64> =
                numbers().into_iter().map(|n| if n < 1.0 { -n } else { n }).collect();
            block.scale_filters(1, &signed);
            let mut order = |count: usize| {
                let mut order: Vec<usize> = (0..count).collect();
                order.shuffle(&mut rng);
                order
            };
            let groups = order(block.groups());
            let inside: Vec<[Vec<usize>; 2]> =
                groups.iter().map(|_| [order(width), order(width)]).collect();
            block.reorder_groups(&groups, &inside.iter().collect::<Vec<_>>());
            block.write(&mut state);
        }
    }
    let dense = dense.config.init_from(state, &device).expect("the same tensors");
    let (model, errors) =
        factorise(&dense, to.skeleton(&device), &Moments::new(), Weighting::Plain).expect("one");
    assert!(errors.iter().all(|error| error.filters < 1e-3), "{errors:?}");
    let x = images(2, &device);
    let change = difference(dense.forward(x.clone()), model.forward(x));
    assert!(change < 1e-4, "{change}");
}

#[test]
fn lower_ranks_say_what_is_lost() {
    let device = Device::flex();
    let (dense, to) = networks(&[3, 3], "s16u4", &device);
    let x = images(4, &device);
    let moments = dense.input_moments(&to, [x.clone()]).expect("moments");
    // 32 groups of two channels, of which a filter sees 3×3 pixels.
    assert_eq!(moments["stages.0.blocks.1.conv2"].len(), 32 * 18 * 18);
    let (low, errors) =
        factorise(&dense, to.skeleton(&device), &moments, Weighting::Inputs).expect("a network");
    assert_eq!(errors[0].path, "stages.0.blocks.1.conv2");
    // 20 of 64 filters of the first stage.
    let least = (1.0 - 20.0 / 64.0f64).sqrt();
    assert!(errors.len() == 4 && errors[0].filters >= least - 1e-6, "{errors:?}");
    let (_, more) = networks(&[3, 3], "s32u4", &device);
    let (_, more) =
        factorise(&dense, more.skeleton(&device), &moments, Weighting::Inputs).expect("a network");
    for (low, more) in errors.iter().zip(more) {
        assert!(low.filters > more.filters && low.outputs.expect("moments") <= 1.0);
    }
    let model = low.refitted(&dense, [x.clone()]).expect("statistics");
    assert!(model.forward(x).into_data().iter::<f32>().all(f32::is_finite));
}

#[test]
fn ranks_beyond_the_filters_are_refused() {
    let device = Device::flex();
    for (suffix, filters) in [("s128u4", 128), ("s64u64", 256)] {
        let (dense, to) = networks(&[2, 2, 2], suffix, &device);
        let error = factorise(&dense, to.skeleton(&device), &Moments::new(), Weighting::Plain)
            .expect_err("refused");
        assert!(
            matches!(error, FactoriseError::Groups { filters: f, .. } if f == filters),
            "{error}"
        );
    }
}
