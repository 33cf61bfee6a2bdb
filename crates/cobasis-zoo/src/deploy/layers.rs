//! The layers of a deployed model.

use burn::module::{Module, Param};
use burn::tensor::module::conv2d;
use burn::tensor::ops::ConvOptions;
use burn::tensor::{Device, Tensor, TensorData};
use cobasis::FilterBasis;

use crate::graph::{self, Filters};
use crate::pass::Activation;

/// A convolution into which what surrounded it is folded.
#[derive(Module, Debug)]
pub struct FoldedConv {
    /// Filters that are its own, `[filters, channels / groups, height, width]`. Those of its basis
    /// come after them.
    pub own: Option<Param<Tensor<4>>>,
    /// A factor for each output channel, where filters of a basis prevent it from being folded into
    /// them.
    pub scale: Option<Param<Tensor<1>>>,
    /// A summand for each output channel.
    pub bias: Option<Param<Tensor<1>>>,
    /// Which of the model's bases it uses.
    pub basis: Option<usize>,
    /// The stride, `[vertical, horizontal]`.
    pub stride: [usize; 2],
    /// The zeros on each side, `[vertical, horizontal]`.
    pub padding: [usize; 2],
    /// The groups.
    pub groups: usize,
}

/// `scale × x + shift` in each channel.
#[derive(Module, Debug)]
pub struct Affine {
    /// A factor for each channel.
    pub scale: Param<Tensor<1>>,
    /// A summand for each channel.
    pub shift: Param<Tensor<1>>,
}

impl FoldedConv {
    pub(super) fn new(conv: graph::Conv, device: &Device) -> Self {
        let graph::Conv { own, basis, scale, bias, geometry, .. } = conv;
        Self {
            own: own.map(|filters| filters_on(filters, device)),
            scale: scale.map(|numbers| numbers_on(&numbers, device)),
            bias: bias.map(|numbers| numbers_on(&numbers, device)),
            basis,
            stride: geometry.stride,
            padding: geometry.pad,
            groups: geometry.groups,
        }
    }

    /// `then(scale × conv(x) + bias + residual)`, with the basis that it uses.
    pub(super) fn forward(
        &self,
        x: Tensor<4>,
        basis: Option<&FilterBasis>,
        residual: Option<Tensor<4>>,
        then: Activation,
    ) -> Tensor<4> {
        let banks = self.banks(basis).map(|weight| weight.val());
        let filters = Tensor::cat(banks.collect(), 0);
        let pad = self.padding.map(|side| (side, side));
        let options = ConvOptions::new_with_padding(self.stride, pad, [1, 1], self.groups);
        let bias = self.bias.as_ref().map(|bias| bias.val());
        let mut x = match &self.scale {
            None => conv2d(x, filters, bias, options),
            Some(scale) => {
                let x = conv2d(x, filters, None, options) * by_channel(scale);
                self.bias.iter().fold(x, |x, bias| x + by_channel(bias))
            }
        };
        if let Some(residual) = residual {
            x = x + residual;
        }
        then.apply(x)
    }

    /// `[filters, channels / groups, height, width]`, its basis included.
    pub(super) fn filter_shape(&self, basis: Option<&FilterBasis>) -> [usize; 4] {
        let shapes = self.banks(basis).map(|weight| weight.lazy_shape().dims::<4>());
        let sum = |sum: [usize; 4], [filters, rest @ ..]: [usize; 4]| {
            [sum[0] + filters, rest[0], rest[1], rest[2]]
        };
        shapes.fold([0; 4], sum)
    }

    /// The weights with which it computes an output pixel.
    pub(super) fn weights(&self, basis: Option<&FilterBasis>) -> usize {
        self.filter_shape(basis).iter().product()
    }

    fn banks<'a>(
        &'a self,
        basis: Option<&'a FilterBasis>,
    ) -> impl Iterator<Item = &'a Param<Tensor<4>>> {
        self.own.iter().chain(basis.map(|basis| &basis.weight))
    }
}

impl Affine {
    pub(super) fn new(affine: &graph::Affine, device: &Device) -> Self {
        let graph::Affine { scale, shift } = affine;
        Self { scale: numbers_on(scale, device), shift: numbers_on(shift, device) }
    }

    /// Maps of the input's shape, `[batch, channels, height, width]`.
    pub fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        x * by_channel(&self.scale) + by_channel(&self.shift)
    }
}

/// Filters on a device.
pub(super) fn filters_on(filters: Filters, device: &Device) -> Param<Tensor<4>> {
    Param::from_data(TensorData::new(filters.values, filters.shape), device)
}

/// Numbers of channels on a device.
fn numbers_on(numbers: &[f64], device: &Device) -> Param<Tensor<1>> {
    let values: Vec<f32> = numbers.iter().map(|&value| value as f32).collect();
    let shape = [values.len()];
    Param::from_data(TensorData::new(values, shape), device)
}

/// Numbers of channels beside maps, `[1, channels, 1, 1]`.
fn by_channel(numbers: &Param<Tensor<1>>) -> Tensor<4> {
    numbers.val().reshape([1, -1, 1, 1])
}
