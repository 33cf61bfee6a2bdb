//! A depthwise convolution whose channels share a basis.

use burn::config::Config;
use burn::module::{Content, DisplaySettings, Initializer, Module, ModuleDisplay, Param};
use burn::nn::PaddingConfig2d;
use burn::tensor::{Device, Tensor};

use crate::bases::{BankId, Lent};
use crate::convolution::{
    Composed, Composition, Convolution, Filters, Geometry, Role, Source, Start,
};
use crate::pass::Pass;
use crate::place::Place;

use super::forward::forward;

/// Configuration of a [`DepthwiseBasisConv2d`].
#[derive(Config, Debug)]
pub struct DepthwiseBasisConv2dConfig {
    /// The number of channels, of the input and of the output.
    pub channels: usize,
    /// The size of the kernel, `[height, width]`.
    pub kernel_size: [usize; 2],
    /// The number of shared filters: those of the basis that it is given in `forward`, of one channel
    /// each. No more than `kernel_height × kernel_width` of them can be orthonormal.
    pub shared: usize,
    /// The stride of every channel's filter, `[vertical, horizontal]`.
    #[config(default = "[1, 1]")]
    pub stride: [usize; 2],
    /// The zero padding of every channel's filter.
    #[config(default = "PaddingConfig2d::Valid")]
    pub padding: PaddingConfig2d,
    /// The distance of the taps of every channel's filter, `[vertical, horizontal]`.
    #[config(default = "[1, 1]")]
    pub dilation: [usize; 2],
    /// How the coefficients start, with as many inputs of an output as there are shared filters.
    #[config(
        default = "Initializer::KaimingNormal { gain: std::f64::consts::SQRT_2, fan_out_only: false }"
    )]
    pub initializer: Initializer,
}

/// A convolution of each channel by itself, whose filter is a combination of `k×k` filters that all
/// channels share: what a ConvNeXt or a MobileNet has between its `1×1` convolutions.
///
/// The filters are composed before they are applied, so it costs the multiply-accumulates of an
/// ordinary depthwise convolution.
///
/// ```
/// use burn::nn::PaddingConfig2d;
/// use burn::tensor::{Device, Tensor};
/// use cobasis::{DepthwiseBasisConv2dConfig, FilterBasisConfig};
///
/// let device = Device::flex();
/// let basis = FilterBasisConfig::new(4, 1, [7, 7]).init(&device);
/// let conv = DepthwiseBasisConv2dConfig::new(96, [7, 7], 4)
///     .with_padding(PaddingConfig2d::Same)
///     .init(&device);
/// let output = conv.forward(Tensor::zeros([1, 96, 14, 14], &device), &basis);
/// assert_eq!(output.dims(), [1, 96, 14, 14]);
/// ```
#[derive(Module, Debug)]
#[module(custom_display)]
pub struct DepthwiseBasisConv2d {
    /// The weights of the basis's filters in the filter of each channel, `[channels, shared]`.
    pub coefficients: Param<Tensor<2>>,
    /// The size of the kernel, `[height, width]`.
    pub kernel_size: [usize; 2],
    /// The stride.
    pub stride: [usize; 2],
    /// The zero padding.
    #[module(skip)]
    pub padding: PaddingConfig2d,
    /// The distance of a filter's taps.
    pub dilation: [usize; 2],
    /// The bank that it borrows, where it is lent several.
    #[module(skip)]
    pub bank: BankId,
}

impl DepthwiseBasisConv2dConfig {
    /// A new layer on the device.
    ///
    /// # Panics
    ///
    /// Panics without channels or shared filters.
    pub fn init(&self, device: &Device) -> DepthwiseBasisConv2d {
        let shape = [self.channels, self.shared];
        assert!(!shape.contains(&0), "a depthwise convolution needs channels and filters");
        let fan_in = Some(self.shared);
        DepthwiseBasisConv2d {
            coefficients: self.initializer.init_with(shape, fan_in, fan_in, device),
            kernel_size: self.kernel_size,
            stride: self.stride,
            padding: self.padding.clone(),
            dilation: self.dilation,
            bank: BankId::default(),
        }
    }
}

forward! {
    /// Convolves each channel with its combination of the basis's filters.
    ///
    /// # Shapes
    ///
    /// - `input`: `[batch, channels, height, width]`
    /// - output: `[batch, channels, height_out, width_out]`
    ///
    /// # Panics
    ///
    /// Panics if there is no basis, if it is not of shape `[shared, 1, kernel_height, kernel_width]`,
    /// or if the input channels do not fit.
    DepthwiseBasisConv2d, bank
}

