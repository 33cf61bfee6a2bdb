use super::*;
use crate::random::Normal;

fn random(count: usize, key: u64) -> Vec<f64> {
    let mut draw = Normal::new(key);
    (0..count).map(|_| draw.next()).collect()
}

/// The entry of a product, term by term.
fn entry(left: &[f64], right: &[f64], [row, column]: [usize; 2], depth: usize) -> f64 {
    let columns = right.len() / depth;
    (0..depth).map(|k| left[row * depth + k] * right[k * columns + column]).sum()
}

fn transposed(values: &[f64], columns: usize) -> Vec<f64> {
    let rows = values.len() / columns;
    (0..values.len()).map(|i| values[i % rows * columns + i / rows]).collect()
}

#[test]
fn products_are_those_of_the_definition_whatever_the_shape() {
    // One of everything, edges of tiles, more than a block of each.
    for (rows, depth, columns) in
        [(1, 1, 1), (12, 5, 16), (13, 200, 17), (101, 3, 2051), (3, 400, 9)]
    {
        let (left, right) = (random(rows * depth, 1), random(depth * columns, 2));
        let (turned_left, turned_right) = (transposed(&left, depth), transposed(&right, columns));
        let lefts = [View::of(&left, depth), View::of(&turned_left, rows).transposed()];
        let rights = [View::of(&right, columns), View::of(&turned_right, depth).transposed()];
        for left_view in lefts {
            for right_view in rights {
                let found = product(left_view, right_view);
                for (index, found) in found.iter().enumerate() {
                    let place = [index / columns, index % columns];
                    let expected = entry(&left, &right, place, depth);
                    assert!((found - expected).abs() < 1e-11, "{place:?}: {found} {expected}");
                }
            }
        }
    }
}

#[test]
fn parts_of_matrices_are_multiplied_into_parts() {
    let (left, right) = (random(20 * 30, 3), random(30 * 40, 4));
    let mut sums = vec![1.0; 18 * 25];
    let target = Target { values: &mut sums[25..], step: 25, first: 2, part: Part::All };
    let left_view = View::of(&left, 30).rows(3..20).columns(4..29);
    target.add(-2.0, left_view, View::of(&right, 40).rows(4..29).columns(19..40));
    for (index, sum) in sums.iter().enumerate() {
        let (row, column) = (index / 25, index % 25);
        let within = row >= 1 && (2..23).contains(&column);
        let terms = (4..29).map(|k| left[(row + 2) * 30 + k] * right[k * 40 + column + 17]);
        let expected = if within { 1.0 - 2.0 * terms.sum::<f64>() } else { 1.0 };
        assert!((sum - expected).abs() < 1e-12, "{row} {column}");
    }
}

#[test]
fn symmetric_products_are_whole() {
    for size in [1, 7, 120, 300] {
        let rows = random(size * 50, 5);
        let found = symmetric(View::of(&rows, 50), View::of(&rows, 50));
        let expected = product(View::of(&rows, 50), View::of(&rows, 50).transposed());
        for (found, expected) in found.iter().zip(&expected) {
            assert!((found - expected).abs() < 1e-12);
        }
    }
}

#[test]
fn products_are_the_same_with_any_number_of_threads() {
    let rows = random(301 * 500, 6);
    let with = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
        pool.install(|| symmetric(View::of(&rows, 500), View::of(&rows, 500)))
    };
    assert!(with(1) == with(3));
}
