//! MobileNetV2 (Sandler et al. 2018) as the authors build it, dense or with shared bases: ReLU
//! inside blocks, biases in the first and the last convolution.

use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{BatchNorm, BatchNormConfig, Linear, LinearConfig, PaddingConfig2d};
use burn::tensor::Device;
use cobasis::ortho::Family;

use crate::block::{Block, InvertedResidualBlock, InvertedResidualConfig};
use crate::model::Variant;
use crate::name::Sharing;
use crate::pass::{Activation, Pass, Place};
use crate::resnet::ShortcutKind;
use crate::stage::{self, Stage};
use crate::stage_conv::conv2d;

/// What distinguishes one MobileNetV2 from another: the size of its images.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
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
struct Row {
    /// Channels inside a block for each channel before it.
    expansion: usize,
    /// Channels after each block.
    channels: usize,
    blocks: usize,
    /// Whether sharing variants share convolutions here.
    shares: bool,
}

/// How many blocks there are before a stage.
pub(crate) fn blocks_before(stage: usize) -> usize {
    ROWS.iter().take(stage).map(|row| row.blocks).sum()
}

const fn row(expansion: usize, channels: usize, blocks: usize, shares: bool) -> Row {
    Row { expansion, channels, blocks, shares }
}

/// The stages, of which those with three or four blocks can share.
const ROWS: [Row; 7] = [
    row(1, 16, 1, false),
    row(6, 24, 2, false),
    row(6, 32, 3, true),
    row(6, 64, 4, true),
    row(6, 96, 3, true),
    row(6, 160, 3, true),
    row(6, 320, 1, false),
];

/// Channels before the first stage.
const STEM_CHANNELS: usize = 32;

/// Channels before the classifier.
const FEATURES: usize = 1280;

/// Configuration of a [`MobileNetV2`].
pub(crate) struct MobileNetV2Config {
    pub(crate) spec: MobileNetV2Spec,
    pub(crate) sharing: Option<Sharing>,
    pub(crate) variant: Variant,
    pub(crate) in_channels: usize,
    pub(crate) num_classes: usize,
}

/// A MobileNetV2: stem, stages of inverted residual blocks, a last 1×1 convolution, global average
/// pooling, linear classifier.
///
/// The authors' network for large images drops a fifth of the features in training, between
/// [pooling](crate::Model::pooled) and [classifier](crate::Model::classify). Here that is for the
/// training loop to do.
#[derive(Module, Debug)]
pub struct MobileNetV2 {
    /// The first convolution.
    pub stem: ConvNorm,
    /// The stages; each owns the bases that its blocks share.
    pub stages: Vec<Stage>,
    /// The last convolution.
    pub last: ConvNorm,
    /// The classifier; for small images the authors write it as a 1×1 convolution.
    pub head: Linear,
}

/// A convolution, with bias except in torchvision's networks, batch norm, and ReLU6.
#[derive(Module, Debug)]
pub struct ConvNorm {
    /// The convolution.
    pub conv: Conv2d,
    /// Batch norm after it.
    pub norm: BatchNorm,
}

impl MobileNetV2Spec {
    /// The strides of the stages.
    fn strides(self) -> [usize; 7] {
        match self {
            MobileNetV2Spec::Small => [1, 2, 2, 2, 1, 1, 1],
            MobileNetV2Spec::Large => [1, 2, 2, 2, 1, 2, 1],
        }
    }

    fn shortcut(self) -> Option<ShortcutKind> {
        match self {
            MobileNetV2Spec::Small => Some(ShortcutKind::Projection),
            MobileNetV2Spec::Large => None,
        }
    }

    /// The first convolution, which adds a margin of one pixel.
    fn stem(self, in_channels: usize) -> Conv2dConfig {
        let (kernel, stride) = match self {
            MobileNetV2Spec::Small => (1, 1),
            MobileNetV2Spec::Large => (3, 2),
        };
        conv2d([in_channels, STEM_CHANNELS], kernel, stride)
            .with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1))
    }
}

impl MobileNetV2Config {
    /// The network with its weights at zero.
    pub(crate) fn init(&self, device: &Device) -> MobileNetV2 {
        let torchvision = self.variant == Variant::Torchvision;
        let activation = if torchvision { Activation::Relu6 } else { Activation::Relu };
        let unit = |conv: Conv2dConfig| ConvNorm::new(conv.with_bias(!torchvision), device);
        let mut channels = STEM_CHANNELS;
        let mut stages = Vec::new();
        for (row, stride) in ROWS.iter().zip(self.spec.strides()) {
            let first = InvertedResidualConfig {
                input: channels,
                output: row.channels,
                expansion: row.expansion,
                stride,
                shortcut: self.spec.shortcut(),
                sharing: None,
                activation,
                always_expands: !torchvision,
            };
            let sharing = self.sharing.filter(|_| row.shares);
            let rest = InvertedResidualConfig { input: row.channels, stride: 1, sharing, ..first };
            let blocks = std::iter::once(first)
                .chain(std::iter::repeat_n(rest, row.blocks - 1))
                .map(|config| InvertedResidualBlock::new(&config, device))
                .map(Block::InvertedResidual);
            stages.push(Stage::new(rest.basis_shapes(), blocks, device));
            channels = row.channels;
        }
        MobileNetV2 {
            stem: unit(self.spec.stem(self.in_channels)),
            stages,
            last: unit(conv2d([channels, FEATURES], 1, 1)),
            head: LinearConfig::new(FEATURES, self.num_classes).init(device),
        }
    }
}

impl ConvNorm {
    fn new(conv: Conv2dConfig, device: &Device) -> Self {
        let norm = BatchNormConfig::new(conv.channels[1]).init(device);
        Self { conv: conv.init(device), norm }
    }

    fn pass<P: Pass>(&self, pass: &mut P, at: &Place, x: P::Map) -> P::Map {
        let x = pass.conv2d(&at.field("conv"), &self.conv, x);
        pass.norm(&at.field("norm"), &self.norm, x, Activation::Relu6)
    }
}

impl MobileNetV2 {
    /// The bases as the penalty takes them: those of first convolutions, then those of last ones.
    pub(crate) fn families(&self) -> Vec<Family> {
        stage::families(&self.stages)
    }

    /// Images to the maps before global average pooling.
    pub(crate) fn pass<P: Pass>(&self, pass: &mut P, x: P::Map) -> P::Map {
        let x = self.stem.pass(pass, &Place::ROOT.field("stem"), x);
        let x = stage::pass(&self.stages, pass, x);
        self.last.pass(pass, &Place::ROOT.field("last"), x)
    }
}
