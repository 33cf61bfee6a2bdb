//! Landing: no retraction, but an attraction.

use burn::tensor::Tensor;

use super::host::{Rows, frobenius, less_identity, plus, symmetric_part};
use super::polar::polar;
use super::{ConstraintError, Method, Settings};
use crate::cholesky::Cholesky;

/// How far from orthonormal rows a step may end, `‖X Xᵀ − I‖_F`.
const DISTANCE: f64 = 0.5;

/// Rows go along a field that leads along the manifold and at once towards it, `V + λ (X Xᵀ − I) X`, as
/// far as keeps them near it. They are never moved back.
///
/// The gradient `G` becomes `½ (X Xᵀ G − X Gᵀ X)`, which at all rows, orthonormal or not, changes no
/// inner products of rows to first order. `V` is what the optimizer makes of it, its tangent part, so
/// that momentum and a scale for each number may have a part in it; the attraction is not theirs and
/// does not add up in them. Steps are as long as the learning rate says, and at most
/// [`safe_step`] and `1/(2 λ)`.
///
/// Where there was no step, rows become the nearest orthonormal ones. On the host in `f64`. Sources:
/// Ablin and Peyré, *Fast and accurate optimization on the orthogonal manifold without retraction*,
/// AISTATS 2022; Ablin, Vary, Gao and Absil, *Infeasible Deterministic, Stochastic, and
/// Variance-Reduction Algorithms for Optimization under Orthogonality Constraints*, JMLR 2024.
pub(super) struct Landing;

impl Method for Landing {
    fn tangent(&self, rows: Tensor<2>, gradient: Tensor<2>) -> Tensor<2> {
        let gram = rows.clone().matmul(rows.clone().transpose());
        let along = rows.clone().matmul(gradient.clone().transpose());
        (gram.matmul(gradient) - along.matmul(rows)).mul_scalar(0.5)
    }

    fn retract(
        &self,
        before: Option<Tensor<2>>,
        after: Tensor<2>,
        settings: &Settings,
    ) -> Result<Tensor<2>, ConstraintError> {
        let after = Rows::read(after)?;
        let Some(before) = before else {
            return Ok(polar(after)?.into_tensor());
        };
        let before = Rows::read(before)?;
        let rate = settings.rate;
        if rate <= 0.0 {
            return Ok(before.into_tensor());
        }
        let towards = plus(&before.values, -1.0, &after.values);
        let velocity = towards.into_iter().map(|value| value / rate).collect();
        // Rows as far off as that are not attracted any more. They can't come from steps.
        let rows = if distance(&before) < 1.0 { before } else { polar(before)? };
        let velocity = tangent_part(&rows, velocity);
        let field = Field::new(&rows, velocity, settings.attraction);
        let step = rate.min(field.longest(settings.attraction));
        let values = plus(&rows.values, -step, &field.values);
        Ok(rows.with(values).into_tensor())
    }

    fn transport(
        &self,
        rows: Tensor<2>,
        momentum: Tensor<2>,
        _settings: &Settings,
    ) -> Result<Tensor<2>, ConstraintError> {
        let (rows, momentum) = (Rows::read(rows)?, Rows::read(momentum)?);
        let values = tangent_part(&rows, momentum.values.clone());
        Ok(momentum.with(values).into_tensor())
    }

    fn is_exact(&self) -> bool {
        false
    }
}

/// The part of rows `V` that changes no inner products of the rows `X` of any matrix with independent
/// ones: `V − sym(V Xᵀ) (X Xᵀ)⁻¹ X`.
fn tangent_part(rows: &Rows, values: Vec<f64>) -> Vec<f64> {
    let vector = rows.clone().with(values);
    let mut symmetric = symmetric_part(&vector.along(rows), rows.count);
    Cholesky::of(rows.gram(), rows.count).solve(&mut symmetric);
    plus(&vector.values, -1.0, &rows.mixed(&symmetric))
}

fn distance(rows: &Rows) -> f64 {
    frobenius(&less_identity(rows.gram(), rows.count))
}

/// The landing field at some rows.
struct Field {
    values: Vec<f64>,
    /// How far the rows are from orthonormal.
    distance: f64,
}

