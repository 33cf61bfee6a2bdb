//! Bases of chosen ranks, the paper's method: `-s16u1`, `-s16u1-double`, `-s12,24,40u1`.

use std::fmt;

use burn::module::{Initializer, Module};
use cobasis::{
    Bases, BasisConv2d, BasisConv2dConfig, PartlySharedConv2d, PartlySharedConv2dConfig, Pass,
    Place, Start,
};

use super::method::{MadeWith, Method};
use super::rank::Rank;
use crate::banks::{BankSpec, Scope};
use crate::on_bases::OnBases;
use crate::slot::{Slot, SlotRole};
use crate::spec::{Architecture, BlockKind, Norms};

/// Convolutions on bases of chosen ranks: `s` filters shared by the layers of a stage, and `u` that
/// each layer has for itself.
///
/// In the groups of a ResNeXt the filters of a layer are used as they are, and the block's own 1×1
/// convolution combines them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ranks {
    /// Shared filters of a basis, the paper's `s`; 0: nothing is shared.
    pub shared: Rank,
    /// Unique filters of each layer, the paper's `u`.
    pub unique: Rank,
    /// Two bases a stage, one for the first convolutions of its blocks and one for the second
    /// (the paper's `*`), instead of one for both.
    pub double: bool,
}

/// A layer on a basis.
#[derive(Module, Debug)]
#[expect(clippy::large_enum_variant, reason = "Burn has no Module for Box, and there are few")]
pub enum RanksLayer {
    /// Unique and shared filters, and coefficients.
    Basis(BasisConv2d),
    /// Unique and shared filters in groups.
    PartlyShared(PartlySharedConv2d),
}

/// The unique filters of a group, in every stage.
const UNIQUE_OF_GROUP: usize = 4;
/// The ranks of the first stage whose groups divide the filters and the channels of every stage.
const GROUPED_RANKS: [u16; 8] = [4, 8, 16, 32, 64, 128, 256, 512];

/// What the blocks of a network make of ranks.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// One basis a stage or two.
    Single,
    /// One or two.
    Double,
    /// Filters that are spread over groups, one basis a stage.
    Grouped,
}

impl Form {
    fn of(architecture: &Architecture) -> Option<Self> {
        match architecture {
            Architecture::ResNet(spec) => match spec.block {
                BlockKind::Basic => Some(Form::Double),
                BlockKind::ResNeXt => Some(Form::Grouped),
                BlockKind::Bottleneck => None,
            },
            Architecture::DenseNet(_) => Some(Form::Single),
            Architecture::MobileNetV2(_) => None,
        }
    }
}

impl Method for Ranks {
    type Layer = RanksLayer;

