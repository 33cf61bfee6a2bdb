//! The methods that a budget can choose a setting of: what there is to choose, and how names write it.
//!
//! A method whose names the zoo does not know is as if it were not there; it appears with its names.

use std::ops::RangeInclusive;

use crate::name::ModelName;
use crate::sharing::Blocks;
use crate::spec::{Architecture, Variant};

/// A method.
pub(super) struct MethodEntry {
    pub(super) key: &'static str,
    /// What it is, in a few words.
    pub(super) about: &'static str,
    pub(super) knob: Knob,
}

/// What there is to choose. Parameters and multiply-accumulates never fall where a number grows.
pub(super) enum Knob {
    /// Nothing: the suffix.
    None(&'static str),
    /// Nothing, whichever blocks share.
    Whole(&'static str),
    /// A number in a range.
    Number { write: fn(&Facts, usize) -> String, range: fn(&Facts) -> RangeInclusive<usize> },
    /// A number in a range, whichever blocks share.
    WholeNumber { write: fn(&Facts, usize) -> String, range: fn(&Facts) -> RangeInclusive<usize> },
    /// Two numbers, the size of a basis of cores and their rank, from 1 to a largest one each.
    Pair { write: fn(usize, usize) -> String, most: usize },
    /// A number for each stage, from 1 to the largest that it can use. `write` gets the list of them.
    Stages { write: fn(&str) -> String, full: fn(&StageFacts) -> usize },
}

/// What there is to know about a network to set a range of numbers.
pub(super) struct Facts {
    pub(super) stages: Vec<StageFacts>,
    /// Layers that may share.
    layers: usize,
    /// Weights of all of them together, dense.
    weights: usize,
    /// Weights of all of them, each with a single inner channel.
    pairs: usize,
}

/// The layers of a stage that may share.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct StageFacts {
    /// Channels.
    width: usize,
    /// Filters with which a factorised layer can be any dense one.
    full_rank: usize,
    /// Layers that keep their shape.
    layers: usize,
}

impl MethodEntry {
    /// Whether its models are the same whichever blocks share.
    pub(super) fn ignores_blocks(&self) -> bool {
        matches!(self.knob, Knob::Whole(_) | Knob::WholeNumber { .. })
    }
}

impl Facts {
    pub(super) fn of(network: &ModelName, blocks: Blocks) -> Self {
        let slots = network.slots_of(blocks, Variant::default());
        let stages = match &network.entry().architecture {
            Architecture::ResNet(spec) => spec.blocks.len(),
            architecture => architecture.scales().len(),
        };
        let mut facts =
            Self { stages: vec![StageFacts::default(); stages], layers: 0, weights: 0, pairs: 0 };
        for slot in &slots {
            let [outputs, filter @ ..] = slot.filter_shape();
            let filter: usize = filter.iter().product();
            facts.layers += 1;
            facts.weights += outputs * filter;
            facts.pairs += outputs + filter;
            let stage = &mut facts.stages[slot.stage];
            stage.width = stage.width.max(outputs);
            stage.full_rank = stage.full_rank.max(slot.full_rank());
            stage.layers += usize::from(!slot.changes_shape());
        }
        facts
    }

