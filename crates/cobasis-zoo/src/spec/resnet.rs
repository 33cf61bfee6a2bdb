//! Residual networks, as data.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

/// What distinguishes one ResNet from another.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ResNetSpec {
    /// The kind of its blocks.
    pub block: BlockKind,
    /// Blocks in each stage.
    pub blocks: Cow<'static, [usize]>,
    /// Width of the blocks of the first stage; each later stage doubles it.
    pub width: usize,
    /// What comes before the first stage.
    pub stem: StemKind,
    /// The shortcut where a stage changes the shape.
    pub shortcut: ShortcutKind,
}

/// The kind of residual block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum BlockKind {
    /// Two 3×3 convolutions.
    Basic,
    /// 1×1, 3×3, 1×1, with four times the channels outside.
    Bottleneck,
    /// A bottleneck with twice the channels inside, in 32 groups: ResNeXt 32×4d (Xie et al. 2016).
    #[serde(rename = "resnext")]
    ResNeXt,
}

/// What comes before the first stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum StemKind {
    /// A 3×3 convolution that keeps the size of small images.
    Small,
    /// A 7×7 convolution and a 3×3 maximum, each of which halves the size.
    Large,
    /// A 3×3 convolution that halves the size, before stages each of which halves it again, the first
    /// one too: for detectors on a processor.
    Strided,
}

/// The shortcut of a block whose output differs in shape from its input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ShortcutKind {
    /// He et al.'s option A: every second pixel, and zeros for the new channels, half of them
    /// before and half after the old ones.
    Pad,
    /// He et al.'s option B: a strided 1×1 convolution and batch norm.
    Projection,
}

impl ResNetSpec {
    /// `blocks` blocks in each stage, of width 64 in the first one, for small images, with
    /// projections where the shape changes.
    pub fn new(block: BlockKind, blocks: impl Into<Vec<usize>>) -> Self {
        Self {
            block,
            blocks: blocks.into().into(),
            width: 64,
            stem: StemKind::Small,
            shortcut: ShortcutKind::Projection,
        }
    }

    /// Changes the width of the first stage.
    pub fn with_width(self, width: usize) -> Self {
        Self { width, ..self }
    }

    /// Changes what comes before the first stage.
    pub fn with_stem(self, stem: StemKind) -> Self {
        Self { stem, ..self }
    }

    /// Changes the shortcut where a stage changes the shape.
    pub fn with_shortcut(self, shortcut: ShortcutKind) -> Self {
        Self { shortcut, ..self }
    }

    /// Channels after the last stage; `None` if they are too many for a number.
    pub(crate) fn channels(&self) -> Option<usize> {
        let doublings = u32::try_from(self.blocks.len().saturating_sub(1)).ok()?;
        let width = self.width.checked_mul(1usize.checked_shl(doublings)?)?;
        width.checked_mul(self.block.expansion().max(self.block.inner(1)))
    }
}

impl BlockKind {
    /// Output channels for each channel of a block's width.
    pub(crate) fn expansion(self) -> usize {
        match self {
            BlockKind::Basic => 1,
            BlockKind::Bottleneck | BlockKind::ResNeXt => 4,
        }
    }

    /// Channels inside a block of this width.
    pub(crate) fn inner(self, width: usize) -> usize {
        match self {
            BlockKind::Basic | BlockKind::Bottleneck => width,
            BlockKind::ResNeXt => 2 * width,
        }
    }

    /// Groups of a dense 3×3 convolution: the 32 of "32x4d".
    pub(crate) fn groups(self) -> usize {
        match self {
            BlockKind::Basic | BlockKind::Bottleneck => 1,
            BlockKind::ResNeXt => 32,
        }
    }
}
