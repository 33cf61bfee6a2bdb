//! A small residual network whose stages share filters, trained to tell the direction of stripes.
//!
//! The guide "Building your own network" in `docs/own-network.md` walks through it. To run it:
//! `cargo run -p cobasis --example small_network`.

// ANCHOR: uses
use std::f32::consts::{FRAC_PI_4, TAU};

use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::loss::CrossEntropyLossConfig;
use burn::nn::{BatchNorm, BatchNormConfig, Linear, LinearConfig, PaddingConfig2d};
use burn::optim::momentum::MomentumConfig;
use burn::optim::{GradientsParams, SgdConfig};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Distribution, Int, Tensor, TensorData};
use cobasis::ortho::{Counted, FilterGroup, Orthonormality, penalty};
use cobasis::{BasisConv2d, BasisConv2dConfig, FilterBasis, FilterBasisConfig, ParameterCount};
// ANCHOR_END: uses

// ANCHOR: block
/// Two convolutions and a shortcut. It owns its layers and borrows the basis.
#[derive(Module, Debug)]
struct Block {
    conv1: BasisConv2d,
    norm1: BatchNorm,
    conv2: BasisConv2d,
    norm2: BatchNorm,
}

impl Block {
    /// `channels` in and out, with `shared` filters of the stage and one unique filter per layer.
    fn new(channels: usize, shared: usize, device: &Device) -> Self {
        let conv = BasisConv2dConfig::new([channels, channels], [3, 3], shared, 1)
            .with_padding(PaddingConfig2d::Same);
        let norm = BatchNormConfig::new(channels);
        Self {
            conv1: conv.init(device),
            norm1: norm.init(device),
            conv2: conv.init(device),
            norm2: norm.init(device),
        }
    }

    fn forward(&self, x: Tensor<4>, basis: &FilterBasis) -> Tensor<4> {
        let y = relu(self.norm1.forward(self.conv1.forward(x.clone(), basis)));
        let y = self.norm2.forward(self.conv2.forward(y, basis));
        relu(x + y)
    }
}
// ANCHOR_END: block

// ANCHOR: stage
/// Blocks that share one basis, which only the stage owns.
#[derive(Module, Debug)]
struct Stage {
    basis: FilterBasis,
    blocks: Vec<Block>,
}

impl Stage {
    fn new(blocks: usize, channels: usize, shared: usize, device: &Device) -> Self {
        Self {
            basis: FilterBasisConfig::new(shared, channels, [3, 3]).init(device),
            blocks: (0..blocks).map(|_| Block::new(channels, shared, device)).collect(),
        }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        self.blocks.iter().fold(x, |x, block| block.forward(x, &self.basis))
    }

    /// The filters that the penalty keeps orthonormal.
    fn filters(&self) -> FilterGroup {
        let convs = self.blocks.iter().flat_map(|block| [&block.conv1, &block.conv2]);
        let unique = convs.filter_map(|conv| conv.unique.as_ref());
        FilterGroup {
            shared: vec![self.basis.weight.val()],
            unique: unique.map(|filters| filters.val()).collect(),
        }
    }
}
// ANCHOR_END: stage

// ANCHOR: network
/// Stem, a stage of 16 channels, a convolution of stride 2, a stage of 32, classifier.
#[derive(Module, Debug)]
struct Network {
    stem: Conv2d,
    stage1: Stage,
    down: Conv2d,
    stage2: Stage,
    head: Linear,
}

impl Network {
    fn new(device: &Device) -> Self {
        let dense = |channels| {
            Conv2dConfig::new(channels, [3, 3]).with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1))
        };
        Self {
            stem: dense([1, 16]).init(device),
            stage1: Stage::new(3, 16, 8, device),
            down: dense([16, 32]).with_stride([2, 2]).init(device),
            stage2: Stage::new(3, 32, 16, device),
            head: LinearConfig::new(32, DIRECTIONS).init(device),
        }
    }

    /// Logits `[batch, DIRECTIONS]` of images `[batch, 1, height, width]`.
    fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        let x = self.stage1.forward(relu(self.stem.forward(images)));
        let x = self.stage2.forward(relu(self.down.forward(x)));
        self.head.forward(x.mean_dims(&[2, 3]).flatten(1, 3))
    }

    /// How far the filters are from orthonormal: to be added to the loss, times λ.
    fn penalty(&self) -> Tensor<1> {
        let stages = vec![self.stage1.filters(), self.stage2.filters()];
        penalty(&[stages], Counted::SharedAndUnique).expect("both stages have a basis")
    }
}
// ANCHOR_END: network

// ANCHOR: data
const DIRECTIONS: usize = 4;
const SIDE: usize = 16;
const BATCH: usize = 32;

