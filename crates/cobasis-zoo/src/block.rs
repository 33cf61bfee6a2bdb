//! The basic residual block: two 3×3 convolutions, each dense or on the stage's basis.

use burn::module::Module;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{BatchNorm, BatchNormConfig, PaddingConfig2d};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};
use cobasis::{BasisConv2d, BasisConv2dConfig, CostTable, FilterBasis};

use crate::name::Sharing;
use crate::resnet::ShortcutKind;
use crate::shortcut::Shortcut;

/// Configuration of a [`BasicBlock`].
pub(crate) struct BasicBlockConfig {
    /// Channels before and after the block.
    pub(crate) channels: [usize; 2],
    pub(crate) stride: usize,
    pub(crate) shortcut: ShortcutKind,
    /// Ranks of the block's convolutions; `None` for dense ones.
    pub(crate) sharing: Option<Sharing>,
}

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

/// A 3×3 convolution of a stage.
#[derive(Module, Debug)]
#[expect(clippy::large_enum_variant, reason = "Burn has no Module for Box, and there are few")]
pub enum StageConv {
    /// With filters of its own.
    Dense(Conv2d),
    /// On a basis of the stage.
    Basis(BasisConv2d),
}

impl BasicBlockConfig {
    pub(crate) fn init(&self, device: &Device) -> BasicBlock {
        let [channels_in, channels] = self.channels;
        let norm = || BatchNormConfig::new(channels).init(device);
        BasicBlock {
            conv1: stage_conv([channels_in, channels], self.stride, self.sharing, device),
            norm1: norm(),
            conv2: stage_conv([channels, channels], 1, self.sharing, device),
            norm2: norm(),
            shortcut: Shortcut::new(self.shortcut, self.channels, self.stride, device),
        }
    }
}

impl BasicBlock {
    /// The block's output, with the bases of its stage: none, one for both convolutions, or one
    /// for each.
    pub fn forward(&self, input: Tensor<4>, bases: &[FilterBasis]) -> Tensor<4> {
        let out = relu(self.norm1.forward(self.conv1.forward(input.clone(), bases.first())));
        let out = self.norm2.forward(self.conv2.forward(out, bases.last()));
        relu(out + self.shortcut.forward(input))
    }

    /// The unique filters of its convolutions, in order.
    pub(crate) fn unique(&self) -> impl Iterator<Item = Tensor<4>> {
        [&self.conv1, &self.conv2].into_iter().filter_map(StageConv::unique)
    }

    pub(crate) fn cost(
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

impl StageConv {
    /// The convolution's output; a dense one ignores the basis of its stage.
    pub fn forward(&self, input: Tensor<4>, basis: Option<&FilterBasis>) -> Tensor<4> {
        match self {
            StageConv::Dense(conv) => conv.forward(input),
            StageConv::Basis(conv) => conv.forward(input, basis),
        }
    }

    fn unique(&self) -> Option<Tensor<4>> {
        match self {
            StageConv::Dense(_) => None,
            StageConv::Basis(conv) => conv.unique.as_ref().map(|unique| unique.val()),
        }
    }

    fn cost(
        &self,
        path: &str,
        basis: Option<&FilterBasis>,
        input: [usize; 2],
        table: &mut CostTable,
    ) -> [usize; 2] {
        match self {
            StageConv::Dense(conv) => table.conv2d(path, conv, input),
            StageConv::Basis(conv) => table.basis_conv2d(path, conv, basis, input),
        }
    }
}

fn stage_conv(
    channels: [usize; 2],
    stride: usize,
    sharing: Option<Sharing>,
    device: &Device,
) -> StageConv {
    match sharing {
        None => StageConv::Dense(conv2d(channels, 3, stride).init(device)),
        Some(Sharing { shared, unique, .. }) => StageConv::Basis(
            BasisConv2dConfig::new(channels, [3, 3], shared, unique)
                .with_stride([stride, stride])
                .with_padding([1, 1])
                .with_initializer(crate::init::LATER)
                .init(device),
        ),
    }
}

/// A square convolution without bias that keeps the size at stride 1.
pub(crate) fn conv2d(channels: [usize; 2], kernel: usize, stride: usize) -> Conv2dConfig {
    let pad = kernel / 2;
    Conv2dConfig::new(channels, [kernel, kernel])
        .with_stride([stride, stride])
        .with_padding(PaddingConfig2d::Explicit(pad, pad, pad, pad))
        .with_bias(false)
        .with_initializer(crate::init::LATER)
}
