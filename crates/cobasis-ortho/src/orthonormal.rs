//! Rows added to orthonormal ones, many at a time.

use crate::gram_schmidt::dot;
use crate::product::{Target, View, product};
use crate::random::Normal;

/// Rows that are added at once: what they have in common with earlier ones is a product of matrices.
const PANEL: usize = 32;

/// A row of which less than this part is new lies in the span of the others.
const NEW: f64 = 1e-10;

/// Adds rows of `length` numbers, made orthonormal in order, and leaves out those in the span of others.
///
/// Block Gram–Schmidt, every panel twice (Barlow & Smoktunowicz, *Reorthogonalized Block Classical
/// Gram–Schmidt*, 2013).
pub(crate) fn extend_orthonormal(units: &mut Vec<f64>, rows: &[f64], length: usize) {
    for panel in rows.chunks(PANEL * length) {
        let norms: Vec<f64> = panel.chunks_exact(length).map(norm).collect();
        let mut fresh = panel.to_vec();
        project_out(&mut fresh, units, length);
        fresh = within_panel(&fresh, &norms, length);
        project_out(&mut fresh, units, length);
        units.extend(within_panel(&fresh, &[1.0; PANEL], length));
    }
}

/// Adds rows, the same at each call, until there are `count`.
///
/// # Panics
///
/// Panics if there are not so many dimensions.
pub(crate) fn complete(units: &mut Vec<f64>, length: usize, count: usize) {
    assert!(count <= length, "{count} orthonormal vectors of {length} numbers");
    let mut draw = Normal::new(0xc0ba_515c);
    while units.len() < count * length {
        let rows: Vec<f64> = (units.len()..count * length).map(|_| draw.next()).collect();
        extend_orthonormal(units, &rows, length);
    }
}

/// Takes out of rows what lies along orthonormal ones.
pub(crate) fn project_out(rows: &mut [f64], units: &[f64], length: usize) {
    let units = View::of(units, length);
    let along = product(View::of(rows, length), units.transposed());
    let count = rows.len() / length.max(1);
    if count > 0 && !along.is_empty() {
        Target::all(rows, length).add(-1.0, View::of(&along, along.len() / count), units);
    }
}

/// Rows made orthonormal among themselves; `norms` are what they had before anything was taken out.
fn within_panel(rows: &[f64], norms: &[f64], length: usize) -> Vec<f64> {
    let mut units: Vec<f64> = Vec::with_capacity(rows.len());
    for (row, given) in rows.chunks_exact(length).zip(norms) {
        let mut row = row.to_vec();
        for _ in 0..2 {
            for unit in units.chunks_exact(length) {
                let along = dot(&row, unit);
                row.iter_mut().zip(unit).for_each(|(v, u)| *v -= along * u);
            }
        }
        let left = norm(&row);
        if left > given * NEW && left > 0.0 {
            units.extend(row.iter().map(|v| v / left));
        }
    }
    units
}

fn norm(row: &[f64]) -> f64 {
    dot(row, row).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gram::Gram;

    #[test]
    fn rows_of_low_rank_are_completed() {
        // 90 rows of a space of 40 dimensions, almost parallel ones among them, in 60.
        let mut draw = Normal::new(7);
        let mut random = |count: usize| -> Vec<f64> { (0..count).map(|_| draw.next()).collect() };
        let (factors, space) = (random(90 * 40), random(40 * 60));
        let mut rows = product(View::of(&factors, 40), View::of(&space, 60));
        for index in 0..60 {
            rows[120 + index] = 3.0 * rows[60 + index] + 1e-4 * rows[180 + index];
        }
        let mut units = Vec::new();
        extend_orthonormal(&mut units, &rows, 60);
        assert_eq!(units.len(), 40 * 60);
        assert!(Gram::of_rows(&units, 60).max_deviation() < 1e-13);
        project_out(&mut rows, &units, 60);
        assert!(rows.iter().all(|left| left.abs() < 1e-10));
        complete(&mut units, 60, 60);
        assert!(Gram::of_rows(&units, 60).max_deviation() < 1e-13);
    }
}
