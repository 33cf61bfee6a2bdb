//! A pass through a network.
//!
//! A network says once what is applied to what, in its `pass`. What flows along, and so what comes
//! out, is the pass's choice: feature maps in [`Forward`], their shapes in [`CostPass`], and the
//! nodes of a graph in [`Trace`].

mod cost;
mod forward;
mod place;
mod trace;

use burn::nn::conv::Conv2d;
use burn::nn::pool::{AvgPool2d, MaxPool2d};
use burn::nn::{BatchNorm, Linear, PaddingConfig2d};
use cobasis::{BasisConv2d, FilterBasis, PartlySharedConv2d, SharedConv2d};
use cobasis_kernels::Windows;

use crate::attention::ChannelAttention;
use crate::shortcut::PadShortcut;

pub(crate) use cobasis_kernels::Activation;
pub(crate) use cost::{CostPass, pooled};
pub(crate) use forward::{Forward, enter};
pub(crate) use place::Place;
pub(crate) use trace::Trace;

/// What can happen in a network, layer by layer. Each method takes the layer's place, the layer
/// and its input, and gives its output.
pub(crate) trait Pass {
    /// Stands for maps of shape `[batch, channels, height, width]`.
    type Map: Clone;
    /// Stands for one number a channel or class, `[batch, channels]`.
    type Vector;

    /// A basis, where its owner is: before the layers that use it.
    fn basis(&mut self, _place: &Place, _basis: &FilterBasis) {}

    /// The output of a stage.
    fn end_of_stage(&mut self, _maps: &Self::Map) {}

    fn conv2d(&mut self, place: &Place, conv: &Conv2d, x: Self::Map) -> Self::Map;

    fn basis_conv2d(&mut self, place: &Place, conv: &BasisConv2d, x: Self::Map) -> Self::Map;

    fn shared_conv2d(
        &mut self,
        place: &Place,
        conv: &SharedConv2d,
        basis: &FilterBasis,
        x: Self::Map,
    ) -> Self::Map;

    fn partly_shared_conv2d(
        &mut self,
        place: &Place,
        conv: &PartlySharedConv2d,
        basis: &FilterBasis,
        x: Self::Map,
    ) -> Self::Map;

    /// Batch norm and what follows it.
    fn norm(
        &mut self,
        place: &Place,
        norm: &BatchNorm,
        x: Self::Map,
        then: Activation,
    ) -> Self::Map;

    /// Batch norm, a shortcut that is added, and what follows the sum.
    fn norm_add(
        &mut self,
        place: &Place,
        norm: &BatchNorm,
        x: Self::Map,
        shortcut: Self::Map,
        then: Activation,
    ) -> Self::Map;

    /// What follows a layer that has no batch norm, and whose output goes nowhere else.
    fn activate(&mut self, x: Self::Map, then: Activation) -> Self::Map;

    fn add(&mut self, x: Self::Map, shortcut: Self::Map) -> Self::Map;

    /// Joins maps along the channels.
    fn concat(&mut self, x: Self::Map, added: Self::Map) -> Self::Map;

    fn max_pool(&mut self, pool: &MaxPool2d, x: Self::Map) -> Self::Map;

    fn avg_pool(&mut self, pool: &AvgPool2d, x: Self::Map) -> Self::Map;

    fn pad(&mut self, pad: &PadShortcut, x: Self::Map) -> Self::Map;

    fn attention(&mut self, place: &Place, layer: &ChannelAttention, x: Self::Map) -> Self::Map;

    /// The mean of each map.
    fn global_average(&mut self, x: Self::Map) -> Self::Vector;

    fn linear(&mut self, place: &Place, linear: &Linear, x: Self::Vector) -> Self::Vector;
}

/// The zeros on each side that a layer of the zoo adds, `[vertical, horizontal]`.
fn padding(padding: &PaddingConfig2d) -> [usize; 2] {
    match *padding {
        PaddingConfig2d::Explicit(top, left, ..) => [top, left],
        PaddingConfig2d::Valid | PaddingConfig2d::Same => [0, 0],
    }
}

fn max_windows(pool: &MaxPool2d) -> Windows {
    Windows { size: pool.kernel_size, stride: pool.stride, padding: padding(&pool.padding) }
}

fn avg_windows(pool: &AvgPool2d) -> Windows {
    Windows { size: pool.kernel_size, stride: pool.stride, padding: padding(&pool.padding) }
}
