//! MobileNetV2s, as data.

use serde::{Deserialize, Serialize};

/// What distinguishes one MobileNetV2 from another: the size of its images.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum MobileNetV2Spec {
    /// Small images, of 32×32 pixels: the first convolution is 1×1 and adds a margin of one pixel,
    /// three stages halve the size, and blocks at stride 1 project their input where the channels
    /// change.
    Small,
    /// Large images, of 224×224 pixels: the first convolution is 3×3 and halves the size, as do
    /// four stages. Blocks that change the shape have no shortcut.
    Large,
}

/// The blocks of a stage.
pub(crate) struct Row {
    /// Channels inside a block for each channel before it.
    pub(crate) expansion: usize,
    /// Channels after each block.
    pub(crate) channels: usize,
    pub(crate) blocks: usize,
    /// Whether sharing variants share convolutions here.
    pub(crate) shares: bool,
}

/// How many blocks there are before a stage.
pub(crate) fn blocks_before(stage: usize) -> usize {
    ROWS.iter().take(stage).map(|row| row.blocks).sum()
}

const fn row(expansion: usize, channels: usize, blocks: usize, shares: bool) -> Row {
    Row { expansion, channels, blocks, shares }
}

/// The stages, of which those with three or four blocks can share.
pub(crate) const ROWS: [Row; 7] = [
    row(1, 16, 1, false),
    row(6, 24, 2, false),
    row(6, 32, 3, true),
    row(6, 64, 4, true),
    row(6, 96, 3, true),
    row(6, 160, 3, true),
    row(6, 320, 1, false),
];

impl MobileNetV2Spec {
    /// The strides of the stages.
    pub(crate) fn strides(self) -> [usize; 7] {
        match self {
            MobileNetV2Spec::Small => [1, 2, 2, 2, 1, 1, 1],
            MobileNetV2Spec::Large => [1, 2, 2, 2, 1, 2, 1],
        }
    }

    /// Strides of the outputs of the stages against the images.
    pub(crate) fn strides_of_stages(self) -> Vec<usize> {
        let stem = match self {
            MobileNetV2Spec::Small => 1,
            MobileNetV2Spec::Large => 2,
        };
        let stages = self.strides().into_iter();
        stages
            .scan(stem, |all, stride| {
                *all *= stride;
                Some(*all)
            })
            .collect()
    }
}
