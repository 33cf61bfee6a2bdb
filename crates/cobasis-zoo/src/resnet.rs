//! Residual networks of basic blocks (He et al. 2015), dense or with shared bases.

use burn::module::Module;
use burn::nn::conv::Conv2d;
use burn::nn::{BatchNorm, BatchNormConfig, Linear, LinearConfig};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};
use cobasis::CostTable;
use cobasis::ortho::FilterGroup;

use crate::block::conv2d;
use crate::name::Sharing;
use crate::stage::{Stage, StageConfig};

/// What distinguishes one CIFAR ResNet from another.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct ResNetSpec {
    /// Blocks in each stage.
    pub blocks: &'static [usize],
    /// Channels of the first stage; each later stage doubles them.
    pub width: usize,
    /// The shortcut where a stage changes the shape.
    pub shortcut: ShortcutKind,
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
    pub(crate) in_channels: usize,
    pub(crate) num_classes: usize,
}

/// A residual network for small images: 3×3 stem, stages of basic blocks, global average pooling,
/// linear classifier.
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
    /// 3×3, stride 1.
    pub conv: Conv2d,
    /// Batch norm after it.
    pub norm: BatchNorm,
}

impl ResNetConfig<'_> {
    /// The network with its weights at zero and its bases not yet drawn.
    pub(crate) fn init(&self, device: &Device) -> ResNet {
        let width = self.spec.width;
        let stages = self.spec.blocks.iter().enumerate().map(|(index, &blocks)| {
            // The paper scales ranks with the stage as it does channels.
            let scale = 1 << index;
            StageConfig {
                channels: [if index == 0 { width } else { width * scale / 2 }, width * scale],
                stride: if index == 0 { 1 } else { 2 },
                blocks,
                shortcut: self.spec.shortcut,
                sharing: self.sharing.map(|sharing| Sharing {
                    shared: sharing.shared * scale,
                    unique: sharing.unique * scale,
                    ..sharing
                }),
            }
            .init(device)
        });
        let stages: Vec<Stage> = stages.collect();
        let features = width << (self.spec.blocks.len() - 1);
        ResNet {
            stem: Stem {
                conv: conv2d([self.in_channels, width], 3, 1).init(device),
                norm: BatchNormConfig::new(width).init(device),
            },
            stages,
            head: LinearConfig::new(features, self.num_classes).init(device),
        }
    }
}

impl ResNet {
    /// Logits of shape `[batch, classes]` for images of shape `[batch, channels, height, width]`.
    pub fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        let stem = relu(self.stem.norm.forward(self.stem.conv.forward(images)));
        let maps = self.stages.iter().fold(stem, |x, stage| stage.forward(x));
        let [batch, channels, height, width] = maps.dims();
        let features = maps.reshape([batch, channels, height * width]).mean_dim(2);
        self.head.forward(features.reshape([batch, channels]))
    }

    pub(crate) fn groups(&self) -> Vec<FilterGroup> {
        self.stages.iter().map(Stage::group).collect()
    }

    pub(crate) fn cost(&self, input: [usize; 2], table: &mut CostTable) {
        let size = table.conv2d("stem.conv", &self.stem.conv, input);
        table.batch_norm("stem.norm", &self.stem.norm, size);
        self.stages
            .iter()
            .enumerate()
            .fold(size, |size, (index, stage)| stage.cost(&format!("stages.{index}"), size, table));
        table.linear("head", &self.head);
    }
}
