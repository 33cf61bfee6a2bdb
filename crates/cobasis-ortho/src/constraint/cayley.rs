//! The Cayley retraction.

use burn::tensor::Tensor;

use super::host::{Rows, less_identity, plus, symmetric_part};
use super::polar::polar;
use super::{ConstraintError, Method, Settings};
use crate::product::{View, product};
use crate::solve::solve;

/// Rows `X` move along the curve `X (I + W/2)⁻¹ (I − W/2)` of rotations of the space of filters, whose
/// direction `−X W` with a skew `W` is the tangent part of the step. The curve never leaves
/// orthonormal rows.
///
/// `W` is a sum of two products with `X`, so that an equation of twice as many unknowns as there are
/// filters is to be solved, not of the numbers of a filter (Wen and Yin, *A Feasible Method for
/// Optimization with Orthogonality Constraints*, 2013, lemma 4). On the host in `f64`; what rounding
/// to the weights' precision left of the rows before is taken out first. Where there was no step, rows
/// become the nearest orthonormal ones.
pub(super) struct Cayley;

impl Method for Cayley {
    fn retract(
        &self,
        before: Option<Tensor<2>>,
        after: Tensor<2>,
        _settings: &Settings,
    ) -> Result<Tensor<2>, ConstraintError> {
        let after = Rows::read(after)?;
        let Some(before) = before else {
            return Ok(polar(after)?.into_tensor());
        };
        let before = Rows::read(before)?;
        let step = plus(&after.values, -1.0, &before.values);
        Ok(moved(polar(before)?, step).into_tensor())
    }
}

/// Orthonormal rows after a step.
fn moved(rows: Rows, step: Vec<f64>) -> Rows {
    let (count, length) = (rows.count, rows.length);
    let step = rows.clone().with(step);
    // The tangent part Z = V − sym(V Xᵀ) X, less half of what of it lies along the rows.
    let symmetric = symmetric_part(&step.along(&rows), count);
    let tangent = plus(&step.values, -1.0, &rows.mixed(&symmetric));
    let tangent = rows.clone().with(tangent);
    let half = plus(&tangent.values, -0.5, &rows.mixed(&tangent.along(&rows)));
    // W = −(P Zᵀ X − Xᵀ Z P) = −U Vᵀ, with these as rows.
    let u: Vec<f64> = [half.as_slice(), &rows.values].concat();
    let v: Vec<f64> = rows.values.iter().copied().chain(half.iter().map(|value| -value)).collect();
    let (u, v) = (View::of(&u, length), View::of(&v, length));
    let mut equations = product(v, u.transposed());
    equations.iter_mut().for_each(|entry| *entry *= 0.5);
    // ½ Vᵀ U − I, whose sign the other side takes.
    let equations = less_identity(equations, 2 * count);
    let along: Vec<f64> =
        product(v, rows.view().transposed()).into_iter().map(|entry| -entry).collect();
    let Some(factors) = solve(equations, along, 2 * count) else {
        // With a skew W there is always a solution.
        return rows;
    };
    let change = product(View::of(&factors, count).transposed(), u);
    let values = plus(&rows.values, 1.0, &change);
    rows.with(values)
}
