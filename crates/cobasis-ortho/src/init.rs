//! Orthonormal initialisation on the host.

use crate::gram_schmidt::{orthonormalise, transpose};
use crate::random::Normal;

/// Draws a `rows × cols` matrix (row-major) with orthonormal rows if `rows ≤ cols`, with
/// orthonormal columns otherwise.
///
/// The semantics are those of `torch.nn.init.orthogonal_` with gain 1: a Gaussian matrix
/// (its transpose if `rows < cols`) is factorised as `Q R`, the sign of each column of `Q` is fixed
/// by the diagonal of `R`, and `Q` (transposed back) is returned. `normal` yields independent
/// standard normal numbers; `rows × cols` of them are taken, in row-major order of the Gaussian
/// matrix. All arithmetic is in `f64` on the host, so the same `normal` gives the same basis on
/// every device.
///
/// The factorisation is Gram–Schmidt, each vector orthogonalised twice. A thin `Q R` with a
/// positive diagonal is unique, so this is the matrix that Householder reflections with the sign
/// correction give; "twice is enough" keeps it orthonormal to machine precision.
///
/// # Panics
///
/// Panics if the numbers drawn are linearly dependent, which a Gaussian source does not produce.
pub fn orthonormal(rows: usize, cols: usize, normal: &mut impl FnMut() -> f64) -> Vec<f64> {
    let gaussian: Vec<f64> = (0..rows * cols).map(|_| normal()).collect();
    if rows <= cols {
        let mut vectors = gaussian;
        orthonormalise_drawn(&mut vectors, cols);
        vectors
    } else {
        let mut vectors = transpose(&gaussian, rows, cols);
        orthonormalise_drawn(&mut vectors, rows);
        transpose(&vectors, cols, rows)
    }
}

/// Draws `rows` vectors of length `cols` that are orthonormal to one another and to given vectors of
/// that length, which need not be orthonormal themselves. `normal` yields independent standard normal
/// numbers; `rows × cols` of them are taken.
///
/// ```
/// use cobasis_ortho::orthonormal_to;
///
/// let mut numbers = [3.0, 4.0, -5.0].into_iter();
/// let vector = orthonormal_to(&[0.0, 2.0, 0.0], 1, 3, &mut || numbers.next().unwrap_or(0.0));
/// assert!((vector[0] - 3.0 / 34f64.sqrt()).abs() < 1e-15 && vector[1].abs() < 1e-15);
/// ```
///
/// # Panics
///
/// Panics if the given numbers are not whole vectors, if there are more vectors in all than `cols`, or
/// if vectors are linearly dependent.
pub fn orthonormal_to(
    given: &[f64],
    rows: usize,
    cols: usize,
    normal: &mut impl FnMut() -> f64,
) -> Vec<f64> {
    assert!(given.len().is_multiple_of(cols), "{} numbers are no vectors of {cols}", given.len());
    let count = given.len() / cols + rows;
    assert!(count <= cols, "{count} vectors of {cols} numbers can't be orthonormal");
    let mut vectors: Vec<f64> = given.to_vec();
    vectors.extend((0..rows * cols).map(|_| normal()));
    orthonormalise_drawn(&mut vectors, cols);
    vectors.split_off(given.len())
}

fn orthonormalise_drawn(vectors: &mut [f64], length: usize) {
    let independent = orthonormalise(vectors, length).is_ok();
    assert!(independent, "the source of normal numbers gave linearly dependent filters");
}

