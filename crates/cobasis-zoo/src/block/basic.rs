//! The basic residual block: two 3×3 convolutions, each dense or on the stage's basis.

use burn::module::Module;
use burn::nn::{BatchNorm, BatchNormConfig};
use burn::tensor::{Device, Tensor};

use crate::block::BlockConfig;
use crate::name::Sharing;
use crate::pass::{Activation, Pass, Place};
use crate::shortcut::Shortcut;
use crate::stage_conv::StageConv;

/// `relu(norm2(conv2(relu(norm1(conv1(x))))) + shortcut(x))`.
#[derive(Module, Debug)]
pub struct BasicBlock {
    /// First convolution, the one with the stride.
    pub conv1: StageConv,
    /// Batch norm after it; none in the paper's ablation.
    pub norm1: Option<BatchNorm>,
    /// Second convolution.
    pub conv2: StageConv,
    /// Batch norm after it.
    pub norm2: BatchNorm,
    /// What is added to the result.
    pub shortcut: Shortcut,
}

impl BasicBlock {
    pub(super) fn new(config: &BlockConfig, device: &Device) -> Self {
        let BlockConfig { input, width, stride, shortcut, sharing, norms, .. } = *config;
        let conv = |input, stride| match sharing {
            Some(Sharing::Ranks(ranks)) => {
                StageConv::on_basis([input, width], ranks, norms, device)
            }
            _ => StageConv::dense([input, width], 3, stride, device),
        };
        Self {
            conv1: conv(input, stride),
            norm1: (norms || sharing.is_none()).then(|| BatchNormConfig::new(width).init(device)),
            conv2: conv(width, 1),
            norm2: BatchNormConfig::new(width).init(device),
            shortcut: Shortcut::new(shortcut, [input, width], stride, device),
        }
    }

    /// One basis serves both convolutions; of two, each has its own.
    pub(super) fn pass<P: Pass>(&self, pass: &mut P, at: &Place, x: P::Map) -> P::Map {
        let shortcut = self.shortcut.pass(pass, &at.field("shortcut"), x.clone());
        let x = self.conv1.pass(pass, &at.field("conv1").with_first_basis(), x);
        let x = match &self.norm1 {
            Some(norm1) => pass.norm(&at.field("norm1"), norm1, x, Activation::Relu),
            None => pass.activate(x, Activation::Relu),
        };
        let x = self.conv2.pass(pass, &at.field("conv2").with_last_basis(), x);
        pass.norm_add(&at.field("norm2"), &self.norm2, x, shortcut, Activation::Relu)
    }

    pub(super) fn unique(&self) -> Vec<Tensor<4>> {
        [&self.conv1, &self.conv2].into_iter().filter_map(StageConv::unique).collect()
    }
}
