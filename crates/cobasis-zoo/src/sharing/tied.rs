//! One kernel for several layers of a stage: `-tied`, `-tied-double`, `-tied-second`, `-tied-pairs`.

use std::fmt;

use cobasis::{SharedConv2d, SharedConv2dConfig, Start};

use super::method::{MadeWith, Method};
use crate::banks::{BankSpec, Scope};
use crate::slot::{Slot, SlotRole};
use crate::spec::Architecture;

/// Layers of a stage are one and the same convolution; batch norms stay each layer's own.
///
/// The kernels start as any convolution does and are not kept orthonormal. A layer that changes the
/// shape has a kernel of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Tied {
    /// All layers of a stage: `-tied`.
    Stage,
    /// The first convolutions of blocks, and the second ones: `-tied-double`.
    Double,
    /// The second convolutions only: `-tied-second`. Source: ShaResNet (Boulch 2017).
    Second,
    /// The two convolutions of each block: `-tied-pairs`. Source: residual-unit tying (Dai et al. 2019).
    Pairs,
}

impl Tied {
    const ALL: [Self; 4] = [Tied::Stage, Tied::Double, Tied::Second, Tied::Pairs];

    const fn suffix(self) -> &'static str {
        match self {
            Tied::Stage => "tied",
            Tied::Double => "tied-double",
            Tied::Second => "tied-second",
            Tied::Pairs => "tied-pairs",
        }
    }

    /// Which kernel of its stage a slot has; `None`: its own.
    fn kernel(self, slot: &Slot) -> Option<usize> {
        let second = slot.role == SlotRole::Second;
        match self {
            _ if slot.changes_shape() => None,
            Tied::Stage => Some(0),
            Tied::Double => Some(usize::from(second)),
            Tied::Second => second.then_some(0),
            Tied::Pairs => Some(slot.block),
        }
    }

    /// The kernels of a stage, in order.
    fn kernels(self, slots: &[Slot], stage: usize) -> Vec<usize> {
        let of_stage = slots.iter().filter(|slot| slot.stage == stage);
        let mut kernels: Vec<usize> = of_stage.filter_map(|slot| self.kernel(slot)).collect();
        kernels.sort_unstable();
        kernels.dedup();
        kernels
    }
}

impl Method for Tied {
    type Layer = SharedConv2d;

    fn syntax(architecture: &Architecture) -> Option<&'static str> {
        match architecture {
            Architecture::DenseNet(_) => Some("-tied"),
            _ if architecture.has_basic_blocks() => {
                Some("-tied, -tied-double, -tied-second, -tied-pairs")
            }
            _ => None,
        }
    }

    fn parse(suffix: &str, architecture: &Architecture) -> Option<Result<Self, &'static str>> {
        Self::syntax(architecture)?;
        let tied = Self::ALL.into_iter().find(|tied| tied.suffix() == suffix)?;
        (tied == Tied::Stage || architecture.has_basic_blocks()).then_some(Ok(tied))
    }

    fn banks(&self, slots: &[Slot]) -> Vec<BankSpec> {
        let mut stages: Vec<usize> = slots.iter().map(|slot| slot.stage).collect();
        stages.dedup();
        let of_stage = |stage| {
            let mut tied = slots.iter().filter(|slot| self.kernel(slot).is_some());
            let shape = tied.find(|slot| slot.stage == stage).map(Slot::filter_shape);
            let (scope, start, count) =
                (Scope::Stage(stage), Start::Filters, self.kernels(slots, stage).len());
            let bank = shape.map(|shape| BankSpec { scope, shape, start, family: None });
            bank.into_iter().flat_map(move |bank| std::iter::repeat_n(bank, count))
        };
        stages.into_iter().flat_map(of_stage).collect()
    }

    fn layer(&self, slot: &Slot, made_with: &MadeWith) -> Option<SharedConv2d> {
        let kernel = self.kernel(slot)?;
        let kernels = self.kernels(made_with.slots, slot.stage);
        let index = kernels.iter().position(|&other| other == kernel)?;
        let config =
            SharedConv2dConfig::new().with_stride([slot.stride; 2]).with_padding(slot.padding());
        Some(config.init().on_bank(made_with.stage_bank(slot, index)))
    }

    fn fits_first_blocks(&self, architecture: &Architecture) -> bool {
        architecture.has_basic_blocks()
    }
}

impl fmt::Display for Tied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.suffix())
    }
}
