//! A convolution on a shared filter basis.

use burn::config::Config;
use burn::module::{Content, DisplaySettings, Initializer, Module, ModuleDisplay, Param};
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{BatchNorm, BatchNormConfig};
use burn::tensor::{Device, Tensor};
use cobasis_kernels::{Activation, ConvEpilogue, ConvOptions, Maps};

use crate::basis::FilterBasis;

/// Configuration of a [`BasisConv2d`].
#[derive(Config, Debug)]
pub struct BasisConv2dConfig {
    /// The number of input and output channels, `[in, out]`.
    pub channels: [usize; 2],
    /// The size of the kernel, `[height, width]`.
    pub kernel_size: [usize; 2],
    /// The number of shared filters that the layer uses, the paper's `s`: those of the basis that
    /// it is given in `forward`; 0 for a layer that shares nothing.
    pub shared: usize,
    /// The number of filters that only this layer has, the paper's `u`.
    pub unique: usize,
    /// The stride of the basis convolution, `[vertical, horizontal]`.
    #[config(default = "[1, 1]")]
    pub stride: [usize; 2],
    /// The zero padding of the basis convolution on each side, `[vertical, horizontal]`.
    #[config(default = "[0, 0]")]
    pub padding: [usize; 2],
    /// The number of groups that the basis convolution divides the input channels into. Shared and
    /// unique filters are spread evenly over the groups.
    #[config(default = 1)]
    pub groups: usize,
    /// Whether there is a batch norm between the basis convolution and the coefficients.
    #[config(default = true)]
    pub norm: bool,
    /// How unique filters and coefficients start.
    #[config(
        default = "Initializer::KaimingNormal { gain: std::f64::consts::SQRT_2, fan_out_only: true }"
    )]
    pub initializer: Initializer,
}

/// A convolution whose filters are combinations of a basis: `k×k` basis convolution, batch norm,
/// `1×1` coefficient convolution, without biases and without a non-linearity in between.
///
/// The basis is the layer's own unique filters, then the stage's shared ones: the order of the
/// basis convolution's output channels, of `norm` and of `coefficients`. The layer owns everything
/// but the shared filters, which it borrows in [`forward`](Self::forward).
///
/// Source: paper §3; the order and the batch norm are those of the authors' code.
#[derive(Module, Debug)]
#[module(custom_display)]
pub struct BasisConv2d {
    /// The filters that only this layer has,
    /// `[unique, channels_in / groups, kernel_height, kernel_width]`.
    pub unique: Option<Param<Tensor<4>>>,
    /// Batch norm over the `unique + shared` channels of the basis convolution; none in the paper's
    /// ablation.
    pub norm: Option<BatchNorm>,
    /// The `1×1` convolution from `unique + shared` channels to the output channels.
    pub coefficients: Conv2d,
    /// The size of the kernel, `[height, width]`.
    pub kernel_size: [usize; 2],
    /// The stride of the basis convolution.
    pub stride: [usize; 2],
    /// The zero padding of the basis convolution on each side.
    pub padding: [usize; 2],
    /// The groups of the basis convolution.
    pub groups: usize,
}

impl BasisConv2dConfig {
    /// A new layer on the device.
    ///
    /// # Panics
    ///
    /// Panics if there are neither shared nor unique filters, or if the groups do not divide the
    /// input channels, the shared and the unique filters.
    pub fn init(&self, device: &Device) -> BasisConv2d {
        let [channels_in, channels_out] = self.channels;
        let [height, width] = self.kernel_size;
        let rank = self.shared + self.unique;
        assert!(rank > 0, "a basis convolution needs shared or unique filters, got none of both");
        for (what, count) in
            [("input channels", channels_in), ("shared", self.shared), ("unique", self.unique)]
        {
            assert!(
                self.groups > 0 && count.is_multiple_of(self.groups),
                "{} groups do not divide the {count} {what} of a basis convolution",
                self.groups
            );
        }
        let area = height * width;
        let unique = (self.unique > 0).then(|| {
            self.initializer.init_with(
                [self.unique, channels_in / self.groups, height, width],
                Some(channels_in / self.groups * area),
                Some(self.unique / self.groups * area),
                device,
            )
        });
        BasisConv2d {
            unique,
            norm: self.norm.then(|| BatchNormConfig::new(rank).init(device)),
            coefficients: Conv2dConfig::new([rank, channels_out], [1, 1])
                .with_bias(false)
                .with_initializer(self.initializer.clone())
                .init(device),
            kernel_size: self.kernel_size,
            stride: self.stride,
            padding: self.padding,
            groups: self.groups,
        }
    }
}