/// [`orthonormal`] with normal numbers that are a function of the seed.
///
/// The numbers come from a generator of this crate (SplitMix64 and Marsaglia's polar method), so
/// that no release of another library changes them. They are not those that the layers of `cobasis`
/// draw from the same seed.
pub fn orthonormal_seeded(rows: usize, cols: usize, seed: u64) -> Vec<f64> {
    let mut normal = Normal::new(seed);
    orthonormal(rows, cols, &mut || normal.next())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gram_schmidt::dot;
    use proptest::prelude::*;
    use rand::{SeedableRng, rngs::Xoshiro256PlusPlus};
    use rand_distr::{Distribution, StandardNormal};

    fn source(seed: u64) -> impl FnMut() -> f64 {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(seed);
        move || StandardNormal.sample(&mut rng)
    }

    fn largest_deviation_from_identity(vectors: &[f64], length: usize) -> f64 {
        let rows: Vec<&[f64]> = vectors.chunks_exact(length).collect();
        let mut worst = 0.0_f64;
        for (i, a) in rows.iter().enumerate() {
            for (j, b) in rows.iter().enumerate() {
                let expected = f64::from(i == j);
                worst = worst.max((dot(a, b) - expected).abs());
            }
        }
        worst
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn rows_or_columns_are_orthonormal(rows in 1usize..40, cols in 1usize..40, seed: u64) {
            let q = orthonormal(rows, cols, &mut source(seed));
            let deviation = if rows <= cols {
                largest_deviation_from_identity(&q, cols)
            } else {
                largest_deviation_from_identity(&transpose(&q, rows, cols), rows)
            };
            prop_assert!(deviation < 1e-13, "{rows}x{cols}: {deviation}");
        }

        /// The definition: with the tall Gaussian A = Q R, the matrix R = Qᵀ A must be upper
        /// triangular with a positive diagonal, and Q R must give A back.
        #[test]
        fn it_is_the_q_of_a_qr_with_positive_diagonal(rows in 1usize..24, cols in 1usize..24, seed: u64) {
            let q = orthonormal(rows, cols, &mut source(seed));
            let mut normal = source(seed);
            let gaussian: Vec<f64> = (0..rows * cols).map(|_| normal()).collect();
            let (q, a, long) = if rows <= cols {
                (q, gaussian, cols)
            } else {
                (transpose(&q, rows, cols), transpose(&gaussian, rows, cols), rows)
            };
            let (q, a): (Vec<&[f64]>, Vec<&[f64]>) = (q.chunks(long).collect(), a.chunks(long).collect());
            for (j, column) in a.iter().enumerate() {
                let r: Vec<f64> = q.iter().map(|unit| dot(unit, column)).collect();
                prop_assert!(r[j] > 0.0);
                prop_assert!(r[j + 1..].iter().all(|v| v.abs() < 1e-12));
                for (k, &value) in column.iter().enumerate() {
                    let rebuilt: f64 = q.iter().zip(&r).map(|(unit, r)| unit[k] * r).sum();
                    prop_assert!((rebuilt - value).abs() < 1e-12);
                }
            }
        }
    }

    #[test]
    fn an_ill_conditioned_draw_is_still_orthonormal() {
        // Rows that differ from one another by 1e-7 of a common vector.
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(3);
        let common: Vec<f64> = (0..50).map(|_| StandardNormal.sample(&mut rng)).collect();
        let mut index = 0;
        let mut nearly_dependent = || {
            let noise: f64 = StandardNormal.sample(&mut rng);
            index += 1;
            common[(index - 1) % 50] + 1e-7 * noise
        };
        let q = orthonormal(20, 50, &mut nearly_dependent);
        assert!(largest_deviation_from_identity(&q, 50) < 1e-13);
    }

    #[test]
    #[should_panic(expected = "linearly dependent")]
    fn a_constant_source_is_refused() {
        orthonormal(3, 9, &mut || 1.0);
    }

    #[test]
    fn the_same_source_gives_the_same_matrix() {
        let draw = |seed| orthonormal(9, 30, &mut source(seed));
        assert_eq!(draw(5), draw(5));
        assert_ne!(draw(5), draw(6));
    }

    #[test]
    fn a_seed_is_all_that_decides() {
        assert_eq!(orthonormal_seeded(4, 9, 1), orthonormal_seeded(4, 9, 1));
        assert_ne!(orthonormal_seeded(4, 9, 1), orthonormal_seeded(4, 9, 2));
        assert!(largest_deviation_from_identity(&orthonormal_seeded(4, 9, 3), 9) < 1e-13);
    }
}
