//! The blocks of a stage, and what they have in common.

mod basic;
mod bottleneck;
mod config;
mod inverted_residual;

use burn::module::Module;
use burn::tensor::Tensor;
use cobasis::{Bases, Forward, Pass, Place};

pub use basic::BasicBlock;
pub use bottleneck::BottleneckBlock;
pub(crate) use config::BlockConfig;
pub use inverted_residual::InvertedResidualBlock;
pub(crate) use inverted_residual::InvertedResidualConfig;

use crate::on_bases::OnBases;
use crate::sharing::Filler;
use crate::spec::BlockKind;

/// A residual block.
#[derive(Module, Debug)]
#[expect(clippy::large_enum_variant, reason = "Burn has no Module for Box, and there are few")]
#[non_exhaustive]
pub enum Block {
    /// Two 3×3 convolutions.
    Basic(BasicBlock),
    /// 1×1, 3×3, 1×1.
    Bottleneck(BottleneckBlock),
    /// 1×1, 3×3 in each channel, 1×1.
    InvertedResidual(InvertedResidualBlock),
}

impl Block {
    pub(crate) fn new(config: &BlockConfig, fill: Filler) -> Self {
        match config.kind {
            BlockKind::Basic => Block::Basic(BasicBlock::new(config, fill)),
            BlockKind::Bottleneck | BlockKind::ResNeXt => {
                Block::Bottleneck(BottleneckBlock::new(config, fill))
            }
        }
    }

    /// The block's output, `[batch, channels, height / stride, width / stride]`, with the network's
    /// bases.
    pub fn forward(&self, input: Tensor<4>, bases: &Bases) -> Tensor<4> {
        self.pass(&mut Forward, &Place::ROOT, bases, input.into()).into_tensor()
    }
}

impl OnBases for Block {
    fn pass<P: Pass>(&self, pass: &mut P, at: &Place, bases: &Bases, x: P::Map) -> P::Map {
        match self {
            Block::Basic(block) => block.pass(pass, at, bases, x),
            Block::Bottleneck(block) => block.pass(pass, at, bases, x),
            Block::InvertedResidual(block) => block.pass(pass, at, bases, x),
        }
    }
}
