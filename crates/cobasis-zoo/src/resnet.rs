//! Residual networks (He et al. 2015), dense or with shared bases.

use burn::module::Module;
use burn::nn::conv::Conv2d;
use burn::nn::pool::{MaxPool2d, MaxPool2dConfig};
use burn::nn::{BatchNorm, BatchNormConfig, Linear, LinearConfig, PaddingConfig2d};
use burn::tensor::Device;
use cobasis::ortho::Family;

use crate::block::{BlockConfig, resnext};
use crate::name::Sharing;
use crate::pass::{Activation, Pass, Place};
use crate::stage::{self, Stage, StageConfig};
use crate::stage_conv::conv2d;

/// What distinguishes one ResNet from another.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct ResNetSpec {
    /// The kind of its blocks.
    pub block: BlockKind,
    /// Blocks in each stage.
    pub blocks: &'static [usize],
    /// Width of the blocks of the first stage; each later stage doubles it.
    pub width: usize,
    /// What comes before the first stage.
    pub stem: StemKind,
    /// The shortcut where a stage changes the shape.
    pub shortcut: ShortcutKind,
}

/// The kind of residual block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BlockKind {
    /// Two 3×3 convolutions.
    Basic,
    /// 1×1, 3×3, 1×1, with four times the channels outside.
    Bottleneck,
    /// A bottleneck with twice the channels inside, in 32 groups: ResNeXt 32×4d (Xie et al. 2016).
    ResNeXt,
}

/// What comes before the first stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StemKind {
    /// A 3×3 convolution that keeps the size of small images.
    Small,
    /// A 7×7 convolution and a 3×3 maximum, each of which halves the size.
    Large,
}

/// The shortcut of a block whose output differs in shape from its input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ShortcutKind {
    /// He et al.'s option A: every second pixel, and zeros for the new channels, half of them
    /// before and half after the old ones.
    Pad,
    /// He et al.'s option B: a strided 1×1 convolution and batch norm.
    Projection,
}

/// Configuration of a [`ResNet`].
pub(crate) struct ResNetConfig<'a> {
    pub(crate) spec: &'a ResNetSpec,
    pub(crate) sharing: Option<Sharing>,
    /// See [`ModelConfig::norms`](crate::ModelConfig::norms).
    pub(crate) norms: bool,
    pub(crate) in_channels: usize,
    pub(crate) num_classes: usize,
}

/// A residual network: stem, stages of blocks, global average pooling, linear classifier.
#[derive(Module, Debug)]
pub struct ResNet {
    /// The first convolution.
    pub stem: Stem,
    /// The stages; each owns the bases that its blocks share.
    pub stages: Vec<Stage>,
    /// The classifier.
    pub head: Linear,
}

/// The first convolution of a network, with batch norm.
#[derive(Module, Debug)]
pub struct Stem {
    /// 3×3 at stride 1, or 7×7 at stride 2.
    pub conv: Conv2d,
    /// Batch norm after it.
    pub norm: BatchNorm,
    /// 3×3 maximum at stride 2, for large images.
    pub pool: Option<MaxPool2d>,
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

    /// Groups of a dense 3×3 convolution.
    pub(crate) fn groups(self) -> usize {
        match self {
            BlockKind::Basic | BlockKind::Bottleneck => 1,
            BlockKind::ResNeXt => resnext::GROUPS,
        }
    }

    /// Groups of so many shared filters on so many channels inside the blocks.
    pub(crate) fn basis_groups(self, shared: usize, inner: usize) -> usize {
        match self {
            BlockKind::Basic | BlockKind::Bottleneck => 1,
            BlockKind::ResNeXt => resnext::shared_groups(shared, inner),
        }
    }
}

impl ResNetConfig<'_> {
    /// The network with its weights at zero and its bases not yet drawn.
    pub(crate) fn init(&self, device: &Device) -> ResNet {
        let ResNetSpec { block: kind, width, stem, shortcut, .. } = *self.spec;
        let mut channels = width;
        let mut stages = Vec::new();
        for (index, &blocks) in self.spec.blocks.iter().enumerate() {
            // The paper scales ranks with the stage as it does channels.
            let scale = 1 << index;
            let sharing = self.sharing.map(|sharing| match sharing {
                Sharing::Ranks(ranks) => Sharing::Ranks(ranks.scaled(scale)),
                whole => whole,
            });
            let stride = if index == 0 { 1 } else { 2 };
            let width = width * scale;
            let (input, norms) = (channels, self.norms);
            let first = BlockConfig { kind, input, width, stride, shortcut, sharing, norms };
            let stage = StageConfig { first, blocks };
            channels = stage.output();
            stages.push(stage.init(device));
        }
        ResNet {
            stem: stem.init([self.in_channels, width], device),
            stages,
            head: LinearConfig::new(channels, self.num_classes).init(device),
        }
    }
}

impl StemKind {
    fn init(self, channels: [usize; 2], device: &Device) -> Stem {
        let (kernel, stride) = match self {
            StemKind::Small => (3, 1),
            StemKind::Large => (7, 2),
        };
        let pool = MaxPool2dConfig::new([3, 3])
            .with_strides([2, 2])
            .with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1));
        Stem {
            conv: conv2d(channels, kernel, stride).init(device),
            norm: BatchNormConfig::new(channels[1]).init(device),
            pool: (self == StemKind::Large).then(|| pool.init()),
        }
    }
}

impl Stem {
    fn pass<P: Pass>(&self, pass: &mut P, at: &Place, x: P::Map) -> P::Map {
        let x = pass.conv2d(&at.field("conv"), &self.conv, x);
        let x = pass.norm(&at.field("norm"), &self.norm, x, Activation::Relu);
        match &self.pool {
            Some(pool) => pass.max_pool(pool, x),
            None => x,
        }
    }
}

impl ResNet {
    /// The bases as the penalty takes them: the first groups of all stages, then the second.
    pub(crate) fn families(&self) -> Vec<Family> {
        stage::families(&self.stages)
    }

    /// Images to the maps before global average pooling.
    pub(crate) fn pass<P: Pass>(&self, pass: &mut P, x: P::Map) -> P::Map {
        let x = self.stem.pass(pass, &Place::ROOT.field("stem"), x);
        stage::pass(&self.stages, pass, x)
    }
}
