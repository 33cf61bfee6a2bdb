//! The convolution of which networks consist.

use burn::module::Initializer;
use burn::nn::PaddingConfig2d;
use burn::nn::conv::Conv2dConfig;

/// What layers are built with: their values come later, drawn for the whole network in one order
/// on the host or read from a file.
pub(crate) const LATER: Initializer = Initializer::Zeros;

/// A square convolution without bias that keeps the size at stride 1.
pub(crate) fn conv2d(channels: [usize; 2], kernel: usize, stride: usize) -> Conv2dConfig {
    let pad = kernel / 2;
    Conv2dConfig::new(channels, [kernel, kernel])
        .with_stride([stride, stride])
        .with_padding(PaddingConfig2d::Explicit(pad, pad, pad, pad))
        .with_bias(false)
        .with_initializer(LATER)
}
