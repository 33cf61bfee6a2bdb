//! Eigenvalues and eigenvectors of symmetric matrices, on the host in `f64`.
//!
//! Householder reflections bring a matrix to tridiagonal form, whose eigenvalues the implicitly
//! shifted QL iteration finds (Golub & Van Loan, *Matrix Computations*, §8.3), and whose eigenvectors
//! inverse iteration finds, only as many as are asked for (§8.2.2).

mod tridiagonal;
mod values;
mod vectors;

use tridiagonal::Reduced;
use values::eigenvalues;
use vectors::eigenvectors;

/// The eigenvalues of a symmetric matrix, in no particular order. Entries below the diagonal are not
/// read.
pub(crate) fn symmetric_eigenvalues(matrix: Vec<f64>, size: usize) -> Vec<f64> {
    eigenvalues(&Reduced::of(matrix, size).tridiagonal)
}

/// All eigenvalues of a symmetric matrix, from the largest to the smallest, and the eigenvectors of
/// the first ones, as many as `count` says of the eigenvalues, orthonormal, one after the other.
/// Entries below the diagonal are not read.
pub(crate) fn leading_eigenvectors(
    matrix: Vec<f64>,
    size: usize,
    count: impl Fn(&[f64]) -> usize,
) -> (Vec<f64>, Vec<f64>) {
    let reduced = Reduced::of(matrix, size);
    let mut values = eigenvalues(&reduced.tridiagonal);
    values.sort_unstable_by(|a, b| b.total_cmp(a));
    let mut vectors = eigenvectors(&reduced.tridiagonal, &values[..count(&values)]);
    reduced.turn_back(&mut vectors);
    (values, vectors)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gram_schmidt::{dot, orthonormalise};
    use crate::random::Normal;

    /// `Q diag(values) Qᵀ` with random orthonormal columns.
    fn with_eigenvalues(values: &[f64], key: u64) -> Vec<f64> {
        let size = values.len();
        let mut draw = Normal::new(key);
        let mut rows: Vec<f64> = (0..size * size).map(|_| draw.next()).collect();
        orthonormalise(&mut rows, size).expect("independent");
        let mut matrix = vec![0.0; size * size];
        for (row, value) in rows.chunks(size).zip(values) {
            for i in 0..size {
                for j in 0..size {
                    matrix[i * size + j] += value * row[i] * row[j];
                }
            }
        }
        matrix
    }

    fn check(values: &[f64], count: usize) {
        let size = values.len();
        let matrix = with_eigenvalues(values, size as u64);
        let (found, vectors) = leading_eigenvectors(matrix.clone(), size, |_| count);
        let mut sorted = values.to_vec();
        sorted.sort_unstable_by(|a, b| b.total_cmp(a));
        let scale = sorted[0].abs().max(1e-300);
        for (found, value) in found.iter().zip(&sorted) {
            assert!((found - value).abs() <= 1e-12 * scale, "{found} {value}");
        }
        for (i, vector) in vectors.chunks(size).enumerate() {
            for (j, other) in vectors.chunks(size).enumerate() {
                let product = dot(vector, other) - f64::from(u8::from(i == j));
                assert!(product.abs() < 1e-11, "{i} {j}: {product}");
            }
            let image = matrix.chunks(size).map(|row| dot(row, vector));
            let error = image.zip(vector).map(|(a, v)| (a - sorted[i] * v).abs());
            assert!(error.fold(0.0, f64::max) < 1e-10 * scale, "vector {i} of {size}");
        }
    }

    #[test]
    fn vectors_belong_to_their_values_and_are_orthonormal() {
        check(&[3.0], 1);
        check(&[3.0, -1.0], 2);
        check(&(0..40).map(|i| 1.5_f64.powi(-i)).collect::<Vec<_>>(), 40);
        check(&(0..60).map(f64::from).collect::<Vec<_>>(), 17);
    }

    #[test]
    fn equal_values_have_vectors_of_their_own() {
        check(&[2.0, 2.0, 2.0, 1.0, 1.0, 0.0, 0.0, 0.0], 8);
        check(&[1.0; 12], 12);
        check(&[0.0; 5], 5);
    }

    #[test]
    fn several_blocks_with_values_far_apart_close_and_equal() {
        let far = (0..100).map(|i| 0.9_f64.powi(i));
        let close = (0..40).map(|i| 0.5 + 1e-9 * f64::from(i));
        check(&far.chain(close).chain([0.25; 30]).chain([0.0; 40]).collect::<Vec<_>>(), 190);
    }

    #[test]
    fn vectors_are_the_same_with_any_number_of_threads() {
        let matrix = with_eigenvalues(&(0..150).map(f64::from).collect::<Vec<_>>(), 4);
        let with = |threads: usize| {
            let pool =
                rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
            pool.install(|| leading_eigenvectors(matrix.clone(), 150, |_| 70))
        };
        assert!(with(1) == with(3));
    }

    #[test]
    fn a_matrix_that_is_diagonal_already_is_no_special_case() {
        let (values, vectors) = leading_eigenvectors(vec![1.0, 0.0, 0.0, 4.0], 2, |_| 2);
        assert_eq!(values, [4.0, 1.0]);
        assert!((vectors[1].abs() - 1.0).abs() < 1e-15 && vectors[0].abs() < 1e-15);
    }
}
