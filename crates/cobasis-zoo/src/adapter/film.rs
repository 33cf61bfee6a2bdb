//! `film`: a factor and a summand for each output channel.

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};
use cobasis::{Source, Start};

use super::modulator::Modulate;
use crate::conv2d::LATER;

/// `y = (1 + gₒ) (W * x)ₒ + bₒ`: what comes out of a convolution is scaled and moved, channel by channel.
///
/// The batch norms after it stay the base's, their statistics too: one that normalised with the statistics
/// of a batch would take both out again.
///
/// Source: feature-wise linear modulation (Perez et al. 2018).
#[derive(Module, Debug)]
pub struct Film {
    /// What is added to a factor of 1, `[channels_out]`.
    pub scale: Param<Tensor<1>>,
    /// The summand, `[channels_out]`; it starts as the bias of the base's convolution, if that has one, in whose place
    /// it stands.
    pub shift: Param<Tensor<1>>,
}

impl Film {
    /// Without an effect.
    pub(super) fn new([filters, ..]: [usize; 4], device: &Device) -> Self {
        Self { scale: LATER.init([filters], device), shift: LATER.init([filters], device) }
    }
}

impl Modulate for Film {
    fn sources(&self) -> Vec<Source> {
        vec![Source::new(&self.scale, Start::Constant(0.0))]
    }

    fn macs(&self, shape: [usize; 4]) -> u64 {
        shape.iter().product::<usize>() as u64
    }

    fn filters(&self, base: Tensor<4>) -> Tensor<4> {
        let [filters, ..] = base.dims();
        base * (self.scale.val() + 1.0).reshape([filters, 1, 1, 1])
    }

    fn bias(&self) -> Option<&Param<Tensor<1>>> {
        Some(&self.shift)
    }
}
