//! The bottleneck block: 1×1, 3×3, 1×1, of which the stage may share the last two as they are, and
//! in a ResNeXt filters of the 3×3 convolution.

use burn::module::Module;
use burn::nn::conv::Conv2d;
use burn::nn::{BatchNorm, BatchNormConfig};
use burn::tensor::Device;

use crate::block::{BlockConfig, resnext};
use crate::name::Sharing;
use crate::pass::{Activation, Pass, Place};
use crate::shortcut::Shortcut;
use crate::stage_conv::{StageConv, conv2d};

/// `relu(norm3(conv3(relu(norm2(conv2(relu(norm1(conv1(x)))))))) + shortcut(x))`.
#[derive(Module, Debug)]
pub struct BottleneckBlock {
    /// 1×1, to the channels inside the block.
    pub conv1: Conv2d,
    /// Batch norm after it.
    pub norm1: BatchNorm,
    /// 3×3, the one with the stride.
    pub conv2: StageConv,
    /// Batch norm after it.
    pub norm2: BatchNorm,
    /// 1×1, to the block's output.
    pub conv3: StageConv,
    /// Batch norm after it.
    pub norm3: BatchNorm,
    /// What is added to the result.
    pub shortcut: Shortcut,
}

impl BottleneckBlock {
    pub(super) fn new(config: &BlockConfig, device: &Device) -> Self {
        let BlockConfig { kind, input, width, stride, shortcut, sharing, .. } = *config;
        let (inner, output) = (kind.inner(width), kind.expansion() * width);
        let (conv2, rank) = match sharing {
            Some(Sharing::Ranks(ranks)) => {
                (resnext::conv(inner, ranks, device), ranks.unique + ranks.shared)
            }
            Some(Sharing::Whole | Sharing::WholeAndNext { .. }) => (StageConv::shared(3), inner),
            None => {
                let conv = conv2d([inner, inner], 3, stride).with_groups(kind.groups());
                (StageConv::Dense(conv.init(device)), inner)
            }
        };
        Self {
            conv1: conv2d([input, inner], 1, 1).init(device),
            norm1: BatchNormConfig::new(inner).init(device),
            conv2,
            norm2: BatchNormConfig::new(rank).init(device),
            conv3: match sharing {
                Some(Sharing::WholeAndNext { .. }) => StageConv::shared(1),
                _ => StageConv::dense([rank, output], 1, 1, device),
            },
            norm3: BatchNormConfig::new(output).init(device),
            shortcut: Shortcut::new(shortcut, [input, output], stride, device),
        }
    }

    /// The first basis is that of the 3×3 convolution, the second that of the 1×1 one after it.
    pub(super) fn pass<P: Pass>(&self, pass: &mut P, at: &Place, x: P::Map) -> P::Map {
        let shortcut = self.shortcut.pass(pass, &at.field("shortcut"), x.clone());
        let x = pass.conv2d(&at.field("conv1"), &self.conv1, x);
        let x = pass.norm(&at.field("norm1"), &self.norm1, x, Activation::Relu);
        let x = self.conv2.pass(pass, &at.field("conv2").with_first_basis(), x);
        let x = pass.norm(&at.field("norm2"), &self.norm2, x, Activation::Relu);
        let x = self.conv3.pass(pass, &at.field("conv3").with_last_basis(), x);
        pass.norm_add(&at.field("norm3"), &self.norm3, x, shortcut, Activation::Relu)
    }
}
