//! The convolutions that blocks offer to a sharing method.

use burn::nn::PaddingConfig2d;
use cobasis::Geometry;

/// A convolution of a block, which a sharing method may put a layer of its own in the place of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    /// The stage that it is in.
    pub stage: usize,
    /// The stage whose banks it borrows: its own, but in one network of the authors.
    pub lender: usize,
    /// The number of its block in the stage, from 0: in a DenseNet, of its layer.
    pub block: usize,
    /// Which of its block's convolutions it is.
    pub role: SlotRole,
    /// Input and output channels.
    pub channels: [usize; 2],
    /// Height and width of the kernel.
    pub kernel: usize,
    /// Steps down and across. The zeros at each side are half a kernel, so that stride 1 keeps the
    /// size.
    pub stride: usize,
    /// The groups of the dense convolution.
    pub groups: usize,
    /// What the ranks of the first stage are multiplied by in this one.
    pub scale: usize,
}

/// Which blocks of a residual stage offer their convolutions to the sharing method.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Blocks {
    /// All but the first, which changes channels and size: the paper's protocol.
    #[default]
    AfterFirst,
    /// The first too: the suffix `-all`.
    All,
}

/// Which of a block's convolutions a slot is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SlotRole {
    /// The first 3×3 convolution of a basic block.
    First,
    /// The second one.
    Second,
    /// The 3×3 convolution of a bottleneck or of a DenseNet's layer.
    Inner,
    /// The 1×1 convolution that a bottleneck ends with.
    Outer,
    /// The 1×1 convolution that an inverted residual block begins with.
    Expand,
    /// The 1×1 convolution that it ends with.
    Project,
}

impl Slot {
    /// Whether the convolution is the one of a first block that changes channels or size, so that it
    /// has no filters in common with the rest of its stage.
    pub fn changes_shape(&self) -> bool {
        let [channels_in, channels_out] = self.channels;
        self.stride != 1 || (self.role == SlotRole::First && channels_in != channels_out)
    }

    /// The shape of the dense convolution's filters,
    /// `[channels_out, channels_in / groups, kernel, kernel]`.
    pub fn filter_shape(&self) -> [usize; 4] {
        let [channels_in, channels_out] = self.channels;
        [channels_out, channels_in / self.groups, self.kernel, self.kernel]
    }

    /// The dense convolution's weights.
    pub fn weights(&self) -> usize {
        self.filter_shape().iter().product()
    }

    /// Filters of its own with which a factorised layer can be any dense one.
    pub fn full_rank(&self) -> usize {
        let [outputs, filter @ ..] = self.filter_shape();
        filter.iter().product::<usize>().min(outputs)
    }

    /// The zero padding that keeps the size at stride 1.
    pub fn padding(&self) -> PaddingConfig2d {
        let pad = self.kernel / 2;
        PaddingConfig2d::Explicit(pad, pad, pad, pad)
    }

    /// How the dense convolution's filters move.
    pub fn geometry(&self) -> Geometry {
        Geometry {
            stride: [self.stride; 2],
            padding: self.padding(),
            groups: self.groups,
            ..Geometry::default()
        }
    }
}