impl BasisConv2d {
    /// Applies the layer with the given shared filters: a [`FilterBasis`], or `None` for a layer
    /// that has unique filters only.
    ///
    /// Shared and unique filters are concatenated, which is cheap, and applied in one convolution.
    ///
    /// # Shapes
    ///
    /// - `input`: `[batch, channels_in, height, width]`
    /// - output: `[batch, channels_out, height_out, width_out]`
    ///
    /// # Panics
    ///
    /// Panics if the basis does not have the number or the shape of filters that the layer was
    /// made for, or if the input channels do not fit.
    pub fn forward<'a>(
        &self,
        input: Tensor<4>,
        basis: impl Into<Option<&'a FilterBasis>>,
    ) -> Tensor<4> {
        self.forward_maps(input.into(), basis).into_tensor()
    }

    /// [`forward`](Self::forward), of maps that stay as they are kept between layers.
    ///
    /// # Panics
    ///
    /// As [`forward`](Self::forward).
    pub fn forward_maps<'a>(&self, input: Maps, basis: impl Into<Option<&'a FilterBasis>>) -> Maps {
        let basis = basis.into();
        self.check(input.dims()[1], basis);
        let Self { stride, padding, groups, .. } = *self;
        let options = ConvOptions { stride, padding, groups };
        let features = input.conv2d(&self.banks(basis), options, ConvEpilogue::default());
        let features = match groups {
            1 => features,
            _ => features.through(|features| self.unique_first(features)),
        };
        let features = match &self.norm {
            Some(norm) => features.batch_norm(norm, None, Activation::None),
            None => features,
        };
        features.conv(&self.coefficients)
    }

    /// The number of unique filters.
    pub fn num_unique(&self) -> usize {
        self.unique.as_ref().map_or(0, |unique| unique.lazy_shape()[0])
    }

    /// The number of shared filters that the layer expects.
    pub fn num_shared(&self) -> usize {
        self.coefficients.weight.lazy_shape()[1] - self.num_unique()
    }

    /// The filters of the basis convolution, `[filters, channels_in / groups, kernel_height,
    /// kernel_width]` each: unique first, then shared; of several groups in one bank, group by
    /// group.
    fn banks(&self, basis: Option<&FilterBasis>) -> Vec<Tensor<4>> {
        let own = self.unique.as_ref().map(|unique| unique.val());
        let banks: Vec<Tensor<4>> =
            own.into_iter().chain(basis.map(|basis| basis.weight.val())).collect();
        if self.groups == 1 {
            return banks;
        }
        // A grouped convolution gives each group a contiguous run of filters.
        let [_, channels, height, width] = banks[0].dims();
        let grouped: Vec<Tensor<5>> = banks
            .into_iter()
            .map(|bank| {
                let per_group = bank.dims()[0] / self.groups;
                bank.reshape([self.groups, per_group, channels, height, width])
            })
            .collect();
        let rank = self.num_unique() + self.num_shared();
        vec![Tensor::cat(grouped, 1).reshape([rank, channels, height, width])]
    }

    /// Brings the channels of a grouped basis convolution from group by group into the layer's
    /// order.
    fn unique_first(&self, features: Tensor<4>) -> Tensor<4> {
        let (unique, shared) = (self.num_unique(), self.num_shared());
        if self.groups == 1 || unique == 0 || shared == 0 {
            return features;
        }
        let [batch, rank, height, width] = features.dims();
        let (own, per_group) = (unique / self.groups, rank / self.groups);
        let grouped = features.reshape([batch, self.groups, per_group, height, width]);
        let part = |start: usize, count: usize| {
            let part = grouped.clone().narrow(2, start, count);
            part.reshape([batch, count * self.groups, height, width])
        };
        Tensor::cat(vec![part(0, own), part(own, per_group - own)], 1)
    }

    fn check(&self, channels_in: usize, basis: Option<&FilterBasis>) {
        let expected = self.num_shared();
        let given = basis.map_or(0, FilterBasis::filters);
        assert!(
            given == expected,
            "the layer was made for {expected} shared filters and is given {given}"
        );
        let shared = basis.map(|basis| basis.weight.lazy_shape());
        let unique = self.unique.as_ref().map(|unique| unique.lazy_shape());
        let [height, width] = self.kernel_size;
        for filters in shared.iter().chain(&unique) {
            let expected = [channels_in / self.groups, height, width];
            assert!(
                filters[1..] == expected && channels_in.is_multiple_of(self.groups),
                "filters of shape {filters:?} do not fit a layer with a {height}x{width} kernel and \
                 {} groups, given {channels_in} channels",
                self.groups
            );
        }
    }
}

impl ModuleDisplay for BasisConv2d {
    fn custom_settings(&self) -> Option<DisplaySettings> {
        DisplaySettings::new().with_new_line_after_attribute(false).optional()
    }

    fn custom_content(&self, content: Content) -> Option<Content> {
        content
            .add("shared", &self.num_shared())
            .add("unique", &self.num_unique())
            .add("channels_out", &self.coefficients.weight.lazy_shape()[0])
            .add("kernel_size", &format!("{:?}", self.kernel_size))
            .add("stride", &format!("{:?}", self.stride))
            .add("groups", &self.groups)
            .optional()
    }
}
