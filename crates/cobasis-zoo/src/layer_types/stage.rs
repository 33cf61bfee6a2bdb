//! A stage: blocks of one width.

use burn::module::Module;
use burn::tensor::Tensor;
use cobasis::{Bases, Forward, Pass, Place};

use super::block::Block;
use crate::banks::{Scope, Shared};
use crate::on_bases::OnBases;
use crate::stage_maps::StageMaps;

/// Blocks of one width. What they share stands beside the network, in its [`Bases`].
#[derive(Module, Debug)]
pub struct Stage {
    /// The blocks; the first one shares nothing, unless the model is of all blocks (`-all`).
    pub blocks: Vec<Block>,
}

impl Stage {
    /// The stage's output, `[batch, channels, height / stride, width / stride]`, with the network's
    /// bases.
    pub fn forward(&self, input: Tensor<4>, bases: &Bases) -> Tensor<4> {
        self.pass(&mut Forward, &Place::ROOT, bases, input.into()).into_tensor()
    }
}

impl OnBases for Stage {
    fn pass<P: Pass>(&self, pass: &mut P, at: &Place, bases: &Bases, x: P::Map) -> P::Map {
        let blocks = self.blocks.iter().enumerate();
        blocks.fold(x, |x, (index, block)| block.pass(pass, &at.item("blocks", index), bases, x))
    }
}

/// A pass through a network's `stages`.
pub(crate) fn pass<P: Pass>(
    stages: &[Stage],
    pass: &mut P,
    shared: Shared,
    x: P::Map,
    outputs: &mut StageMaps<P::Map>,
) -> P::Map {
    stages.iter().enumerate().fold(x, |x, (index, stage)| {
        shared.enter(Scope::Stage(index), pass);
        let x = stage.pass(pass, &Place::ROOT.item("stages", index), shared.bases, x);
        outputs.push(&x);
        x
    })
}
