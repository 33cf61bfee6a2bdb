//! A convolution of a stage: with filters of its own, on a basis, or a basis as it is.

use burn::module::Module;
use burn::nn::PaddingConfig2d;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::tensor::{Device, Tensor};
use cobasis::{
    BasisConv2d, BasisConv2dConfig, PartlySharedConv2d, SharedConv2d, SharedConv2dConfig,
};

use crate::init::LATER;
use crate::name::Ranks;
use crate::pass::{Pass, Place};

/// A convolution of a stage.
#[derive(Module, Debug)]
#[expect(clippy::large_enum_variant, reason = "Burn has no Module for Box, and there are few")]
pub enum StageConv {
    /// With filters of its own.
    Dense(Conv2d),
    /// On a basis of the stage.
    Basis(BasisConv2d),
    /// A basis of the stage as a whole.
    Shared(SharedConv2d),
    /// Filters of its own beside a basis of the stage.
    PartlyShared(PartlySharedConv2d),
}

impl StageConv {
    /// A dense convolution.
    pub(crate) fn dense(
        channels: [usize; 2],
        kernel: usize,
        stride: usize,
        device: &Device,
    ) -> Self {
        StageConv::Dense(conv2d(channels, kernel, stride).init(device))
    }

    /// A 3×3 convolution on a basis of the given ranks, with or without the batch norm inside.
    pub(crate) fn on_basis(
        channels: [usize; 2],
        ranks: Ranks,
        norm: bool,
        device: &Device,
    ) -> Self {
        StageConv::Basis(
            BasisConv2dConfig::new(channels, [3, 3], ranks.shared, ranks.unique)
                .with_padding([1, 1])
                .with_norm(norm)
                .with_initializer(LATER)
                .init(device),
        )
    }

    /// A square basis of this kernel size as it is.
    pub(crate) fn shared(kernel: usize) -> Self {
        let pad = kernel / 2;
        StageConv::Shared(SharedConv2dConfig::new().with_padding([pad, pad]).init())
    }

    /// Applied with the first basis of the place.
    ///
    /// # Panics
    ///
    /// Panics if the convolution needs a basis and there is none.
    pub(crate) fn pass<P: Pass>(&self, pass: &mut P, at: &Place, x: P::Map) -> P::Map {
        match (self, at.bases()) {
            (StageConv::Dense(conv), _) => pass.conv2d(at, conv, x),
            (StageConv::Basis(conv), _) => pass.basis_conv2d(at, conv, x),
            (StageConv::Shared(conv), [basis, ..]) => pass.shared_conv2d(at, conv, basis, x),
            (StageConv::PartlyShared(conv), [basis, ..]) => {
                pass.partly_shared_conv2d(at, conv, basis, x)
            }
            (StageConv::Shared(_) | StageConv::PartlyShared(_), []) => {
                panic!("{at} is given no basis")
            }
        }
    }

    /// The layer's unique filters, if it has any that act on the same channels as those of its
    /// basis: others can't be compared with them.
    pub(crate) fn unique(&self) -> Option<Tensor<4>> {
        match self {
            StageConv::Basis(conv) => conv.unique.as_ref().map(|unique| unique.val()),
            StageConv::Dense(_) | StageConv::Shared(_) | StageConv::PartlyShared(_) => None,
        }
    }
}

/// A square convolution without bias that keeps the size at stride 1.
pub(crate) fn conv2d(channels: [usize; 2], kernel: usize, stride: usize) -> Conv2dConfig {
    let pad = kernel / 2;
    Conv2dConfig::new(channels, [kernel, kernel])
        .with_stride([stride, stride])
        .with_padding(PaddingConfig2d::Explicit(pad, pad, pad, pad))
        .with_bias(false)
        .with_initializer(LATER)
}
