//! Factorised layers that share nothing: `-lowrank8`, `-lowrank3,5,11`.

use std::fmt;

use burn::module::Initializer;
use cobasis::{BasisConv2d, BasisConv2dConfig};

use super::method::{MadeWith, Method};
use super::rank::Rank;
use crate::banks::BankSpec;
use crate::slot::Slot;
use crate::spec::Architecture;

/// Each layer is a 3×3 convolution to a few channels of its own and a 1×1 convolution from them,
/// with nothing in between.
///
/// `-s0u8` is the same with a batch norm between the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LowRank {
    /// Channels between the two convolutions.
    pub rank: Rank,
}

impl Method for LowRank {
    type Layer = BasisConv2d;

    fn syntax(architecture: &Architecture) -> Option<&'static str> {
        match architecture {
            Architecture::DenseNet(_) => Some("-lowrank<RANK>"),
            _ if architecture.has_basic_blocks() => Some("-lowrank<RANK>"),
            _ => None,
        }
    }

    fn parse(suffix: &str, architecture: &Architecture) -> Option<Result<Self, &'static str>> {
        Self::syntax(architecture)?;
        let rank = Rank::of_layers(suffix.strip_prefix("lowrank")?, &architecture.scales())?;
        Some(rank.map(|rank| Self { rank }))
    }

    fn banks(&self, _: &[Slot]) -> Vec<BankSpec> {
        Vec::new()
    }

    fn layer(&self, slot: &Slot, made_with: &MadeWith) -> Option<BasisConv2d> {
        let rank = self.rank.at(slot.stage, slot.scale);
        let rank = if slot.changes_shape() { rank.min(slot.full_rank()) } else { rank };
        let config = BasisConv2dConfig::new(slot.channels, [3, 3], 0, rank)
            .with_stride([slot.stride; 2])
            .with_padding(slot.padding())
            .with_norm(false)
            .with_initializer(Initializer::Zeros);
        Some(config.init(made_with.device))
    }

    fn fits_first_blocks(&self, architecture: &Architecture) -> bool {
        architecture.has_basic_blocks()
    }
}

impl fmt::Display for LowRank {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "lowrank{}", self.rank)
    }
}
