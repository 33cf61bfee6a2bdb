//! The basic residual block: two 3×3 convolutions, each dense or on the stage's basis.

use burn::module::Module;
use burn::nn::{BatchNorm, BatchNormConfig};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};
use cobasis::{CostTable, FilterBasis};

use crate::block::BlockConfig;
use crate::name::Sharing;
use crate::shortcut::Shortcut;
use crate::stage_conv::StageConv;

/// `relu(norm2(conv2(relu(norm1(conv1(x))))) + shortcut(x))`.
#[derive(Module, Debug)]
pub struct BasicBlock {
    /// First convolution, the one with the stride.
    pub conv1: StageConv,
    /// Batch norm after it.
    pub norm1: BatchNorm,
    /// Second convolution.
    pub conv2: StageConv,
    /// Batch norm after it.
    pub norm2: BatchNorm,
    /// What is added to the result.
    pub shortcut: Shortcut,
}

impl BasicBlock {
    pub(super) fn new(config: &BlockConfig, device: &Device) -> Self {
        let BlockConfig { input, width, stride, shortcut, .. } = *config;
        let conv = |input, stride| match config.sharing {
            Some(Sharing::Ranks(ranks)) => StageConv::on_basis([input, width], ranks, device),
            _ => StageConv::dense([input, width], 3, stride, device),
        };
        Self {
            conv1: conv(input, stride),
            norm1: BatchNormConfig::new(width).init(device),
            conv2: conv(width, 1),
            norm2: BatchNormConfig::new(width).init(device),
            shortcut: Shortcut::new(shortcut, [input, width], stride, device),
        }
    }

    /// The block's output, with the bases of its stage: none, one for both convolutions, or one
    /// for each.
    pub fn forward(&self, input: Tensor<4>, bases: &[FilterBasis]) -> Tensor<4> {
        let out = relu(self.norm1.forward(self.conv1.forward(input.clone(), bases.first())));
        let out = self.norm2.forward(self.conv2.forward(out, bases.last()));
        relu(out + self.shortcut.forward(input))
    }

    pub(super) fn unique(&self) -> Vec<Tensor<4>> {
        [&self.conv1, &self.conv2].into_iter().filter_map(StageConv::unique).collect()
    }

    pub(super) fn cost(
        &self,
        path: &str,
        bases: &[FilterBasis],
        input: [usize; 2],
        table: &mut CostTable,
    ) -> [usize; 2] {
        let size = self.conv1.cost(&format!("{path}.conv1"), bases.first(), input, table);
        table.batch_norm(&format!("{path}.norm1"), &self.norm1, size);
        let size = self.conv2.cost(&format!("{path}.conv2"), bases.last(), size, table);
        table.batch_norm(&format!("{path}.norm2"), &self.norm2, size);
        self.shortcut.cost(&format!("{path}.shortcut"), input, table);
        size
    }
}