impl Field {
    /// `V + λ (X Xᵀ − I) X`.
    fn new(rows: &Rows, velocity: Vec<f64>, attraction: f64) -> Self {
        let off = less_identity(rows.gram(), rows.count);
        let values = plus(&velocity, attraction, &rows.mixed(&off));
        Self { values, distance: frobenius(&off) }
    }

    /// The longest step along it.
    fn longest(&self, attraction: f64) -> f64 {
        let safe = safe_step(self.distance, frobenius(&self.values), attraction);
        safe.min(0.5 / attraction)
    }
}

/// The longest step after which rows are no farther than [`DISTANCE`] from orthonormal, or, if they
/// are now, not farther than they are: of rows `d` off, along a field of the length `g`,
/// `(λ d (1 − d) + √(λ² d² (1 − d)² + g² max(ε − d, 0))) / g²`.
fn safe_step(distance: f64, length: f64, attraction: f64) -> f64 {
    let back = attraction * distance * (1.0 - distance);
    let square = length * length;
    match square > 0.0 {
        true => (back + (back * back + square * (DISTANCE - distance).max(0.0)).sqrt()) / square,
        false => f64::INFINITY,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::constraint::Constraint;
    use crate::testing::{devices, filters};
    use burn::tensor::{DType, Device, TensorData};

    fn rows(values: &[f64], shape: [usize; 2]) -> Tensor<2> {
        let data = TensorData::new(values.to_vec(), shape);
        Tensor::from_data(data, (&Device::flex(), DType::F64))
    }

    fn field(scale: f64) -> Field {
        let x = rows(&[scale, 0.0, 0.0, scale], [2, 2]);
        let gradient = Landing.tangent(x.clone(), rows(&[0.0, 1.0, 0.0, 0.0], [2, 2]));
        let [x, gradient] = [x, gradient].map(|tensor| Rows::read(tensor).expect("finite"));
        Field::new(&x, gradient.values, 1.0)
    }

    #[test]
    fn fields_and_safe_steps_have_the_values_computed_by_hand() {
        let near = |got: f64, expected: f64| (got - expected).abs() < 1e-6;
        let of = field(1.1);
        for (got, expected) in of.values.iter().zip([0.231, 0.605, -0.605, 0.231]) {
            assert!(near(*got, expected), "{:?}", of.values);
        }
        let length = frobenius(&of.values);
        assert!(near(of.distance, 0.296_985) && near(length, 0.915_845));
        assert!(near(safe_step(of.distance, length, 1.0), 0.800_278));
        assert_eq!(of.longest(1.0), 0.5);
        // Farther off than ε: only as far as brings it nearer.
        let of = field(1.2);
        assert!(near(safe_step(of.distance, frobenius(&of.values), 1.0), 0.294_855));
    }

    /// At any rows: to first order, a step along the gradient's part changes no inner products, nor
    /// does one along a velocity's.
    #[test]
    fn fields_without_attraction_are_tangent_off_the_manifold_too() {
        let x = rows(&[1.1, 0.2, 0.0, -0.3, 0.8, 0.4], [2, 3]);
        let vector = rows(&[0.5, -1.0, 2.0, 0.3, 0.7, -0.2], [2, 3]);
        let of_x = Rows::read(x.clone()).expect("finite");
        let part = tangent_part(&of_x, Rows::read(vector.clone()).expect("finite").values);
        let gradient = Landing.tangent(x, vector);
        for tangent in [rows(&part, [2, 3]), gradient] {
            let along = Rows::read(tangent).expect("finite").along(&of_x);
            assert!(symmetric_part(&along, 2).iter().all(|entry| entry.abs() < 1e-12));
        }
        let again = tangent_part(&of_x, part.clone());
        assert!(part.iter().zip(again).all(|(a, b)| (a - b).abs() < 1e-12));
    }

    #[test]
    fn without_a_gradient_rows_land() {
        for device in devices() {
            let mut at = vec![filters(&[1.1, 0.2, 0.0, -0.1, 0.9, 0.3], [2, 3, 1, 1], &device)];
            let settings = Settings { rate: 0.4, ..Settings::default() };
            for _ in 0..60 {
                at = Constraint::Landing.retract(&at, at.clone(), &settings).expect("independent");
            }
            assert!(crate::Gram::of(at.remove(0)).max_deviation() < 1e-6);
        }
    }
}
