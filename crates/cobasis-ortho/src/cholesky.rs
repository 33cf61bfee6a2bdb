//! Triangular roots of positive definite matrices, on the host in `f64`.

use rayon::prelude::*;

use crate::gram_schmidt::dot;
use crate::product::{Part, Target, View, parts, product};

/// Rows and columns that are done one by one; the rest are products of matrices.
const BLOCK: usize = 64;

/// The lower triangular `L` of a matrix `L Lᵀ`.
pub(crate) struct Cholesky {
    /// `Lᵀ`, row by row, zeros below the diagonal.
    upper: Vec<f64>,
    size: usize,
}

impl Cholesky {
    /// The root of a symmetric positive definite matrix `[size, size]`. Pivots that rounding makes
    /// zero or negative become the smallest that the matrix's size resolves.
    pub(crate) fn of(mut matrix: Vec<f64>, size: usize) -> Self {
        let largest = matrix.iter().step_by(size + 1).fold(0.0, |m: f64, v| m.max(v.abs()));
        let smallest = (largest * f64::EPSILON).max(f64::MIN_POSITIVE);
        for block in parts(size, BLOCK) {
            let (done, rest) = matrix.split_at_mut(block.end * size);
            let panel = &mut done[block.start * size..];
            for (index, column) in block.clone().enumerate() {
                let (row, below) = panel[index * size..].split_at_mut(size);
                row[..column].fill(0.0);
                let root = row[column].max(smallest).sqrt();
                row[column] = root;
                row[column + 1..].iter_mut().for_each(|v| *v /= root);
                for (place, other) in below.chunks_exact_mut(size).enumerate() {
                    let first = column + 1 + place;
                    let factor = row[first];
                    let entries = other[first..].iter_mut().zip(&row[first..]);
                    entries.for_each(|(v, u)| *v -= factor * u);
                }
            }
            let right = View::of(panel, size).columns(block.end..size);
            let target = Target { values: rest, step: size, first: block.end, part: Part::Upper };
            target.add(-1.0, right.transposed(), right);
        }
        Self { upper: matrix, size }
    }

    /// `X L`, for the rows of `X`.
    pub(crate) fn times_lower(&self, rows: &[f64]) -> Vec<f64> {
        product(View::of(rows, self.size), self.view().transposed())
    }

    /// Makes each row `x` the `y` with `y L = x`.
    pub(crate) fn solve_lower(&self, rows: &mut [f64]) {
        let size = self.size;
        for block in parts(size, BLOCK).rev() {
            let solved = self.solve_block(rows, block.clone(), |row| {
                for column in block.clone().rev() {
                    let factors = &self.upper[column * size..][column + 1..block.end];
                    let known = dot(factors, &row[column + 1..block.end]);
                    row[column] = (row[column] - known) / self.upper[column * size + column];
                }
            });
            let right = self.view().rows(0..block.start).columns(block.clone()).transposed();
            Target::all(rows, size).add(-1.0, View::of(&solved, block.len()), right);
        }
    }

    /// Makes each row `x` the `y` with `y Lᵀ = x`.
    pub(crate) fn solve_upper(&self, rows: &mut [f64]) {
        let size = self.size;
        for block in parts(size, BLOCK) {
            let solved = self.solve_block(rows, block.clone(), |row| {
                for column in block.clone() {
                    let factors = &self.upper[column * size..][..block.end];
                    let value = row[column] / factors[column];
                    row[column] = value;
                    let later = row[column + 1..block.end].iter_mut().zip(&factors[column + 1..]);
                    later.for_each(|(v, u)| *v -= value * u);
                }
            });
            let right = self.view().rows(block.clone()).columns(block.end..size);
            let target = Target { first: block.end, ..Target::all(rows, size) };
            target.add(-1.0, View::of(&solved, block.len()), right);
        }
    }

    /// Makes each row `x` the `y` with `y L Lᵀ = x`.
    pub(crate) fn solve(&self, rows: &mut [f64]) {
        self.solve_upper(rows);
        self.solve_lower(rows);
    }

    /// Solves for the columns of a block in every row; returns them.
    fn solve_block(
        &self,
        rows: &mut [f64],
        block: std::ops::Range<usize>,
        solve: impl Fn(&mut [f64]) + Sync,
    ) -> Vec<f64> {
        rows.par_chunks_mut(BLOCK * self.size).for_each(|rows| {
            rows.chunks_exact_mut(self.size).for_each(&solve);
        });
        rows.chunks_exact(self.size).flat_map(|row| &row[block.clone()]).copied().collect()
    }

    fn view(&self) -> View<'_> {
        View::of(&self.upper, self.size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::product::symmetric;
    use crate::random::Normal;

    #[test]
    fn roots_multiply_and_solve() {
        // [[4, 2], [2, 10]] = L Lᵀ with L = [[2, 0], [1, 3]].
        let root = Cholesky::of(vec![4.0, 2.0, 2.0, 10.0], 2);
        assert_eq!(root.upper, [2.0, 1.0, 0.0, 3.0]);
        assert_eq!(root.times_lower(&[1.0, 2.0]), [4.0, 6.0]);
        let mut rows = [4.0, 6.0];
        root.solve_lower(&mut rows);
        assert_eq!(rows, [1.0, 2.0]);
        let mut rows = [8.0, 22.0];
        root.solve_upper(&mut rows);
        assert_eq!(rows, [4.0, 6.0]);
    }

    #[test]
    fn blocks_fit_together() {
        for size in [1, 63, 64, 65, 200] {
            let mut draw = Normal::new(size as u64);
            let rows: Vec<f64> = (0..size * (size + 9)).map(|_| draw.next()).collect();
            let matrix = symmetric(View::of(&rows, size + 9), View::of(&rows, size + 9));
            let root = Cholesky::of(matrix.clone(), size);
            let close = |found: &[f64], expected: &[f64], scale: f64| {
                let far = found.iter().zip(expected).map(|(a, b)| (a - b).abs());
                assert!(far.fold(0.0, f64::max) < 1e-12 * scale, "{size}");
            };
            let upper = root.upper.clone();
            close(&product(root.view().transposed(), root.view()), &matrix, size as f64 * 4.0);
            let x: Vec<f64> = (0..size * 70).map(|_| draw.next()).collect();
            let mut y = x.clone();
            root.solve_lower(&mut y);
            close(&root.times_lower(&y), &x, 1e3);
            let mut y = x.clone();
            root.solve_upper(&mut y);
            close(&product(View::of(&y, size), View::of(&upper, size)), &x, 1e3);
        }
    }
}
