//! Layers of two convolutions whose number of filters training finds.

use burn::module::Param;
use burn::tensor::Tensor;

/// The inner filters of a layer that consists of a `k×k` convolution and a `1×1` convolution of its
/// outputs, with nothing in between: training keeps only some of them, and what is left is a
/// factorised layer of a rank that was learnt.
///
/// A filter is *live* if any of its weights and any of the coefficients of its output is not 0;
/// inference can do without the others. Where all of both are exactly 0, their gradients are exactly
/// 0 too.
pub struct InnerFilters<'a> {
    /// The filters, `[inner, channels_in, kernel_height, kernel_width]`.
    pub filters: &'a Param<Tensor<4>>,
    /// What the output is made of them, `[channels_out, inner, 1, 1]`.
    pub coefficients: &'a Param<Tensor<4>>,
}

impl InnerFilters<'_> {
    /// Which filters are live, read from the device.
    ///
    /// # Panics
    ///
    /// Panics if the device does not give its numbers back.
    pub fn live(&self) -> Vec<bool> {
        let [filters, coefficients] = self.are_zero();
        filters.into_iter().zip(coefficients).map(|(a, b)| !a && !b).collect()
    }

    /// Which filters are gone for good: all their weights and coefficients are exactly 0, which no
    /// gradient changes. Read from the device.
    ///
    /// # Panics
    ///
    /// As [`live`](Self::live).
    pub fn gone(&self) -> Vec<bool> {
        let [filters, coefficients] = self.are_zero();
        filters.into_iter().zip(coefficients).map(|(a, b)| a && b).collect()
    }

    /// The number of filters, live or not.
    pub fn count(&self) -> usize {
        self.filters.lazy_shape()[0]
    }

    /// Weights that a filter takes, the coefficients of its output included.
    pub fn weights_of_one(&self) -> usize {
        let [_, channels, height, width] = self.filters.lazy_shape().dims::<4>();
        channels * height * width + self.coefficients.lazy_shape()[0]
    }

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
        let (filters, coefficients) =
            (Param::from_tensor(filters), Param::from_tensor(coefficients));
        let inner = InnerFilters { filters: &filters, coefficients: &coefficients };
        assert_eq!(inner.live(), [false, true, false, false]);
        assert_eq!(inner.gone(), [true, false, false, false]);
        assert_eq!((inner.count(), inner.weights_of_one()), (4, 2 + 2));
    }
}
