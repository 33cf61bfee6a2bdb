use burn::tensor::{Device, Tensor, TensorData};
use rand::rngs::Xoshiro256PlusPlus;
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};

use super::super::tests::{config, difference, images};
use super::*;
use crate::factorise::factorise;
use crate::registry::Entry;
use crate::spec::{BlockKind, Norms, ResNetSpec};
use crate::{ModelConfig, ModelName};

/// A bottleneck network of two stages, of which this many blocks share.
fn bottlenecks(sharing: usize, suffix: &str) -> ModelConfig {
    let spec = ResNetSpec::new(BlockKind::Bottleneck, [1 + sharing, 3]).with_width(8);
    let entry = Entry::new("test/bottlenecks", Architecture::ResNet(spec), 5, [3, 32, 32]);
    let name = ModelName::own(entry).expect("a network");
    ModelConfig::new(if suffix.is_empty() {
        name
    } else {
        name.with_sharing(suffix).expect("a form")
    })
}

fn torchvision(suffix: &str) -> ModelConfig {
    config(&format!("imagenet/mobilenet-v2{suffix}")).with_variant(Variant::Torchvision)
}

/// A dense network whose batch norms do something, some of them with negative scales.
fn dense(config: &ModelConfig, device: &Device) -> Model {
    let dense = ModelConfig { name: config.name.dense(), ..config.clone() };
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(7);
    let mut state = dense.init(device).state();
    for (ending, low, high) in [
        (".gamma", -0.4, 1.4),
        (".beta", -0.3, 0.3),
        (".running_mean", -0.1, 0.1),
        (".running_var", 0.1, 0.5),
    ] {
        for (_, data) in state.iter_mut().filter(|(name, _)| name.ends_with(ending)) {
            let values = (0..data.num_elements()).map(|_| rng.random_range(low..high) as f32);
            *data = TensorData::new(values.collect::<Vec<f32>>(), data.shape().to_vec());
        }
    }
    dense.init_from(state, device).expect("its own tensors")
}

/// The network whose blocks that share are the first one of their stage with the channels inside in
/// another order and to another scale.
fn scrambled(dense: Model, to: &ModelConfig, device: &Device) -> Model {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(11);
    let borrowers = Borrowers::of(&to.skeleton(device));
    let mut state = dense.state();
    for stage in borrowers.grouped(Borrower::stage) {
        let first = HiddenBlock::read(&state, stage[0].block(), &borrowers.epsilons).expect("one");
        for layer in &stage {
            let mut block = HiddenBlock { path: layer.block().to_string(), ..first.clone() };
            let mut numbers = |count: usize| -> Vec<f64> {
                (0..count).map(|_| rng.random_range(0.5..2.0)).collect()
            };
            let sizes = [0, 1, 2].map(|conv| block.convs[conv].shape[0]);
            if between(&dense) == Between::Relu {
                block.scale_hidden(0, &numbers(sizes[0]));
                block.scale_hidden(1, &numbers(sizes[1]));
            }
            for (conv, size) in sizes.into_iter().enumerate() {
                let signed = numbers(size).into_iter().enumerate();
                let signed = signed.map(|(at, n)| if at % 3 == 0 { -n } else { n });
                block.scale_filters(conv, &signed.collect::<Vec<_>>());
            }
            let spaces = if block.is_depthwise() { 1 } else { 2 };
            for (hidden, size) in sizes.into_iter().enumerate().take(spaces) {
                let mut order: Vec<usize> = (0..size).collect();
                order.shuffle(&mut rng);
                block.reorder(hidden, &order);
            }
            block.write(&mut state);
        }
    }
    dense.config.init_from(state, device).expect("the same tensors")
}

fn all(size: usize) -> Vec<(ModelConfig, usize)> {
    vec![
        (bottlenecks(4, "shared"), size),
        (bottlenecks(2, "shared++"), size),
        (config("cifar100/mobilenet-v2-shared"), size),
        (config("cifar100/mobilenet-v2-shared++"), size),
        (config("imagenet/mobilenet-v2-shared++-eca"), 2 * size),
        (torchvision("-shared++"), 2 * size),
    ]
}

fn square(size: usize, device: &Device) -> Tensor<4> {
    images(2, device).narrow(2, 0, size.min(32)).narrow(3, 0, size.min(32))
}

#[test]
fn matching_changes_no_logit() {
    let device = Device::flex();
    for (to, size) in all(16) {
        let dense = dense(&to, &device);
        let matched = dense.matched(&to).expect("a match");
        let x = square(size, &device);
        let change = difference(dense.forward(x.clone()), matched.forward(x));
        assert!(change < 1e-5, "{}: {change}", to.name);
        assert!(dense.state() != matched.state(), "{}", to.name);
    }
}

