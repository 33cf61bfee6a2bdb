//! Two 3×3 convolutions of a head, with filters of their own or on the head's basis.

use burn::module::Module;
use burn::nn::BatchNorm;
use burn::nn::PaddingConfig2d;
use burn::nn::conv::Conv2d;
use burn::tensor::Device;
use cobasis::{Activation, Bases, BasisConv2d, BasisConv2dConfig, Pass, Place};

use super::config::{DetectorConfig, HeadKind};
use super::norm;
use crate::banks::{Banks, Scope};
use crate::conv2d::{LATER, conv2d};

/// `relu(norm2(conv2(relu(norm1(conv1(x))))))`.
#[derive(Module, Debug)]
pub struct Branch {
    /// First convolution.
    pub conv1: BranchConv,
    /// Batch norm after it: of this branch on this level alone.
    pub norm1: BatchNorm,
    /// Second convolution.
    pub conv2: BranchConv,
    /// Batch norm after it.
    pub norm2: BatchNorm,
}

/// A 3×3 convolution of a branch.
#[derive(Module, Debug)]
#[expect(clippy::large_enum_variant, reason = "Burn has no Module for Box, and there are few")]
pub enum BranchConv {
    /// With filters of its own.
    Dense(Conv2d),
    /// On the basis of the head.
    Shared(BasisConv2d),
}

impl Branch {
    /// With its weights at zero.
    pub(super) fn new(config: &DetectorConfig, banks: &Banks, device: &Device) -> Self {
        Self {
            conv1: BranchConv::new(config, banks, device),
            norm1: norm(config.width, device),
            conv2: BranchConv::new(config, banks, device),
            norm2: norm(config.width, device),
        }
    }

    pub(super) fn pass<P: Pass>(
        &self,
        pass: &mut P,
        at: &Place,
        bases: &Bases,
        x: P::Map,
    ) -> P::Map {
        let x = self.conv1.pass(pass, &at.field("conv1"), bases, x);
        let x = pass.norm(&at.field("norm1"), &self.norm1, x, Activation::Relu);
        let x = self.conv2.pass(pass, &at.field("conv2"), bases, x);
        pass.norm(&at.field("norm2"), &self.norm2, x, Activation::Relu)
    }
}

impl BranchConv {
    fn new(config: &DetectorConfig, banks: &Banks, device: &Device) -> Self {
        let channels = [config.width; 2];
        match config.head {
            HeadKind::Dense => BranchConv::Dense(conv2d(channels, 3, 1).init(device)),
            HeadKind::Shared { shared, unique } => {
                let layer = BasisConv2dConfig::new(channels, [3, 3], shared, unique)
                    .with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1))
                    .with_initializer(LATER);
                BranchConv::Shared(layer.init(device).on_bank(banks.find(Scope::Head, 0)))
            }
        }
    }

    fn pass<P: Pass>(&self, pass: &mut P, at: &Place, bases: &Bases, x: P::Map) -> P::Map {
        match self {
            BranchConv::Dense(conv) => pass.conv2d(at, conv, x),
            BranchConv::Shared(conv) => conv.pass(pass, at, bases, x),
        }
    }
}
