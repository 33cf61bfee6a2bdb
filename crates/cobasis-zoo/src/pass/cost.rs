//! The pass that counts.

use burn::nn::conv::Conv2d;
use burn::nn::pool::{AvgPool2d, MaxPool2d};
use burn::nn::{BatchNorm, Linear};
use cobasis::{BasisConv2d, CostTable, FilterBasis, PartlySharedConv2d, SharedConv2d};
use cobasis_kernels::Windows;

use super::{Activation, Pass, Place, avg_windows, max_windows};
use crate::attention::ChannelAttention;
use crate::shortcut::PadShortcut;

/// Enters layers into a [`CostTable`]; what flows along is `[channels, height, width]`.
pub(crate) struct CostPass(pub(crate) CostTable);

impl CostPass {
    /// The shape that the layer entered last puts out.
    fn output(&self) -> [usize; 3] {
        self.0.rows().last().and_then(|row| row.output).unwrap_or_default()
    }
}

/// `[channels, height, width]` after windows have moved over it.
pub(crate) fn pooled(
    [channels, height, width]: [usize; 3],
    Windows { size, stride, padding }: Windows,
) -> [usize; 3] {
    let side = |axis: usize, length: usize| {
        let padded = length + 2 * padding[axis];
        assert!(padded >= size[axis], "{length} pixels are fewer than a window of {size:?}");
        (padded - size[axis]) / stride[axis] + 1
    };
    [channels, side(0, height), side(1, width)]
}

impl Pass for CostPass {
    type Map = [usize; 3];
    type Vector = ();

    fn basis(&mut self, place: &Place, basis: &FilterBasis) {
        self.0.basis(&place.to_string(), basis);
    }

    fn conv2d(&mut self, place: &Place, conv: &Conv2d, [_, h, w]: [usize; 3]) -> [usize; 3] {
        self.0.conv2d(&place.to_string(), conv, [h, w]);
        self.output()
    }

    fn basis_conv2d(
        &mut self,
        place: &Place,
        conv: &BasisConv2d,
        [_, h, w]: [usize; 3],
    ) -> [usize; 3] {
        self.0.basis_conv2d(&place.to_string(), conv, place.bases().first(), [h, w]);
        self.output()
    }

    fn shared_conv2d(
        &mut self,
        place: &Place,
        conv: &SharedConv2d,
        basis: &FilterBasis,
        [_, h, w]: [usize; 3],
    ) -> [usize; 3] {
        self.0.shared_conv2d(&place.to_string(), conv, basis, [h, w]);
        self.output()
    }

    fn partly_shared_conv2d(
        &mut self,
        place: &Place,
        conv: &PartlySharedConv2d,
        basis: &FilterBasis,
        [_, h, w]: [usize; 3],
    ) -> [usize; 3] {
        self.0.partly_shared_conv2d(&place.to_string(), conv, basis, [h, w]);
        let [shared, h, w] = self.output();
        [conv.unique.weight.lazy_shape()[0] + shared, h, w]
    }

    fn norm(
        &mut self,
        place: &Place,
        norm: &BatchNorm,
        x: [usize; 3],
        _: Activation,
    ) -> [usize; 3] {
        self.0.batch_norm(&place.to_string(), norm, [x[1], x[2]]);
        x
    }

    fn norm_add(
        &mut self,
        place: &Place,
        norm: &BatchNorm,
        x: [usize; 3],
        _: [usize; 3],
        then: Activation,
    ) -> [usize; 3] {
        self.norm(place, norm, x, then)
    }

    fn activate(&mut self, x: [usize; 3], _: Activation) -> [usize; 3] {
        x
    }

    fn add(&mut self, x: [usize; 3], _: [usize; 3]) -> [usize; 3] {
        x
    }

    fn concat(&mut self, [first, h, w]: [usize; 3], [second, ..]: [usize; 3]) -> [usize; 3] {
        [first + second, h, w]
    }

    fn max_pool(&mut self, pool: &MaxPool2d, x: [usize; 3]) -> [usize; 3] {
        pooled(x, max_windows(pool))
    }

    fn avg_pool(&mut self, pool: &AvgPool2d, x: [usize; 3]) -> [usize; 3] {
        pooled(x, avg_windows(pool))
    }

    fn pad(&mut self, pad: &PadShortcut, [channels, h, w]: [usize; 3]) -> [usize; 3] {
        [channels + pad.new_channels, h.div_ceil(pad.stride), w.div_ceil(pad.stride)]
    }

    fn attention(&mut self, place: &Place, layer: &ChannelAttention, x: [usize; 3]) -> [usize; 3] {
        // A few multiplications a channel, which the authors' counts leave out too.
        let weights = layer.conv.weight.lazy_shape().num_elements();
        self.0.weights(&place.field("conv").to_string(), weights, x);
        x
    }

    fn global_average(&mut self, _: [usize; 3]) {}

    fn linear(&mut self, place: &Place, linear: &Linear, (): ()) {
        self.0.linear(&place.to_string(), linear);
    }
}
