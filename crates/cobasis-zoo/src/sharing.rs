//! The sharing methods there are: how the layers of a network share filters.
//!
//! A method is a file of this folder and a line of `methods!` below; `docs/add-a-method.md` goes
//! through it.

mod alf;
mod filter_basis;
mod hashed;
mod hinge;
mod hypernet;
mod joint_svd;
mod low_rank;
mod method;
mod rank;
mod ranks;
mod ring;
mod separable;
mod tables;
mod tbasis;
mod templates;
#[cfg(test)]
mod testing;
mod tied;
mod tucker;
mod whole;
mod width;

use std::fmt;

use burn::module::Module;
use burn::nn::conv::Conv2d;
use cobasis::{Bases, Pass, Place};

pub use crate::on_bases::OnBases;
pub use alf::{Alf, AlfConv2d};
pub use filter_basis::{FilterBasis, FilterBasisConv2d};
pub use hashed::{Hashed, HashedConv2d};
pub use hinge::{Hinge, HingeConv2d};
pub use hypernet::{Hypernet, HypernetConv2d};
pub use joint_svd::{JointSvd, JointSvdConv2d, SharedColumn, Vertical};
pub use low_rank::LowRank;
pub use method::{MadeWith, Method};
pub(crate) use rank::MAX_RANK;
pub use rank::Rank;
pub use ranks::{Ranks, RanksLayer};
pub use ring::{Ring, RingConv2d};
pub use separable::{Separable, SeparableConv2d};
pub use tbasis::{TBasis, TBasisConv2d, TBasisLinear};
pub use templates::{Templates, TemplatesConv2d};
pub use tied::Tied;
pub use tucker::{Tucker, TuckerConv2d};
pub use whole::Whole;
pub use width::Width;

pub use crate::banks::{BankSpec, Banks, Scope};
pub use crate::slot::{Blocks, Slot, SlotRole};

use crate::conv2d::conv2d;
use crate::name::ModelName;
use crate::spec::{Architecture, Norms};

/// Makes [`Sharing`], the enum of methods, and [`SlotConv`], that of their layers.
macro_rules! methods {
    ($($(#[$doc:meta])* $name:ident: $layer:ty,)+) => {
        /// How the layers of a network share filters: what the suffix of a name says.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Sharing {
            $($(#[$doc])* $name($name),)+
        }

        /// A convolution of a block: ordinary, or the layer of a sharing method.
        #[derive(Module, Debug)]
        #[non_exhaustive]
        pub enum SlotConv {
            /// With filters of its own.
            Dense(Conv2d),
            $($(#[$doc])* $name($layer),)+
        }

        impl Sharing {
            /// What suffixes of the network may look like.
            fn syntaxes(architecture: &Architecture) -> Vec<&'static str> {
                [$($name::syntax(architecture)),+].into_iter().flatten().collect()
            }

            /// Reads the suffix of a network, without the dash before it: `None` if no method that
            /// fits it has such a suffix.
            ///
            /// # Errors
            ///
            /// What is wrong with the numbers in it.
            pub(crate) fn parse(
                suffix: &str,
                architecture: &Architecture,
            ) -> Option<Result<Self, &'static str>> {
                None$(.or_else(|| {
                    Some($name::parse(suffix, architecture)?.map(Sharing::$name))
                }))+
            }

            /// Refuses numbers with which the layers of these slots can't be.
            ///
            /// # Errors
            ///
            /// What is wrong with them.
            pub(crate) fn check(&self, slots: &[Slot]) -> Result<(), &'static str> {
                match self { $(Sharing::$name(method) => method.check(slots),)+ }
            }

            pub(crate) fn banks(&self, slots: &[Slot]) -> Vec<BankSpec> {
                match self { $(Sharing::$name(method) => method.banks(slots),)+ }
            }

            fn layer(&self, slot: &Slot, made_with: &MadeWith) -> Option<SlotConv> {
                match self {
                    $(Sharing::$name(method) => {
                        method.layer(slot, made_with).map(SlotConv::$name)
                    })+
                }
            }

            fn channels_out(&self, slot: &Slot) -> usize {
                match self { $(Sharing::$name(method) => method.channels_out(slot),)+ }
            }

            /// The weights that may be left in its layers, where training finds their ranks.
            pub(crate) fn weight_limit(&self) -> Option<usize> {
                match self { $(Sharing::$name(method) => method.weight_limit(),)+ }
            }

            /// What people should know of the method.
            pub(crate) fn note(&self) -> Option<&'static str> {
                match self { $(Sharing::$name(method) => method.note(),)+ }
            }

            /// Whether first blocks of stages can have its layers too.
            pub(crate) fn fits_first_blocks(&self, architecture: &Architecture) -> bool {
                match self { $(Sharing::$name(method) => method.fits_first_blocks(architecture),)+ }
            }

            /// The architecture of its networks, where it is not that of the dense one.
            pub(crate) fn architecture(&self, of: &Architecture) -> Option<Architecture> {
                match self { $(Sharing::$name(method) => method.architecture(of),)+ }
            }

            /// Whether there are batch norms inside its layers, which can be left out.
            pub(crate) fn has_inner_norms(&self, architecture: &Architecture) -> bool {
                match self { $(Sharing::$name(method) => method.has_inner_norms(architecture),)+ }
            }

            /// Whether the authors' PyTorch code has it.
            pub(crate) fn is_the_authors(&self) -> bool {
                match self { $(Sharing::$name(method) => method.is_the_authors(),)+ }
            }

            fn has_attention(&self) -> bool {
                match self { $(Sharing::$name(method) => method.has_attention(),)+ }
            }
        }

        /// The suffix of a name, without the dash before it.
        impl fmt::Display for Sharing {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self { $(Sharing::$name(method) => fmt::Display::fmt(method, f),)+ }
            }
        }

        impl OnBases for SlotConv {
            fn pass<P: Pass>(&self, pass: &mut P, at: &Place, bases: &Bases, x: P::Map) -> P::Map {
                match self {
                    SlotConv::Dense(conv) => pass.conv2d(at, conv, x),
                    $(SlotConv::$name(layer) => OnBases::pass(layer, pass, at, bases, x),)+
                }
            }
        }
    };
}