/// Noisy stripes in one of four directions: images `[BATCH, 1, SIDE, SIDE]` and labels `[BATCH]`.
fn stripes(device: &Device) -> (Tensor<4>, Tensor<1, Int>) {
    let shifts = Tensor::<1>::random([BATCH], Distribution::Uniform(0.0, TAU.into()), device);
    let shifts: Vec<f32> = shifts.into_data().iter().collect();
    let directions: Vec<i32> = (0..BATCH).map(|image| (image % DIRECTIONS) as i32).collect();
    let mut pixels = Vec::with_capacity(BATCH * SIDE * SIDE);
    for (direction, shift) in directions.iter().zip(shifts) {
        let (sin, cos) = (*direction as f32 * FRAC_PI_4).sin_cos();
        for pixel in 0..SIDE * SIDE {
            let (y, x) = ((pixel / SIDE) as f32, (pixel % SIDE) as f32);
            pixels.push((1.5 * (cos * x + sin * y) + shift).sin());
        }
    }
    let shape = [BATCH, 1, SIDE, SIDE];
    let images = Tensor::from_data(TensorData::new(pixels, shape), device);
    let noise = Tensor::random(shape, Distribution::Normal(0.0, 1.0), device);
    (images + noise, Tensor::from_data(TensorData::new(directions, [BATCH]), device))
}
// ANCHOR_END: data

// ANCHOR: train
const LAMBDA: f64 = 10.0;

/// Trains a network for `steps` steps of SGD and prints losses on the way.
fn train(steps: usize, device: &Device) -> Network {
    let device = device.clone().autodiff();
    let mut network = Network::new(&device);
    // Burn's default dampening is 0.1; the paper's is PyTorch's, none.
    let momentum = MomentumConfig::new().with_momentum(0.9).with_dampening(0.0);
    let mut optimizer = SgdConfig::new().with_momentum(Some(momentum)).init();
    let cross_entropy = CrossEntropyLossConfig::new().init(&device);
    for step in 1..=steps {
        let (images, labels) = stripes(&device);
        let task = cross_entropy.forward(network.forward(images), labels);
        let penalty = network.penalty();
        if step == 1 || step % 20 == 0 {
            let [task, penalty]: [f32; 2] =
                [task.clone(), penalty.clone()].map(Tensor::into_scalar);
            println!("step {step:3}: cross entropy {task:.3}, penalty {penalty:.1e}");
        }
        let loss = task + penalty * LAMBDA;
        let gradients = GradientsParams::from_grads(loss.backward(), &network);
        network = optimizer.step(0.02, network, gradients);
    }
    network.valid()
}
// ANCHOR_END: train

// ANCHOR: judge
/// The share of stripes whose direction the network predicts correctly.
fn accuracy(network: &Network, device: &Device) -> f32 {
    let (images, labels) = stripes(device);
    let predicted = network.forward(images).argmax(1).flatten::<1>(0, 1);
    predicted.equal(labels).float().mean().into_scalar()
}

fn main() {
    let device = Device::flex();
    device.seed(1);
    let network = train(60, &device);
    let right = 100.0 * accuracy(&network, &device);
    println!("{right:.0} % of new images right");
    for (name, stage) in [("stage 1", &network.stage1), ("stage 2", &network.stage2)] {
        let Orthonormality { max_off_diagonal, min_row_norm, max_row_norm, .. } =
            Orthonormality::of(stage.basis.weight.val());
        println!(
            "{name}: filters have norms from {min_row_norm:.3} to {max_row_norm:.3}, \
             inner products of at most {max_off_diagonal:.3}"
        );
    }
    println!("{} parameters", ParameterCount::of(&network).trainable);
}
// ANCHOR_END: judge

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_learns_and_its_filters_stay_orthonormal() {
        let device = Device::flex();
        let network = train(60, &device);
        let right = accuracy(&network, &device);
        assert!(right > 0.9, "{right}");
        for stage in [&network.stage1, &network.stage2] {
            let report = Orthonormality::of(stage.basis.weight.val());
            assert!(report.max_off_diagonal < 0.2, "{report:?}");
            assert!(report.min_row_norm > 0.8 && report.max_row_norm < 1.2, "{report:?}");
        }
    }

    #[test]
    fn sharing_saves_parameters() {
        let network = Network::new(&Device::flex());
        // Dense, a stage would have six convolutions of 9 * channels^2 parameters, and their norms.
        let dense: u64 =
            [16, 32].map(|channels| 6 * (9 * channels * channels + 2 * channels)).iter().sum();
        let stages = [&network.stage1, &network.stage2];
        let ours: u64 = stages.iter().map(|stage| ParameterCount::of(*stage).trainable).sum();
        assert_eq!((ours, dense), (13_368, 69_696));
    }
}
