//! One orthonormal basis for the filters of several layers: from dense filters to shared ones.
//!
//! The shared filters are the leading right singular vectors of all layers' filters, stacked one per
//! row; a layer's unique filters are the leading ones of what the shared filters leave of its own; its
//! coefficients are the least squares. Unique filters are orthogonal to the shared ones, so the penalty
//! of a network that starts from them is zero.
//!
//! With second moments `M` of the layers' inputs, what is made small is the error of the layers'
//! *outputs*, `‖(W − C B) M½‖`, in place of that of their filters, `‖W − C B‖`.

mod layer;
mod metric;
mod profile;
mod shared;
#[cfg(test)]
mod tests;

use layer::Layer;
pub use profile::{JointProfile, ranks_to_try};
use shared::{SharedFilters, plain, weighted};

/// The filters of a layer, and optionally the inputs that they see.
#[derive(Clone, Debug)]
pub struct DenseFilters<'a> {
    /// `[outputs, length]`, one flattened filter per row.
    pub filters: Vec<f64>,
    /// The mean of `x xᵀ` over the inputs `x` that a filter is multiplied with, `[length, length]`.
    pub second_moment: Option<&'a [f64]>,
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
    layers: &[DenseFilters<'_>],
    length: usize,
    shared: usize,
    unique: usize,
) -> Result<JointBasis, JointError> {
    if shared + unique > length {
        return Err(JointError::TooMany { shared, unique, length });
    }
    check(layers, length)?;
    let plain = plain(layers, length, shared);
    if layers.iter().all(|layer| layer.second_moment.is_none()) {
        let mut basis = Candidate::of(&plain);
        layers.iter().for_each(|dense| basis.add(&Layer::of(dense, length), None, unique, false));
        return Ok(basis.basis);
    }
    // With inputs of their own, layers have no common metric. The mean one is the better as a rule, and
    // where it is not, the plain basis is there.
    let weighted = weighted(layers, length, shared);
    let mut candidates = [Candidate::of(&weighted), Candidate::of(&plain), Candidate::of(&plain)];
    for dense in layers {
        let layer = Layer::of(dense, length);
        let [of_weighted, of_plain] =
            [&weighted, &plain].map(|filters| layer.images(&filters.rows));
        let [first, second, third] = &mut candidates;
        first.add(&layer, of_weighted.as_deref(), unique, true);
        second.add(&layer, of_plain.as_deref(), unique, true);
        third.add(&layer, of_plain.as_deref(), unique, false);
    }
    let best = candidates.into_iter().min_by(|a, b| a.error.total_cmp(&b.error));
    Ok(best.expect("three candidates").basis)
}

/// Whether shapes and numbers are such that can be computed with.
fn check(layers: &[DenseFilters<'_>], length: usize) -> Result<(), JointError> {
    for (layer, dense) in layers.iter().enumerate() {
        assert_eq!(dense.filters.len() % length, 0, "whole filters of {length} numbers");
        if let Some(moment) = dense.second_moment {
            assert_eq!(moment.len(), length * length, "a moment of [{length}, {length}]");
        }
        let moment = dense.second_moment.unwrap_or_default();
        if !dense.filters.iter().chain(moment).all(|number| number.is_finite()) {
            return Err(JointError::NotFinite { layer });
        }
    }
    Ok(())
}

/// A basis and the sum of its squared errors.
struct Candidate {
    basis: JointBasis,
    error: f64,
}

impl Candidate {
    fn of(filters: &SharedFilters) -> Self {
        let SharedFilters { rows, singular_values } = filters.clone();
        Self { basis: JointBasis { shared: rows, singular_values, layers: Vec::new() }, error: 0.0 }
    }

    /// Adds a layer's part.
    fn add(&mut self, layer: &Layer<'_>, images: Option<&[f64]>, unique: usize, weigh: bool) {
        let (factors, error) = layer.factors(&self.basis.shared, images, unique, weigh);
        self.basis.layers.push(factors);
        self.error += error;
    }
}
