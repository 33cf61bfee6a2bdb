//! The bottleneck block: 1×1, 3×3, 1×1, of which a method may share the last two.

use burn::module::Module;
use burn::nn::conv::Conv2d;
use burn::nn::{BatchNorm, BatchNormConfig};
use cobasis::{Activation, Bases, Pass, Place};

use super::config::BlockConfig;
use crate::conv2d::conv2d;
use crate::layer_types::shortcut::Shortcut;
use crate::on_bases::OnBases;
use crate::sharing::{Filler, SlotConv};

/// `relu(norm3(conv3(relu(norm2(conv2(relu(norm1(conv1(x)))))))) + shortcut(x))`.
#[derive(Module, Debug)]
pub struct BottleneckBlock {
    /// 1×1, to the channels inside the block.
    pub conv1: Conv2d,
    /// Batch norm after it.
    pub norm1: BatchNorm,
    /// 3×3, the one with the stride.
    pub conv2: SlotConv,
    /// Batch norm after it.
    pub norm2: BatchNorm,
    /// 1×1, to the block's output.
    pub conv3: SlotConv,
    /// Batch norm after it.
    pub norm3: BatchNorm,
    /// What is added to the result.
    pub shortcut: Shortcut,
}

impl BottleneckBlock {
    pub(super) fn new(config: &BlockConfig, fill: Filler) -> Self {
        let BlockConfig { input, stride, shortcut, .. } = *config;
        let (inner, output, device) = (config.inner(), config.output(), fill.made_with.device);
        let (conv2, rank) = fill.conv(&config.inner_slot());
        let (conv3, _) = fill.conv(&config.outer_slot(rank));
        Self {
            conv1: conv2d([input, inner], 1, 1).init(device),
            norm1: BatchNormConfig::new(inner).init(device),
            conv2,
            norm2: BatchNormConfig::new(rank).init(device),
            conv3,
            norm3: BatchNormConfig::new(output).init(device),
            shortcut: Shortcut::new(shortcut, [input, output], stride, device),
        }
    }
}

impl OnBases for BottleneckBlock {
    fn pass<P: Pass>(&self, pass: &mut P, at: &Place, bases: &Bases, x: P::Map) -> P::Map {
        let shortcut = self.shortcut.pass(pass, &at.field("shortcut"), x.clone());
        let x = pass.conv2d(&at.field("conv1"), &self.conv1, x);
        let x = pass.norm(&at.field("norm1"), &self.norm1, x, Activation::Relu);
        let x = self.conv2.pass(pass, &at.field("conv2"), bases, x);
        let x = pass.norm(&at.field("norm2"), &self.norm2, x, Activation::Relu);
        let x = self.conv3.pass(pass, &at.field("conv3"), bases, x);
        pass.norm_add(&at.field("norm3"), &self.norm3, x, Some(shortcut), Activation::Relu)
    }
}
