//! A stage: the blocks that share filters, and the owner of what they share.

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use cobasis::FilterBasis;
use cobasis::ortho::{Family, FilterGroup};

use crate::block::{Block, BlockConfig};
use crate::init::LATER;
use crate::name::{Ranks, Sharing};
use crate::pass::{Forward, Pass, Place};

/// Configuration of a [`Stage`]: its first block, which is dense, and how many there are. The
/// sharing is that of the blocks after it.
pub(crate) struct StageConfig {
    pub(crate) first: BlockConfig,
    pub(crate) blocks: usize,
}

/// Blocks of one width, and the bases that they share.
///
/// The stage owns its bases; its blocks borrow them in `forward`.
#[derive(Module, Debug)]
pub struct Stage {
    /// None in a stage that shares nothing, one, or two.
    pub bases: Vec<FilterBasis>,
    /// The first one is dense.
    pub blocks: Vec<Block>,
}

impl StageConfig {
    pub(crate) fn init(&self, device: &Device) -> Stage {
        let output = self.output();
        let first = BlockConfig { sharing: None, ..self.first };
        let rest = BlockConfig { input: output, stride: 1, ..self.first };
        let blocks =
            std::iter::once(first.init(device)).chain((1..self.blocks).map(|_| rest.init(device)));
        Stage::new(self.basis_shapes(), blocks, device)
    }

    /// Channels after the stage.
    pub(crate) fn output(&self) -> usize {
        self.first.kind.expansion() * self.first.width
    }

    fn basis_shapes(&self) -> Vec<[usize; 4]> {
        let kind = self.first.kind;
        let width = kind.inner(self.first.width);
        match self.first.sharing {
            None | Some(Sharing::Ranks(Ranks { shared: 0, .. })) => Vec::new(),
            Some(Sharing::Ranks(Ranks { shared, double, .. })) => {
                let channels = width / kind.basis_groups(shared, width);
                vec![[shared, channels, 3, 3]; 1 + usize::from(double)]
            }
            Some(Sharing::Whole) => vec![[width, width, 3, 3]],
            Some(Sharing::WholeAndNext { .. }) => {
                vec![[width, width, 3, 3], [self.output(), width, 1, 1]]
            }
        }
    }
}

impl Stage {
    /// A stage of these blocks and of bases that are yet to be drawn.
    pub(crate) fn new(
        basis_shapes: Vec<[usize; 4]>,
        blocks: impl Iterator<Item = Block>,
        device: &Device,
    ) -> Self {
        let basis = |shape| FilterBasis { weight: LATER.init(shape, device) };
        let bases = basis_shapes.into_iter().map(basis).collect();
        Self { bases, blocks: blocks.collect() }
    }

    /// The stage's output, `[batch, channels, height / stride, width / stride]`.
    pub fn forward(&self, input: Tensor<4>) -> Tensor<4> {
        self.pass(&mut Forward::default(), &Place::ROOT, input.into()).into_tensor()
    }

    pub(crate) fn pass<P: Pass>(&self, pass: &mut P, at: &Place, x: P::Map) -> P::Map {
        for (index, basis) in self.bases.iter().enumerate() {
            pass.basis(&at.item("bases", index), basis);
        }
        let at = at.with_bases(&self.bases);
        let blocks = self.blocks.iter().enumerate();
        let x = blocks.fold(x, |x, (index, block)| block.pass(pass, &at.item("blocks", index), x));
        pass.end_of_stage(&x);
        x
    }

    /// What the penalty sees of the stage: a group for each family. Bases of equal shape act on the
    /// same kind of input, so they are kept orthonormal jointly; others each on their own.
    pub(crate) fn groups(&self) -> Vec<FilterGroup> {
        let weights =
            |bases: &[FilterBasis]| bases.iter().map(|basis| basis.weight.val()).collect();
        let group =
            |bases: &[FilterBasis]| FilterGroup { shared: weights(bases), unique: Vec::new() };
        let mut groups: Vec<FilterGroup> = match joint(&self.bases) {
            true => vec![group(&self.bases)],
            false => self.bases.chunks(1).map(group).collect(),
        };
        // Layers with unique filters have one family.
        groups[0].unique = self.blocks.iter().flat_map(Block::unique).collect();
        groups
    }
}

/// The bases of stages as the penalty takes them: the first groups of all stages, then the second.
pub(crate) fn families(stages: &[Stage]) -> Vec<Family> {
    let mut families: Vec<Family> = Vec::new();
    for stage in stages {
        for (index, group) in stage.groups().into_iter().enumerate() {
            match families.get_mut(index) {
                Some(family) => family.push(group),
                None => families.push(vec![group]),
            }
        }
    }
    families
}

/// A pass through a network's `stages`.
pub(crate) fn pass<P: Pass>(stages: &[Stage], pass: &mut P, x: P::Map) -> P::Map {
    let stages = stages.iter().enumerate();
    stages.fold(x, |x, (index, stage)| stage.pass(pass, &Place::ROOT.item("stages", index), x))
}

/// Whether the bases of a stage are orthonormal to one another, and not only each in itself.
pub(crate) fn joint(bases: &[FilterBasis]) -> bool {
    bases.iter().all(|basis| basis.weight.lazy_shape() == bases[0].weight.lazy_shape())
}
