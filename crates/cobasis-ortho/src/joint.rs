//! One orthonormal basis for the filters of several layers: from dense filters to shared ones.
//!
//! The shared filters are the leading right singular vectors of all layers' filters, stacked one per
//! row; a layer's unique filters are the leading ones of what the shared filters leave of its own; its
//! coefficients are the least squares. Unique filters are orthogonal to the shared ones, so the penalty
//! of a network that starts from them is zero.
//!
//! With second moments `M` of the layers' inputs, what is made small is the error of the layers'
//! *outputs*, `‖(W − C B) M½‖`, in place of that of their filters, `‖W − C B‖`.

#[cfg(test)]
mod tests;

use crate::cholesky::{Cholesky, symmetric_product};
use crate::eigen::leading_eigenvectors;
use crate::gram::Gram;
use crate::gram_schmidt::{complete, dot, orthonormalise, push_orthonormal, transpose};

/// Singular values below this part of the largest are rounding, and so are their vectors.
const RESOLVED: f64 = 1e-7;

/// The part of a moment's mean diagonal that is added to all of it.
const DAMPING: f64 = 1e-4;

/// The filters of a layer, and optionally the inputs that they see.
#[derive(Clone, Debug)]
pub struct DenseFilters {
    /// `[outputs, length]`, one flattened filter per row.
    pub filters: Vec<f64>,
    /// The mean of `x xᵀ` over the inputs `x` that a filter is multiplied with, `[length, length]`.
    pub second_moment: Option<Vec<f64>>,
}

/// Filters of several layers as sums of shared and unique ones.
#[derive(Clone, Debug)]
pub struct JointBasis {
    /// Shared filters, orthonormal, `[shared, length]`.
    pub shared: Vec<f64>,
    /// All singular values of the stacked filters, from the largest on; of the weighted ones where
    /// there are second moments.
    pub singular_values: Vec<f64>,
    /// What each layer has of its own.
    pub layers: Vec<LayerFactors>,
}

/// A layer's part of a [`JointBasis`].
#[derive(Clone, Debug)]
pub struct LayerFactors {
    /// Unique filters, orthonormal and orthogonal to the shared ones, `[unique, length]`.
    pub unique: Vec<f64>,
    /// Of each output, the factors of the unique filters, then of the shared ones,
    /// `[outputs, unique + shared]`.
    pub coefficients: Vec<f64>,
    /// `‖W − C B‖ / ‖W‖`.
    pub filter_error: f64,
    /// `‖(W − C B) M½‖ / ‖W M½‖`, where there are second moments.
    pub output_error: Option<f64>,
}

/// Why filters can't be written as sums of shared and unique ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JointError {
    /// More filters than a space of that many dimensions has orthonormal ones.
    #[error(
        "{shared} shared and {unique} unique filters of {length} numbers each: at most {length} \
         can be orthonormal"
    )]
    TooMany {
        /// Shared filters.
        shared: usize,
        /// Unique filters of each layer.
        unique: usize,
        /// Numbers of a filter.
        length: usize,
    },
    /// A filter or a second moment has a number that is infinite or none.
    #[error("layer {layer}: a filter or a second moment is not finite")]
    NotFinite {
        /// The layer's place, from 0.
        layer: usize,
    },
}

/// Writes the filters of several layers, of `length` numbers each, as sums of `shared` filters that
/// all layers have and `unique` ones of each.
///
/// # Errors
///
/// Where so many filters can't be orthonormal, or a number is not finite.
///
/// # Panics
///
/// Panics if filters or second moments have other lengths than `length` says.
pub fn joint_basis(
    layers: &[DenseFilters],
    length: usize,
    shared: usize,
    unique: usize,
) -> Result<JointBasis, JointError> {
    if shared + unique > length {
        return Err(JointError::TooMany { shared, unique, length });
    }
    for (layer, dense) in layers.iter().enumerate() {
        assert_eq!(dense.filters.len() % length, 0, "whole filters of {length} numbers");
        let moment = dense.second_moment.as_deref().unwrap_or_default();
        assert!([0, length * length].contains(&moment.len()), "a moment of [{length}, {length}]");
        if !dense.filters.iter().chain(moment).all(|number| number.is_finite()) {
            return Err(JointError::NotFinite { layer });
        }
    }
    let (values, rows) = plain(layers, length, shared);
    let unweighted = Candidate::of(layers, length, values.clone(), rows.clone(), unique, false);
    if layers.iter().all(|layer| layer.second_moment.is_none()) {
        return Ok(unweighted.basis);
    }
    // With inputs of their own, layers have no common metric. The mean one is the better as a rule, and
    // where it is not, the plain basis is there.
    let (weighted_values, weighted_rows) = weighted(layers, length, shared);
    let candidates = [
        Candidate::of(layers, length, weighted_values, weighted_rows, unique, true),
        Candidate::of(layers, length, values, rows, unique, true),
        unweighted,
    ];
    let best = candidates.into_iter().min_by(|a, b| a.error.total_cmp(&b.error));
    Ok(best.expect("three candidates").basis)
}

