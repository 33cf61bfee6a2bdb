//! Triangular roots of positive definite matrices, on the host in `f64`.

use crate::gram_schmidt::dot;

/// The lower triangular `L` of a matrix `L Lᵀ`.
pub(crate) struct Cholesky {
    /// `L`, row by row, zeros above the diagonal.
    lower: Vec<f64>,
    size: usize,
}

impl Cholesky {
    /// The root of a symmetric positive definite matrix `[size, size]`. Pivots that rounding makes
    /// zero or negative become the smallest that the matrix's size resolves.
    pub(crate) fn of(mut matrix: Vec<f64>, size: usize) -> Self {
        let largest = matrix.iter().step_by(size + 1).fold(0.0, |m: f64, v| m.max(v.abs()));
        let smallest = (largest * f64::EPSILON).max(f64::MIN_POSITIVE);
        for row in 0..size {
            let (above, rest) = matrix.split_at_mut(row * size);
            let current = &mut rest[..size];
            for column in 0..row {
                let earlier = &above[column * size..column * size + size];
                let known = dot(&current[..column], &earlier[..column]);
                current[column] = (current[column] - known) / earlier[column];
            }
            let known = dot(&current[..row], &current[..row]);
            current[row] = (current[row] - known).max(smallest).sqrt();
            current[row + 1..].fill(0.0);
        }
        Self { lower: matrix, size }
    }

    /// `x L`.
    pub(crate) fn times_lower(&self, x: &[f64]) -> Vec<f64> {
        let mut product = vec![0.0; self.size];
        for (index, (row, factor)) in self.rows().zip(x).enumerate() {
            product[..=index].iter_mut().zip(row).for_each(|(p, l)| *p += factor * l);
        }
        product
    }

    /// The `y` with `y L = x`.
    pub(crate) fn solve_lower_right(&self, x: &[f64]) -> Vec<f64> {
        let mut y = x.to_vec();
        for index in (0..self.size).rev() {
            let row = &self.lower[index * self.size..=index * self.size + index];
            let value = y[index] / row[index];
            y[index] = value;
            y[..index].iter_mut().zip(row).for_each(|(y, l)| *y -= value * l);
        }
        y
    }

    /// The `y` with `y L Lᵀ = x`.
    pub(crate) fn solve(&self, x: &[f64]) -> Vec<f64> {
        let mut y = x.to_vec();
        for (index, row) in self.rows().enumerate() {
            let known = dot(&y[..index], &row[..index]);
            y[index] = (y[index] - known) / row[index];
        }
        self.solve_lower_right(&y)
    }

    fn rows(&self) -> impl Iterator<Item = &[f64]> {
        self.lower.chunks_exact(self.size)
    }
}

/// Rows of `length` numbers times a symmetric matrix.
pub(crate) fn symmetric_product(rows: &[f64], matrix: &[f64], length: usize) -> Vec<f64> {
    let images = rows
        .chunks_exact(length)
        .flat_map(|row| matrix.chunks_exact(length).map(move |column| dot(row, column)));
    images.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roots_multiply_and_solve() {
        // [[4, 2], [2, 10]] = L Lᵀ with L = [[2, 0], [1, 3]].
        let root = Cholesky::of(vec![4.0, 2.0, 2.0, 10.0], 2);
        assert_eq!(root.lower, [2.0, 0.0, 1.0, 3.0]);
        assert_eq!(root.times_lower(&[1.0, 2.0]), [4.0, 6.0]);
        assert_eq!(root.solve_lower_right(&[4.0, 6.0]), [1.0, 2.0]);
        assert_eq!(root.solve(&[8.0, 22.0]), [1.0, 2.0]);
        assert_eq!(symmetric_product(&[1.0, 2.0], &[4.0, 2.0, 2.0, 10.0], 2), [8.0, 22.0]);
    }
}
