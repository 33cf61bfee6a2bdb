//! Layers of two convolutions whose number of filters training finds.

mod coded;

use burn::module::{Param, ParamId};
use burn::tensor::Tensor;

pub use coded::CodedFilters;

/// The inner filters of a layer that consists of a `k×k` convolution and a `1×1` convolution of its
/// outputs, with nothing in between: training keeps only some of them, and what is left is a
/// factorised layer of a rank that was learnt.
///
/// A filter is *live* if what it computes goes into the layer's output; inference can do without the
/// others.
#[derive(Clone, Debug)]
#[expect(clippy::large_enum_variant, reason = "a network has few, and none lives long")]
pub enum InnerFilters {
    /// Filters as they are kept.
    Plain(PlainFilters),
    /// Filters that an encoder and a mask make of others.
    Coded(CodedFilters),
}

/// Inner filters as they are kept.
///
/// A filter is live if any of its weights and any of the coefficients of its output is not 0. Where all
/// of both are exactly 0, their gradients are exactly 0 too.
#[derive(Clone, Debug)]
pub struct PlainFilters {
    /// The filters, `[inner, channels_in, kernel_height, kernel_width]`.
    pub filters: Param<Tensor<4>>,
    /// What the output is made of them, `[channels_out, inner, 1, 1]`.
    pub coefficients: Param<Tensor<4>>,
}

impl InnerFilters {
    /// Which filters are live, read from the device.
    ///
    /// # Panics
    ///
    /// Panics if the device does not give its numbers back.
    pub fn live(&self) -> Vec<bool> {
        match self {
            InnerFilters::Plain(plain) => {
                let [filters, coefficients] = plain.are_zero();
                filters.into_iter().zip(coefficients).map(|(a, b)| !a && !b).collect()
            }
            InnerFilters::Coded(coded) => {
                coded.mask().into_data().iter::<f32>().map(|mask| mask != 0.0).collect()
            }
        }
    }

    /// Which filters are gone for good: those with exact zeros, which training puts in their place when
    /// it cuts them. Read from the device.
    ///
    /// # Panics
    ///
    /// As [`live`](Self::live).
    pub fn gone(&self) -> Vec<bool> {
        match self {
            InnerFilters::Plain(plain) => {
                let [filters, coefficients] = plain.are_zero();
                filters.into_iter().zip(coefficients).map(|(a, b)| a && b).collect()
            }
            InnerFilters::Coded(coded) => {
                coded.mask.val().into_data().iter::<f32>().map(|mask| mask == 0.0).collect()
            }
        }
    }

    /// The filters, `[inner, channels_in, kernel_height, kernel_width]`: of coded ones those that are
    /// encoded.
    pub fn filters(&self) -> &Param<Tensor<4>> {
        match self {
            InnerFilters::Plain(plain) => &plain.filters,
            InnerFilters::Coded(coded) => &coded.filters,
        }
    }

    /// What the output is made of them, `[channels_out, inner, 1, 1]`.
    pub fn coefficients(&self) -> &Param<Tensor<4>> {
        match self {
            InnerFilters::Plain(plain) => &plain.coefficients,
            InnerFilters::Coded(coded) => &coded.coefficients,
        }
    }

    /// All parameters.
    pub fn parameters(&self) -> Vec<ParamId> {
        let own = [self.filters().id, self.coefficients().id];
        let coding = match self {
            InnerFilters::Plain(_) => Vec::new(),
            InnerFilters::Coded(coded) => coded.coding(),
        };
        own.into_iter().chain(coding).collect()
    }

    /// The number of filters, live or not.
    pub fn count(&self) -> usize {
        self.filters().lazy_shape()[0]
    }

    /// Weights that a filter takes at inference, the coefficients of its output included.
    pub fn weights_of_one(&self) -> usize {
        let [_, channels, height, width] = self.filters().lazy_shape().dims::<4>();
        channels * height * width + self.coefficients().lazy_shape()[0]
    }
}

impl PlainFilters {
    /// Whether all weights of each filter are 0, and whether all coefficients of its output are.
    fn are_zero(&self) -> [Vec<bool>; 2] {
        let along = |tensor: Tensor<4>, dim: usize| {
            let dims = tensor.dims();
            let below: usize = dims[dim + 1..].iter().product();
            let mut zero = vec![true; dims[dim]];
            for (index, value) in tensor.into_data().iter::<f32>().enumerate() {
                zero[index / below % dims[dim]] &= value == 0.0;
            }
            zero
        };
        [along(self.filters.val(), 0), along(self.coefficients.val(), 1)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;

    #[test]
    fn a_filter_is_live_where_it_and_its_coefficients_are_not_zero() {
        let device = Device::flex();
        let filters = [0.0, 0.0, 1.0, -2.0, 0.0, 0.0, 0.0, f32::NAN];
        let filters = Tensor::<1>::from_floats(filters, &device).reshape([4, 2, 1, 1]);
        // Two outputs.
        let coefficients = [0.0, 3.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0];
        let coefficients = Tensor::<1>::from_floats(coefficients, &device).reshape([2, 4, 1, 1]);
        let inner = InnerFilters::Plain(PlainFilters {
            filters: Param::from_tensor(filters),
            coefficients: Param::from_tensor(coefficients),
        });
        assert_eq!(inner.live(), [false, true, false, false]);
        assert_eq!(inner.gone(), [true, false, false, false]);
        assert_eq!((inner.count(), inner.weights_of_one()), (4, 2 + 2));
        assert_eq!(inner.parameters().len(), 2);
    }
}
