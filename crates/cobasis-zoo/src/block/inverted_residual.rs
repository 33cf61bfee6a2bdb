//! The inverted residual block: 1×1 to many channels, 3×3 in each, 1×1 back to few. The stage may
//! share the 1×1 convolutions as they are.

use burn::module::Module;
use burn::nn::conv::Conv2d;
use burn::nn::{BatchNorm, BatchNormConfig};
use burn::tensor::Device;

use crate::attention::ChannelAttention;
use crate::name::Sharing;
use crate::pass::{Activation, Pass, Place};
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
    /// What follows the first two convolutions.
    pub(crate) activation: Activation,
    /// Whether there is a first convolution where it would not change the channels.
    pub(crate) always_expands: bool,
}

/// `norm3(conv3(relu(norm2(conv2(relu(norm1(conv1(x))))))))`, with attention to its channels and a
/// shortcut added where the block has them. Nothing follows the sum. torchvision's blocks have ReLU6
/// in the place of ReLU, and its first one has no first convolution.
#[derive(Module, Debug)]
pub struct InvertedResidualBlock {
    /// 1×1, to the channels inside.
    pub conv1: Option<StageConv>,
    /// Batch norm after it.
    pub norm1: Option<BatchNorm>,
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
    #[module(skip)]
    activation: Activation,
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
        let expands = config.always_expands || config.expansion > 1;
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
            conv1: expands.then(|| conv(shared > 0, [input, inside])),
            norm1: expands.then(|| BatchNormConfig::new(inside).init(device)),
            conv2: conv2d([inside, inside], 3, stride).with_groups(inside).init(device),
            norm2: BatchNormConfig::new(inside).init(device),
            conv3: conv(shared > 1, [inside, output]),
            norm3: BatchNormConfig::new(output).init(device),
            attention: attention.map(|neighbours| ChannelAttention::new(neighbours, device)),
            shortcut: shortcut.map(|kind| Shortcut::new(kind, [input, output], stride, device)),
            activation: config.activation,
        }
    }

    /// The first basis is that of the first convolution, the second that of the last.
    pub(super) fn pass<P: Pass>(&self, pass: &mut P, at: &Place, x: P::Map) -> P::Map {
        let (input, mut x) = (x.clone(), x);
        if let (Some(conv1), Some(norm1)) = (&self.conv1, &self.norm1) {
            x = conv1.pass(pass, &at.field("conv1").with_first_basis(), x);
            x = pass.norm(&at.field("norm1"), norm1, x, self.activation);
        }
        let x = pass.conv2d(&at.field("conv2"), &self.conv2, x);
        let x = pass.norm(&at.field("norm2"), &self.norm2, x, self.activation);
        let x = self.conv3.pass(pass, &at.field("conv3").with_last_basis(), x);
        let norm3 = at.field("norm3");
        let shortcut = self.shortcut.as_ref();
        let shortcut = shortcut.map(|layer| layer.pass(pass, &at.field("shortcut"), input));
        match (&self.attention, shortcut) {
            (None, None) => pass.norm(&norm3, &self.norm3, x, Activation::None),
            (None, Some(shortcut)) => {
                pass.norm_add(&norm3, &self.norm3, x, shortcut, Activation::None)
            }
            (Some(attention), shortcut) => {
                let x = pass.norm(&norm3, &self.norm3, x, Activation::None);
                let x = pass.attention(&at.field("attention"), attention, x);
                match shortcut {
                    Some(shortcut) => pass.add(x, shortcut),
                    None => x,
                }
            }
        }
    }
}
