//! The blocks of a stage, and what they have in common.

mod basic;
mod bottleneck;
mod inverted_residual;
pub(crate) mod resnext;

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use cobasis::FilterBasis;

pub use basic::BasicBlock;
pub use bottleneck::BottleneckBlock;
pub use inverted_residual::InvertedResidualBlock;
pub(crate) use inverted_residual::InvertedResidualConfig;

use crate::name::Sharing;
use crate::pass::{Forward, Pass, Place};
use crate::resnet::{BlockKind, ShortcutKind};

/// Configuration of a [`Block`] of a residual network.
#[derive(Clone, Copy)]
pub(crate) struct BlockConfig {
    pub(crate) kind: BlockKind,
    /// Channels before the block.
    pub(crate) input: usize,
    /// The block's width: there are [`BlockKind::inner`] channels inside it, and after it
    /// [`BlockKind::expansion`] times as many.
    pub(crate) width: usize,
    pub(crate) stride: usize,
    pub(crate) shortcut: ShortcutKind,
    /// What the block shares with its stage; `None` for a dense one.
    pub(crate) sharing: Option<Sharing>,
    /// Whether a basic block that shares filters has a batch norm after each convolution, inside
    /// layers on a basis too, or only before its end.
    pub(crate) norms: bool,
}

/// A residual block.
#[derive(Module, Debug)]
#[expect(clippy::large_enum_variant, reason = "Burn has no Module for Box, and there are few")]
pub enum Block {
    /// Two 3×3 convolutions.
    Basic(BasicBlock),
    /// 1×1, 3×3, 1×1.
    Bottleneck(BottleneckBlock),
    /// 1×1, 3×3 in each channel, 1×1.
    InvertedResidual(InvertedResidualBlock),
}

impl BlockConfig {
    pub(crate) fn init(&self, device: &Device) -> Block {
        match self.kind {
            BlockKind::Basic => Block::Basic(BasicBlock::new(self, device)),
            BlockKind::Bottleneck | BlockKind::ResNeXt => {
                Block::Bottleneck(BottleneckBlock::new(self, device))
            }
        }
    }
}

impl Block {
    /// The block's output, `[batch, channels, height / stride, width / stride]`, with the bases of
    /// its stage.
    pub fn forward(&self, input: Tensor<4>, bases: &[FilterBasis]) -> Tensor<4> {
        self.pass(&mut Forward::default(), &Place::ROOT.with_bases(bases), input.into())
            .into_tensor()
    }

    pub(crate) fn pass<P: Pass>(&self, pass: &mut P, at: &Place, x: P::Map) -> P::Map {
        match self {
            Block::Basic(block) => block.pass(pass, at, x),
            Block::Bottleneck(block) => block.pass(pass, at, x),
            Block::InvertedResidual(block) => block.pass(pass, at, x),
        }
    }

    /// The unique filters of its convolutions, in order.
    pub(crate) fn unique(&self) -> Vec<Tensor<4>> {
        match self {
            Block::Basic(block) => block.unique(),
            Block::Bottleneck(_) | Block::InvertedResidual(_) => Vec::new(),
        }
    }
}