#[test]
fn blocks_that_differ_in_their_channels_only_share_without_a_loss() {
    let device = Device::flex();
    for (to, size) in all(16) {
        let dense = scrambled(dense(&to, &device), &to, &device);
        let (model, errors) =
            factorise(&dense, to.clone(), &Moments::new(), Weighting::Plain, &device)
                .expect("a network");
        assert!(errors.iter().all(|error| error.filters < 1e-3), "{}: {errors:?}", to.name);
        let x = square(size, &device);
        let logits = dense.forward(x.clone());
        let change = difference(logits.clone(), model.forward(x.clone()));
        assert!(change < 1e-4, "{}: {change}", to.name);
        // Images change nothing then, whatever their statistics are.
        let model = model.refitted(&dense, [x.clone()]).expect("statistics");
        let change = difference(logits, model.forward(x));
        assert!(change < 1e-3, "{} refitted: {change}", to.name);
    }
}

#[test]
fn inputs_weigh_and_statistics_follow() {
    let device = Device::flex();
    let to = bottlenecks(3, "shared++");
    let dense = dense(&to, &device);
    let x = images(8, &device);
    let moments = dense.input_moments(&to, [x.clone()]).expect("moments");
    assert_eq!(moments["stages.0.blocks.1.conv2"].len(), 72 * 72);
    let (model, errors) =
        factorise(&dense, to.clone(), &moments, Weighting::Inputs, &device).expect("a network");
    let paths: Vec<&str> = errors.iter().map(|error| error.path.as_str()).collect();
    assert_eq!(paths.len(), 2 * (3 + 2));
    assert_eq!(paths[..2], ["stages.0.blocks.1.conv2", "stages.0.blocks.1.conv3"]);
    let (_, plain) =
        factorise(&dense, to, &Moments::new(), Weighting::Plain, &device).expect("a network");
    for (error, plain) in errors.iter().zip(&plain) {
        assert!(error.outputs.expect("moments") < 1.0, "{error:?}");
        assert!(plain.outputs.is_none() && plain.filters > 0.05);
    }
    let start = model.state();
    let last = |model: &Model| model.forward_features(x.clone()).remove(1);
    let distance = |model: &Model| {
        let rest = (last(&dense) - last(model)).square().mean();
        (rest / last(&dense).square().mean()).into_scalar::<f32>()
    };
    let before = distance(&model);
    let once = model.refitted(&dense, [x.clone()]).expect("statistics");
    let copy = once.config.init_from(once.state(), &device).expect("the same");
    let twice = copy.refitted(&dense, [x.clone()]).expect("statistics");
    assert!(distance(&once) < before, "{} {before}", distance(&once));
    let (state, again) = (once.state(), twice.state());
    for name in ["stages.0.blocks.2.norm2", "stages.1.blocks.1.norm3"] {
        let path = format!("{name}.running_var");
        assert!(state[&path] != start[&path], "{path}");
        assert_eq!(state[&path], again[&path], "{path}");
    }
    // Norms of layers with filters of their own stay.
    assert_eq!(
        state["stages.0.blocks.2.norm1.running_var"],
        start["stages.0.blocks.2.norm1.running_var"]
    );
    assert!(difference(once.forward(x.clone()), twice.forward(x)) < 1e-6);
}

#[test]
fn moments_move_with_their_channels() {
    // Two channels of one number each: [[1, 2], [2, 5]].
    let moved = moved(&[1.0, 2.0, 2.0, 5.0], &[(1, 3.0), (0, 0.5)], 1);
    assert_eq!(moved, [45.0, 3.0, 3.0, 0.25]);
}

#[test]
fn other_variants_are_refused() {
    let device = Device::flex();
    let to = config("imagenet/mobilenet-v2-shared");
    let dense = torchvision("").skeleton(&device);
    let refused = |to: ModelConfig| {
        factorise(&dense, to, &Moments::new(), Weighting::Plain, &device)
            .map(|_| ())
            .expect_err("refused")
            .to_string()
    };
    assert!(refused(to).starts_with("imagenet/mobilenet-v2-shared: torchvision's variant"));
    let without = torchvision("-shared").with_norms(Norms::WithoutInner);
    assert!(
        refused(without).starts_with("imagenet/mobilenet-v2-shared with norms \"without-inner\"")
    );
    assert!(
        refused(torchvision("")).starts_with("expected a sharing form of imagenet/mobilenet-v2")
    );
}

#[test]
fn numbers_that_no_network_can_use_are_refused() {
    let device = Device::flex();
    let to = bottlenecks(2, "shared");
    let dense = dense(&to, &device);
    for (path, value) in [
        ("stages.0.blocks.1.conv2.weight", f32::NAN),
        ("stages.0.blocks.2.norm1.gamma", f32::INFINITY),
        ("stages.1.blocks.1.norm2.running_var", -1.0),
    ] {
        let mut state = dense.state();
        let data = &state[path];
        let mut values: Vec<f32> = data.iter::<f32>().collect();
        values[3] = value;
        let data = TensorData::new(values, data.shape().to_vec());
        state.insert(path.to_string(), data);
        let broken = dense.config.init_from(state, &device).expect("its own tensors");
        let error = broken.matched(&to).map(|_| ()).expect_err("refused");
        assert_eq!(error, FactoriseError::NotFinite { path: path.to_string() });
    }
}
