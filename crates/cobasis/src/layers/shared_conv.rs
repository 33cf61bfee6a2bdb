//! A convolution that consists of shared filters only.

use burn::config::Config;
use burn::module::{Content, DisplaySettings, Module, ModuleDisplay};
use burn::nn::PaddingConfig2d;

use crate::bases::{BankId, Lent};
use crate::convolution::{Convolution, Filters, Geometry, Role};
use crate::pass::Pass;
use crate::place::Place;

use super::forward::forward;

/// Configuration of a [`SharedConv2d`].
#[derive(Config, Debug)]
pub struct SharedConv2dConfig {
    /// The stride of the shared filters, `[vertical, horizontal]`.
    #[config(default = "[1, 1]")]
    pub stride: [usize; 2],
    /// The zero padding of the shared filters.
    #[config(default = "PaddingConfig2d::Valid")]
    pub padding: PaddingConfig2d,
    /// The distance of the taps of the shared filters, `[vertical, horizontal]`.
    #[config(default = "[1, 1]")]
    pub dilation: [usize; 2],
    /// The number of groups that the input channels are divided into.
    #[config(default = 1)]
    pub groups: usize,
}

/// A convolution with the filters of a basis and nothing of its own: what follows it takes the
/// place of the coefficients.
///
/// Source: the bottleneck networks of the paper (`ResNet50-Shared`), in which the layer after a
/// shared `3×3` convolution is the block's own `1×1` convolution.
///
/// ```
/// use burn::nn::PaddingConfig2d;
/// use burn::tensor::{Device, Tensor};
/// use cobasis::{FilterBasisConfig, SharedConv2dConfig};
///
/// let device = Device::flex();
/// let basis = FilterBasisConfig::new(16, 16, [3, 3]).init(&device);
/// let conv = SharedConv2dConfig::new().with_padding(PaddingConfig2d::Same).init();
/// let output = conv.forward(Tensor::zeros([2, 16, 8, 8], &device), &basis);
/// assert_eq!(output.dims(), [2, 16, 8, 8]);
/// ```
#[derive(Module, Debug)]
#[module(custom_display)]
pub struct SharedConv2d {
    /// The stride.
    pub stride: [usize; 2],
    /// The zero padding.
    #[module(skip)]
    pub padding: PaddingConfig2d,
    /// The distance of a filter's taps.
    pub dilation: [usize; 2],
    /// The groups.
    pub groups: usize,
    /// The bank that it borrows, where it is lent several.
    #[module(skip)]
    pub bank: BankId,
}

impl SharedConv2dConfig {
    /// A new layer. It owns no tensor, so it needs no device.
    pub fn init(&self) -> SharedConv2d {
        let Self { stride, dilation, groups, .. } = *self;
        let (padding, bank) = (self.padding.clone(), BankId::default());
        SharedConv2d { stride, padding, dilation, groups, bank }
    }
}

forward! {
    /// Applies the filters of the basis.
    ///
    /// # Shapes
    ///
    /// - `input`: `[batch, channels × groups, height, width]`
    /// - output: `[batch, filters, height_out, width_out]`
    ///
    /// # Panics
    ///
    /// Panics if there is no basis, or if the input channels do not fit it.
    SharedConv2d, bank
}

impl SharedConv2d {
    fn describe<P: Pass>(&self, pass: &mut P, at: &Place, lent: Lent, x: P::Map) -> P::Map {
        let basis = lent.bank(self.bank).expect("a shared convolution needs a basis");
        let geometry = Geometry {
            stride: self.stride,
            padding: self.padding.clone(),
            dilation: self.dilation,
            groups: self.groups,
        };
        let filters = Filters::shared(basis);
        pass.conv(at, Convolution { filters, bias: None, geometry, role: Role::Layer }, x)
    }
}

impl ModuleDisplay for SharedConv2d {
    fn custom_settings(&self) -> Option<DisplaySettings> {
        DisplaySettings::new().with_new_line_after_attribute(false).optional()
    }

    fn custom_content(&self, content: Content) -> Option<Content> {
        content
            .add("bank", &self.bank.0)
            .add("stride", &format!("{:?}", self.stride))
            .add("dilation", &format!("{:?}", self.dilation))
            .add("groups", &self.groups)
            .add_debug_attribute("padding", &self.padding)
            .optional()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::FilterBasisConfig;
    use burn::tensor::Device;
    use burn::tensor::Tensor;

    #[test]
    fn it_applies_the_basis() {
        #[allow(deprecated)] // NdArray is the second, independent CPU reference.
        for device in [Device::flex(), Device::ndarray()] {
            let basis = FilterBasisConfig::new(5, 3, [3, 3]).init(&device);
            let conv = SharedConv2dConfig::new()
                .with_stride([2, 2])
                .with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1))
                .init();
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
