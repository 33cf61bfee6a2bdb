//! Residual networks (He et al. 2015), dense or with shared bases.

use burn::module::Module;
use burn::nn::conv::Conv2d;
use burn::nn::{BatchNorm, BatchNormConfig};
use burn::tensor::Device;
use cobasis::{Activation, Pass, Place, Windows};

use crate::banks::Shared;
use crate::conv2d::conv2d;
use crate::layer_types::block::{Block, BlockConfig};
use crate::layer_types::stage::{self, Stage};
use crate::sharing::Filler;
use crate::slot::{Blocks, Slot};
use crate::spec::{ResNetSpec, StemKind};
use crate::stage_maps::StageMaps;

/// A residual network up to its last maps: stem, stages of blocks.
#[derive(Module, Debug)]
pub struct ResNet {
    /// The first convolution.
    pub stem: Stem,
    /// The stages.
    pub stages: Vec<Stage>,
}

/// The first convolution of a network, with batch norm.
#[derive(Module, Debug)]
pub struct Stem {
    /// 3×3 at stride 1, or 7×7 at stride 2.
    pub conv: Conv2d,
    /// Batch norm after it.
    pub norm: BatchNorm,
    /// 3×3 maximum at stride 2, for large images.
    #[module(skip)]
    pub pool: Option<Windows>,
}

impl ResNetSpec {
    /// The blocks, stage by stage.
    fn block_configs(&self) -> Vec<Vec<BlockConfig>> {
        let mut input = self.width;
        let stages = self.blocks.iter().enumerate().map(|(stage, &blocks)| {
            let width = self.width << stage;
            let keeps_size = stage == 0 && self.stem != StemKind::Strided;
            let stride = if keeps_size { 1 } else { 2 };
            let Self { block: kind, shortcut, .. } = *self;
            let first = BlockConfig { kind, stage, index: 0, input, width, stride, shortcut };
            input = first.output();
            let rest = (1..blocks).map(|index| BlockConfig { index, input, stride: 1, ..first });
            std::iter::once(first).chain(rest).collect()
        });
        stages.collect()
    }

    /// The convolutions that the blocks offer to a sharing method.
    pub(crate) fn slots(&self, offered: Blocks) -> Vec<Slot> {
        let stages = self.block_configs().into_iter();
        stages
            .flat_map(|blocks| blocks.into_iter().skip(usize::from(offered == Blocks::AfterFirst)))
            .flat_map(|block| block.slots())
            .collect()
    }

    /// Strides of the outputs of the stages against the images.
    pub(crate) fn strides(&self) -> Vec<usize> {
        let first = match self.stem {
            StemKind::Small => 1,
            StemKind::Large | StemKind::Strided => 4,
        };
        (0..self.blocks.len()).map(|stage| first << stage).collect()
    }

    /// Channels before the classifier.
    pub(crate) fn features(&self) -> usize {
        let stages = self.blocks.len();
        self.block.expansion() * (self.width << (stages - 1))
    }
}

impl ResNet {
    /// The network with its weights at zero.
    pub(crate) fn new(spec: &ResNetSpec, in_channels: usize, fill: Filler) -> Self {
        let stages = spec.block_configs().into_iter().map(|blocks| {
            let blocks = blocks
                .iter()
                .enumerate()
                .map(|(index, config)| Block::new(config, fill.of_block(index)));
            Stage { blocks: blocks.collect() }
        });
        Self {
            stem: Stem::new(spec.stem, [in_channels, spec.width], fill.made_with.device),
            stages: stages.collect(),
        }
    }

    /// Images to the maps before global average pooling.
    pub(crate) fn pass<P: Pass>(
        &self,
        pass: &mut P,
        shared: Shared,
        x: P::Map,
        outputs: &mut StageMaps<P::Map>,
    ) -> P::Map {
        let x = self.stem.pass(pass, &Place::ROOT.field("stem"), x);
        stage::pass(&self.stages, pass, shared, x, outputs)
    }
}

impl Stem {
    fn new(kind: StemKind, channels: [usize; 2], device: &Device) -> Self {
        let (kernel, stride) = match kind {
            StemKind::Small => (3, 1),
            StemKind::Large => (7, 2),
            StemKind::Strided => (3, 2),
        };
        let pool = Windows { size: [3, 3], stride: [2, 2], padding: [1, 1] };
        Self {
            conv: conv2d(channels, kernel, stride).init(device),
            norm: BatchNormConfig::new(channels[1]).init(device),
            pool: (kind == StemKind::Large).then_some(pool),
        }
    }

    fn pass<P: Pass>(&self, pass: &mut P, at: &Place, x: P::Map) -> P::Map {
        let x = pass.conv2d(&at.field("conv"), &self.conv, x);
        let x = pass.norm(&at.field("norm"), &self.norm, x, Activation::Relu);
        match self.pool {
            Some(windows) => pass.max_pool(windows, x),
            None => x,
        }
    }
}