/// Shared filters of the smallest error of filters, and all singular values.
fn plain(layers: &[DenseFilters], length: usize, shared: usize) -> (Vec<f64>, Vec<f64>) {
    let stacked: Vec<f64> = layers.iter().flat_map(|layer| layer.filters.iter().copied()).collect();
    right_singular(&stacked, length, shared)
}

/// Shared filters of the smallest error of outputs, if all layers saw the mean of their inputs.
fn weighted(layers: &[DenseFilters], length: usize, shared: usize) -> (Vec<f64>, Vec<f64>) {
    let root = Cholesky::of(mean_moment(layers, length), length);
    let filters = layers.iter().flat_map(|layer| layer.filters.chunks_exact(length));
    let stacked: Vec<f64> = filters.flat_map(|filter| root.times_lower(filter)).collect();
    let (values, rows) = right_singular(&stacked, length, shared);
    let mut rows: Vec<f64> =
        rows.chunks_exact(length).flat_map(|row| root.solve_lower_right(row)).collect();
    // Only their span matters: coefficients follow.
    orthonormalise(&mut rows, length).expect("independent rows times a regular matrix");
    (values, rows)
}

/// A basis and the sum of its squared errors.
struct Candidate {
    basis: JointBasis,
    error: f64,
}

impl Candidate {
    /// Each layer's part for given shared filters.
    fn of(
        layers: &[DenseFilters],
        length: usize,
        singular_values: Vec<f64>,
        shared: Vec<f64>,
        unique: usize,
        weigh: bool,
    ) -> Self {
        let mut error = 0.0;
        let factors = layers.iter().map(|layer| {
            let (factors, squared) = LayerFactors::of(layer, length, &shared, unique, weigh);
            error += squared;
            factors
        });
        let factors = factors.collect();
        Self { basis: JointBasis { shared, singular_values, layers: factors }, error }
    }
}

impl LayerFactors {
    /// The factors of a layer for given shared filters, and the squared error that counts.
    fn of(
        layer: &DenseFilters,
        length: usize,
        shared: &[f64],
        unique: usize,
        weigh: bool,
    ) -> (Self, f64) {
        let moment = layer.second_moment.as_ref().filter(|_| weigh);
        let metric = moment.map(|moment| damped(moment.clone(), length));
        let own = match &metric {
            None => {
                let residual = residual(&layer.filters, shared, length, None);
                let (_, own) = right_singular(&residual, length, unique);
                own
            }
            Some(metric) => {
                let root = Cholesky::of(metric.clone(), length);
                let residual = residual(&layer.filters, shared, length, Some(metric));
                let whitened = residual.chunks_exact(length).flat_map(|row| root.times_lower(row));
                let (_, own) = right_singular(&whitened.collect::<Vec<_>>(), length, unique);
                own.chunks_exact(length).flat_map(|row| root.solve_lower_right(row)).collect()
            }
        };
        let own = beside(&own, shared, length);
        let basis = [own.as_slice(), shared].concat();
        let coefficients = least_squares(&layer.filters, &basis, length, metric.as_deref());
        let rest = subtract_product(&layer.filters, &coefficients, &basis, length);
        let part = |rest: f64, whole: f64| if whole == 0.0 { 0.0 } else { (rest / whole).sqrt() };
        let filter_error = part(dot(&rest, &rest), dot(&layer.filters, &layer.filters));
        let squared = |rows: &[f64], metric: &[f64]| -> f64 {
            rows.chunks_exact(length).map(|row| quadratic(row, metric)).sum()
        };
        let moment = layer.second_moment.as_deref();
        let output_error =
            moment.map(|m| part(squared(&rest, m).max(0.0), squared(&layer.filters, m)));
        let error = moment.map_or_else(|| dot(&rest, &rest), |m| squared(&rest, m));
        (Self { unique: own, coefficients, filter_error, output_error }, error)
    }
}

