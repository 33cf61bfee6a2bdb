//! What distinguishes one network from another, as data.

mod densenet;
mod mobilenet;
mod resnet;

use serde::{Deserialize, Serialize};

pub use densenet::DenseNetSpec;
pub use mobilenet::MobileNetV2Spec;
pub(crate) use mobilenet::{ROWS, blocks_before};
pub use resnet::{BlockKind, ResNetSpec, ShortcutKind, StemKind};

/// The most stages that a network may have.
pub(crate) const MAX_STAGES: usize = 8;
/// The most blocks or layers in all stages together.
const MAX_BLOCKS: usize = 512;
/// The most channels after a stage.
const MAX_CHANNELS: usize = 16384;

/// The kinds of networks.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Architecture {
    /// Residual networks.
    ResNet(ResNetSpec),
    /// MobileNetV2s.
    MobileNetV2(MobileNetV2Spec),
    /// Densely connected networks.
    DenseNet(DenseNetSpec),
}

/// How the networks of an architecture start. Linear layers start as PyTorch's do, uniform within
/// `±1/sqrt(inputs)`, batch norms at weight 1 and bias 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct InitialWeights {
    pub(crate) convolutions: Convolutions,
    /// Whether bases start orthonormal where their method says so, or as convolutions do.
    pub(crate) orthonormal: bool,
}

/// How convolutions start, unique filters and coefficients among them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Convolutions {
    /// Normal with standard deviation `sqrt(2 / (kernel area × filters))`.
    KaimingFanOut,
    /// PyTorch's default: uniform within `±1/sqrt(kernel area × channels of a filter)`.
    PyTorch,
}

/// What to do where the authors' code departs from the paper's description.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Variant {
    /// As the paper says: every stage has a basis of its own.
    #[default]
    Corrected,
    /// As the authors' code does, which their checkpoints need: the last stage of a DenseNet shares
    /// the basis of the one before it, and its own is idle, though parameters and penalty count it.
    /// Their other networks are as described.
    Authors,
    /// As torchvision builds its MobileNetV2, which its weights need: ReLU6 inside blocks, no first
    /// convolution in the first block, no biases before batch norms. Dense ImageNet networks only;
    /// its ResNets are as described.
    Torchvision,
}

/// Which batch norms the blocks that share filters have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Norms {
    /// All: between bases and coefficients too.
    #[default]
    All,
    /// All but those between bases and coefficients.
    WithoutInner,
    /// Only the last one of a block, before its shortcut is added: the paper's ablation.
    LastOnly,
}

impl Norms {
    /// All of them.
    pub const ALL: [Self; 3] = [Norms::All, Norms::WithoutInner, Norms::LastOnly];

    /// Its name in files and configurations.
    pub const fn name(self) -> &'static str {
        match self {
            Norms::All => "all",
            Norms::WithoutInner => "without-inner",
            Norms::LastOnly => "last-only",
        }
    }
}

impl Architecture {
    /// How networks of this architecture start.
    pub(crate) fn initial_weights(&self) -> InitialWeights {
        let (convolutions, orthonormal) = match self {
            Architecture::ResNet(spec) => match spec.block {
                BlockKind::Basic | BlockKind::Bottleneck => (Convolutions::KaimingFanOut, true),
                BlockKind::ResNeXt => (Convolutions::PyTorch, true),
            },
            Architecture::DenseNet(_) | Architecture::MobileNetV2(_) => {
                (Convolutions::PyTorch, false)
            }
        };
        InitialWeights { convolutions, orthonormal }
    }

    /// What the ranks of the first stage are multiplied by in each stage: the paper scales ranks as
    /// it does channels inside the layers.
    pub(crate) fn scales(&self) -> Vec<usize> {
        match self {
            Architecture::ResNet(spec) => (0..spec.blocks.len()).map(|stage| 1 << stage).collect(),
            Architecture::MobileNetV2(_) => vec![1; ROWS.len()],
            Architecture::DenseNet(spec) => vec![1; spec.layers.len()],
        }
    }

    /// The residual networks of basic blocks.
    pub(crate) fn has_basic_blocks(&self) -> bool {
        matches!(self, Architecture::ResNet(spec) if spec.block == BlockKind::Basic)
    }

    /// Refuses what is no network, or one so large that it can only be a slip or an attack.
    ///
    /// # Errors
    ///
    /// What is wrong, in words.
    pub fn check(&self) -> Result<(), String> {
        let (blocks, channels): (&[usize], Option<usize>) = match self {
            Architecture::ResNet(spec) => (&spec.blocks, spec.channels()),
            Architecture::MobileNetV2(_) => return Ok(()),
            Architecture::DenseNet(spec) => (&spec.layers, spec.channels()),
        };
        let stages = blocks.len();
        if !(1..=MAX_STAGES).contains(&stages) {
            return Err(format!("expected 1 to {MAX_STAGES} stages, got {stages}"));
        }
        let all = blocks.iter().try_fold(0usize, |sum, &blocks| sum.checked_add(blocks));
        if blocks.contains(&0) || all.is_none_or(|all| all > MAX_BLOCKS) {
            return Err(format!(
                "expected a block in every stage and at most {MAX_BLOCKS} in all, got {blocks:?}"
            ));
        }
        match channels {
            Some(1..=MAX_CHANNELS) => Ok(()),
            _ => Err(format!("expected 1 to {MAX_CHANNELS} channels after the last stage")),
        }
    }
}
