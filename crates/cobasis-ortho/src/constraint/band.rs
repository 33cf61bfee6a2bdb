//! A band of singular values.

use burn::tensor::Tensor;

use super::host::{Rows, largest_row_sum, less_identity, plus, symmetric_part};
use super::polar::polar;
use super::{ConstraintError, Method, Settings};
use crate::eigen::leading_eigenvectors;
use crate::product::{View, product};

/// How near to an end of the band a singular value is at it.
const NEAR: f64 = 1e-5;

/// Rows are almost orthonormal: singular values leave the band from `1 − w` to `1 + w` for its ends.
///
/// Inside the band, gradient and momentum are as they were. What singular values at an end of it
/// would be moved by is taken out of the momentum; the gradient may still lead them back. On the host
/// in `f64`: the singular values are the eigenvalues of the symmetric factor of the polar
/// decomposition. The set is that of geotorch's `AlmostOrthogonal`, whose singular values are
/// `1 + w f(s)` of free parameters `s`; here it is projected to, as is done with the stored filters of
/// all other constraints.
pub(super) struct Band;

impl Method for Band {
    fn tangent(&self, _rows: Tensor<2>, gradient: Tensor<2>) -> Tensor<2> {
        gradient
    }

    fn retract(
        &self,
        _before: Option<Tensor<2>>,
        after: Tensor<2>,
        settings: &Settings,
    ) -> Result<Tensor<2>, ConstraintError> {
        let rows = Rows::read(after.clone())?;
        if is_inside(&rows, settings.band) {
            return Ok(after);
        }
        let ends = [1.0 - settings.band, 1.0 + settings.band];
        let factors = Factors::of(rows)?;
        if factors.values.iter().all(|value| (ends[0]..=ends[1]).contains(value)) {
            return Ok(after);
        }
        Ok(factors.with_values(|value| value.clamp(ends[0], ends[1])).into_tensor())
    }

    fn transport(
        &self,
        rows: Tensor<2>,
        momentum: Tensor<2>,
        settings: &Settings,
    ) -> Result<Tensor<2>, ConstraintError> {
        let rows = Rows::read(rows)?;
        if is_inside(&rows, settings.band - NEAR) {
            return Ok(momentum);
        }
        let factors = Factors::of(rows)?;
        let is_at_end = |value: f64| (value - 1.0).abs() >= settings.band - NEAR;
        let vectors = factors.vectors_where(is_at_end);
        if vectors.is_empty() {
            return Ok(momentum);
        }
        let momentum = Rows::read(momentum)?;
        let values = factors.held(&momentum, &vectors);
        Ok(momentum.with(values).into_tensor())
    }
}

/// Whether all singular values are in a band of that width, by a bound that is quickly known: false
/// where it is not.
fn is_inside(rows: &Rows, width: f64) -> bool {
    let off = less_identity(rows.gram(), rows.count);
    width > 0.0 && largest_row_sum(&off, rows.count) <= 2.0 * width - width * width
}

/// Rows as `Q Σ Qᵀ U`, with orthonormal `U` and the singular values `Σ`.
struct Factors {
    polar: Rows,
    /// The singular values, from the largest.
    values: Vec<f64>,
    /// The columns of `Q`, one after the other.
    vectors: Vec<f64>,
}

impl Factors {
    fn of(rows: Rows) -> Result<Self, ConstraintError> {
        let polar = polar(rows.clone())?;
        let size = rows.count;
        let symmetric = symmetric_part(&rows.along(&polar), size);
        let (values, vectors) = leading_eigenvectors(symmetric, size, <[f64]>::len);
        Ok(Self { polar, values, vectors })
    }

    /// The rows with other singular values.
    fn with_values(self, change: impl Fn(f64) -> f64) -> Rows {
        let size = self.polar.count;
        let mut scaled = self.vectors.clone();
        for (vector, &value) in scaled.chunks_exact_mut(size).zip(&self.values) {
            let value = change(value);
            vector.iter_mut().for_each(|entry| *entry *= value);
        }
        let factors = product(View::of(&self.vectors, size).transposed(), View::of(&scaled, size));
        let values = self.polar.mixed(&factors);
        self.polar.with(values)
    }

    /// The vectors of some singular values, one after the other.
    fn vectors_where(&self, of: impl Fn(f64) -> bool) -> Vec<f64> {
        let all = self.vectors.chunks_exact(self.polar.count).zip(&self.values);
        all.filter(|(_, value)| of(**value)).flat_map(|(vector, _)| vector).copied().collect()
    }

    /// A direction without what moves the singular values of some vectors `E`:
    /// `V − Eᵀ E sym(V Uᵀ) Eᵀ E U`, which is tangent to the rows that have them.
    fn held(&self, direction: &Rows, vectors: &[f64]) -> Vec<f64> {
        let size = self.polar.count;
        let symmetric = symmetric_part(&direction.along(&self.polar), size);
        let vectors = View::of(vectors, size);
        let inside = product(vectors, View::of(&symmetric, size));
        let inside = product(View::of(&inside, size), vectors.transposed());
        let count = inside.len().isqrt();
        let out = product(vectors.transposed(), View::of(&inside, count));
        let out = product(View::of(&out, count), vectors);
        plus(&direction.values, -1.0, &self.polar.mixed(&out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::constraint::Constraint;
    use crate::testing::{devices, filters};

    #[test]
    fn singular_values_outside_go_to_the_ends_and_others_stay() {
        let settings = Settings { band: 0.2, ..Settings::default() };
        for device in devices() {
            // A rotation by the angle of (0.6, 0.8), with singular values 1.5, 1.1 and 0.1.
            let (c, s) = (0.6, 0.8);
            let with = |values: [f32; 3]| {
                let [x, y, z] = values;
                [c * x, -s * x, 0.0, s * y, c * y, 0.0, 0.0, 0.0, z]
            };
            let rows = filters(&with([1.5, 1.1, 0.1]), [3, 3, 1, 1], &device);
            let moved = Constraint::Band.retract(&[], vec![rows], &settings).expect("independent");
            let got: Vec<f32> = moved[0].to_data().iter::<f32>().collect();
            for (got, expected) in got.into_iter().zip(with([1.2, 1.1, 0.8])) {
                assert!((got - expected).abs() < 1e-6, "{got} {expected}");
            }
            let inside = filters(&with([1.1, 0.95, 1.0]), [3, 3, 1, 1], &device);
            let moved = Constraint::Band.retract(&[], vec![inside.clone()], &settings);
            let moved = moved.expect("independent").remove(0).into_data();
            assert_eq!(moved, inside.into_data());
        }
    }

    #[test]
    fn momentum_loses_what_moves_singular_values_at_an_end() {
        let settings = Settings { band: 0.2, ..Settings::default() };
        for device in devices() {
            let rows = filters(&[1.2, 0.0, 0.0, 1.0], [2, 2, 1, 1], &device);
            let momentum = filters(&[1.0, 2.0, 3.0, 4.0], [2, 2, 1, 1], &device);
            let taken = Constraint::Band.transport(&[rows], vec![momentum], &settings);
            let taken: Vec<f32> = taken.expect("shapes")[0].to_data().iter::<f32>().collect();
            for (got, expected) in taken.into_iter().zip([0.0, 2.0, 3.0, 4.0]) {
                assert!((got - expected).abs() < 1e-6, "{got} {expected}");
            }
        }
    }
}
