//! A convolution that consists of shared filters only.

use burn::config::Config;
use burn::module::Module;
use burn::tensor::Tensor;
use cobasis_kernels::{ConvEpilogue, ConvOptions, Maps};

use crate::basis::FilterBasis;

/// Configuration of a [`SharedConv2d`].
#[derive(Config, Debug)]
pub struct SharedConv2dConfig {
    /// The stride, `[vertical, horizontal]`.
    #[config(default = "[1, 1]")]
    pub stride: [usize; 2],
    /// The zero padding on each side, `[vertical, horizontal]`.
    #[config(default = "[0, 0]")]
    pub padding: [usize; 2],
    /// The number of groups that the input channels are divided into.
    #[config(default = 1)]
    pub groups: usize,
}

/// A convolution with the filters of a basis and nothing of its own: what follows it takes the
/// place of the coefficients.
///
/// Source: the bottleneck networks of the paper (`ResNet50-Shared`), in which the layer after a
/// shared `3×3` convolution is the block's own `1×1` convolution.
#[derive(Module, Debug)]
pub struct SharedConv2d {
    /// The stride.
    pub stride: [usize; 2],
    /// The zero padding on each side.
    pub padding: [usize; 2],
    /// The groups.
    pub groups: usize,
}

impl SharedConv2dConfig {
    /// A new layer. It owns no tensor, so it needs no device.
    pub fn init(&self) -> SharedConv2d {
        SharedConv2d { stride: self.stride, padding: self.padding, groups: self.groups }
    }
}

impl SharedConv2d {
    /// Applies the filters of the basis.
    ///
    /// # Shapes
    ///
    /// - `input`: `[batch, channels × groups, height, width]`
    /// - output: `[batch, filters, height_out, width_out]`
    ///
    /// # Panics
    ///
    /// Panics if the input channels do not fit the basis.
    pub fn forward(&self, input: Tensor<4>, basis: &FilterBasis) -> Tensor<4> {
        self.forward_maps(input.into(), basis).into_tensor()
    }

    /// [`forward`](Self::forward), of maps that stay as they are kept between layers.
    pub fn forward_maps(&self, input: Maps, basis: &FilterBasis) -> Maps {
        let Self { stride, padding, groups } = *self;
        let options = ConvOptions { stride, padding, groups };
        input.conv2d(&[basis.weight.val()], options, ConvEpilogue::default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FilterBasisConfig;
    use burn::tensor::Device;

    #[test]
    fn it_applies_the_basis() {
        #[allow(deprecated)] // NdArray is the second, independent CPU reference.
        for device in [Device::flex(), Device::ndarray()] {
            let basis = FilterBasisConfig::new(5, 3, [3, 3]).init(&device);
            let conv = SharedConv2dConfig::new().with_stride([2, 2]).with_padding([1, 1]).init();
            let input = Tensor::ones([2, 3, 8, 6], &device);
            let output = conv.forward(input, &basis);
            assert_eq!(output.dims(), [2, 5, 4, 3]);
            let inner: f32 = output
                .narrow(0, 0, 1)
                .narrow(1, 2, 1)
                .narrow(2, 1, 1)
                .narrow(3, 1, 1)
                .into_scalar();
            let sum: f32 = basis.weight.val().narrow(0, 2, 1).sum().into_scalar();
            assert!((inner - sum).abs() < 1e-6);
        }
    }
}
