//! One kernel for all layers of a stage: `-tied`.

use std::fmt;

use cobasis::{SharedConv2d, SharedConv2dConfig, Start};

use super::method::{MadeWith, Method};
use crate::banks::{BankSpec, Scope};
use crate::slot::Slot;
use crate::spec::Architecture;

/// The layers of a stage are one and the same convolution; batch norms stay each layer's own.
///
/// The kernel starts as any convolution does and is not kept orthonormal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tied;

impl Method for Tied {
    type Layer = SharedConv2d;

    fn syntax(architecture: &Architecture) -> Option<&'static str> {
        let fits =
            architecture.has_basic_blocks() || matches!(architecture, Architecture::DenseNet(_));
        fits.then_some("-tied")
    }

    fn parse(suffix: &str, architecture: &Architecture) -> Option<Result<Self, &'static str>> {
        Self::syntax(architecture)?;
        (suffix == "tied").then_some(Ok(Self))
    }

    fn banks(&self, slots: &[Slot]) -> Vec<BankSpec> {
        let mut banks: Vec<BankSpec> = Vec::new();
        for slot in slots {
            let (scope, shape) = (Scope::Stage(slot.stage), slot.filter_shape());
            let bank = BankSpec { scope, shape, start: Start::Filters, family: None };
            if !banks.contains(&bank) {
                banks.push(bank);
            }
        }
        banks
    }

    fn layer(&self, slot: &Slot, made_with: &MadeWith) -> Option<SharedConv2d> {
        let config =
            SharedConv2dConfig::new().with_stride([slot.stride; 2]).with_padding(slot.padding());
        Some(config.init().on_bank(made_with.stage_bank(slot, 0)))
    }
}

impl fmt::Display for Tied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("tied")
    }
}
