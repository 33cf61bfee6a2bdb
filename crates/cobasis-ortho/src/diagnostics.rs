//! How orthonormal filters are, without gradients.

use burn::tensor::Tensor;

use crate::eigen::symmetric_eigenvalues;
use crate::gram::Gram;
use crate::gram_schmidt::transpose;
use crate::rows::{host, rows};

/// How far the filters of a bank, as the rows of a matrix `B`, are from orthonormal.
///
/// Computed on the host in `f64`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Orthonormality {
    /// `‖B Bᵀ − I‖_F`.
    pub frobenius: f64,
    /// The largest absolute inner product of two different filters; 0 if there is only one.
    pub max_off_diagonal: f64,
    /// The smallest Euclidean norm of a filter.
    pub min_row_norm: f64,
    /// The largest Euclidean norm of a filter.
    pub max_row_norm: f64,
    /// The smallest of the `min(filters, size of a filter)` singular values of `B`. Computed from
    /// the Gram matrix, so values below about 1e-8 of the largest are not resolved.
    pub min_singular_value: f64,
    /// The largest singular value of `B`.
    pub max_singular_value: f64,
}

impl Orthonormality {
    /// Measures filters of shape `[filters, channels / groups, kernel_height, kernel_width]`.
    ///
    /// To measure several bases jointly, or shared filters with a layer's unique ones, concatenate
    /// them along the filters first.
    ///
    /// # Panics
    ///
    /// Panics if there are no filters, or if the tensor can't be read from its device.
    pub fn of(filters: Tensor<4>) -> Self {
        let rows = rows(filters.detach());
        let [count, length] = rows.dims();
        assert!(count > 0 && length > 0, "no filters to measure: shape [{count}, {length}]");
        Self::of_rows(&host(rows), count, length)
    }

    fn of_rows(values: &[f64], count: usize, length: usize) -> Self {
        let gram = Gram::of_rows(values, length);
        let mut squares = 0.0;
        let mut max_off_diagonal = 0.0_f64;
        for (i, row) in gram.entries().chunks(count).enumerate() {
            squares += (row[i] - 1.0).powi(2);
            for &product in &row[..i] {
                squares += 2.0 * product * product;
                max_off_diagonal = max_off_diagonal.max(product.abs());
            }
        }
        let (min_square, max_square) = min_max(gram.diagonal());
        let smaller_gram = match count <= length {
            true => gram,
            false => Gram::of_rows(&transpose(values, count, length), count),
        };
        let (min_eigenvalue, max_eigenvalue) = min_max(
            symmetric_eigenvalues(smaller_gram.into_entries(), count.min(length)).into_iter(),
        );
        Self {
            frobenius: squares.sqrt(),
            max_off_diagonal,
            min_row_norm: min_square.sqrt(),
            max_row_norm: max_square.sqrt(),
            min_singular_value: min_eigenvalue.max(0.0).sqrt(),
            max_singular_value: max_eigenvalue.max(0.0).sqrt(),
        }
    }
}

fn min_max(values: impl Iterator<Item = f64>) -> (f64, f64) {
    values.fold((f64::INFINITY, f64::NEG_INFINITY), |(min, max), v| (min.min(v), max.max(v)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::orthonormal;
    use burn::tensor::{Device, TensorData};
    use proptest::prelude::*;
    use rand::{SeedableRng, rngs::Xoshiro256PlusPlus};
    use rand_distr::{Distribution, StandardNormal};

    fn source(seed: u64) -> impl FnMut() -> f64 {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
        move || StandardNormal.sample(&mut rng)
    }

    /// `diag(singular) × Q` with orthonormal rows of Q, rotated from the left.
    fn with_singular_values(singular: &[f64], length: usize, seed: u64) -> Vec<f64> {
        let count = singular.len();
        let left = orthonormal(count, count, &mut source(seed));
        let right = orthonormal(count, length, &mut source(seed + 1));
        let mut out = vec![0.0; count * length];
        for i in 0..count {
            for (k, s) in singular.iter().enumerate() {
                for j in 0..length {
                    out[i * length + j] += left[i * count + k] * s * right[k * length + j];
                }
            }
        }
        out
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn singular_values_are_found(
            singular in prop::collection::vec(0.01f64..3.0, 1..20), extra in 0usize..20, seed in 0u64..1000,
        ) {
            let (min, max) = min_max(singular.iter().copied());
            let (count, length) = (singular.len(), singular.len() + extra);
            let values = with_singular_values(&singular, length, seed);
            for report in [
                Orthonormality::of_rows(&values, count, length),
                Orthonormality::of_rows(&transpose(&values, count, length), length, count),
            ] {
                prop_assert!((report.min_singular_value - min).abs() < 1e-9, "{report:?} {min}");
                prop_assert!((report.max_singular_value - max).abs() < 1e-9, "{report:?} {max}");
            }
            let squares: f64 = singular.iter().map(|s| (s * s - 1.0).powi(2)).sum();
            let report = Orthonormality::of_rows(&values, count, length);
            prop_assert!((report.frobenius - squares.sqrt()).abs() < 1e-9);
        }
    }

    #[test]
    fn an_orthonormal_basis_has_unit_norms_and_singular_values() {
        let values = orthonormal(24, 100, &mut source(1));
        let report = Orthonormality::of_rows(&values, 24, 100);
        assert!(report.frobenius < 1e-12 && report.max_off_diagonal < 1e-13, "{report:?}");
        for one in [
            report.min_row_norm,
            report.max_row_norm,
            report.min_singular_value,
            report.max_singular_value,
        ] {
            assert!((one - 1.0).abs() < 1e-12, "{report:?}");
        }
    }

    #[test]
    fn more_filters_than_dimensions_are_measured_on_the_smaller_side() {
        // Three filters in two dimensions: rank two, Gram 3×3 singular.
        let filters = TensorData::new(vec![1.0f32, 0.0, 0.0, 1.0, 3.0, 4.0], [3, 2, 1, 1]);
        let report = Orthonormality::of(Tensor::from_data(filters, &Device::flex()));
        assert_eq!((report.min_row_norm, report.max_row_norm), (1.0, 5.0));
        assert_eq!(report.max_off_diagonal, 4.0);
        // B Bᵀ has the eigenvalues of Bᵀ B = [[10, 12], [12, 17]]: 1 and 26.
        assert!((report.min_singular_value - 1.0).abs() < 1e-12, "{report:?}");
        assert!((report.max_singular_value - 26.0_f64.sqrt()).abs() < 1e-12);
    }

    #[test]
    fn a_rank_deficient_bank_has_a_singular_value_of_zero() {
        let report = Orthonormality::of_rows(&[1.0, 0.0, 0.0, 1.0, 0.0, 0.0], 2, 3);
        assert!(report.min_singular_value < 1e-7, "{report:?}");
        assert!((report.max_singular_value - 2.0_f64.sqrt()).abs() < 1e-12);
        assert_eq!(report.max_off_diagonal, 1.0);
    }
}