methods! {
    /// Bases of chosen ranks: `-s16u1`, `-s16u1-double`.
    Ranks: RanksLayer,
    /// Whole convolutions as bases: `-shared`, `-shared++`, `-shared++-eca`.
    Whole: cobasis::SharedConv2d,
    /// Factorised layers that share nothing: `-lowrank8`.
    LowRank: cobasis::BasisConv2d,
    /// A 3×1 and a 1×3 convolution for each layer: `-tai9`.
    Separable: SeparableConv2d,
    /// A smaller convolution between two 1×1 ones for each layer: `-tucker10`.
    Tucker: TuckerConv2d,
    /// One kernel for several layers of a stage: `-tied`, `-tied-double`, `-tied-second`,
    /// `-tied-pairs`.
    Tied: cobasis::SharedConv2d,
    /// Kernels that are sums of a stage's templates: `-templates2`.
    Templates: TemplatesConv2d,
    /// Filters of a stage on each part of the channels: `-filterbasis24x16`.
    FilterBasis: FilterBasisConv2d,
    /// 3×1 convolutions of a stage, 1×3 ones of each layer: `-jointsvd15`, `-jointsvd15-double`.
    JointSvd: JointSvdConv2d,
    /// The dense network with another width: `-width9`.
    Width: cobasis::SharedConv2d,
    /// Factorised layers whose ranks training finds: `-hinge73584`.
    Hinge: HingeConv2d,
    /// Weights that are few numbers of their layer: `-hashed73584`.
    Hashed: HashedConv2d,
    /// The weights of all layers out of one list: `-ring73584`.
    Ring: RingConv2d,
    /// Filters that a small network of all layers makes: `-hypernet64`.
    Hypernet: HypernetConv2d,
    /// Filters as rings of tensors that are sums of one basis: `-tbasis20r28`.
    TBasis: TBasisConv2d,
    /// The same by autoencoders of filters, a reconstruction: `-alf73584`.
    Alf: AlfConv2d,
}

impl Sharing {
    /// What the suffixes of a network may be, in words.
    pub(crate) fn expected(architecture: &Architecture) -> String {
        let syntaxes = Self::syntaxes(architecture);
        let syntaxes: Vec<&str> =
            syntaxes.into_iter().flat_map(|syntaxes| syntaxes.split(", ")).collect();
        let all = match architecture.has_basic_blocks() {
            true => " (with -all at the end for first blocks too)",
            false => "",
        };
        match syntaxes.as_slice() {
            [] => "nothing".to_string(),
            [only] => format!("{only}{all}"),
            [first @ .., last] => format!("{} or {last}{all}", first.join(", ")),
        }
    }
}

/// What fills the slots of a network's blocks.
#[derive(Clone, Copy)]
pub(crate) struct Filler<'a> {
    sharing: Option<Sharing>,
    blocks: Blocks,
    pub(crate) made_with: MadeWith<'a>,
}

impl<'a> Filler<'a> {
    pub(crate) fn new(name: &ModelName, made_with: MadeWith<'a>) -> Self {
        Self { sharing: name.sharing(), blocks: name.blocks(), made_with }
    }

    /// What fills the slots of a stage's block of this number.
    pub(crate) fn of_block(self, index: usize) -> Self {
        match self.blocks {
            Blocks::AfterFirst if index == 0 => self.dense(),
            Blocks::AfterFirst | Blocks::All => self,
        }
    }

    /// What fills the slots of blocks that do not share.
    pub(crate) fn dense(self) -> Self {
        Self { sharing: None, ..self }
    }

    /// The convolution of a slot, and its output channels.
    pub(crate) fn conv(&self, slot: &Slot) -> (SlotConv, usize) {
        let layer = self.sharing.and_then(|sharing| {
            Some((sharing.layer(slot, &self.made_with)?, sharing.channels_out(slot)))
        });
        layer.unwrap_or_else(|| {
            let conv = conv2d(slot.channels, slot.kernel, slot.stride).with_groups(slot.groups);
            (SlotConv::Dense(conv.init(self.made_with.device)), slot.channels[1])
        })
    }

    /// Whether blocks have batch norms other than the last one, before the shortcut is added.
    pub(crate) fn has_first_norms(&self) -> bool {
        self.sharing.is_none() || self.made_with.norms != Norms::LastOnly
    }

    /// Whether blocks scale their channels by attention at their end.
    pub(crate) fn has_attention(&self) -> bool {
        self.sharing.is_some_and(|sharing| sharing.has_attention())
    }
}

/// The banks that a method makes for these slots.
pub(crate) fn bank_specs(sharing: Option<Sharing>, slots: &[Slot]) -> Vec<BankSpec> {
    sharing.map_or_else(Vec::new, |sharing| sharing.banks(slots))
}
