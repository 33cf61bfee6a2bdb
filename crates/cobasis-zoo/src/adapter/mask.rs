//! `mask`: filters scaled tap by tap.

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};
use cobasis::{Source, Start};

use super::modulator::Modulate;
use crate::conv2d::LATER;

/// `W' = W (1 + M)`, element by element: each filter has a mask of its own, the same for all its input channels.
#[derive(Module, Debug)]
pub struct Mask {
    /// What is added to a factor of 1, `[channels_out, 1, kernel_height, kernel_width]`.
    pub mask: Param<Tensor<4>>,
}

impl Mask {
    /// Without an effect.
    pub(super) fn new([filters, _, height, width]: [usize; 4], device: &Device) -> Self {
        Self { mask: LATER.init([filters, 1, height, width], device) }
    }
}

impl Modulate for Mask {
    fn sources(&self) -> Vec<Source> {
        vec![Source::new(&self.mask, Start::Constant(0.0))]
    }

    fn macs(&self, shape: [usize; 4]) -> u64 {
        shape.iter().product::<usize>() as u64
    }

    fn filters(&self, base: Tensor<4>) -> Tensor<4> {
        base * (self.mask.val() + 1.0)
    }
}
