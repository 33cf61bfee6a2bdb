use super::*;
use burn::module::{Module, Param};
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor};
use cobasis_zoo::ModelConfig;

use crate::tensors::host;
use crate::train::gradients::clip;

#[derive(Module, Debug)]
struct Layer {
    weight: Param<Tensor<2>>,
    bias: Param<Tensor<1>>,
}

/// Three steps with given gradients, the same that PyTorch was given.
fn steps(config: &OptimizerConfig) -> Vec<f32> {
    let device = Device::flex().autodiff();
    let mut layer = Layer {
        weight: Param::from_data([[0.5, -1.0, 2.0]], &device),
        bias: Param::from_data([0.1, 0.2], &device),
    };
    let groups = Groups {
        norms: vec![layer.bias.id],
        bases: vec![layer.weight.id],
        compressed: Vec::new(),
        factor: if config.weight_decay_scale == WeightDecayScale::Ratio { 0.25 } else { 1.0 },
    };
    let mut optimizer = optimizer(config, groups);
    for step in 1..=3 {
        let mut gradients = GradientsParams::new();
        let device = Device::flex();
        let weight = Tensor::<2>::from_floats([[1.0, -2.0, 0.5]], &device) * step;
        let bias = Tensor::<1>::from_floats([0.3, -0.4], &device) * step;
        gradients.register(layer.weight.id, weight);
        gradients.register(layer.bias.id, bias);
        if let Some(norm) = config.clip_norm {
            gradients = clip(&[(layer.weight.id, 2), (layer.bias.id, 1)], gradients, norm);
        }
        layer = optimizer.step(config.lr, layer, gradients);
    }
    [host(layer.weight.val()), host(layer.bias.val())].concat()
}

fn assert_close(got: Vec<f32>, expected: [f64; 5]) {
    let close = got.iter().zip(expected).all(|(&a, b)| (f64::from(a) - b).abs() < 2e-6);
    assert!(close, "{got:?} is not {expected:?}");
}

const ALL: OptimizerConfig = OptimizerConfig {
    kind: OptimizerKind::Sgd,
    lr: 0.1,
    momentum: 0.9,
    nesterov: false,
    betas: [0.8, 0.95],
    epsilon: 1e-3,
    weight_decay: 0.1,
    decay_norms: false,
    basis_weight_decay: None,
    weight_decay_scale: WeightDecayScale::None,
    clip_norm: None,
};

#[test]
fn nesterovs_momentum_and_groups_are_pytorchs() {
    // SGD([{w, weight_decay=0.1}, {b, weight_decay=0}], lr=0.1, momentum=0.9, nesterov=True)
    let expected = [-0.9780036195, 1.956007239, 1.122562587, -0.33677, 0.78236];
    let config = OptimizerConfig { nesterov: true, ..ALL };
    assert_close(steps(&config), expected);
    // The weight is the basis here, so its own decay may stand in for the general one.
    let own =
        OptimizerConfig { weight_decay: 0.7, basis_weight_decay: Some(0.1), ..config.clone() };
    assert_close(steps(&own), expected);
    assert_ne!(steps(&OptimizerConfig { decay_norms: true, ..own.clone() }), steps(&config));
    // A quarter of four times as much.
    let scaled = OptimizerConfig {
        weight_decay: 0.4,
        weight_decay_scale: WeightDecayScale::Ratio,
        ..config.clone()
    };
    assert_close(steps(&scaled), expected);
    let of_basis = OptimizerConfig { weight_decay: 7.0, basis_weight_decay: Some(0.4), ..scaled };
    assert_close(steps(&of_basis), expected);
}

/// A step without gradients, but of weight decay: each parameter's share that is left.
#[test]
fn the_decay_of_compressed_parameters_is_scaled_and_no_other() {
    let device = Device::flex().autodiff();
    let config = ModelConfig::new("digits/resnet14-s4u1".parse().expect("a name"));
    let model = config.init(&device);
    let settings = OptimizerConfig {
        weight_decay: 0.5,
        weight_decay_scale: WeightDecayScale::Ratio,
        momentum: 0.0,
        ..ALL
    };
    let groups = Groups::of(&settings, &model);
    let (compressed, factor) = (model.compressed(), config.compression(&Device::flex()));
    assert!(factor > 0.1 && factor < 0.9, "{factor}");
    let images = Tensor::<4>::zeros([2, 1, 8, 8], &device);
    let zero = model.forward(images).sum().mul_scalar(0.0);
    let gradients = GradientsParams::from_grads(zero.backward(), &model);
    let before = model.state();
    let names = model.tensors();
    let after = optimizer(&settings, groups).step(1.0, model, gradients).state();
    for tensor in names.iter().filter(|tensor| !tensor.path.contains("running")) {
        let numbers = |state: &cobasis_zoo::State| -> Vec<f32> {
            state[&tensor.path].iter::<f32>().collect()
        };
        let decay = match (tensor.shape.len(), compressed.contains(&tensor.id)) {
            (1, _) => 0.0,
            (_, true) => 0.5 * factor,
            (_, false) => 0.5,
        };
        for (before, after) in numbers(&before).into_iter().zip(numbers(&after)) {
            let expected = f64::from(before) * (1.0 - decay);
            assert!((f64::from(after) - expected).abs() < 1e-6, "{}", tensor.path);
        }
    }
}

#[test]
fn adamw_is_pytorchs() {
    // AdamW([{w, weight_decay=0.1}, {b, weight_decay=0}], lr=0.1, betas=(0.8, 0.95), eps=1e-3)
    let expected = [
        0.19270143226616068,
        -0.6777493581051038,
        1.6483528465483608,
        -0.19493277375126172,
        0.4951036590439333,
    ];
    assert_close(steps(&OptimizerConfig { kind: OptimizerKind::AdamW, ..ALL }), expected);
}

#[test]
fn clipping_is_pytorchs() {
    // clip_grad_norm_([w, b], 2.0) before SGD([w, b], lr=0.1, momentum=0.9, weight_decay=0.1)
    let expected = [
        -0.0021478381245456112,
        0.0042956762490912225,
        1.6515893309377272,
        -0.047863301437363656,
        0.37861073524981825,
    ];
    let config = OptimizerConfig { decay_norms: true, clip_norm: Some(2.0), ..ALL };
    assert_close(steps(&config), expected);
}

#[test]
fn groups_are_the_norms_and_the_bases_of_a_model() {
    let config = ModelConfig::new("digits/resnet14-s4u1-double".parse().expect("a name"));
    let model = config.init(&Device::flex());
    let groups = Groups::of(&ALL, &model);
    let tensors = model.tensors();
    let path = |id: &ParamId| {
        let tensor = tensors.iter().find(|tensor| tensor.id == *id);
        tensor.expect("a tensor of the model").path.clone()
    };
    let bases: Vec<String> = groups.bases.iter().map(path).collect();
    assert_eq!(bases.len(), 6);
    assert!(bases.iter().all(|path| path.contains(".bases.")), "{bases:?}");
    let norms: Vec<String> = groups.norms.iter().map(path).collect();
    assert!(norms.contains(&"head.bias".to_string()), "{norms:?}");
    assert!(norms.iter().all(|path| !path.ends_with(".weight")), "{norms:?}");
}
