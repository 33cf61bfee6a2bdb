//! Whole convolutions as bases, the paper's method for bottlenecks: `-shared`, `-shared++`,
//! `-shared++-eca`.

use std::fmt;

use cobasis::{SharedConv2d, SharedConv2dConfig, Start};

use super::method::{MadeWith, Method};
use crate::banks::{BankSpec, Scope};
use crate::slot::{Slot, SlotRole};
use crate::spec::{Architecture, BlockKind, MobileNetV2Spec};

/// Convolutions that the blocks of a stage share as they are: the layer that follows takes the place
/// of the coefficients.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Whole {
    /// One convolution of each block: the inner one of a bottleneck, the first one of an inverted
    /// residual block: `-shared`.
    One,
    /// The block's last convolution too, on a basis of its own: `-shared++`.
    Two,
    /// The same, with attention to channels after it: `-shared++-eca`.
    TwoWithAttention,
}

impl Whole {
    /// Which basis of its stage a slot has.
    fn basis(self, slot: &Slot) -> Option<usize> {
        match (slot.role, self) {
            (SlotRole::Inner | SlotRole::Expand, _) => Some(0),
            (SlotRole::Outer | SlotRole::Project, Whole::Two | Whole::TwoWithAttention) => Some(1),
            _ => None,
        }
    }
}

impl Method for Whole {
    type Layer = SharedConv2d;

    fn syntax(architecture: &Architecture) -> Option<&'static str> {
        match architecture {
            Architecture::ResNet(spec) if spec.block == BlockKind::Bottleneck => {
                Some("-shared, -shared++")
            }
            Architecture::MobileNetV2(MobileNetV2Spec::Small) => Some("-shared, -shared++"),
            Architecture::MobileNetV2(MobileNetV2Spec::Large) => {
                Some("-shared, -shared++, -shared++-eca")
            }
            Architecture::ResNet(_) | Architecture::DenseNet(_) => None,
        }
    }

    fn parse(suffix: &str, architecture: &Architecture) -> Option<Result<Self, &'static str>> {
        Self::syntax(architecture)?;
        let large = Architecture::MobileNetV2(MobileNetV2Spec::Large);
        match suffix {
            "shared" => Some(Ok(Whole::One)),
            "shared++" => Some(Ok(Whole::Two)),
            "shared++-eca" if *architecture == large => Some(Ok(Whole::TwoWithAttention)),
            _ => None,
        }
    }

    fn banks(&self, slots: &[Slot]) -> Vec<BankSpec> {
        let mut banks: Vec<BankSpec> = Vec::new();
        for slot in slots {
            let Some(family) = self.basis(slot) else { continue };
            let scope = Scope::Stage(slot.stage);
            let shape = slot.filter_shape();
            let bank = BankSpec { scope, shape, start: Start::Orthonormal, family: Some(family) };
            if !banks.contains(&bank) {
                banks.push(bank);
            }
        }
        banks
    }

    fn layer(&self, slot: &Slot, made_with: &MadeWith) -> Option<SharedConv2d> {
        let bank = made_with.stage_bank(slot, self.basis(slot)?);
        let config =
            SharedConv2dConfig::new().with_stride([slot.stride; 2]).with_padding(slot.padding());
        Some(config.init().on_bank(bank))
    }

    fn is_the_authors(&self) -> bool {
        true
    }

    fn has_attention(&self) -> bool {
        *self == Whole::TwoWithAttention
    }
}

impl fmt::Display for Whole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Whole::One => "shared",
            Whole::Two => "shared++",
            Whole::TwoWithAttention => "shared++-eca",
        })
    }
}
