//! The layers of a deployed model.

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor, TensorData};
use cobasis::FilterBasis;
use cobasis_kernels::{ConvEpilogue, ConvOptions, Maps, Windows};

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
        let graph::Conv { own, basis, scale, bias, options, .. } = conv;
        Self {
            own: own.map(|filters| filters_on(filters, device)),
            scale: scale.map(|numbers| numbers_on(&numbers, device)),
            bias: bias.map(|numbers| numbers_on(&numbers, device)),
            basis,
            stride: options.stride,
            padding: options.padding,
            groups: options.groups,
        }
    }

    /// `then(scale × conv(x) + bias + residual)`, with the basis that it uses.
    pub(super) fn forward(
        &self,
        x: Maps,
        basis: Option<&FilterBasis>,
        residual: Option<Maps>,
        then: Activation,
    ) -> Maps {
        let Self { stride, padding, groups, .. } = *self;
        let banks: Vec<Tensor<4>> = self.banks(basis).map(|weight| weight.val()).collect();
        let [scale, bias] =
            [&self.scale, &self.bias].map(|numbers| numbers.as_ref().map(Param::val));
        let epilogue = ConvEpilogue { scale, bias, residual, activation: then };
        x.conv2d(&banks, ConvOptions { stride, padding, groups }, epilogue)
    }

    /// `[filters, channels / groups, height, width]`, its basis included.
    pub(super) fn filter_shape(&self, basis: Option<&FilterBasis>) -> [usize; 4] {
        let shapes = self.banks(basis).map(|weight| weight.lazy_shape().dims::<4>());
        let sum = |sum: [usize; 4], [filters, rest @ ..]: [usize; 4]| {
            [sum[0] + filters, rest[0], rest[1], rest[2]]
        };
        shapes.fold([0; 4], sum)
    }

    /// How filters of this size move over their input.
    pub(super) fn windows(&self, size: [usize; 2]) -> Windows {
        Windows { size, stride: self.stride, padding: self.padding }
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

    /// Maps of the input's shape.
    pub(super) fn forward(&self, x: Maps, then: Activation) -> Maps {
        x.affine(self.scale.val(), self.shift.val(), then)
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
