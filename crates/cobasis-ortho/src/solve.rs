//! Systems of linear equations, on the host in `f64`.

/// The `X` of `A X = B`, for a square matrix `[size, size]` and any number of columns of `B`: by
/// elimination with the largest pivot of each column (Golub & Van Loan, *Matrix Computations*, §3.4).
/// `None` if a column has no pivot.
pub(crate) fn solve(mut matrix: Vec<f64>, mut right: Vec<f64>, size: usize) -> Option<Vec<f64>> {
    let columns = right.len() / size.max(1);
    for step in 0..size {
        let pivot = (step..size).max_by(|&a, &b| {
            matrix[a * size + step].abs().total_cmp(&matrix[b * size + step].abs())
        })?;
        swap_rows(&mut matrix, size, step, pivot);
        swap_rows(&mut right, columns, step, pivot);
        let (above, below) = matrix.split_at_mut((step + 1) * size);
        let row = &above[step * size..];
        if row[step] == 0.0 || !row[step].is_finite() {
            return None;
        }
        let (right_above, right_below) = right.split_at_mut((step + 1) * columns);
        let right_row = &right_above[step * columns..];
        let others = below.chunks_exact_mut(size).zip(right_below.chunks_exact_mut(columns.max(1)));
        for (other, right_other) in others {
            let factor = other[step] / row[step];
            if factor != 0.0 {
                subtract(&mut other[step..], factor, &row[step..]);
                subtract(right_other, factor, right_row);
            }
        }
    }
    for step in (0..size).rev() {
        let (above, below) = right.split_at_mut((step + 1) * columns);
        let row = &mut above[step * columns..];
        for (other, solved) in (step + 1..size).zip(below.chunks_exact(columns.max(1))) {
            subtract(row, matrix[step * size + other], solved);
        }
        row.iter_mut().for_each(|value| *value /= matrix[step * size + step]);
    }
    Some(right)
}

fn swap_rows(values: &mut [f64], columns: usize, a: usize, b: usize) {
    if a != b {
        let (first, second) = values.split_at_mut(b * columns);
        first[a * columns..(a + 1) * columns].swap_with_slice(&mut second[..columns]);
    }
}

fn subtract(from: &mut [f64], factor: f64, values: &[f64]) {
    from.iter_mut().zip(values).for_each(|(value, other)| *value -= factor * other);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::product::{View, product};
    use crate::random::Normal;

    #[test]
    fn solutions_solve() {
        // A zero where the first pivot would be.
        assert_eq!(solve(vec![0.0, 2.0, 4.0, 1.0], vec![2.0, 9.0], 2), Some(vec![2.0, 1.0]));
        assert_eq!(solve(vec![1.0, 2.0, 2.0, 4.0], vec![1.0, 1.0], 2), None);
        for (size, columns) in [(1, 1), (7, 3), (40, 90)] {
            let mut draw = Normal::new(size as u64);
            let mut random = |count: usize| (0..count).map(|_| draw.next()).collect::<Vec<_>>();
            let (matrix, right) = (random(size * size), random(size * columns));
            let found = solve(matrix.clone(), right.clone(), size).expect("a solution");
            let image = product(View::of(&matrix, size), View::of(&found, columns));
            assert!(image.iter().zip(&right).all(|(a, b)| (a - b).abs() < 1e-9), "{size}");
        }
    }
}
