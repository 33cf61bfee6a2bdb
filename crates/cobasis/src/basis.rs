//! The filters that the layers of a stage share.

use burn::config::Config;
use burn::module::{Content, DisplaySettings, Initializer, Module, ModuleDisplay, Param};
use burn::tensor::{Device, Distribution, Tensor, TensorData};
use cobasis_ortho::orthonormal;

/// Configuration of a [`FilterBasis`].
#[derive(Config, Debug)]
pub struct FilterBasisConfig {
    /// The number of shared filters, the paper's `s`.
    pub filters: usize,
    /// The input channels of a filter: those of the layers that use it, divided by their groups.
    pub channels: usize,
    /// The size of the kernel, `[height, width]`.
    pub kernel_size: [usize; 2],
    /// How the filters start; orthonormal if it is not said. Burn's
    /// [`Orthogonal`](Initializer::Orthogonal) draws each basis by itself on its device; without an
    /// initializer, several bases can be drawn [jointly](Self::init_joint), and from numbers that are
    /// [the same on every device](Self::init_with).
    pub initializer: Option<Initializer>,
}

/// Convolution filters that every layer of a stage uses.
///
/// One tensor with one owner: the stage. Layers borrow it in
/// [`forward`](crate::BasisConv2d::forward), so its gradient is the sum over all its uses, one
/// optimizer step moves it for all of them, and it is saved once.
#[derive(Module, Debug)]
#[module(custom_display)]
pub struct FilterBasis {
    /// The filters, `[filters, channels, kernel_height, kernel_width]`.
    pub weight: Param<Tensor<4>>,
}

impl FilterBasisConfig {
    /// A basis as the [initializer](Self::initializer) says, orthonormal without one, drawn from the
    /// device's random numbers ([`Device::seed`]).
    ///
    /// # Panics
    ///
    /// Panics if a dimension is zero.
    pub fn init(&self, device: &Device) -> FilterBasis {
        match &self.initializer {
            Some(initializer) => {
                let [filters, channels, height, width] = self.checked_shape();
                let area = height * width;
                let fans = (Some(channels * area), Some(filters * area));
                let weight = initializer.init_with(self.shape(), fans.0, fans.1, device);
                FilterBasis { weight }
            }
            None => {
                let [basis] = self.init_joint(device);
                basis
            }
        }
    }

    /// Several bases that are orthonormal to one another as well, drawn from the device's random
    /// numbers: the two bases of a stage in the paper's `*` models. All filters together are
    /// orthonormal if there are no more of them than numbers in a filter,
    /// `N × filters ≤ channels × kernel_height × kernel_width`; see [`orthonormal`] for the other
    /// case.
    ///
    /// ```
    /// use burn::tensor::Device;
    /// use cobasis::FilterBasisConfig;
    ///
    /// let config = FilterBasisConfig::new(8, 16, [3, 3]);
    /// let [first, second] = config.init_joint(&Device::flex());
    /// assert_eq!(first.weight.dims(), [8, 16, 3, 3]);
    /// # assert_eq!(second.filters(), 8);
    /// ```
    ///
    /// # Panics
    ///
    /// Panics if a dimension is zero.
    pub fn init_joint<const N: usize>(&self, device: &Device) -> [FilterBasis; N] {
        let numbers = N * self.shape().iter().product::<usize>();
        let gaussian = Tensor::<1>::random([numbers], Distribution::Normal(0.0, 1.0), device)
            .into_data()
            .iter::<f64>()
            .collect::<Vec<_>>();
        let mut gaussian = gaussian.into_iter();
        self.init_joint_with(device, &mut || gaussian.next().unwrap_or_default())
    }

    /// A basis with orthonormal filters from the caller's standard normal numbers, the same on
    /// every device. See [`orthonormal`] for the case of more filters than dimensions.
    ///
    /// # Panics
    ///
    /// Panics if a dimension is zero.
    pub fn init_with(&self, device: &Device, normal: &mut impl FnMut() -> f64) -> FilterBasis {
        let [basis] = self.init_joint_with(device, normal);
        basis
    }

    /// [`init_joint`](Self::init_joint) from the caller's standard normal numbers: one matrix of
    /// `N × filters` rows is drawn and split.
    ///
    /// # Panics
    ///
    /// Panics if a dimension is zero.
    pub fn init_joint_with<const N: usize>(
        &self,
        device: &Device,
        normal: &mut impl FnMut() -> f64,
    ) -> [FilterBasis; N] {
        let shape @ [filters, filter_shape @ ..] = self.checked_shape();
        let length = filter_shape.iter().product::<usize>();
        let values = orthonormal(N * filters, length, normal);
        std::array::from_fn(|index| {
            let exact = &values[index * filters * length..(index + 1) * filters * length];
            let part: Vec<f32> = exact.iter().map(|&value| value as f32).collect();
            FilterBasis { weight: Param::from_data(TensorData::new(part, shape), device) }
        })
    }

    fn shape(&self) -> [usize; 4] {
        [self.filters, self.channels, self.kernel_size[0], self.kernel_size[1]]
    }

    fn checked_shape(&self) -> [usize; 4] {
        let shape = self.shape();
        assert!(shape.iter().all(|&size| size > 0), "a basis of shape {shape:?} has no filters");
        shape
    }
}

impl FilterBasis {
    /// The number of filters.
    pub fn filters(&self) -> usize {
        self.weight.lazy_shape()[0]
    }
}

impl ModuleDisplay for FilterBasis {
    fn custom_settings(&self) -> Option<DisplaySettings> {
        DisplaySettings::new().with_new_line_after_attribute(false).optional()
    }

    fn custom_content(&self, content: Content) -> Option<Content> {
        let [filters, channels, height, width] = self.weight.lazy_shape().dims();
        content
            .add("filters", &filters)
            .add("channels", &channels)
            .add("kernel_size", &format!("[{height}, {width}]"))
            .optional()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use cobasis_ortho::Orthonormality;

    #[test]
    fn a_basis_starts_orthonormal_on_every_device() {
        #[allow(deprecated)] // NdArray is the second, independent CPU reference.
        for device in [Device::flex(), Device::ndarray(), Device::flex().autodiff()] {
            let basis = FilterBasisConfig::new(5, 3, [3, 3]).init(&device);
            assert_eq!(basis.weight.dims(), [5, 3, 3, 3]);
            assert!(Orthonormality::of(basis.weight.val()).frobenius < 1e-5);
        }
    }

    #[test]
    fn joint_bases_are_orthonormal_to_each_other() {
        let mut state = 1_u64;
        let mut normal = || {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1);
            (state >> 33) as f64 / (1u64 << 31) as f64 - 0.5
        };
        let config = FilterBasisConfig::new(4, 1, [3, 3]);
        let [first, second] = config.init_joint_with(&Device::flex(), &mut normal);
        let both = Tensor::cat(vec![first.weight.val(), second.weight.val()], 0);
        assert!(Orthonormality::of(both).frobenius < 1e-5);
    }

    #[test]
    #[should_panic(expected = "has no filters")]
    fn an_empty_basis_is_refused() {
        FilterBasisConfig::new(0, 3, [3, 3]).init(&Device::flex());
    }

    #[test]
    fn it_prints_its_shape() {
        let basis = FilterBasisConfig::new(5, 3, [3, 3]).init(&Device::flex());
        let text = basis.to_string();
        assert!(text.contains("filters: 5") && text.contains("params: 135"), "{text}");
    }
}
