//! The layers of a deployed model.

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor, TensorData};
use cobasis::{Activation, FilterBasis, Geometry, Maps};
use cobasis_kernels::ConvEpilogue;

use crate::graph::{self, Filters};

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
    #[module(skip)]
    pub bases: Vec<usize>,
    /// How the filters move.
    #[module(skip)]
    pub geometry: Geometry,
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
        let graph::Conv { own, bases, scale, bias, geometry, .. } = conv;
        Self {
            own: own.map(|filters| filters_on(filters, device)),
            scale: scale.map(|numbers| numbers_on(&numbers, device)),
            bias: bias.map(|numbers| numbers_on(&numbers, device)),
            bases,
            geometry,
        }
    }

    /// `then(scale × conv(x) + bias + residual)`, with the model's bases.
    pub(super) fn forward(
        &self,
        x: Maps,
        bases: &[FilterBasis],
        residual: Option<Maps>,
        then: Activation,
    ) -> Maps {
        let banks: Vec<Tensor<4>> = self.banks(bases).map(|weight| weight.val()).collect();
        let [scale, bias] =
            [&self.scale, &self.bias].map(|numbers| numbers.as_ref().map(Param::val));
        let epilogue = ConvEpilogue { scale, bias, residual, activation: then };
        let ([_, _, size @ ..], [_, _, kernel @ ..]) = (x.dims(), self.filter_shape(bases));
        x.conv2d(&banks, self.geometry.options(kernel, size), epilogue)
    }

    /// `[filters, channels / groups, height, width]`, those of its bases included.
    pub(super) fn filter_shape(&self, bases: &[FilterBasis]) -> [usize; 4] {
        let shapes = self.banks(bases).map(|weight| weight.lazy_shape().dims::<4>());
        let sum = |sum: [usize; 4], [filters, rest @ ..]: [usize; 4]| {
            [sum[0] + filters, rest[0], rest[1], rest[2]]
        };
        shapes.fold([0; 4], sum)
    }

    /// The weights with which it computes an output pixel.
    pub(super) fn weights(&self, bases: &[FilterBasis]) -> usize {
        self.filter_shape(bases).iter().product()
    }

    fn banks<'a>(&'a self, bases: &'a [FilterBasis]) -> impl Iterator<Item = &'a Param<Tensor<4>>> {
        self.own.iter().chain(self.bases.iter().map(|&basis| &bases[basis].weight))
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
