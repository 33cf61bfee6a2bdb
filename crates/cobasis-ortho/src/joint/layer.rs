//! A layer's part: unique filters and coefficients for given shared filters.

use super::metric::Metric;
use super::shared::{right_singular, weighted_singular};
use super::{DenseFilters, LayerFactors};
use crate::cholesky::Cholesky;
use crate::gram_schmidt::dot;
use crate::orthonormal::{complete, extend_orthonormal, project_out};
use crate::product::{Target, View, product, symmetric};

/// A layer's filters `W`, and what its inputs make of them.
pub(super) struct Layer<'a> {
    pub(super) filters: &'a [f64],
    length: usize,
    seen: Option<Seen<'a>>,
}

/// The second moment `M` of a layer's inputs, and `W M`.
struct Seen<'a> {
    metric: Metric<'a>,
    images: Vec<f64>,
}

impl<'a> Layer<'a> {
    pub(super) fn of(dense: &'a DenseFilters<'_>, length: usize) -> Self {
        let filters = dense.filters.as_slice();
        let seen = dense.second_moment.as_deref().map(|moment| {
            let metric = Metric::of(moment, length);
            Seen { metric, images: metric.images(filters) }
        });
        Self { filters, length, seen }
    }

    /// `B M` for filters `B`, where there is a moment.
    pub(super) fn images(&self, basis: &[f64]) -> Option<Vec<f64>> {
        self.seen.as_ref().map(|seen| seen.metric.images(basis))
    }

    /// All inner products of the filters in the metric of their inputs, `[outputs, outputs]`.
    pub(super) fn gram(&self) -> Vec<f64> {
        let rows = View::of(self.filters, self.length);
        match &self.seen {
            None => symmetric(rows, rows),
            Some(seen) => {
                let images = seen.metric.damped(self.filters, &seen.images);
                symmetric(rows, View::of(&images, self.length))
            }
        }
    }

    /// The inner products of the filters and orthonormal ones, made orthonormal in order in the metric of
    /// the layer's inputs, `[outputs, basis]`.
    pub(super) fn along(&self, basis: &[f64]) -> Vec<f64> {
        let filters = View::of(self.filters, self.length);
        let Some(Seen { metric, .. }) = &self.seen else {
            return product(filters, View::of(basis, self.length).transposed());
        };
        let images = metric.damped(basis, &metric.images(basis));
        let images = View::of(&images, self.length);
        let mut along = product(filters, images.transposed());
        let gram = symmetric(View::of(basis, self.length), images);
        Cholesky::of(gram, basis.len() / self.length).solve_upper(&mut along);
        along
    }

    /// The factors for shared filters, of which `images` are those of [`Self::images`], and the squared
    /// error that counts; by the layer's inputs if `weigh` says so and there are any.
    pub(super) fn factors(
        &self,
        shared: &[f64],
        images: Option<&[f64]>,
        unique: usize,
        weigh: bool,
    ) -> (LayerFactors, f64) {
        let length = self.length;
        let metric = self.seen.as_ref().map(|seen| seen.metric).filter(|_| weigh);
        let shared_images = metric.zip(images).map(|(m, images)| m.damped(shared, images));
        let own = self.unique(shared, shared_images.as_deref(), unique);
        let own = beside(&own, shared, length, unique);
        let basis = [own.as_slice(), shared].concat();
        let images = images
            .map(|shared| [self.images(&own).unwrap_or_default().as_slice(), shared].concat());
        let damped = metric.zip(images.as_ref()).map(|(m, images)| m.damped(&basis, images));
        let coefficients = self.least_squares(&basis, damped.as_deref());
        let rest = subtract_product(self.filters, &coefficients, &basis, length);
        let part = |rest: f64, whole: f64| if whole == 0.0 { 0.0 } else { (rest / whole).sqrt() };
        let filter_squares = dot(&rest, &rest);
        let filter_error = part(filter_squares, dot(self.filters, self.filters));
        let squares = self.seen.as_ref().zip(images).map(|(seen, images)| {
            let rest_images = subtract_product(&seen.images, &coefficients, &images, length);
            (dot(&rest, &rest_images).max(0.0), dot(self.filters, &seen.images))
        });
        let output_error = squares.map(|(rest, whole)| part(rest, whole));
        let error = squares.map_or(filter_squares, |(rest, _)| rest);
        (LayerFactors { unique: own, coefficients, filter_error, output_error }, error)
    }

    /// The leading right singular vectors of what shared filters leave.
    fn unique(&self, shared: &[f64], shared_images: Option<&[f64]>, count: usize) -> Vec<f64> {
        let length = self.length;
        if count == 0 {
            return Vec::new();
        }
        let Some((seen, shared_images)) = self.seen.as_ref().zip(shared_images) else {
            let mut rest = self.filters.to_vec();
            project_out(&mut rest, shared, length);
            return right_singular(&rest, length, count).1;
        };
        let images = seen.metric.damped(self.filters, &seen.images);
        let coefficients = self.least_squares(shared, Some(shared_images));
        let rest = subtract_product(self.filters, &coefficients, shared, length);
        let images = subtract_product(&images, &coefficients, shared_images, length);
        weighted_singular(&rest, &images, length, count, || seen.metric.matrix()).1
    }

    /// The coefficients `[outputs, filters]` of the smallest error for orthonormal filters `basis`: `W Bᵀ`,
    /// or `W M Bᵀ (B M Bᵀ)⁻¹` where `images` are `B M`.
    fn least_squares(&self, basis: &[f64], images: Option<&[f64]>) -> Vec<f64> {
        let [filters, basis] = [self.filters, basis].map(|rows| View::of(rows, self.length));
        let Some(images) = images else { return product(filters, basis.transposed()) };
        let images = View::of(images, self.length);
        let mut coefficients = product(filters, images.transposed());
        let gram = symmetric(basis, images);
        let size = gram.len().isqrt();
        let gram = Cholesky::of(gram, size);
        gram.solve_upper(&mut coefficients);
        gram.solve_lower(&mut coefficients);
        coefficients
    }
}

/// Rows made orthonormal, and orthogonal to orthonormal ones; others where some lie in their span.
fn beside(rows: &[f64], units: &[f64], length: usize, count: usize) -> Vec<f64> {
    let mut all = units.to_vec();
    extend_orthonormal(&mut all, rows, length);
    complete(&mut all, length, units.len() / length + count);
    all.split_off(units.len())
}

/// `W − C B`.
pub(super) fn subtract_product(
    filters: &[f64],
    coefficients: &[f64],
    basis: &[f64],
    length: usize,
) -> Vec<f64> {
    let mut rest = filters.to_vec();
    if !basis.is_empty() {
        let coefficients = View::of(coefficients, basis.len() / length);
        Target::all(&mut rest, length).add(-1.0, coefficients, View::of(basis, length));
    }
    rest
}
