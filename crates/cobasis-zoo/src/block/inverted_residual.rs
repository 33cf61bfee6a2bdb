//! The inverted residual block: 1×1 to many channels, 3×3 in each, 1×1 back to few. The stage may
//! share the 1×1 convolutions as they are.

use burn::module::Module;
use burn::nn::conv::Conv2d;
use burn::nn::{BatchNorm, BatchNormConfig};
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor};
use cobasis::{CostTable, FilterBasis};

use crate::attention::ChannelAttention;
use crate::name::Sharing;
use crate::resnet::ShortcutKind;
use crate::shortcut::Shortcut;
use crate::stage_conv::{StageConv, conv2d};

/// The least channels before a block at which its attention looks at a channel's neighbours.
const ATTENTION_TO_NEIGHBOURS: usize = 96;

/// Configuration of an [`InvertedResidualBlock`].
#[derive(Clone, Copy)]
pub(crate) struct InvertedResidualConfig {
    /// Channels before the block.
    pub(crate) input: usize,
    /// Channels after it.
    pub(crate) output: usize,
    /// Channels inside for each channel before it.
    pub(crate) expansion: usize,
    pub(crate) stride: usize,
    /// The shortcut of a block at stride 1 whose channels change; `None`: it has no shortcut, as
    /// no block has at other strides.
    pub(crate) shortcut: Option<ShortcutKind>,
    /// What the block shares with its stage; `None` for a dense one.
    pub(crate) sharing: Option<Sharing>,
}

/// `norm3(conv3(relu(norm2(conv2(relu(norm1(conv1(x))))))))`, with attention to its channels and a
/// shortcut added where the block has them. Nothing follows the sum.
#[derive(Module, Debug)]
pub struct InvertedResidualBlock {
    /// 1×1, to the channels inside.
    pub conv1: StageConv,
    /// Batch norm after it.
    pub norm1: BatchNorm,
    /// 3×3 in each channel, the one with the stride.
    pub conv2: Conv2d,
    /// Batch norm after it.
    pub norm2: BatchNorm,
    /// 1×1, to the block's output.
    pub conv3: StageConv,
    /// Batch norm after it.
    pub norm3: BatchNorm,
    /// Scales the channels of the result.
    pub attention: Option<ChannelAttention>,
    /// What is added to the result.
    pub shortcut: Option<Shortcut>,
}

impl InvertedResidualConfig {
    /// The shapes of the bases that blocks of this configuration need.
    pub(crate) fn basis_shapes(&self) -> Vec<[usize; 4]> {
        let expand = [self.inside(), self.input, 1, 1];
        let project = [self.output, self.inside(), 1, 1];
        match self.sharing {
            // Names of these networks have no ranks.
            None | Some(Sharing::Ranks(_)) => Vec::new(),
            Some(Sharing::Whole) => vec![expand],
            Some(Sharing::WholeAndNext { .. }) => vec![expand, project],
        }
    }

    fn inside(&self) -> usize {
        self.expansion * self.input
    }
}

impl InvertedResidualBlock {
    pub(crate) fn new(config: &InvertedResidualConfig, device: &Device) -> Self {
        let InvertedResidualConfig { input, output, stride, shortcut, .. } = *config;
        let inside = config.inside();
        let conv = |shared, channels| match shared {
            true => StageConv::shared(1),
            false => StageConv::dense(channels, 1, 1, device),
        };
        let shared = config.basis_shapes().len();
        let neighbours = if input < ATTENTION_TO_NEIGHBOURS { 1 } else { 3 };
        let attention = match config.sharing {
            Some(Sharing::WholeAndNext { attention: true }) => Some(neighbours),
            _ => None,
        };
        // A shortcut of unchanged shape is the input, whatever the kind.
        let shortcut = match shortcut {
            None if input == output => Some(ShortcutKind::Projection),
            kind => kind,
        };
        let shortcut = shortcut.filter(|_| stride == 1);
        Self {
            conv1: conv(shared > 0, [input, inside]),
            norm1: BatchNormConfig::new(inside).init(device),
            conv2: conv2d([inside, inside], 3, stride).with_groups(inside).init(device),
            norm2: BatchNormConfig::new(inside).init(device),
            conv3: conv(shared > 1, [inside, output]),
            norm3: BatchNormConfig::new(output).init(device),
            attention: attention.map(|neighbours| ChannelAttention::new(neighbours, device)),
            shortcut: shortcut.map(|kind| Shortcut::new(kind, [input, output], stride, device)),
        }
    }

    /// The block's output, with the bases of its stage: none, one for the first convolution, or a
    /// second one for the last.
    pub fn forward(&self, input: Tensor<4>, bases: &[FilterBasis]) -> Tensor<4> {
        let out = relu(self.norm1.forward(self.conv1.forward(input.clone(), bases.first())));
        let out = relu(self.norm2.forward(self.conv2.forward(out)));
        let mut out = self.norm3.forward(self.conv3.forward(out, bases.last()));
        if let Some(attention) = &self.attention {
            out = attention.forward(out);
        }
        match &self.shortcut {
            Some(shortcut) => out + shortcut.forward(input),
            None => out,
        }
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
        let size = table.conv2d(&format!("{path}.conv2"), &self.conv2, size);
        table.batch_norm(&format!("{path}.norm2"), &self.norm2, size);
        let size = self.conv3.cost(&format!("{path}.conv3"), bases.last(), size, table);
        table.batch_norm(&format!("{path}.norm3"), &self.norm3, size);
        if let Some(attention) = &self.attention {
            let channels = self.norm3.gamma.lazy_shape()[0];
            attention.cost(&format!("{path}.attention"), channels, size, table);
        }
        if let Some(shortcut) = &self.shortcut {
            shortcut.cost(&format!("{path}.shortcut"), input, table);
        }
        size
    }
}
