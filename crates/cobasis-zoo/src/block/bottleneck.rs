//! The bottleneck block: 1×1, 3×3, 1×1, of which the stage may share the last two as they are, and
//! in a ResNeXt filters of the 3×3 convolution.

use burn::module::Module;
use burn::nn::conv::Conv2d;
use burn::nn::{BatchNorm, BatchNormConfig};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};
use cobasis::{CostTable, FilterBasis};

use crate::block::{BlockConfig, resnext};
use crate::name::Sharing;
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
        let BlockConfig { kind, input, width, stride, shortcut, sharing } = *config;
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

    /// The block's output, with the bases of its stage: none, one for the 3×3 convolution, or a
    /// second one for the 1×1 convolution after it.
    pub fn forward(&self, input: Tensor<4>, bases: &[FilterBasis]) -> Tensor<4> {
        let out = relu(self.norm1.forward(self.conv1.forward(input.clone())));
        let out = relu(self.norm2.forward(self.conv2.forward(out, bases.first())));
        let out = self.norm3.forward(self.conv3.forward(out, bases.last()));
        relu(out + self.shortcut.forward(input))
    }

    pub(super) fn cost(
        &self,
        path: &str,
        bases: &[FilterBasis],
        input: [usize; 2],
        table: &mut CostTable,
    ) -> [usize; 2] {
        let size = table.conv2d(&format!("{path}.conv1"), &self.conv1, input);
        table.batch_norm(&format!("{path}.norm1"), &self.norm1, size);
        let size = self.conv2.cost(&format!("{path}.conv2"), bases.first(), size, table);
        table.batch_norm(&format!("{path}.norm2"), &self.norm2, size);
        let size = self.conv3.cost(&format!("{path}.conv3"), bases.last(), size, table);
        table.batch_norm(&format!("{path}.norm3"), &self.norm3, size);
        self.shortcut.cost(&format!("{path}.shortcut"), input, table);
        size
    }
}
