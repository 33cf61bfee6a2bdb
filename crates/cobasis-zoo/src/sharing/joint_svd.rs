//! Columns of filters that a stage shares, and rows of each layer's own: `-jointsvd15`.

use std::fmt;

use burn::module::Module;
use burn::nn::conv::Conv2d;
use cobasis::{BankId, Bases, Convolution, Filters, Geometry, Pass, Place, Role, Start};

use super::method::{MadeWith, Method};
use super::rank::Rank;
use super::separable::{full_rank, separable};
use crate::banks::{BankSpec, Scope};
use crate::on_bases::OnBases;
use crate::slot::{Slot, SlotRole};
use crate::spec::Architecture;

/// The 3×1 convolutions of a stage's layers are one; the 1×3 convolutions after them are each layer's
/// own. With `-double`, first and second convolutions of blocks have one each.
///
/// A layer that changes the shape has a 3×1 convolution of its own.
///
/// Source: the left-shared form of Chen et al., *Joint Matrix Decomposition for Deep Convolutional Neural
/// Networks Compression*, 2023, trained from the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct JointSvd {
    /// Channels between the two convolutions.
    pub rank: Rank,
    /// Whether first and second convolutions of blocks are apart.
    pub double: bool,
}

impl JointSvd {
    /// The place of a slot's bank in the stage's list.
    fn index(self, slot: &Slot) -> usize {
        usize::from(self.double && slot.role == SlotRole::Second)
    }

    fn rank(self, slot: &Slot) -> usize {
        self.rank.at(slot.stage, slot.scale).min(full_rank(slot))
    }
}

impl Method for JointSvd {
    type Layer = JointSvdConv2d;

    fn syntax(architecture: &Architecture) -> Option<&'static str> {
        architecture.has_basic_blocks().then_some("-jointsvd<RANK>, -jointsvd<RANK>-double")
    }

    fn parse(suffix: &str, architecture: &Architecture) -> Option<Result<Self, &'static str>> {
        Self::syntax(architecture)?;
        let text = suffix.strip_prefix("jointsvd")?;
        let (text, double) = match text.strip_suffix("-double") {
            Some(text) => (text, true),
            None => (text, false),
        };
        let rank = Rank::of_layers(text, &architecture.scales())?;
        Some(rank.map(|rank| Self { rank, double }))
    }

    fn banks(&self, slots: &[Slot]) -> Vec<BankSpec> {
        let mut banks: Vec<(usize, BankSpec)> = Vec::new();
        for slot in slots.iter().filter(|slot| !slot.changes_shape()) {
            let (scope, index) = (Scope::Stage(slot.stage), self.index(slot));
            let shape = [self.rank(slot), slot.channels[0], slot.kernel, 1];
            let bank = BankSpec { scope, shape, start: Start::Filters, family: None };
            if !banks.contains(&(index, bank)) {
                banks.push((index, bank));
            }
        }
        // With first blocks, the second convolution of a stage may come first.
        banks.sort_by_key(|(index, _)| *index);
        banks.into_iter().map(|(_, bank)| bank).collect()
    }

    fn layer(&self, slot: &Slot, made_with: &MadeWith) -> Option<JointSvdConv2d> {
        let [vertical, horizontal] = separable(slot, self.rank(slot));
        let vertical = match slot.changes_shape() {
            true => Vertical::Own(vertical.init(made_with.device)),
            false => Vertical::Shared(SharedColumn {
                geometry: Geometry {
                    stride: vertical.stride,
                    padding: vertical.padding,
                    ..Geometry::default()
                },
                bank: made_with.stage_bank(slot, self.index(slot)),
            }),
        };
        Some(JointSvdConv2d { vertical, horizontal: horizontal.init(made_with.device) })
    }

    fn fits_first_blocks(&self, architecture: &Architecture) -> bool {
        architecture.has_basic_blocks()
    }
}

impl fmt::Display for JointSvd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "jointsvd{}{}", self.rank, if self.double { "-double" } else { "" })
    }
}

/// A 3×1 and a 1×3 convolution, of which the first is shared where it can be.
#[derive(Module, Debug)]
pub struct JointSvdConv2d {
    /// The 3×1 one, from the input channels.
    pub vertical: Vertical,
    /// The 1×3 one, to the output channels.
    pub horizontal: Conv2d,
}

/// A 3×1 convolution.
#[derive(Module, Debug)]
pub enum Vertical {
    /// That of a layer which changes the shape.
    Own(Conv2d),
    /// The stage's.
    Shared(SharedColumn),
}

/// How a layer uses the 3×1 convolution of its stage.
#[derive(Module, Debug)]
pub struct SharedColumn {
    /// How the filters move.
    #[module(skip)]
    pub geometry: Geometry,
    /// The bank of filters.
    #[module(skip)]
    pub bank: BankId,
}

impl OnBases for JointSvdConv2d {
    fn pass<P: Pass>(&self, pass: &mut P, at: &Place, bases: &Bases, x: P::Map) -> P::Map {
        let vertical = match &self.vertical {
            Vertical::Own(conv) => Convolution { role: Role::Basis, ..Convolution::from(conv) },
            Vertical::Shared(SharedColumn { geometry, bank }) => Convolution {
                filters: Filters::shared(&bases[*bank]),
                bias: None,
                geometry: geometry.clone(),
                role: Role::Basis,
            },
        };
        let x = pass.conv(&at.field("vertical"), vertical, x);
        let horizontal =
            Convolution { role: Role::Coefficients, ..Convolution::from(&self.horizontal) };
        pass.conv(&at.field("horizontal"), horizontal, x)
    }
}
