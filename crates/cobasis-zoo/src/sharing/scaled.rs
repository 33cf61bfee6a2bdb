//! One kernel for the layers of a stage, times a factor that each layer learns: `-scaled`.

use std::fmt;

// ANCHOR: uses
use burn::module::{Initializer, Module, Param};
use burn::tensor::Tensor;
use cobasis::{
    BankId, Bases, Composed, Convolution, Filters, Geometry, Pass, Place, Role, Source, Start,
};

use super::method::{MadeWith, Method, SlotLayer};
use crate::banks::{BankSpec, Scope};
use crate::slot::Slot;
use crate::spec::Architecture;
// ANCHOR_END: uses

// ANCHOR: method
/// The layers of a stage are multiples of one convolution, which is not kept orthonormal.
///
/// Source: soft sharing (Savarese & Maire 2019) with a single template.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Scaled;

impl Method for Scaled {
    type Layer = ScaledConv2d;

    fn syntax(architecture: &Architecture) -> Option<&'static str> {
        architecture.has_basic_blocks().then_some("-scaled")
    }

    fn parse(suffix: &str, architecture: &Architecture) -> Option<Result<Self, &'static str>> {
        Self::syntax(architecture)?;
        (suffix == "scaled").then_some(Ok(Self))
    }

    fn banks(&self, slots: &[Slot]) -> Vec<BankSpec> {
        let mut banks: Vec<BankSpec> = Vec::new();
        for slot in slots {
            let scope = Scope::Stage(slot.stage);
            let (shape, start) = (slot.filter_shape(), Start::Filters);
            let bank = BankSpec { scope, shape, start, family: None };
            if !banks.contains(&bank) {
                banks.push(bank);
            }
        }
        banks
    }

    fn layer(&self, slot: &Slot, made_with: &MadeWith) -> Option<ScaledConv2d> {
        Some(ScaledConv2d {
            scale: Initializer::Ones.init([1], made_with.device),
            geometry: slot.geometry(),
            bank: made_with.stage_bank(slot, 0),
        })
    }
}

/// The suffix.
impl fmt::Display for Scaled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("scaled")
    }
}
// ANCHOR_END: method

// ANCHOR: layer
/// A multiple of a shared kernel.
#[derive(Module, Debug)]
pub struct ScaledConv2d {
    /// The factor, `[1]`.
    pub scale: Param<Tensor<1>>,
    /// How the filters move.
    #[module(skip)]
    pub geometry: Geometry,
    /// The bank that it borrows.
    #[module(skip)]
    pub bank: BankId,
}

impl SlotLayer for ScaledConv2d {
    fn pass<P: Pass>(&self, pass: &mut P, at: &Place, bases: &Bases, x: P::Map) -> P::Map {
        let kernel = &bases[self.bank];
        let filters = Filters::Composed(Composed {
            shape: kernel.weight.lazy_shape().dims(),
            own: vec![Source::new(&self.scale, Start::Constant(1.0))],
            shared: vec![kernel],
            value: Box::new(|| kernel.weight.val() * self.scale.val().reshape([1, 1, 1, 1])),
        });
        let geometry = self.geometry.clone();
        pass.conv(at, Convolution { filters, bias: None, geometry, role: Role::Layer }, x)
    }
}
// ANCHOR_END: layer
