//! Convolutions of maps.

use burn::nn::PaddingConfig2d;
use burn::nn::conv::Conv2d;
use burn::tensor::Tensor;
use burn::tensor::module::conv2d;

use super::{Layout, Maps};
use crate::activation::Activation;
#[cfg(feature = "flex")]
use crate::flex;

/// How filters move over maps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvOptions {
    /// Steps down and across.
    pub stride: [usize; 2],
    /// Zeros above and below, left and right.
    pub padding: [usize; 2],
    /// Groups that share no channels.
    pub groups: usize,
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
    /// A convolution as Burn's module describes it.
    ///
    /// # Panics
    ///
    /// If shapes do not fit, or tensors are on different devices.
    pub fn conv(self, module: &Conv2d) -> Maps {
        let padding = match module.padding {
            PaddingConfig2d::Valid if module.dilation == [1, 1] => [0, 0],
            PaddingConfig2d::Explicit(top, left, bottom, right)
                if top == bottom && left == right && module.dilation == [1, 1] =>
            {
                [top, left]
            }
            _ => return self.through(|x| module.forward(x)),
        };
        let options = ConvOptions { stride: module.stride, padding, groups: module.groups };
        let bias = module.bias.as_ref().map(|bias| bias.val());
        let epilogue = ConvEpilogue { bias, ..ConvEpilogue::default() };
        self.conv2d(&[module.weight.val()], options, epilogue)
    }

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
                let padding = options.padding.map(|side| (side, side));
                let options = burn::tensor::ops::ConvOptions::new_with_padding(
                    options.stride,
                    padding,
                    [1, 1],
                    options.groups,
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
