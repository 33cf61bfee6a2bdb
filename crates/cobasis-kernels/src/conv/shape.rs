//! Sizes of a convolution and what is done to its output.

use std::fmt;

pub use crate::activation::Activation;
use crate::positions::positions;

/// Sizes of one convolution. Tensors: x `[batch, height, width, channels_in]`, weight
/// `[channels_out, channels_in / groups, kernel height, kernel width]`, y
/// `[batch, out_height, out_width, channels_out]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ConvShape {
    /// Images in the batch.
    pub batch: usize,
    /// Height and width of the input.
    pub size: [usize; 2],
    /// Channels of the input.
    pub channels_in: usize,
    /// Channels of the output.
    pub channels_out: usize,
    /// Height and width of the filters.
    pub kernel: [usize; 2],
    /// Steps of the filters down and across.
    pub stride: [usize; 2],
    /// Zeros added above and below, left and right.
    pub padding: [usize; 2],
    /// Groups that share no channels.
    pub groups: usize,
}

impl ConvShape {
    /// Height and width of the output.
    ///
    /// # Panics
    /// If the padded input is smaller than the kernel.
    pub fn output(&self) -> [usize; 2] {
        [0, 1]
            .map(|i| positions(self.size[i], [self.padding[i]; 2], self.kernel[i], self.stride[i]))
    }

    /// Multiplications of the convolution computed directly, without those by padding left out.
    pub fn macs(&self) -> u64 {
        let [height, width] = self.output();
        (self.batch * height * width) as u64 * self.weight_len() as u64
    }

    /// Values of the input.
    pub fn input_len(&self) -> usize {
        self.batch * self.size[0] * self.size[1] * self.channels_in
    }

    /// Values of the output.
    pub fn output_len(&self) -> usize {
        let [height, width] = self.output();
        self.batch * height * width * self.channels_out
    }

    /// Values of the weight.
    pub fn weight_len(&self) -> usize {
        self.channels_out * (self.channels_in / self.groups) * self.kernel[0] * self.kernel[1]
    }
}

/// What is added to each output value.
#[derive(Debug, Clone, Copy, Default)]
pub enum Residual<'a> {
    /// Nothing.
    #[default]
    None,
    /// A value each, in the order of the output.
    Values(&'a [f32]),
    /// What the output holds before.
    Output,
}

/// What is done to each output value before it is stored:
/// `y = act(scale[channel] * conv + bias[channel] + residual)`.
#[derive(Debug, Clone, Copy, Default)]
pub struct Epilogue<'a> {
    /// Factor of each output channel.
    pub scale: Option<&'a [f32]>,
    /// Summand of each output channel.
    pub bias: Option<&'a [f32]>,
    /// Summand of each output value.
    pub residual: Residual<'a>,
    /// Function applied last.
    pub activation: Activation,
}

impl Epilogue<'_> {
    /// Whether it leaves the values as they are.
    pub(super) fn is_identity(&self) -> bool {
        self.scale.is_none()
            && self.bias.is_none()
            && matches!(self.residual, Residual::None)
            && self.activation == Activation::None
    }

    /// The residual has at least so many values.
    pub(super) fn check(&self, shape: &ConvShape, residual_len: usize) {
        for per_channel in [self.scale, self.bias].into_iter().flatten() {
            assert_eq!(per_channel.len(), shape.channels_out, "length of the scale or bias");
        }
        if let Residual::Values(residual) = self.residual {
            assert!(residual.len() >= residual_len, "length of the residual");
        }
    }
}

/// Which of the three computations of a convolution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Pass {
    /// The output.
    Forward,
    /// The gradient with respect to the input.
    BackwardInput,
    /// The gradient with respect to the weight.
    BackwardFilter,
}

/// How a convolution is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Algorithm {
    /// Products of the pixels where they lie with the packed weight: any shape.
    Direct,
    /// Winograd's F(4x4, 3x3): 3x3 filters of stride 1 without groups.
    Winograd,
    /// One filter per channel: as many groups and outputs as inputs.
    Depthwise,
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            Self::Direct => "direct",
            Self::Winograd => "winograd",
            Self::Depthwise => "depthwise",
        })
    }
}
