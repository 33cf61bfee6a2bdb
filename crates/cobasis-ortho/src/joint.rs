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

use std::borrow::Cow;

use layer::Layer;
pub use profile::{JointProfile, ranks_to_try};
use shared::{SharedFilters, plain, weighted};

/// The filters of a layer, and optionally the inputs that they see.
#[derive(Clone, Debug)]
pub struct DenseFilters<'a> {
    /// `[outputs, length]`, one flattened filter per row.
    pub filters: Vec<f64>,
    /// The mean of `x xᵀ` over the inputs `x` that a filter is multiplied with, `[length, length]`.
    pub second_moment: Option<Cow<'a, [f64]>>,
}

/// Which error is made small.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Weighting {
    /// That of the filters, `‖W − C B‖`.
    Plain,
    /// That of the outputs, `‖(W − C B) M½‖`, where there are second moments of the inputs, and never more
    /// of it than the plain one leaves.
    #[default]
    Inputs,
}

impl Weighting {
    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Weighting::Plain => "plain",
            Weighting::Inputs => "inputs",
        }
    }
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
/// all layers have and `unique` ones of each. Errors of outputs are told wherever there are moments.
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
    weighting: Weighting,
) -> Result<JointBasis, JointError> {
    if shared + unique > length {
        return Err(JointError::TooMany { shared, unique, length });
    }
    check(layers, length)?;
    let plain = plain(layers, length, shared);
    let has_moments = layers.iter().any(|layer| layer.second_moment.is_some());
    if weighting == Weighting::Plain || !has_moments {
        let mut basis = Candidate::of(&plain);
        for dense in layers {
            let layer = Layer::of(dense, length);
            let images = layer.images(&plain.rows);
            basis.add(&layer, images.as_deref(), unique, Weigh::Filters);
        }
        return Ok(basis.basis);
    }
    // With inputs of their own, layers have no common metric. Shared filters of the mean one are the better
    // as a rule, and where they are not, the plain ones are there, with which no layer loses by weighting.
    let weighted = weighted(layers, length, shared);
    let [mut of_weighted, mut of_plain] = [&weighted, &plain].map(Candidate::of);
    for dense in layers {
        let layer = Layer::of(dense, length);
        let [weighted, plain] = [&weighted, &plain].map(|filters| layer.images(&filters.rows));
        of_weighted.add(&layer, weighted.as_deref(), unique, Weigh::Inputs);
        of_plain.add(&layer, plain.as_deref(), unique, Weigh::Better);
    }
    Ok(if of_weighted.is_better(&of_plain) { of_weighted.basis } else { of_plain.basis })
}

/// Whether shapes and numbers are such that can be computed with.
fn check(layers: &[DenseFilters<'_>], length: usize) -> Result<(), JointError> {
    for (layer, dense) in layers.iter().enumerate() {
        assert_eq!(dense.filters.len() % length, 0, "whole filters of {length} numbers");
        let moment = dense.second_moment.as_deref().unwrap_or_default();
        assert!([0, length * length].contains(&moment.len()), "a moment of [{length}, {length}]");
        if !dense.filters.iter().chain(moment).all(|number| number.is_finite()) {
            return Err(JointError::NotFinite { layer });
        }
    }
    Ok(())
}

/// A basis, and the sums of the layers' squared errors: as they are, and relative to the layers' squares.
struct Candidate {
    basis: JointBasis,
    errors: [f64; 2],
}

/// What a layer's unique filters and coefficients make small.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Weigh {
    /// The error of its filters.
    Filters,
    /// That of its outputs.
    Inputs,
    /// That of its outputs, by whichever of the two leaves less of it: moments are damped, so that for few
    /// inputs it may be the first.
    Better,
}

impl Candidate {
    fn of(filters: &SharedFilters) -> Self {
        let SharedFilters { rows, singular_values } = filters.clone();
        let basis = JointBasis { shared: rows, singular_values, layers: Vec::new() };
        Self { basis, errors: [0.0; 2] }
    }

    /// Adds a layer's part.
    fn add(&mut self, layer: &Layer<'_>, images: Option<&[f64]>, unique: usize, weigh: Weigh) {
        let factors = |weigh| layer.factors(&self.basis.shared, images, unique, weigh);
        let (factors, error) = match weigh {
            Weigh::Filters => factors(false),
            Weigh::Inputs => factors(true),
            Weigh::Better => {
                let (weighted, plain) = (factors(true), factors(false));
                if weighted.1 <= plain.1 { weighted } else { plain }
            }
        };
        let relative = factors.output_error.unwrap_or(factors.filter_error);
        self.errors = [self.errors[0] + error, self.errors[1] + relative * relative];
        self.basis.layers.push(factors);
    }

    /// Whether neither sum of errors is larger than another's.
    fn is_better(&self, other: &Self) -> bool {
        self.errors.iter().zip(&other.errors).all(|(own, other)| own <= other)
    }
}
