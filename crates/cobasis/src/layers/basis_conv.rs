//! A convolution on a shared filter basis.

use burn::config::Config;
use burn::module::{Content, DisplaySettings, Initializer, Module, ModuleDisplay, Param};
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::{BatchNorm, BatchNormConfig, PaddingConfig2d};
use burn::tensor::{Device, Distribution, Tensor, TensorData};
use cobasis_kernels::Activation;
use cobasis_ortho::orthonormal_to;

use crate::bases::{BankId, Lent};
use crate::basis::FilterBasis;
use crate::convolution::{Convolution, Filters, Geometry, Role};
use crate::pass::Pass;
use crate::place::Place;

use super::forward::forward;

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
    /// The zero padding of the basis convolution.
    #[config(default = "PaddingConfig2d::Valid")]
    pub padding: PaddingConfig2d,
    /// The distance of a basis filter's taps, `[vertical, horizontal]`.
    #[config(default = "[1, 1]")]
    pub dilation: [usize; 2],
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
///
/// ```
/// use burn::nn::PaddingConfig2d;
/// use burn::tensor::{Device, Tensor};
/// use cobasis::{BasisConv2dConfig, FilterBasisConfig};
///
/// let device = Device::flex();
/// let basis = FilterBasisConfig::new(8, 16, [3, 3]).init(&device);
/// // 16 to 32 channels on 8 shared filters and one of its own.
/// let conv = BasisConv2dConfig::new([16, 32], [3, 3], 8, 1)
///     .with_stride([2, 2])
///     .with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1))
///     .init(&device);
/// let output = conv.forward(Tensor::zeros([2, 16, 8, 8], &device), &basis);
/// assert_eq!(output.dims(), [2, 32, 4, 4]);
/// ```
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
    /// The zero padding of the basis convolution.
    #[module(skip)]
    pub padding: PaddingConfig2d,
    /// The distance of a basis filter's taps.
    pub dilation: [usize; 2],
    /// The groups of the basis convolution.
    pub groups: usize,
    /// The bank that it borrows, where it is lent several.
    #[module(skip)]
    pub bank: BankId,
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
        assert!(rank > 0, "a basis convolution needs shared or unique filters, got neither");
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
                self.unique_shape(),
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
            padding: self.padding.clone(),
            dilation: self.dilation,
            groups: self.groups,
            bank: BankId::default(),
        }
    }

    /// A new layer whose unique filters start orthonormal to one another and to the given basis,
    /// drawn from the device's random numbers: the penalty of shared and unique filters then starts
    /// at zero.
    ///
    /// ```
    /// use burn::tensor::{Device, Tensor};
    /// use cobasis::ortho::Orthonormality;
    /// use cobasis::{BasisConv2dConfig, FilterBasisConfig};
    ///
    /// let device = Device::flex();
    /// let basis = FilterBasisConfig::new(8, 4, [3, 3]).init(&device);
    /// let conv = BasisConv2dConfig::new([4, 4], [3, 3], 8, 2).init_orthonormal(&basis, &device);
    /// let unique = conv.unique.expect("two unique filters").val();
    /// let all = Tensor::cat(vec![basis.weight.val(), unique], 0);
    /// assert!(Orthonormality::of(all).frobenius < 1e-5);
    /// ```
    ///
    /// # Panics
    ///
    /// As [`init`](Self::init), and if the filters of the basis have another size, or there are more
    /// filters in all than numbers in a filter.
    pub fn init_orthonormal(&self, basis: &FilterBasis, device: &Device) -> BasisConv2d {
        let layer = self.init(device);
        if self.unique == 0 {
            return layer;
        }
        let shape = self.unique_shape();
        let length: usize = shape[1..].iter().product();
        let shared: Vec<f64> = basis.weight.val().detach().into_data().iter::<f64>().collect();
        let numbers = Distribution::Normal(0.0, 1.0);
        let drawn = Tensor::<1>::random([self.unique * length], numbers, device).into_data();
        let mut normal = drawn.iter::<f64>();
        let mut next = || normal.next().unwrap_or_default();
        let exact = orthonormal_to(&shared, self.unique, length, &mut next);
        let values: Vec<f32> = exact.iter().map(|&value| value as f32).collect();
        let unique = Param::from_data(TensorData::new(values, shape), device);
        BasisConv2d { unique: Some(unique), ..layer }
    }

    fn unique_shape(&self) -> [usize; 4] {
        let [height, width] = self.kernel_size;
        [self.unique, self.channels[0] / self.groups, height, width]
    }
}

forward! {
    /// Applies the layer with the given shared filters: a [`FilterBasis`], the
    /// [`Bases`](crate::Bases) of a network, or `None` for a layer that has unique filters only.
    ///
    /// Unique and shared filters are applied in one convolution, and are not copied for it.
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
    BasisConv2d, bank
}

impl BasisConv2d {
    fn describe<P: Pass>(&self, pass: &mut P, at: &Place, lent: Lent, x: P::Map) -> P::Map {
        let x = pass.conv(at, self.basis_convolution(lent), x);
        let x = match &self.norm {
            Some(norm) => pass.norm(&at.field("norm"), norm, x, Activation::None),
            None => x,
        };
        let coefficients =
            Convolution { role: Role::Coefficients, ..Convolution::from(&self.coefficients) };
        pass.conv(&at.field("coefficients"), coefficients, x)
    }

    /// The number of unique filters.
    pub fn num_unique(&self) -> usize {
        self.unique.as_ref().map_or(0, |unique| unique.lazy_shape()[0])
    }

    /// The number of shared filters that the layer expects.
    pub fn num_shared(&self) -> usize {
        self.coefficients.weight.lazy_shape()[1] - self.num_unique()
    }

    fn basis_convolution<'a>(&'a self, lent: Lent<'a>) -> Convolution<'a> {
        let expected = self.num_shared();
        // A layer that shares nothing names no bank of the network.
        let basis = match lent {
            Lent::Bases(_) if expected == 0 => None,
            lent => lent.bank(self.bank),
        };
        let given = basis.map_or(0, FilterBasis::filters);
        assert!(given == expected, "expected a basis of {expected} filters, got {given}");
        let filters =
            Filters::Stacked { own: self.unique.as_ref(), shared: basis.into_iter().collect() };
        let shape = filters.shape();
        let [height, width] = self.kernel_size;
        assert!(
            shape[2..] == self.kernel_size,
            "expected filters for a {height}x{width} kernel, got shape {shape:?}"
        );
        let geometry = Geometry {
            stride: self.stride,
            padding: self.padding.clone(),
            dilation: self.dilation,
            groups: self.groups,
        };
        Convolution { filters, bias: None, geometry, role: Role::Basis }
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
            .add("ch_out", &self.coefficients.weight.lazy_shape()[0])
            .add("kernel_size", &format!("{:?}", self.kernel_size))
            .add("stride", &format!("{:?}", self.stride))
            .add("dilation", &format!("{:?}", self.dilation))
            .add("groups", &self.groups)
            .add("norm", &self.norm.is_some())
            .add_debug_attribute("padding", &self.padding)
            .optional()
    }
}
