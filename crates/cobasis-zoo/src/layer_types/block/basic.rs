//! The basic residual block: two 3×3 convolutions, each of which a method may share.

use burn::module::Module;
use burn::nn::{BatchNorm, BatchNormConfig};
use cobasis::{Activation, Bases, Pass, Place};

use super::config::BlockConfig;
use crate::layer_types::shortcut::Shortcut;
use crate::on_bases::OnBases;
use crate::sharing::{Filler, SlotConv};

/// `relu(norm2(conv2(relu(norm1(conv1(x))))) + shortcut(x))`.
#[derive(Module, Debug)]
pub struct BasicBlock {
    /// First convolution, the one with the stride.
    pub conv1: SlotConv,
    /// Batch norm after it; none in the paper's ablation.
    pub norm1: Option<BatchNorm>,
    /// Second convolution.
    pub conv2: SlotConv,
    /// Batch norm after it.
    pub norm2: BatchNorm,
    /// What is added to the result.
    pub shortcut: Shortcut,
}

impl BasicBlock {
    pub(super) fn new(config: &BlockConfig, fill: Filler) -> Self {
        let BlockConfig { input, width, stride, shortcut, .. } = *config;
        let device = fill.made_with.device;
        let [(conv1, _), (conv2, _)] = config.basic_slots().map(|slot| fill.conv(&slot));
        let norm = BatchNormConfig::new(width);
        Self {
            conv1,
            norm1: fill.has_first_norms().then(|| norm.init(device)),
            conv2,
            norm2: norm.init(device),
            shortcut: Shortcut::new(shortcut, [input, width], stride, device),
        }
    }
}

impl OnBases for BasicBlock {
    fn pass<P: Pass>(&self, pass: &mut P, at: &Place, bases: &Bases, x: P::Map) -> P::Map {
        let shortcut = self.shortcut.pass(pass, &at.field("shortcut"), x.clone());
        let x = self.conv1.pass(pass, &at.field("conv1"), bases, x);
        let x = match &self.norm1 {
            Some(norm1) => pass.norm(&at.field("norm1"), norm1, x, Activation::Relu),
            None => pass.activate(x, Activation::Relu),
        };
        let x = self.conv2.pass(pass, &at.field("conv2"), bases, x);
        pass.norm_add(&at.field("norm2"), &self.norm2, x, Some(shortcut), Activation::Relu)
    }
}
