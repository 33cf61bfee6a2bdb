//! The filters that layers have in common: leading right singular vectors.

use super::DenseFilters;
use super::metric::mean_moment;
use crate::cholesky::Cholesky;
use crate::eigen::leading_eigenvectors;
use crate::orthonormal::{complete, extend_orthonormal};
use crate::product::{View, product, symmetric};

/// Singular values below this part of the largest are rounding, and so are their vectors.
const RESOLVED: f64 = 1e-7;

/// Orthonormal filters for several layers.
#[derive(Clone)]
pub(super) struct SharedFilters {
    /// `[shared, length]`.
    pub(super) rows: Vec<f64>,
    /// All singular values of what they were taken from.
    pub(super) singular_values: Vec<f64>,
}

/// Shared filters of the smallest error of filters.
pub(super) fn plain(layers: &[DenseFilters<'_>], length: usize, shared: usize) -> SharedFilters {
    let (singular_values, rows) = right_singular(&stacked(layers), length, shared);
    SharedFilters { rows: orthonormal(&rows, length, shared), singular_values }
}

/// Shared filters of the smallest error of outputs, if all layers saw the mean of their inputs.
pub(super) fn weighted(layers: &[DenseFilters<'_>], length: usize, shared: usize) -> SharedFilters {
    let rows = stacked(layers);
    let mean = mean_moment(layers, length);
    let images = product(View::of(&rows, length), View::of(&mean, length));
    let (singular_values, rows) = weighted_singular(&rows, &images, length, shared, || mean);
    // Only their span matters: coefficients follow.
    SharedFilters { rows: orthonormal(&rows, length, shared), singular_values }
}

fn stacked(layers: &[DenseFilters<'_>]) -> Vec<f64> {
    let filters: Vec<&[f64]> = layers.iter().map(|layer| layer.filters.as_slice()).collect();
    filters.concat()
}

/// Rows made orthonormal, and others up to `count`.
fn orthonormal(rows: &[f64], length: usize, count: usize) -> Vec<f64> {
    let mut units = Vec::with_capacity(count * length);
    extend_orthonormal(&mut units, rows, length);
    complete(&mut units, length, count);
    units
}

/// All singular values of a matrix of rows, from the largest on, and the right singular vectors of the
/// first `count`, as far as they are more than rounding: rows, orthonormal but for rounding.
pub(super) fn right_singular(rows: &[f64], length: usize, count: usize) -> (Vec<f64>, Vec<f64>) {
    let view = View::of(rows, length);
    match rows.len() / length < length {
        true => of_left_gram(symmetric(view, view), rows, length, count),
        false => of_right_gram(symmetric(view.transposed(), view.transposed()), length, count),
    }
}

/// The same of `X L`, where `images` are `X L Lᵀ` for the rows of `X`, `metric` gives `L Lᵀ`, and the
/// vectors are the rows `v L⁻¹` of the right singular ones `v`.
pub(super) fn weighted_singular(
    rows: &[f64],
    images: &[f64],
    length: usize,
    count: usize,
    metric: impl FnOnce() -> Vec<f64>,
) -> (Vec<f64>, Vec<f64>) {
    if rows.len() / length < length {
        // With left vectors `u`, v L⁻¹ = uᵀ X / σ: no root is needed.
        let gram = symmetric(View::of(rows, length), View::of(images, length));
        return of_left_gram(gram, rows, length, count);
    }
    let root = Cholesky::of(metric(), length);
    let (values, mut vectors) = right_singular(&root.times_lower(rows), length, count);
    root.solve_lower(&mut vectors);
    (values, vectors)
}

/// By the left singular vectors, the eigenvectors of all inner products of rows.
fn of_left_gram(gram: Vec<f64>, rows: &[f64], length: usize, count: usize) -> (Vec<f64>, Vec<f64>) {
    let height = rows.len() / length;
    let (squares, mut left) = leading_eigenvectors(gram, height, |s| count.min(resolved(s)));
    for (vector, square) in left.chunks_exact_mut(height.max(1)).zip(&squares) {
        vector.iter_mut().for_each(|v| *v /= square.sqrt());
    }
    let vectors = product(View::of(&left, height), View::of(rows, length));
    (roots(squares), vectors)
}

/// By the eigenvectors of all inner products of columns.
fn of_right_gram(gram: Vec<f64>, length: usize, count: usize) -> (Vec<f64>, Vec<f64>) {
    let (squares, vectors) = leading_eigenvectors(gram, length, |s| count.min(resolved(s)));
    (roots(squares), vectors)
}

/// How many singular values, given their squares from the largest on, are more than rounding.
fn resolved(squares: &[f64]) -> usize {
    let root = |square: &f64| square.max(0.0).sqrt();
    let largest = squares.first().map_or(0.0, root);
    squares.iter().take_while(|square| root(square) > RESOLVED * largest).count()
}

fn roots(squares: Vec<f64>) -> Vec<f64> {
    squares.into_iter().map(|square| square.max(0.0).sqrt()).collect()
}
