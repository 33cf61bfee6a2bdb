//! Layers as a column and a row of filters: `-tai9`.

use std::fmt;

use burn::module::Module;
use burn::nn::PaddingConfig2d;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use cobasis::{Bases, Convolution, Pass, Place, Role};

use super::method::{MadeWith, Method};
use super::rank::Rank;
use crate::banks::BankSpec;
use crate::conv2d::LATER;
use crate::on_bases::OnBases;
use crate::slot::Slot;
use crate::spec::Architecture;

/// Each layer is a 3×1 convolution to a few channels of its own and a 1×3 convolution from them, with
/// nothing in between.
///
/// Source: Tai et al., *Convolutional Neural Networks with Low-rank Regularization*, 2016, trained from
/// the start and without their batch norm between the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Separable {
    /// Channels between the two convolutions.
    pub rank: Rank,
}

impl Method for Separable {
    type Layer = SeparableConv2d;

    fn syntax(architecture: &Architecture) -> Option<&'static str> {
        architecture.has_basic_blocks().then_some("-tai<RANK>")
    }

    fn parse(suffix: &str, architecture: &Architecture) -> Option<Result<Self, &'static str>> {
        Self::syntax(architecture)?;
        let rank = Rank::of_layers(suffix.strip_prefix("tai")?, &architecture.scales())?;
        Some(rank.map(|rank| Self { rank }))
    }

    fn banks(&self, _: &[Slot]) -> Vec<BankSpec> {
        Vec::new()
    }

    fn layer(&self, slot: &Slot, made_with: &MadeWith) -> Option<SeparableConv2d> {
        let rank = self.rank.at(slot.stage, slot.scale).min(full_rank(slot));
        let [vertical, horizontal] = separable(slot, rank);
        Some(SeparableConv2d {
            vertical: vertical.init(made_with.device),
            horizontal: horizontal.init(made_with.device),
        })
    }

    fn fits_first_blocks(&self, architecture: &Architecture) -> bool {
        architecture.has_basic_blocks()
    }
}

impl fmt::Display for Separable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tai{}", self.rank)
    }
}

/// Channels between the two with which a layer can be any dense one.
pub(super) fn full_rank(slot: &Slot) -> usize {
    let [channels_in, channels_out] = slot.channels;
    slot.kernel * channels_in.min(channels_out)
}

/// The convolutions of a slot by this many channels: a column, which has the vertical stride, and a row,
/// which has the horizontal one.
pub(super) fn separable(slot: &Slot, rank: usize) -> [Conv2dConfig; 2] {
    let Slot { channels: [channels_in, channels_out], kernel, stride, .. } = *slot;
    let pad = kernel / 2;
    let conv = |channels, kernel, stride, padding| {
        Conv2dConfig::new(channels, kernel)
            .with_stride(stride)
            .with_padding(padding)
            .with_bias(false)
            .with_initializer(LATER)
    };
    let columns = PaddingConfig2d::Explicit(pad, 0, pad, 0);
    let rows = PaddingConfig2d::Explicit(0, pad, 0, pad);
    [
        conv([channels_in, rank], [kernel, 1], [stride, 1], columns),
        conv([rank, channels_out], [1, kernel], [1, stride], rows),
    ]
}

/// A 3×1 and a 1×3 convolution.
#[derive(Module, Debug)]
pub struct SeparableConv2d {
    /// The 3×1 one, from the input channels.
    pub vertical: Conv2d,
    /// The 1×3 one, to the output channels.
    pub horizontal: Conv2d,
}

impl OnBases for SeparableConv2d {
    fn pass<P: Pass>(&self, pass: &mut P, at: &Place, _: &Bases, x: P::Map) -> P::Map {
        let vertical = Convolution { role: Role::Basis, ..Convolution::from(&self.vertical) };
        let x = pass.conv(&at.field("vertical"), vertical, x);
        let horizontal =
            Convolution { role: Role::Coefficients, ..Convolution::from(&self.horizontal) };
        pass.conv(&at.field("horizontal"), horizontal, x)
    }
}
