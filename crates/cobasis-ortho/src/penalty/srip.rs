//! The spectral restricted isometry property.

use burn::tensor::{Tensor, TensorData};

use super::{Counted, FilterGroup, Formula, deviation, summed};
use crate::random::Normal;

/// What a vector is at least divided by, so that one of zeros, of orthonormal filters, stays one.
const SMALLEST: f64 = 1e-12;

/// `σ(D)²`, the largest singular value of `D = B Bᵀ − I`, summed over stages, by power iteration:
/// `‖D v‖²` with the unit vector `v` along `Dⁿ u` for a random `u`.
///
/// That is never above the true value, and as near to it as the steps `n` bring it. `v` is a number
/// to the gradient, which so has the slope of the true value once `v` has arrived, and costs no more
/// than two products. Source: Bansal, Chen and Wang, *Can We Gain More from Orthogonality
/// Regularizations in Training Deep Networks?*, NeurIPS 2018.
pub(super) struct Srip {
    /// The products with `D` before the one that counts.
    pub(super) steps: usize,
}

impl Srip {
    /// One step, which is what all programs of the authors come to: `(uᵀ D v)²` with `u` along `D v`
    /// is `‖D v‖²`.
    pub(super) const PUBLISHED: Self = Self { steps: 1 };

    /// Of one matrix, from the given start.
    fn of_matrix(&self, rows: Tensor<2>, mut start: impl FnMut(usize) -> Vec<f64>) -> Tensor<1> {
        let deviation = deviation(rows);
        let still = deviation.clone().detach();
        let size = still.dims()[0];
        let start = TensorData::new(start(size), [size, 1]);
        let mut vector = Tensor::<2>::from_data(start, (&still.device(), still.dtype()));
        for _ in 0..self.steps {
            vector = still.clone().matmul(vector);
            let length = vector.clone().square().sum().sqrt().clamp_min(SMALLEST);
            vector = vector / length.unsqueeze();
        }
        deviation.matmul(vector).square().sum()
    }
}

impl Formula for Srip {
    fn of_family(&self, family: &[FilterGroup], counted: Counted, key: u64) -> Option<Tensor<1>> {
        let mut normal = Normal::new(key);
        summed(family, counted, |rows| {
            self.of_matrix(rows, |size| (0..size).map(|_| normal.next()).collect())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::devices;
    use burn::tensor::Device;

    fn matrix(values: &[f64], shape: [usize; 2], device: &Device) -> Tensor<2> {
        let values: Vec<f32> = values.iter().map(|&value| value as f32).collect();
        Tensor::from_data(TensorData::new(values, shape), device)
    }

    #[test]
    fn one_step_from_ones_is_the_authors_value() {
        for device in devices() {
            let rows = matrix(&[1.0, 1.0, 0.0, 1.0], [2, 2], &device);
            let value = Srip::PUBLISHED.of_matrix(rows, |size| vec![1.0; size]);
            assert!((value.into_scalar::<f32>() - 2.6).abs() < 1e-6);
        }
    }

    /// By the eigenvalues of the Gram matrix, and by differences of it along each entry.
    #[test]
    fn many_steps_have_the_value_and_the_slope_of_the_spectral_norm() {
        let (plain, device) = (Device::flex(), Device::flex().autodiff());
        for shape in [[3, 5], [5, 3]] {
            let values = crate::orthonormal_seeded(shape[0], shape[1], 7);
            let moved = |(i, value): (usize, &f64)| value * 1.2 + 0.1 * (i % 3) as f64;
            let values: Vec<f64> = values.iter().enumerate().map(moved).collect();
            let exact = |values: &[f64]| {
                let filters = matrix(values, shape, &plain);
                let filters = filters.reshape([shape[0], shape[1], 1, 1]);
                let report = crate::Orthonormality::of(filters);
                let ends = [report.min_singular_value, report.max_singular_value];
                ends.map(|value| (value * value - 1.0).abs())
                    .into_iter()
                    .fold(0.0, f64::max)
                    .powi(2)
            };
            let rows = matrix(&values, shape, &device).require_grad();
            let mut normal = Normal::new(3);
            let start = |size: usize| (0..size).map(|_| normal.next()).collect();
            let value = Srip { steps: 200 }.of_matrix(rows.clone(), start);
            let gradient = rows.grad(&value.backward()).expect("it takes part").into_data();
            let value = value.into_scalar::<f32>();
            assert!((f64::from(value) - exact(&values)).abs() < 1e-5, "{value}");
            for (i, gradient) in gradient.iter::<f64>().enumerate() {
                let at = |step: f64| {
                    let mut moved = values.clone();
                    moved[i] += step;
                    exact(&moved)
                };
                let slope = (at(1e-3) - at(-1e-3)) / 2e-3;
                assert!(
                    (slope - gradient).abs() < 1e-3 * gradient.abs().max(1.0),
                    "{slope} {gradient}"
                );
            }
        }
    }

    #[test]
    fn it_is_a_function_of_its_key_and_of_orthonormal_filters_zero() {
        for device in devices() {
            let value = |values: &[f64], key| {
                let filters = matrix(values, [2, 2], &device.clone().autodiff());
                let filters = filters.reshape([2, 2, 1, 1]).require_grad();
                let family = [FilterGroup::shared([filters.clone()])];
                let value = Srip::PUBLISHED.of_family(&family, Counted::Shared, key);
                let value = value.expect("there are filters");
                let gradient = filters.grad(&value.backward()).expect("they take part");
                assert!(gradient.into_data().iter::<f32>().all(f32::is_finite));
                value.into_scalar::<f32>()
            };
            let apart = [1.0, 1.0, 0.0, 1.0];
            assert_eq!(value(&apart, 1), value(&apart, 1));
            assert_ne!(value(&apart, 1), value(&apart, 2));
            assert_eq!(value(&[0.0, 1.0, 1.0, 0.0], 1), 0.0);
        }
    }
}