    fn syntax(architecture: &Architecture) -> Option<&'static str> {
        Some(match Form::of(architecture)? {
            Form::Double => "-s<SHARED>u<UNIQUE>, -s<SHARED>u<UNIQUE>-double",
            Form::Single | Form::Grouped => "-s<SHARED>u<UNIQUE>",
        })
    }

    fn parse(suffix: &str, architecture: &Architecture) -> Option<Result<Self, &'static str>> {
        let form = Form::of(architecture)?;
        let (ranks, double) = match suffix.strip_suffix("-double") {
            Some(ranks) if form == Form::Double => (ranks, true),
            Some(_) => return None,
            None => (suffix, false),
        };
        let (shared, unique) = ranks.strip_prefix('s')?.split_once('u')?;
        let scales = architecture.scales();
        let shared = Rank::parse(shared, &scales)?;
        let unique = Rank::parse(unique, &scales)?;
        Some(shared.and_then(|shared| {
            let ranks = Self { shared, unique: unique?, double };
            ranks.problem(form, &scales).map_or(Ok(ranks), Err)
        }))
    }

    fn banks(&self, slots: &[Slot]) -> Vec<BankSpec> {
        let mut banks: Vec<BankSpec> = Vec::new();
        for slot in slots {
            let scope = Scope::Stage(slot.stage);
            let [shared, _] = self.at(slot);
            let made = banks.iter().any(|bank| bank.scope == scope);
            if !slot.is_square() || slot.changes_shape() || shared == 0 || made {
                continue;
            }
            let shape = [shared, slot.channels[0] / basis_groups(slot, shared), 3, 3];
            let bank = BankSpec { scope, shape, start: Start::Orthonormal, family: Some(0) };
            banks.extend(std::iter::repeat_n(bank, 1 + usize::from(self.double)));
        }
        banks
    }

    fn layer(&self, slot: &Slot, made_with: &MadeWith) -> Option<RanksLayer> {
        if !slot.is_square() {
            return None;
        }
        let [shared, unique] = self.at(slot);
        let index = usize::from(self.double && slot.role == SlotRole::Second);
        let bank = (shared > 0).then(|| made_with.stage_bank(slot, index));
        let stride = [slot.stride; 2];
        if slot.groups == 1 {
            let config = BasisConv2dConfig::new(slot.channels, [3, 3], shared, unique)
                .with_stride(stride)
                .with_padding(slot.padding())
                .with_norm(made_with.norms == Norms::All)
                .with_initializer(Initializer::Zeros);
            let layer = config.init(made_with.device).on_bank(bank.unwrap_or_default());
            return Some(RanksLayer::Basis(layer));
        }
        // Source: the authors' code, in which the groups of unique filters grow with the stage and
        // those of shared ones do not.
        let groups = [unique / UNIQUE_OF_GROUP, basis_groups(slot, shared)];
        let [channels, _] = slot.channels;
        let config = PartlySharedConv2dConfig::new(channels, [3, 3], unique, groups[0], groups[1])
            .with_stride(stride)
            .with_padding(slot.padding())
            .with_initializer(Initializer::Zeros);
        let layer = config.init(made_with.device).on_bank(bank.unwrap_or_default());
        Some(RanksLayer::PartlyShared(layer))
    }

    fn channels_out(&self, slot: &Slot) -> usize {
        match slot.groups {
            1 => slot.channels[1],
            _ if slot.is_square() => self.at(slot).iter().sum(),
            _ => slot.channels[1],
        }
    }

    fn fits_first_blocks(&self, architecture: &Architecture) -> bool {
        architecture.has_basic_blocks()
    }

    fn has_inner_norms(&self, architecture: &Architecture) -> bool {
        architecture.has_basic_blocks()
    }

    fn is_the_authors(&self) -> bool {
        true
    }
}

impl Slot {
    /// Whether the slot is a 3×3 convolution.
    fn is_square(&self) -> bool {
        self.kernel == 3
    }
}

/// The groups of so many shared filters: as many filters to a group as in the dense convolution,
/// which makes the groups as many in every stage, `s / 4` of the first one's rank.
fn basis_groups(slot: &Slot, shared: usize) -> usize {
    match slot.groups {
        1 => 1,
        groups => shared / (slot.channels[0] / groups),
    }
}

impl Ranks {
    /// Shared and unique filters of a slot's layer. One that changes the shape has as many filters as
    /// the others of its stage, all its own, but no more than it can use.
    fn at(&self, slot: &Slot) -> [usize; 2] {
        let [shared, unique] =
            [self.shared, self.unique].map(|rank| rank.at(slot.stage, slot.scale));
        match slot.changes_shape() && slot.groups == 1 {
            true => [0, (shared + unique).min(slot.full_rank())],
            false => [shared, unique],
        }
    }

    fn problem(&self, form: Form, scales: &[usize]) -> Option<&'static str> {
        let Self { shared, unique, double } = self;
        let divisible =
            |rank: &Rank| matches!(rank.given(), [rank] if GROUPED_RANKS.contains(rank));
        let empty = |(stage, &scale): (usize, &usize)| {
            shared.at(stage, scale) == 0 && unique.at(stage, scale) == 0
        };
        if form == Form::Grouped && ![shared, unique].into_iter().all(divisible) {
            Some("its groups of channels need ranks of 4, 8, 16, 32, 64, 128, 256 or 512")
        } else if scales.iter().enumerate().any(empty) {
            Some("s0u0 leaves the layers without filters")
        } else if shared.is_zero() && *double {
            Some("s0 shares nothing, so there is no basis to double")
        } else {
            None
        }
    }
}

/// `s16u1`
impl fmt::Display for Ranks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { shared, unique, double } = self;
        write!(f, "s{shared}u{unique}{}", if *double { "-double" } else { "" })
    }
}

impl OnBases for RanksLayer {
    fn pass<P: Pass>(&self, pass: &mut P, at: &Place, bases: &Bases, x: P::Map) -> P::Map {
        match self {
            RanksLayer::Basis(layer) => layer.pass(pass, at, bases, x),
            RanksLayer::PartlyShared(layer) => layer.pass(pass, at, bases, x),
        }
    }
}
