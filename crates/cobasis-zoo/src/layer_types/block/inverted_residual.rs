//! The inverted residual block: 1×1 to many channels, 3×3 in each, 1×1 back to few. A method may
//! share the 1×1 convolutions.

use burn::module::Module;
use burn::nn::conv::Conv2d;
use burn::nn::{BatchNorm, BatchNormConfig};
use cobasis::{Activation, Bases, Pass, Place};

use crate::conv2d::conv2d;
use crate::layer_types::attention::ChannelAttention;
use crate::layer_types::shortcut::Shortcut;
use crate::on_bases::OnBases;
use crate::sharing::{Filler, SlotConv};
use crate::slot::{Slot, SlotRole};
use crate::spec::ShortcutKind;

/// The least channels before a block at which its attention looks at a channel's neighbours.
const ATTENTION_TO_NEIGHBOURS: usize = 96;

/// Configuration of an [`InvertedResidualBlock`].
#[derive(Clone, Copy)]
pub(crate) struct InvertedResidualConfig {
    /// The stage that the block is in.
    pub(crate) stage: usize,
    /// Its number in the stage.
    pub(crate) index: usize,
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
    pub conv1: Option<SlotConv>,
    /// Batch norm after it.
    pub norm1: Option<BatchNorm>,
    /// 3×3 in each channel, the one with the stride.
    pub conv2: Conv2d,
    /// Batch norm after it.
    pub norm2: BatchNorm,
    /// 1×1, to the block's output.
    pub conv3: SlotConv,
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
    /// The convolutions that it offers to a sharing method: the first and the last one.
    pub(crate) fn slots(&self) -> [Slot; 2] {
        let Self { stage, index: block, input, output, .. } = *self;
        let (kernel, stride, groups, scale) = (1, 1, 1, 1);
        let slot = |role, channels| Slot {
            stage,
            lender: stage,
            block,
            role,
            channels,
            kernel,
            stride,
            groups,
            scale,
        };
        [
            slot(SlotRole::Expand, [input, self.inside()]),
            slot(SlotRole::Project, [self.inside(), output]),
        ]
    }

    fn inside(&self) -> usize {
        self.expansion * self.input
    }

    /// What is added to the block's output, which has the block's stride.
    fn shortcut(&self) -> Option<ShortcutKind> {
        match self.shortcut {
            _ if self.stride != 1 => None,
            // An unchanged shape needs no layer, whatever the kind.
            None if self.input == self.output => Some(ShortcutKind::Projection),
            kind => kind,
        }
    }
}

impl InvertedResidualBlock {
    pub(crate) fn new(config: &InvertedResidualConfig, fill: Filler) -> Self {
        let InvertedResidualConfig { input, output, stride, .. } = *config;
        let (inside, device) = (config.inside(), fill.made_with.device);
        let [expand, project] = config.slots();
        let expands = config.always_expands || config.expansion > 1;
        let neighbours = if input < ATTENTION_TO_NEIGHBOURS { 1 } else { 3 };
        let shortcut = config.shortcut();
        Self {
            conv1: expands.then(|| fill.conv(&expand).0),
            norm1: expands.then(|| BatchNormConfig::new(inside).init(device)),
            conv2: conv2d([inside, inside], 3, stride).with_groups(inside).init(device),
            norm2: BatchNormConfig::new(inside).init(device),
            conv3: fill.conv(&project).0,
            norm3: BatchNormConfig::new(output).init(device),
            attention: fill.has_attention().then(|| ChannelAttention::new(neighbours, device)),
            shortcut: shortcut.map(|kind| Shortcut::new(kind, [input, output], stride, device)),
            activation: config.activation,
        }
    }
}

impl OnBases for InvertedResidualBlock {
    fn pass<P: Pass>(&self, pass: &mut P, at: &Place, bases: &Bases, x: P::Map) -> P::Map {
        let (input, mut x) = (x.clone(), x);
        if let (Some(conv1), Some(norm1)) = (&self.conv1, &self.norm1) {
            x = conv1.pass(pass, &at.field("conv1"), bases, x);
            x = pass.norm(&at.field("norm1"), norm1, x, self.activation);
        }
        let x = pass.conv2d(&at.field("conv2"), &self.conv2, x);
        let x = pass.norm(&at.field("norm2"), &self.norm2, x, self.activation);
        let x = self.conv3.pass(pass, &at.field("conv3"), bases, x);
        let norm3 = at.field("norm3");
        let shortcut =
            self.shortcut.as_ref().map(|layer| layer.pass(pass, &at.field("shortcut"), input));
        let Some(attention) = &self.attention else {
            return pass.norm_add(&norm3, &self.norm3, x, shortcut, Activation::None);
        };
        let x = pass.norm(&norm3, &self.norm3, x, Activation::None);
        let x = attention.pass(pass, &at.field("attention"), x);
        match shortcut {
            Some(shortcut) => pass.add(x, shortcut),
            None => x,
        }
    }
}
