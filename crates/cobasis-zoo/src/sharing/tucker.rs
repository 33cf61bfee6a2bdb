//! Layers as a smaller convolution between two changes of channels: `-tucker10`.

use std::fmt;

use burn::module::Module;
use burn::nn::conv::Conv2d;
use cobasis::{Bases, Convolution, Pass, Place, Role};

use super::method::{MadeWith, Method};
use super::rank::Rank;
use crate::banks::BankSpec;
use crate::conv2d::conv2d;
use crate::on_bases::OnBases;
use crate::slot::Slot;
use crate::spec::Architecture;

/// Each layer is a Tucker-2 decomposition: a 1×1 convolution to a few channels, a 3×3 convolution
/// between as many, and a 1×1 convolution from them, with nothing in between.
///
/// Source: Kim et al., *Compression of Deep Convolutional Neural Networks for Fast and Low Power Mobile
/// Applications*, 2016, trained from the start, with one rank for both sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tucker {
    /// Channels on both sides of the inner convolution, as far as the layer has so many.
    pub rank: Rank,
}

impl Method for Tucker {
    type Layer = TuckerConv2d;

    fn syntax(architecture: &Architecture) -> Option<&'static str> {
        architecture.has_basic_blocks().then_some("-tucker<RANK>")
    }

    fn parse(suffix: &str, architecture: &Architecture) -> Option<Result<Self, &'static str>> {
        Self::syntax(architecture)?;
        let rank = Rank::of_layers(suffix.strip_prefix("tucker")?, &architecture.scales())?;
        Some(rank.map(|rank| Self { rank }))
    }

    fn banks(&self, _: &[Slot]) -> Vec<BankSpec> {
        Vec::new()
    }

    fn layer(&self, slot: &Slot, made_with: &MadeWith) -> Option<TuckerConv2d> {
        let rank = self.rank.at(slot.stage, slot.scale);
        let [channels_in, channels_out] = slot.channels;
        let [before, after] = slot.channels.map(|channels| rank.min(channels));
        let device = made_with.device;
        Some(TuckerConv2d {
            reduce: conv2d([channels_in, before], 1, 1).init(device),
            core: conv2d([before, after], slot.kernel, slot.stride).init(device),
            expand: conv2d([after, channels_out], 1, 1).init(device),
        })
    }

    fn fits_first_blocks(&self, architecture: &Architecture) -> bool {
        architecture.has_basic_blocks()
    }
}

impl fmt::Display for Tucker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tucker{}", self.rank)
    }
}

/// A convolution between two 1×1 convolutions.
#[derive(Module, Debug)]
pub struct TuckerConv2d {
    /// The 1×1 convolution from the input channels.
    pub reduce: Conv2d,
    /// The convolution with the layer's kernel and stride.
    pub core: Conv2d,
    /// The 1×1 convolution to the output channels.
    pub expand: Conv2d,
}

impl OnBases for TuckerConv2d {
    fn pass<P: Pass>(&self, pass: &mut P, at: &Place, _: &Bases, x: P::Map) -> P::Map {
        let reduce = Convolution { role: Role::Basis, ..Convolution::from(&self.reduce) };
        let x = pass.conv(&at.field("reduce"), reduce, x);
        let core = Convolution { role: Role::Basis, ..Convolution::from(&self.core) };
        let x = pass.conv(&at.field("core"), core, x);
        let expand = Convolution { role: Role::Coefficients, ..Convolution::from(&self.expand) };
        pass.conv(&at.field("expand"), expand, x)
    }
}