/// All singular values of a matrix of rows, from the largest on, and the right singular vectors of the
/// first `count`, orthonormal rows; where the matrix has a lower rank, others complete them.
fn right_singular(rows: &[f64], length: usize, count: usize) -> (Vec<f64>, Vec<f64>) {
    let height = rows.len() / length;
    let (squares, mut vectors) = if height < length {
        let gram = Gram::of_rows(rows, length).into_entries();
        let (squares, left) = leading_eigenvectors(gram, height, count.min(height));
        let largest = squares.first().copied().unwrap_or(0.0).max(0.0).sqrt();
        let resolved =
            squares.iter().take_while(|s| s.max(0.0).sqrt() > RESOLVED * largest).count();
        let columns = transpose(rows, height, length);
        let vectors: Vec<f64> = left
            .chunks_exact(height.max(1))
            .take(resolved)
            .flat_map(|left| columns.chunks_exact(height.max(1)).map(|column| dot(left, column)))
            .collect();
        (squares, vectors)
    } else {
        let gram = Gram::of_rows(&transpose(rows, height, length), height).into_entries();
        leading_eigenvectors(gram, length, count)
    };
    complete(&mut vectors, length, count);
    (squares.into_iter().map(|square| square.max(0.0).sqrt()).collect(), vectors)
}

/// Rows made orthonormal, and orthogonal to orthonormal ones; others where some lie in their span.
fn beside(rows: &[f64], units: &[f64], length: usize) -> Vec<f64> {
    let count = units.len() / length + rows.len() / length;
    let mut all = units.to_vec();
    rows.chunks_exact(length).for_each(|row| push_orthonormal(&mut all, row));
    complete(&mut all, length, count);
    all.split_off(units.len())
}

/// What orthonormal filters leave of a layer's, by the least squares of the metric.
fn residual(filters: &[f64], basis: &[f64], length: usize, metric: Option<&Vec<f64>>) -> Vec<f64> {
    let coefficients = least_squares(filters, basis, length, metric.map(Vec::as_slice));
    subtract_product(filters, &coefficients, basis, length)
}

/// The coefficients `[outputs, filters]` of the smallest error for orthonormal filters `basis`: `W Bᵀ`,
/// or `W M Bᵀ (B M Bᵀ)⁻¹` in the metric `M`.
fn least_squares(
    filters: &[f64],
    basis: &[f64],
    length: usize,
    metric: Option<&[f64]>,
) -> Vec<f64> {
    let products = |rows: &[f64]| -> Vec<f64> {
        let rows = filters
            .chunks_exact(length)
            .flat_map(|filter| rows.chunks_exact(length).map(move |row| dot(filter, row)));
        rows.collect()
    };
    let Some(metric) = metric else { return products(basis) };
    let count = basis.len() / length;
    if count == 0 {
        return Vec::new();
    }
    let images = symmetric_product(basis, metric, length);
    let mut gram = Vec::with_capacity(count * count);
    for image in images.chunks_exact(length) {
        gram.extend(basis.chunks_exact(length).map(|row| dot(image, row)));
    }
    let gram = Cholesky::of(gram, count);
    products(&images).chunks_exact(count).flat_map(|row| gram.solve(row)).collect()
}

/// `W − C B`.
fn subtract_product(
    filters: &[f64],
    coefficients: &[f64],
    basis: &[f64],
    length: usize,
) -> Vec<f64> {
    let count = basis.len() / length;
    let mut rest = filters.to_vec();
    if count > 0 {
        for (row, factors) in rest.chunks_exact_mut(length).zip(coefficients.chunks_exact(count)) {
            for (factor, unit) in factors.iter().zip(basis.chunks_exact(length)) {
                row.iter_mut().zip(unit).for_each(|(r, u)| *r -= factor * u);
            }
        }
    }
    rest
}

/// `x M xᵀ`.
fn quadratic(x: &[f64], metric: &[f64]) -> f64 {
    metric.chunks_exact(x.len()).zip(x).map(|(row, x_row)| x_row * dot(row, x)).sum()
}

/// The mean of the layers' moments, each damped; the identity for a layer without.
fn mean_moment(layers: &[DenseFilters], length: usize) -> Vec<f64> {
    let mut mean = vec![0.0; length * length];
    for layer in layers {
        let moment = layer.second_moment.clone().map(|moment| damped(moment, length));
        for (index, sum) in mean.iter_mut().enumerate() {
            let identity = f64::from(u8::from(index % (length + 1) == 0));
            *sum += moment.as_ref().map_or(identity, |moment| moment[index]) / layers.len() as f64;
        }
    }
    mean
}

/// A moment with a small part of its mean diagonal added: inputs that few images had are not taken for
/// inputs that never occur, and the matrix has a root.
fn damped(mut moment: Vec<f64>, length: usize) -> Vec<f64> {
    let trace: f64 = moment.iter().step_by(length + 1).sum();
    let added = match trace > 0.0 {
        true => DAMPING * trace / length as f64,
        false => 1.0,
    };
    moment.iter_mut().step_by(length + 1).for_each(|entry| *entry += added);
    moment
}
