//! A pass through a network.
//!
//! A layer says once what is applied to what, in its `pass`. What flows along, and so what comes out,
//! is the pass's choice: feature maps in [`Forward`](crate::Forward), their shapes in a
//! [`CostTable`](crate::CostTable), the nodes of a graph where a network is exported.

use burn::module::Param;
use burn::nn::conv::{Conv1d, Conv2d};
use burn::nn::{BatchNorm, Linear};
use burn::tensor::Tensor;
use cobasis_kernels::{Activation, Windows};

use crate::basis::FilterBasis;
use crate::convolution::{Composed, Convolution};
use crate::inner_filters::InnerFilters;
use crate::place::Place;

/// What can happen in a network, layer by layer. Methods take the layer's place, the layer and its
/// input, and give its output.
///
/// ```
/// use burn::nn::{BatchNorm, conv::Conv2d};
/// use cobasis::{Activation, BasisConv2d, FilterBasis, Pass, Place};
///
/// struct Block {
///     conv: BasisConv2d,
///     norm: BatchNorm,
/// }
///
/// impl Block {
///     /// From this one description come output (`Forward`) and costs (`CostTable`).
///     fn pass<P: Pass>(&self, pass: &mut P, at: &Place, basis: &FilterBasis, x: P::Map) -> P::Map {
///         let x = self.conv.pass(pass, &at.field("conv"), basis, x);
///         pass.norm(&at.field("norm"), &self.norm, x, Activation::Relu)
///     }
/// }
/// ```
pub trait Pass {
    /// Stands for maps of shape `[batch, channels, height, width]`.
    type Map: Clone;
    /// Stands for one number a channel or class, `[batch, channels]`.
    type Vector;

    /// A bank of shared filters, where its owner is: before the layers that use it.
    fn bank(&mut self, _at: &Place, _basis: &FilterBasis) {}

    /// The inner filters of a layer of which training keeps only some, before the two convolutions
    /// of the layer, the first of which is declared at `at`.
    fn inner_filters(&mut self, _at: &Place, _inner: impl FnOnce() -> InnerFilters) {}

    /// A convolution, whatever its filters are.
    fn conv(&mut self, at: &Place, conv: Convolution<'_>, x: Self::Map) -> Self::Map;

    /// Burn's convolution.
    fn conv2d(&mut self, at: &Place, conv: &Conv2d, x: Self::Map) -> Self::Map {
        self.conv(at, conv.into(), x)
    }

    /// Batch norm, a shortcut that is added if there is one, and what follows:
    /// `then(norm(x) + shortcut)`.
    fn norm_add(
        &mut self,
        at: &Place,
        norm: &BatchNorm,
        x: Self::Map,
        shortcut: Option<Self::Map>,
        then: Activation,
    ) -> Self::Map;

    /// Batch norm and what follows it.
    fn norm(&mut self, at: &Place, norm: &BatchNorm, x: Self::Map, then: Activation) -> Self::Map {
        self.norm_add(at, norm, x, None, then)
    }

    /// What follows a layer that has no batch norm, and whose output goes nowhere else.
    fn activate(&mut self, x: Self::Map, then: Activation) -> Self::Map;

    /// The sum of maps of equal shape.
    fn add(&mut self, x: Self::Map, shortcut: Self::Map) -> Self::Map;

    /// Maps joined along the channels.
    fn concat(&mut self, x: Self::Map, added: Self::Map) -> Self::Map;

    /// The sum of maps and of coarser ones, whose every pixel stands for four of theirs: where the size
    /// of the finer ones is odd, the last row or column of that is cut off.
    fn add_upsampled(&mut self, x: Self::Map, coarse: Self::Map) -> Self::Map;

    /// The maximum of each window.
    fn max_pool(&mut self, windows: Windows, x: Self::Map) -> Self::Map;

    /// The mean of each window.
    fn avg_pool(&mut self, windows: Windows, x: Self::Map) -> Self::Map;

    /// Every `stride`-th pixel, between new channels of zeros: half of them before the others.
    fn pad(&mut self, stride: usize, new_channels: usize, x: Self::Map) -> Self::Map;

    /// Channels scaled by the sigmoid of a convolution along their means.
    fn attention(&mut self, at: &Place, conv: &Conv1d, x: Self::Map) -> Self::Map;

    /// The mean of each map.
    fn global_average(&mut self, x: Self::Map) -> Self::Vector;

    /// Maps of several sizes and one number of channels, pixel by pixel and row by row, map after map:
    /// `[batch, pixels × channels]`.
    fn pixels(&mut self, maps: Vec<Self::Map>) -> Self::Vector;

    /// A linear layer.
    fn linear(&mut self, at: &Place, linear: &Linear, x: Self::Vector) -> Self::Vector;

    /// A linear layer whose weights are computed: as filters of shape `[outputs, inputs, 1, 1]`, with a
    /// bias of shape `[outputs]`.
    fn composed_linear(
        &mut self,
        at: &Place,
        weights: Composed<'_>,
        bias: &Param<Tensor<1>>,
        x: Self::Vector,
    ) -> Self::Vector;
}
