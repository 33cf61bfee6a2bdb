//! A convolution of which some filters are shared and some are its own.

use burn::config::Config;
use burn::module::{Initializer, Module};
use burn::nn::PaddingConfig2d;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::tensor::Device;

use crate::bases::Lent;
use crate::convolution::{Convolution, Role};
use crate::pass::Pass;
use crate::place::Place;

use super::forward::forward;
use super::shared_conv::{SharedConv2d, SharedConv2dConfig};

/// Configuration of a [`PartlySharedConv2d`].
#[derive(Config, Debug)]
pub struct PartlySharedConv2dConfig {
    /// The number of input channels.
    pub channels_in: usize,
    /// The size of the kernel, `[height, width]`.
    pub kernel_size: [usize; 2],
    /// The number of filters that only this layer has, the paper's `u`.
    pub unique: usize,
    /// The groups that the unique filters divide the input channels into.
    pub unique_groups: usize,
    /// The groups that the shared filters divide the input channels into.
    pub shared_groups: usize,
    /// The stride of both kinds of filters, `[vertical, horizontal]`.
    #[config(default = "[1, 1]")]
    pub stride: [usize; 2],
    /// The zero padding of both kinds of filters.
    #[config(default = "PaddingConfig2d::Valid")]
    pub padding: PaddingConfig2d,
    /// The distance of the taps of both kinds of filters, `[vertical, horizontal]`.
    #[config(default = "[1, 1]")]
    pub dilation: [usize; 2],
    /// How the unique filters start.
    #[config(
        default = "Initializer::KaimingNormal { gain: std::f64::consts::SQRT_2, fan_out_only: true }"
    )]
    pub initializer: Initializer,
}

/// A convolution with filters of its own, then those of a basis: what follows it takes the place of
/// the coefficients.
///
/// Unlike those of a [`BasisConv2d`](crate::BasisConv2d), the two kinds of filters may divide the
/// input channels into different numbers of groups. They are therefore two convolutions, whose
/// outputs are joined along the channels.
///
/// Source: the authors' ResNeXt, in which a batch norm, a ReLU and the block's own `1×1`
/// convolution follow.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use cobasis::{FilterBasisConfig, PartlySharedConv2dConfig};
///
/// let device = Device::flex();
/// // 8 channels: 4 unique filters in 2 groups, 8 shared ones in 4 groups.
/// let conv = PartlySharedConv2dConfig::new(8, [3, 3], 4, 2, 4).init(&device);
/// let basis = FilterBasisConfig::new(8, 2, [3, 3]).init(&device);
/// let output = conv.forward(Tensor::zeros([1, 8, 6, 6], &device), &basis);
/// assert_eq!(output.dims(), [1, 12, 4, 4]);
/// ```
#[derive(Module, Debug)]
pub struct PartlySharedConv2d {
    /// The convolution with the filters that only this layer has: the first output channels.
    pub unique: Conv2d,
    /// The convolution with the shared filters: the other output channels.
    pub shared: SharedConv2d,
}

impl PartlySharedConv2dConfig {
    /// A new layer on the device.
    ///
    /// # Panics
    ///
    /// Panics if the groups of the unique filters do not divide them or the input channels.
    pub fn init(&self, device: &Device) -> PartlySharedConv2d {
        PartlySharedConv2d {
            unique: Conv2dConfig::new([self.channels_in, self.unique], self.kernel_size)
                .with_stride(self.stride)
                .with_padding(self.padding.clone())
                .with_dilation(self.dilation)
                .with_groups(self.unique_groups)
                .with_bias(false)
                .with_initializer(self.initializer.clone())
                .init(device),
            shared: SharedConv2dConfig::new()
                .with_stride(self.stride)
                .with_padding(self.padding.clone())
                .with_dilation(self.dilation)
                .with_groups(self.shared_groups)
                .init(),
        }
    }
}

forward! {
    /// Applies the unique filters, then those of the basis.
    ///
    /// # Shapes
    ///
    /// - `input`: `[batch, channels_in, height, width]`
    /// - output: `[batch, unique + shared, height_out, width_out]`
    ///
    /// # Panics
    ///
    /// Panics if there is no basis, or if the input channels do not fit the filters.
    PartlySharedConv2d, shared.bank
}

impl PartlySharedConv2d {
    fn describe<P: Pass>(&self, pass: &mut P, at: &Place, lent: Lent, x: P::Map) -> P::Map {
        let convolution = Convolution { role: Role::Basis, ..Convolution::from(&self.unique) };
        let unique = pass.conv(&at.field("unique"), convolution, x.clone());
        let shared = self.shared.pass(pass, &at.field("shared"), lent, x);
        pass.concat(unique, shared)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{CostTable, FilterBasisConfig, Part};
    use burn::tensor::Tensor;

    const PADDED: PaddingConfig2d = PaddingConfig2d::Explicit(1, 1, 1, 1);

    #[test]
    #[allow(deprecated)] // NdArray is the second, independent CPU reference.
    fn each_filter_sees_the_channels_of_its_group_only() {
        for device in [Device::flex(), Device::ndarray()] {
            // Of 8 channels, the two halves for 2 unique filters, the four quarters for 4 shared.
            let conv = PartlySharedConv2dConfig::new(8, [3, 3], 2, 2, 4).with_padding(PADDED);
            let conv = conv.init(&device);
            let basis = FilterBasisConfig::new(4, 2, [3, 3]).init(&device);
            for channel in 0..8 {
                let before = Tensor::zeros([1, channel, 5, 6], &device);
                let after = Tensor::zeros([1, 7 - channel, 5, 6], &device);
                let channels = vec![before, Tensor::ones([1, 1, 5, 6], &device), after];
                let input =
                    Tensor::cat(channels.into_iter().filter(|t| t.dims()[1] > 0).collect(), 1);
                let output = conv.forward(input, &basis);
                assert_eq!(output.dims(), [1, 6, 5, 6]);
                let energy = output.square().sum_dim(3).sum_dim(2).into_data();
                let energy: Vec<f32> = energy.iter::<f32>().collect();
                let seen: Vec<usize> = (0..6).filter(|&filter| energy[filter] > 0.0).collect();
                assert_eq!(seen, [channel / 4, 2 + channel / 2], "channel {channel}");
            }
        }
    }

    #[test]
    fn the_basis_costs_parameters_once_and_both_parts_multiply() {
        let device = Device::flex();
        let conv = PartlySharedConv2dConfig::new(8, [3, 3], 2, 2, 4).with_padding(PADDED);
        let basis = FilterBasisConfig::new(4, 2, [3, 3]).init(&device);
        let mut table = CostTable::default();
        table.bank(&Place::ROOT.field("basis"), &basis);
        let at = Place::ROOT.field("conv");
        let output = conv.init(&device).pass(&mut table, &at, &basis, [8, 5, 6]);
        assert_eq!(output, [6, 5, 6]);
        assert_eq!(table.total_of(Part::Shared).params, 4 * 2 * 9);
        assert_eq!(table.total_of(Part::Unique).params, 2 * 4 * 9);
        assert_eq!(table.total().macs, 30 * 9 * (4 * 2 + 2 * 4));
    }
}
