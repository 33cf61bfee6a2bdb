//! A stage: the blocks that share filters, and the owner of what they share.

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use cobasis::ortho::FilterGroup;
use cobasis::{CostTable, FilterBasis};

use crate::block::{BasicBlock, BasicBlockConfig};
use crate::init::LATER;
use crate::name::Sharing;
use crate::resnet::ShortcutKind;

/// Configuration of a [`Stage`].
pub(crate) struct StageConfig {
    /// Channels before and after the stage.
    pub(crate) channels: [usize; 2],
    /// Stride of the first block.
    pub(crate) stride: usize,
    pub(crate) blocks: usize,
    pub(crate) shortcut: ShortcutKind,
    /// Ranks of this stage.
    pub(crate) sharing: Option<Sharing>,
}

/// Blocks of one width, and the bases that they share.
///
/// The stage owns its bases; its blocks borrow them in `forward`.
#[derive(Module, Debug)]
pub struct Stage {
    /// None in a stage that shares nothing, one for all convolutions, or two: for the first
    /// convolutions of the blocks, and for the second.
    pub bases: Vec<FilterBasis>,
    /// The first one is dense.
    pub blocks: Vec<BasicBlock>,
}

impl StageConfig {
    pub(crate) fn init(&self, device: &Device) -> Stage {
        let [_, channels] = self.channels;
        let first = BasicBlockConfig {
            channels: self.channels,
            stride: self.stride,
            shortcut: self.shortcut,
            sharing: None,
        };
        let rest = BasicBlockConfig {
            channels: [channels, channels],
            stride: 1,
            shortcut: self.shortcut,
            sharing: self.sharing,
        };
        let num_bases = match self.sharing {
            Some(Sharing { shared: 1.., double, .. }) => 1 + usize::from(double),
            _ => 0,
        };
        let shared = self.sharing.map_or(0, |sharing| sharing.shared);
        Stage {
            bases: (0..num_bases)
                .map(|_| FilterBasis { weight: LATER.init([shared, channels, 3, 3], device) })
                .collect(),
            blocks: std::iter::once(first.init(device))
                .chain((1..self.blocks).map(|_| rest.init(device)))
                .collect(),
        }
    }
}

impl Stage {
    /// The stage's output, `[batch, channels, height / stride, width / stride]`.
    pub fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        self.blocks.iter().fold(input, |x, block| block.forward(x, &self.bases))
    }

    /// What the penalty sees of the stage.
    pub(crate) fn group(&self) -> FilterGroup {
        FilterGroup {
            shared: self.bases.iter().map(|basis| basis.weight.val()).collect(),
            unique: self.blocks.iter().flat_map(BasicBlock::unique).collect(),
        }
    }

    pub(crate) fn cost(&self, path: &str, input: [usize; 2], table: &mut CostTable) -> [usize; 2] {
        for (index, basis) in self.bases.iter().enumerate() {
            table.basis(&format!("{path}.bases.{index}"), basis);
        }
        self.blocks.iter().enumerate().fold(input, |size, (index, block)| {
            block.cost(&format!("{path}.blocks.{index}"), &self.bases, size, table)
        })
    }
}
