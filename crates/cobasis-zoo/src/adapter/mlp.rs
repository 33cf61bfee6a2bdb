//! `mlp`: filters changed by a small network.

use burn::module::{Module, Param};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};
use cobasis::{Source, Start};

use super::modulator::Modulate;
use crate::conv2d::LATER;

/// `W'[o, i, :] = W[o, i, :] + MLP(W[o, i, :])`: the `k²` taps of each filter and channel go through one network
/// with a hidden layer and ReLU, which a convolution has for itself. Its second layer starts at 0.
///
/// **A guess.** *Kernel Modulation* (Hu & Liu, ICPR 2022) says that all parameters of a base are adapted by lightweight
/// modulators of 1.4 % of its size; its formula is not public, and this is one that fits the words.
#[derive(Module, Debug)]
pub struct Mlp {
    /// `[taps, hidden]`.
    pub hidden: Param<Tensor<2>>,
    /// `[hidden]`.
    pub hidden_bias: Param<Tensor<1>>,
    /// `[hidden, taps]`.
    pub output: Param<Tensor<2>>,
    /// `[taps]`.
    pub output_bias: Param<Tensor<1>>,
}

impl Mlp {
    /// Without numbers.
    pub(super) fn new(hidden: usize, shape: [usize; 4], device: &Device) -> Self {
        let [_, _, height, width] = shape;
        let taps = height * width;
        Self {
            hidden: LATER.init([taps, hidden], device),
            hidden_bias: LATER.init([hidden], device),
            output: LATER.init([hidden, taps], device),
            output_bias: LATER.init([taps], device),
        }
    }
}

impl Modulate for Mlp {
    fn sources(&self) -> Vec<Source> {
        // Kaiming initialisation by the number of inputs.
        let deviation = (2.0 / self.hidden.lazy_shape()[0] as f64).sqrt();
        let zero = Start::Constant(0.0);
        vec![
            Source::new(&self.hidden, Start::Normal(deviation)),
            Source::new(&self.hidden_bias, zero),
            Source::new(&self.output, zero),
            Source::new(&self.output_bias, zero),
        ]
    }

    fn macs(&self, shape: [usize; 4]) -> u64 {
        let hidden = self.hidden.lazy_shape()[1];
        (2 * hidden * shape.iter().product::<usize>()) as u64
    }

    fn filters(&self, base: Tensor<4>) -> Tensor<4> {
        let shape @ [filters, channels, height, width] = base.dims();
        let [taps, hidden] = self.hidden.dims();
        let rows = base.clone().reshape([filters * channels, height * width]);
        let rows = rows.matmul(self.hidden.val()) + self.hidden_bias.val().reshape([1, hidden]);
        let rows = relu(rows).matmul(self.output.val());
        base + (rows + self.output_bias.val().reshape([1, taps])).reshape(shape)
    }
}
