//! One basis, many users: what must hold through training, copies and files.

mod common;

use burn::module::{Module, Param};
use burn::nn::PaddingConfig2d;
use burn::optim::momentum::MomentumConfig;
use burn::optim::{GradientsParams, SgdConfig};
use burn::tensor::{Device, Tensor};
use cobasis::{BasisConv2d, BasisConv2dConfig, FilterBasis, FilterBasisConfig, ParameterCount};
use common::{devices, distance, values};

/// Three layers on one basis.
#[derive(Module, Debug)]
struct Stage {
    basis: FilterBasis,
    convs: Vec<BasisConv2d>,
}

impl Stage {
    fn new(device: &Device) -> Self {
        let conv = BasisConv2dConfig::new([4, 4], [3, 3], 3, 1).with_padding(PaddingConfig2d::Same);
        let mut basis = FilterBasisConfig::new(3, 4, [3, 3]).init(device);
        basis.weight = Param::from_tensor(values([3, 4, 3, 3], 1, device));
        let convs = (0..3).map(|_| conv.init(device)).collect();
        Self { basis, convs }
    }

    fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        self.convs.iter().fold(input, |x, conv| conv.forward(x, &self.basis))
    }

    /// The same network with a copy of the basis for each layer.
    fn forward_with_copies(&self, input: Tensor<4>, copies: &[FilterBasis]) -> Tensor<4> {
        self.convs.iter().zip(copies).fold(input, |x, (conv, basis)| conv.forward(x, basis))
    }
}

fn input(device: &Device) -> Tensor<4> {
    values([2, 4, 5, 5], 7, device)
}

#[test]
fn the_gradient_of_a_basis_is_the_sum_over_its_uses() {
    for device in devices() {
        let device = device.autodiff();
        let stage = Stage::new(&device);
        let weight = stage.basis.weight.val();
        let copies: Vec<FilterBasis> = (0..3)
            .map(|_| {
                let copy = Tensor::from_data(weight.to_data(), &device);
                FilterBasis { weight: Param::from_tensor(copy) }
            })
            .collect();
        let shared = stage.forward(input(&device)).square().sum().backward();
        let shared = weight.grad(&shared).expect("the basis takes part");
        let apart = stage.forward_with_copies(input(&device), &copies).square().sum().backward();
        let sum = copies
            .iter()
            .map(|copy| copy.weight.val().grad(&apart).expect("each copy takes part"))
            .reduce(|a, b| a + b)
            .expect("three copies");
        let scale: f32 = sum.clone().abs().max().into_scalar();
        assert!(scale > 0.0);
        assert!(distance(shared, sum) <= 1e-5 * scale);
    }
}

#[test]
fn one_optimizer_step_moves_the_basis_once_and_for_every_layer() {
    for device in devices() {
        let device = device.autodiff();
        let mut stage = Stage::new(&device).fork(&device);
        let momentum = MomentumConfig::new().with_momentum(0.9).with_dampening(0.0);
        let mut optimizer = SgdConfig::new().with_momentum(Some(momentum)).init();
        let mut expected = stage.basis.weight.val().detach();
        let mut velocity: Option<Tensor<4>> = None;
        for _ in 0..2 {
            let gradients = stage.forward(input(&device)).square().mean().backward();
            let gradient = stage.basis.weight.val().grad(&gradients).expect("it takes part");
            let gradient = Tensor::from_data(gradient.into_data(), &device);
            let gradients = GradientsParams::from_grads(gradients, &stage);
            stage = optimizer.step(0.1, stage, gradients);
            // SGD with momentum, by hand, on the one summed gradient.
            let step = match velocity {
                Some(previous) => previous * 0.9 + gradient,
                None => gradient,
            };
            expected = expected - step.clone() * 0.1;
            velocity = Some(step);
            assert!(distance(stage.basis.weight.val().detach(), expected.clone()) < 1e-6);
        }
        // Every layer uses the moved tensor: putting it into copies changes nothing.
        let copies: Vec<FilterBasis> = (0..3)
            .map(|_| FilterBasis { weight: Param::from_tensor(stage.basis.weight.val().detach()) })
            .collect();
        let valid = stage.valid();
        let plain = device.without_autodiff();
        let copies: Vec<FilterBasis> = copies.iter().map(Module::valid).collect();
        let difference = distance(
            valid.forward(input(&plain)),
            valid.forward_with_copies(input(&plain), &copies),
        );
        assert_eq!(difference, 0.0);
    }
}

#[test]
fn copies_of_a_parameter_drift_apart() {
    // Why a basis has one owner: what Burn does with a cloned parameter, recorded as a fact.
    #[derive(Module, Debug)]
    struct Cloned {
        first: FilterBasis,
        second: FilterBasis,
    }
    let device = Device::flex().autodiff();
    let basis = FilterBasisConfig::new(1, 1, [1, 1]).init(&device);
    let cloned = Cloned { first: basis.clone(), second: basis }.fork(&device);
    let loss = (cloned.first.weight.val() + cloned.second.weight.val()).sum();
    let gradients = GradientsParams::from_grads(loss.backward(), &cloned);
    let moved = SgdConfig::new().init().step(0.1, cloned, gradients);
    assert!(distance(moved.first.weight.val(), moved.second.weight.val()) > 0.05);
}

#[test]
fn the_basis_is_one_tensor_in_every_copy_and_in_a_file() {
    for device in devices() {
        let stage = Stage::new(&device.clone().autodiff());
        // Unique filters, coefficients and norms of three layers, and the basis once.
        let expected = ParameterCount { trainable: 3 * (36 + 16 + 8) + 108, buffers: 3 * 8 };
        let forked = stage.clone().fork(&device.clone().autodiff());
        let valid = stage.valid();
        let trained = valid.clone().train();
        for copy in [&stage, &forked, &valid, &trained] {
            assert_eq!(ParameterCount::of(copy), expected);
            let (copied, original) = (copy.basis.weight.to_data(), stage.basis.weight.to_data());
            assert_eq!(copied, original);
        }

        let folder = tempfile::tempdir().expect("a temporary folder");
        let file = folder.path().join("stage.bpk");
        let record = valid.clone().into_record();
        // Basis; unique filters, coefficients and four batch norm tensors a layer.
        assert_eq!(record.len(), 1 + 3 * 6);
        valid.clone().save_file(&file).expect("saved");
        let loaded = Stage::new(&device).try_load_file(&file).expect("loaded");
        assert_eq!(ParameterCount::of(&loaded), expected);
        let plain = input(&device);
        assert_eq!(distance(loaded.valid().forward(plain.clone()), valid.forward(plain)), 0.0);
    }
}
