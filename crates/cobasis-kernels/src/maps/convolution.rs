//! Convolutions of maps.

use burn::tensor::Tensor;
use burn::tensor::module::conv2d;

use super::{Layout, Maps};
use crate::activation::Activation;
#[cfg(feature = "flex")]
use crate::flex;
use crate::positions::positions;

/// How filters move over maps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvOptions {
    /// Steps down and across.
    pub stride: [usize; 2],
    /// Zeros before and after the maps: `[[above, below], [left, right]]`.
    pub padding: [[usize; 2]; 2],
    /// Distance of a filter's taps, down and across.
    pub dilation: [usize; 2],
    /// Groups that share no channels.
    pub groups: usize,
}

/// Steps of one pixel, no padding, no dilation, one group.
impl Default for ConvOptions {
    fn default() -> Self {
        Self { stride: [1, 1], padding: [[0; 2]; 2], dilation: [1, 1], groups: 1 }
    }
}

impl ConvOptions {
    /// With this many zeros on both sides, `[vertical, horizontal]`.
    pub fn with_symmetric_padding(self, padding: [usize; 2]) -> Self {
        Self { padding: padding.map(|side| [side; 2]), ..self }
    }

    /// Height and width of the output for filters and maps of these sizes.
    ///
    /// # Panics
    ///
    /// If the maps with their padding are smaller than the filters.
    pub fn output(&self, kernel: [usize; 2], size: [usize; 2]) -> [usize; 2] {
        [0, 1].map(|axis| {
            let extent = self.dilation[axis] * (kernel[axis] - 1) + 1;
            positions(size[axis], self.padding[axis], extent, self.stride[axis])
        })
    }

    /// Whether the kernels of this crate compute it: nothing is dilated, and both sides of an axis
    /// have the same padding.
    #[cfg(feature = "flex")]
    fn is_plain(&self) -> bool {
        self.dilation == [1, 1] && self.padding.iter().all(|[before, after]| before == after)
    }
}

/// What is done to the output of a convolution, `y`:
/// `activation(scale · y + bias + residual)`, in the same pass where no gradients are needed.
#[derive(Clone, Debug, Default)]
pub struct ConvEpilogue {
    /// A factor for each channel, `[channels]`.
    pub scale: Option<Tensor<1>>,
    /// A summand for each channel, `[channels]`.
    pub bias: Option<Tensor<1>>,
    /// Maps of the output's shape.
    pub residual: Option<Maps>,
    /// The function that is applied last.
    pub activation: Activation,
}

impl Maps {
    /// A convolution with the filters of all banks: those of the first give the first channels of
    /// the output.
    ///
    /// # Shapes
    ///
    /// - `self`: `[batch, channels_in, height, width]`
    /// - each of `banks`: `[filters, channels_in / groups, kernel_height, kernel_width]`
    /// - output: `[batch, channels_out, out_height, out_width]`
    ///
    /// # Panics
    ///
    /// If there is no bank, shapes do not fit, or tensors are on different devices.
    pub fn conv2d(self, banks: &[Tensor<4>], options: ConvOptions, epilogue: ConvEpilogue) -> Maps {
        #[cfg(feature = "flex")]
        if self.layout == Layout::ChannelsLast && !options.is_plain() {
            let first = Self { tensor: self.into_tensor(), layout: Layout::ChannelsFirst };
            return Maps::from(first.conv2d(banks, options, epilogue).into_tensor());
        }
        let ConvEpilogue { scale, bias, residual, activation } = epilogue;
        let Self { tensor: x, layout } = self;
        let per_channel = |numbers: Tensor<1>| {
            let channels = numbers.dims()[0];
            numbers.reshape(layout.per_channel(1, channels))
        };
        // A bias that nothing comes before is part of the convolution.
        let (inside, outside) = match &scale {
            None => (bias.clone(), None),
            Some(_) => (None, bias.clone()),
        };
        let y = match layout {
            Layout::ChannelsFirst => {
                let ConvOptions { stride, padding, dilation, groups } = options;
                let padding = padding.map(|[before, after]| (before, after));
                let options = burn::tensor::ops::ConvOptions::new_with_padding(
                    stride, padding, dilation, groups,
                );
                conv2d(x, Tensor::cat(banks.to_vec(), 0), inside, options)
            }
            #[cfg(feature = "flex")]
            Layout::ChannelsLast => {
                let shape = flex::conv_shape(x.dims(), banks, options);
                let added = residual.as_ref().map(|maps| maps.to_layout(layout));
                let numbers = [&scale, &bias];
                if let Some(y) = flex::fused_conv2d(&shape, &x, banks, numbers, added, activation) {
                    return Maps { tensor: y, layout };
                }
                flex::conv2d(shape, x, banks, inside)
            }
        };
        let y = match scale {
            Some(scale) => y * per_channel(scale),
            None => y,
        };
        let y = match outside {
            Some(bias) => y + per_channel(bias),
            None => y,
        };
        Maps { tensor: y, layout }.followed_by(residual.as_ref(), activation)
    }
}
