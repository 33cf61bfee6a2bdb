//! MobileNetV2 (Sandler et al. 2018) as the authors build it, dense or with shared bases: ReLU
//! inside blocks, biases in the first and the last convolution.

use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{BatchNorm, BatchNormConfig, PaddingConfig2d};
use burn::tensor::Device;
use cobasis::{Activation, Pass, Place};

use crate::banks::Shared;
use crate::conv2d::conv2d;
use crate::layer_types::block::{Block, InvertedResidualBlock, InvertedResidualConfig};
use crate::layer_types::stage::{self, Stage};
use crate::sharing::Filler;
use crate::slot::Slot;
use crate::spec::{MobileNetV2Spec, ROWS, ShortcutKind, Variant};
use crate::stage_maps::StageMaps;

/// Channels before the first stage.
const STEM_CHANNELS: usize = 32;

/// Channels before the classifier.
pub(crate) const FEATURES: usize = 1280;

/// A MobileNetV2 up to its last maps: stem, stages of inverted residual blocks, a last 1×1
/// convolution.
///
/// The authors' network for large images drops a fifth of the features in training, between
/// [pooling](crate::Model::pooled) and [classifier](crate::Model::classify). Here that is for the
/// training loop to do.
#[derive(Module, Debug)]
pub struct MobileNetV2 {
    /// The first convolution.
    pub stem: ConvNorm,
    /// The stages.
    pub stages: Vec<Stage>,
    /// The last convolution.
    pub last: ConvNorm,
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

    /// The blocks, stage by stage, and whether those after the first one of a stage can share.
    fn block_configs(self, variant: Variant) -> Vec<(bool, Vec<InvertedResidualConfig>)> {
        let torchvision = variant == Variant::Torchvision;
        let mut input = STEM_CHANNELS;
        let stages = ROWS.iter().zip(self.strides()).enumerate().map(|(stage, (row, stride))| {
            let output = row.channels;
            let first = InvertedResidualConfig {
                stage,
                index: 0,
                input,
                output,
                expansion: row.expansion,
                stride,
                shortcut: self.shortcut(),
                activation: if torchvision { Activation::Relu6 } else { Activation::Relu },
                always_expands: !torchvision,
            };
            let rest = (1..row.blocks).map(|index| InvertedResidualConfig {
                index,
                input: output,
                stride: 1,
                ..first
            });
            input = output;
            (row.shares, std::iter::once(first).chain(rest).collect())
        });
        stages.collect()
    }

    /// The convolutions that the blocks offer to a sharing method.
    pub(crate) fn slots(self, variant: Variant) -> Vec<Slot> {
        let stages = self.block_configs(variant).into_iter().filter(|(shares, _)| *shares);
        let blocks = stages.flat_map(|(_, blocks)| blocks.into_iter().skip(1));
        blocks.flat_map(|block| block.slots()).collect()
    }
}

impl MobileNetV2 {
    /// The network with its weights at zero.
    pub(crate) fn new(
        spec: MobileNetV2Spec,
        variant: Variant,
        in_channels: usize,
        fill: Filler,
    ) -> Self {
        let device = fill.made_with.device;
        let biased = variant != Variant::Torchvision;
        let unit = |conv: Conv2dConfig| ConvNorm::new(conv.with_bias(biased), device);
        let stages = spec.block_configs(variant).into_iter().map(|(shares, blocks)| {
            let blocks = blocks.iter().enumerate().map(|(index, config)| {
                let fill = if shares && index > 0 { fill } else { fill.dense() };
                Block::InvertedResidual(InvertedResidualBlock::new(config, fill))
            });
            Stage { blocks: blocks.collect() }
        });
        let last = ROWS.last().map_or(STEM_CHANNELS, |row| row.channels);
        Self {
            stem: unit(spec.stem(in_channels)),
            stages: stages.collect(),
            last: unit(conv2d([last, FEATURES], 1, 1)),
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
        let x = stage::pass(&self.stages, pass, shared, x, outputs);
        self.last.pass(pass, &Place::ROOT.field("last"), x)
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
