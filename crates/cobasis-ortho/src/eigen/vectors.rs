//! Eigenvectors of tridiagonal matrices.

use rayon::prelude::*;

use super::tridiagonal::Tridiagonal;
use crate::gram_schmidt::dot;
use crate::orthonormal::extend_orthonormal;
use crate::random::Normal;

/// Solutions of inverse iteration for a vector; two are enough, a third costs little.
const ITERATIONS: usize = 3;

/// Eigenvalues that differ by less than this part of the largest are treated as equal: their vectors
/// are kept apart one by one. Others come out of inverse iteration with a part of each other of the
/// order of ε over their distance, so that making all orthonormal changes no residual by more than ε.
const NEAR: f64 = 1e-8;

/// Orthonormal eigenvectors, one after the other, for eigenvalues from the largest on.
pub(super) fn eigenvectors(matrix: &Tridiagonal, values: &[f64]) -> Vec<f64> {
    let size = matrix.diagonal.len();
    let entries = matrix.diagonal.iter().chain(&matrix.off_diagonal);
    let norm = entries.fold(0.0, |m: f64, v| m.max(v.abs()));
    let groups: Vec<&[f64]> = values.chunk_by(|a, b| a - b <= NEAR * norm).collect();
    let vectors: Vec<Vec<f64>> =
        groups.into_par_iter().map(|values| of_near_values(matrix, values, norm)).collect();
    let mut orthonormal = Vec::with_capacity(values.len() * size);
    let vectors = vectors.concat();
    extend_orthonormal(&mut orthonormal, &vectors, size.max(1));
    // Vectors of distinct eigenvalues are independent.
    assert_eq!(orthonormal.len(), vectors.len(), "as many eigenvectors as eigenvalues");
    orthonormal
}

/// Orthonormal vectors of eigenvalues that are next to equal.
fn of_near_values(matrix: &Tridiagonal, values: &[f64], norm: f64) -> Vec<f64> {
    let size = matrix.diagonal.len();
    let tiny = if norm == 0.0 { f64::MIN_POSITIVE } else { norm * f64::EPSILON };
    let mut draw = Normal::new(0x5ba5_1500);
    let mut vectors: Vec<f64> = Vec::with_capacity(values.len() * size);
    for &value in values {
        let solver = Shifted::factorise(&matrix.diagonal, &matrix.off_diagonal, value, tiny);
        let mut vector: Vec<f64> = (0..size).map(|_| draw.next()).collect();
        for _ in 0..ITERATIONS {
            // Equal eigenvalues give one vector after the other only if the earlier are taken out.
            orthogonalise(&mut vector, &vectors);
            solver.solve(&mut vector);
            normalise(&mut vector);
        }
        orthogonalise(&mut vector, &vectors);
        normalise(&mut vector);
        vectors.extend(vector);
    }
    vectors
}

/// `T − λ I`, factorised by Gaussian elimination with exchanges of neighbouring rows.
struct Shifted {
    /// The diagonal, and the two above it, of the triangular factor.
    upper: Vec<[f64; 3]>,
    /// Of each step, whether the rows were exchanged, and the factor of the upper one.
    steps: Vec<(bool, f64)>,
}

impl Shifted {
    fn factorise(diagonal: &[f64], off_diagonal: &[f64], value: f64, tiny: f64) -> Self {
        let size = diagonal.len();
        let entry = |row: usize| if row + 1 < size { off_diagonal[row] } else { 0.0 };
        let pivot = |number: f64| if number.abs() < tiny { tiny } else { number };
        let mut upper = Vec::with_capacity(size);
        let mut steps = Vec::with_capacity(size);
        // The row at hand, from its diagonal on.
        let mut row = [diagonal[0] - value, entry(0), 0.0];
        for next in 1..size {
            let below = off_diagonal[next - 1];
            let lower = [below, diagonal[next] - value, entry(next)];
            let exchanged = below.abs() > row[0].abs();
            let (top, bottom) = if exchanged { (lower, row) } else { (row, lower) };
            let top = [pivot(top[0]), top[1], top[2]];
            let factor = bottom[0] / top[0];
            row = [bottom[1] - factor * top[1], bottom[2] - factor * top[2], 0.0];
            upper.push(top);
            steps.push((exchanged, factor));
        }
        upper.push([pivot(row[0]), 0.0, 0.0]);
        Self { upper, steps }
    }

    fn solve(&self, vector: &mut [f64]) {
        for (index, &(exchanged, factor)) in self.steps.iter().enumerate() {
            if exchanged {
                vector.swap(index, index + 1);
            }
            vector[index + 1] -= factor * vector[index];
        }
        for (index, row) in self.upper.iter().enumerate().rev() {
            let known = |ahead: usize| vector.get(index + ahead).copied().unwrap_or(0.0);
            vector[index] = (vector[index] - row[1] * known(1) - row[2] * known(2)) / row[0];
        }
        // What overflows had nothing but its direction to tell.
        let largest = vector.iter().fold(0.0, |m: f64, v| m.max(v.abs()));
        vector.iter_mut().for_each(|v| *v /= largest);
    }
}

/// Takes out of a vector what lies along orthonormal ones, twice against rounding.
fn orthogonalise(vector: &mut [f64], units: &[f64]) {
    for _ in 0..2 {
        for unit in units.chunks_exact(vector.len()) {
            let along = dot(vector, unit);
            vector.iter_mut().zip(unit).for_each(|(v, u)| *v -= along * u);
        }
    }
}

fn normalise(vector: &mut [f64]) {
    let norm = dot(vector, vector).sqrt();
    vector.iter_mut().for_each(|v| *v /= norm);
}
