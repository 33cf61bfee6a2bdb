//! The assignment problem: to each row a column of its own, such that the sum of the scores is the largest.

/// Of each row of a matrix of scores, `[size, size]`, the column that it is assigned.
///
/// Source: the Hungarian algorithm with shortest augmenting paths (Jonker and Volgenant 1987), `size³`
/// steps at most.
///
/// # Panics
///
/// Panics if the matrix has another size, or a number that is not finite.
pub(super) fn assignment(scores: &[f64], size: usize) -> Vec<usize> {
    assert_eq!(scores.len(), size * size, "a matrix of [{size}, {size}]");
    assert!(scores.iter().all(|score| score.is_finite()), "finite scores");
    let mut of_rows = vec![0.0; size];
    // Column `size` stands for the row that looks for one.
    let mut of_columns = vec![0.0; size + 1];
    let mut row_of = vec![usize::MAX; size + 1];
    let mut before = vec![size; size];
    let mut slack = vec![f64::INFINITY; size];
    let mut done = vec![false; size + 1];
    for row in 0..size {
        row_of[size] = row;
        slack.fill(f64::INFINITY);
        done.fill(false);
        let mut column = size;
        while row_of[column] != usize::MAX {
            done[column] = true;
            let at = row_of[column];
            let scores = &scores[at * size..(at + 1) * size];
            let (mut least, mut next) = (f64::INFINITY, size);
            for other in (0..size).filter(|&other| !done[other]) {
                let cost = -scores[other] - of_rows[at] - of_columns[other];
                if cost < slack[other] {
                    slack[other] = cost;
                    before[other] = column;
                }
                if slack[other] < least {
                    (least, next) = (slack[other], other);
                }
            }
            for other in 0..=size {
                if done[other] {
                    of_rows[row_of[other]] += least;
                    of_columns[other] -= least;
                } else if other < size {
                    slack[other] -= least;
                }
            }
            column = next;
        }
        while column != size {
            row_of[column] = row_of[before[column]];
            column = before[column];
        }
    }
    let mut columns = vec![0; size];
    row_of[..size].iter().enumerate().for_each(|(column, &row)| columns[row] = column);
    columns
}

#[cfg(test)]
mod tests {
    use rand::rngs::Xoshiro256PlusPlus;
    use rand::{RngExt, SeedableRng};

    use super::*;

    /// The largest sum, by trying all.
    fn largest(scores: &[f64], size: usize, row: usize, taken: &mut Vec<usize>) -> f64 {
        if row == size {
            return 0.0;
        }
        let mut best = f64::NEG_INFINITY;
        for column in 0..size {
            if !taken.contains(&column) {
                taken.push(column);
                let rest = largest(scores, size, row + 1, taken);
                best = best.max(scores[row * size + column] + rest);
                taken.pop();
            }
        }
        best
    }

    #[test]
    fn no_assignment_is_better() {
        let mut rng = Xoshiro256PlusPlus::seed_from_u64(1);
        for size in 0..8 {
            for round in 0..20 {
                // Every other matrix has ties.
                let mut draw = || match round % 2 {
                    0 => rng.random_range(-1.0..1.0),
                    _ => f64::from(rng.random_range(-2..3)),
                };
                let scores: Vec<f64> = (0..size * size).map(|_| draw()).collect();
                let columns = assignment(&scores, size);
                let mut sorted = columns.clone();
                sorted.sort_unstable();
                assert!(sorted.into_iter().eq(0..size));
                let pairs = columns.iter().enumerate();
                let sum: f64 = pairs.map(|(row, column)| scores[row * size + column]).sum();
                assert!((sum - largest(&scores, size, 0, &mut Vec::new())).abs() < 1e-9);
            }
        }
    }

    #[test]
    fn a_hidden_order_of_many_is_found() {
        let (size, mut rng) = (300, Xoshiro256PlusPlus::seed_from_u64(2));
        let order: Vec<usize> = (0..size).map(|row| (row * 77 + 5) % size).collect();
        let mut scores: Vec<f64> = (0..size * size).map(|_| rng.random_range(0.0..1.0)).collect();
        order.iter().enumerate().for_each(|(row, column)| scores[row * size + column] += 1.0);
        assert_eq!(assignment(&scores, size), order);
    }
}