    fn first(&self) -> StageFacts {
        self.stages.first().copied().unwrap_or_default()
    }
}

/// Numbers from one on; none where `most` is 0.
fn up_to(most: usize) -> RangeInclusive<usize> {
    1..=most
}

/// Weights of a pool that layers take theirs from.
fn pool(facts: &Facts) -> RangeInclusive<usize> {
    facts.layers.max(1)..=facts.weights
}

/// Weights that may be left of layers that start dense: at least one inner channel each.
fn left(facts: &Facts) -> RangeInclusive<usize> {
    facts.pairs.max(1)..=facts.weights.max(facts.pairs)
}

/// All methods, in the order of tables.
pub(super) static METHODS: &[MethodEntry] = &[
    MethodEntry { key: "dense", about: "the network itself", knob: Knob::Whole("") },
    MethodEntry {
        key: "width",
        about: "the network with fewer channels",
        knob: Knob::WholeNumber {
            write: |_, width| format!("width{width}"),
            range: |facts| up_to(facts.first().width.saturating_sub(1)),
        },
    },
    MethodEntry {
        key: "lowrank",
        about: "3x3 to a few channels, then 1x1, of each layer's own",
        knob: Knob::Stages {
            write: |list| format!("lowrank{list}"),
            full: |stage| stage.full_rank,
        },
    },
    MethodEntry {
        key: "lowrank-norm",
        about: "the same with a batch norm between the two",
        knob: Knob::Stages { write: |list| format!("s0u{list}"), full: |stage| stage.full_rank },
    },
    MethodEntry {
        key: "tai",
        about: "3x1 to a few channels, then 1x3, of each layer's own",
        knob: Knob::Stages {
            write: |list| format!("tai{list}"),
            full: |stage| 3 * stage.full_rank,
        },
    },
    MethodEntry {
        key: "tucker",
        about: "1x1 to a few channels, 3x3, 1x1, of each layer's own",
        knob: Knob::Stages { write: |list| format!("tucker{list}"), full: |stage| stage.full_rank },
    },
    MethodEntry { key: "tied", about: "one kernel for a stage", knob: Knob::None("tied") },
    MethodEntry {
        key: "tied-double",
        about: "one kernel for the first convolutions of a stage, one for the second",
        knob: Knob::None("tied-double"),
    },
    MethodEntry {
        key: "tied-second",
        about: "one kernel for the second convolutions of a stage",
        knob: Knob::None("tied-second"),
    },
    MethodEntry {
        key: "tied-pairs",
        about: "one kernel for both convolutions of a block",
        knob: Knob::None("tied-pairs"),
    },
    MethodEntry {
        key: "soft",
        about: "kernels that are sums of a stage's templates",
        knob: Knob::Stages { write: |list| format!("templates{list}"), full: |stage| stage.layers },
    },
    MethodEntry {
        key: "hashed",
        about: "weights at hashed places of a layer's numbers",
        knob: Knob::Number { write: |_, numbers| format!("hashed{numbers}"), range: pool },
    },
    MethodEntry {
        key: "ring",
        about: "all weights from one ring of numbers",
        knob: Knob::Number { write: |_, numbers| format!("ring{numbers}"), range: pool },
    },
    MethodEntry {
        key: "filter-basis",
        about: "filters of a few channels, on each part of the input",
        knob: Knob::Number {
            write: |facts, filters| format!("filterbasis{filters}x{}", facts.first().width),
            range: |facts| up_to(9 * facts.first().width),
        },
    },
    MethodEntry {
        key: "joint-svd",
        about: "3x1 of a stage's first or second convolutions together, then 1x3 of each layer's own",
        knob: Knob::Stages {
            write: |list| format!("jointsvd{list}-double"),
            full: |stage| 3 * stage.full_rank,
        },
    },
    MethodEntry {
        key: "tbasis",
        about: "tensor rings of cores that are sums of one basis",
        knob: Knob::Pair { write: |basis, rank| format!("tbasis{basis}r{rank}"), most: 256 },
    },
    MethodEntry {
        key: "hypernet",
        about: "kernels that a small network makes from embeddings",
        knob: Knob::Number { write: |_, size| format!("hypernet{size}"), range: |_| up_to(4096) },
    },
    MethodEntry {
        key: "hinge",
        about: "3x3 and 1x1, of which group sparsity leaves a few channels",
        knob: Knob::Number { write: |_, weights| format!("hinge{weights}"), range: left },
    },
    MethodEntry {
        key: "alf",
        about: "autoencoders that prune filters (reconstruction)",
        knob: Knob::Number { write: |_, weights| format!("alf{weights}"), range: left },
    },
    MethodEntry {
        key: "dsfb",
        about: "shared filters of a stage, one unique filter for a layer of the first",
        knob: Knob::Number {
            write: |_, shared| format!("s{shared}u1"),
            range: |facts| up_to(facts.first().full_rank),
        },
    },
    MethodEntry {
        key: "dsfb-double",
        about: "the same with two banks a stage",
        knob: Knob::Number {
            write: |_, shared| format!("s{shared}u1-double"),
            range: |facts| up_to(facts.first().full_rank),
        },
    },
];