impl DepthwiseBasisConv2d {
    fn describe<P: Pass>(&self, pass: &mut P, at: &Place, lent: Lent, x: P::Map) -> P::Map {
        let [channels, shared] = self.coefficients.lazy_shape().dims();
        let [height, width] = self.kernel_size;
        let basis = lent.bank(self.bank).expect("a depthwise basis convolution needs a basis");
        let (expected, got) = ([shared, 1, height, width], basis.weight.lazy_shape().dims::<4>());
        assert!(expected == got, "expected a basis of shape {expected:?}, got {got:?}");
        let compose = || {
            let filters = basis.weight.val().reshape([shared, height * width]);
            self.coefficients.val().matmul(filters).reshape([channels, 1, height, width])
        };
        let deviation = (2.0 / shared as f64).sqrt();
        let filters = Filters::Composed(Composed {
            shape: [channels, 1, height, width],
            own: vec![Source::new(&self.coefficients, Start::Normal(deviation))],
            shared: vec![basis],
            composition: Composition {
                macs: (channels * shared * height * width) as u64,
                ..Composition::default()
            },
            value: Box::new(compose),
        });
        let geometry = Geometry {
            stride: self.stride,
            padding: self.padding.clone(),
            dilation: self.dilation,
            groups: channels,
        };
        pass.conv(at, Convolution { filters, bias: None, geometry, role: Role::Coefficients }, x)
    }
}

impl ModuleDisplay for DepthwiseBasisConv2d {
    fn custom_settings(&self) -> Option<DisplaySettings> {
        DisplaySettings::new().with_new_line_after_attribute(false).optional()
    }

    fn custom_content(&self, content: Content) -> Option<Content> {
        let [channels, shared] = self.coefficients.lazy_shape().dims();
        content
            .add("channels", &channels)
            .add("shared", &shared)
            .add("kernel_size", &format!("{:?}", self.kernel_size))
            .add("stride", &format!("{:?}", self.stride))
            .add("dilation", &format!("{:?}", self.dilation))
            .add_debug_attribute("padding", &self.padding)
            .optional()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{CostTable, FilterBasisConfig, Part};

    #[test]
    #[allow(deprecated)] // NdArray is the second, independent CPU reference.
    fn channels_are_convolved_with_their_combinations() {
        for device in [Device::flex(), Device::ndarray(), Device::flex().autodiff()] {
            let basis = FilterBasisConfig::new(2, 1, [3, 3]).init(&device);
            let config = DepthwiseBasisConv2dConfig::new(3, [3, 3], 2);
            let mut conv = config.init(&device);
            let coefficients = [[1.0, 0.0], [0.0, 2.0], [-1.0, 0.5]];
            conv.coefficients = Param::from_data(coefficients, &device);
            let output = conv.forward(Tensor::ones([1, 3, 3, 3], &device), &basis);
            assert_eq!(output.dims(), [1, 3, 1, 1]);
            let sums = basis.weight.val().sum_dims(&[1, 2, 3]).into_data();
            let sums: Vec<f32> = sums.iter().collect();
            let output: Vec<f32> = output.into_data().iter().collect();
            for (output, [first, second]) in output.iter().zip(coefficients) {
                let expected = first as f32 * sums[0] + second as f32 * sums[1];
                assert!((output - expected).abs() < 1e-5, "{output} is not {expected}");
            }
        }
    }

    #[test]
    fn it_costs_what_a_depthwise_convolution_costs() {
        let device = Device::flex();
        let basis = FilterBasisConfig::new(4, 1, [3, 3]).init(&device);
        let config = DepthwiseBasisConv2dConfig::new(8, [3, 3], 4);
        let conv = config.with_padding(PaddingConfig2d::Same).with_dilation([1, 1]).init(&device);
        let mut table = CostTable::default();
        table.bank(&Place::ROOT.field("basis"), &basis);
        let at = Place::ROOT.field("conv");
        assert_eq!(conv.pass(&mut table, &at, &basis, [8, 5, 6]), [8, 5, 6]);
        assert_eq!(table.total_of(Part::Shared).params, 4 * 9);
        assert_eq!(table.total_of(Part::Coefficients).params, 8 * 4);
        assert_eq!(table.total().macs, 30 * 9 * 8);
    }

    #[test]
    fn both_kinds_of_parameters_get_gradients() {
        let device = Device::flex().autodiff();
        let basis = FilterBasisConfig::new(2, 1, [3, 3]).init(&device);
        let conv = DepthwiseBasisConv2dConfig::new(3, [3, 3], 2).init(&device);
        let loss = conv.forward(Tensor::ones([1, 3, 4, 4], &device), &basis).square().sum();
        let gradients = loss.backward();
        assert!(basis.weight.val().grad(&gradients).is_some());
        assert!(conv.coefficients.val().grad(&gradients).is_some());
    }
}
