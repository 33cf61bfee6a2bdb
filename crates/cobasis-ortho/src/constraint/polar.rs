//! The polar retraction.

use burn::tensor::Tensor;

use super::host::{Rows, largest_row_sum, less_identity};
use super::{ConstraintError, Method, Settings};
use crate::gram_schmidt::{Dependent, orthonormalise};
use crate::product::{View, product};

/// The odd polynomial `(15 − 10 s² + 3 s⁴) s / 8` of a matrix's singular values: it takes all between 0
/// and 1.5 to 1, in the end three digits a step becoming nine. Source: Björck and Bowie, *An Iterative
/// Algorithm for Computing the Best Estimate of an Orthogonal Matrix*, 1971.
///
/// The coefficients of the optimizer Muon, (3.4445, −4.7750, 2.0315), are another matter: with them,
/// singular values go on moving between about 0.7 and 1.2.
const QUINTIC: [f64; 3] = [15.0 / 8.0, -10.0 / 8.0, 3.0 / 8.0];

/// What inner products may be off by in the end, in `f64`.
const ARRIVED: f64 = 1e-13;

/// Steps at most. A small singular value grows by 15/8 in each, so that one of 1e-12 of the largest gets
/// there, and one that is zero but for rounding does not.
const STEPS: usize = 50;

/// Rows become `U Vᵀ` of their singular value decomposition `U Σ Vᵀ`: the orthonormal rows that are
/// nearest. No filter has a part that others have not.
///
/// By the Newton–Schulz iteration on the host in `f64`. Source: Absil, Mahony and Sepulchre,
/// *Optimization Algorithms on Matrix Manifolds*, 2008, example 4.1.3.
pub(super) struct Polar;

impl Method for Polar {
    fn retract(
        &self,
        _before: Option<Tensor<2>>,
        after: Tensor<2>,
        _settings: &Settings,
    ) -> Result<Tensor<2>, ConstraintError> {
        Ok(polar(Rows::read(after)?)?.into_tensor())
    }
}

/// The nearest orthonormal rows.
///
/// # Errors
///
/// If rows are linearly dependent.
pub(super) fn polar(rows: Rows) -> Result<Rows, ConstraintError> {
    let given = rows.clone();
    let bound = largest_row_sum(&rows.gram(), rows.count);
    // Where 1 is as near as it may be, scaling down would only cost steps.
    let scale = if (0.5..2.0).contains(&bound) || bound == 0.0 { 1.0 } else { bound.sqrt() };
    let mut rows = rows;
    rows.values.iter_mut().for_each(|value| *value /= scale);
    for _ in 0..STEPS {
        let gram = rows.gram();
        let off = less_identity(gram.clone(), rows.count);
        if off.iter().all(|entry| entry.abs() <= ARRIVED) {
            return Ok(rows);
        }
        rows = step(rows, &gram, QUINTIC);
    }
    Err(dependence(given))
}

/// `(a I + b A + c A²) X`, with the inner products `A` of the rows `X`.
fn step(rows: Rows, gram: &[f64], [a, b, c]: [f64; 3]) -> Rows {
    let size = rows.count;
    let square = product(View::of(gram, size), View::of(gram, size));
    let mut factors: Vec<f64> = gram.iter().zip(square).map(|(g, s)| b * g + c * s).collect();
    factors.iter_mut().step_by(size + 1).for_each(|entry| *entry += a);
    let values = rows.mixed(&factors);
    rows.with(values)
}

/// Which of the rows depends on those before it.
fn dependence(mut rows: Rows) -> ConstraintError {
    let count = rows.count;
    let last = count - 1;
    let found = orthonormalise(&mut rows.values, rows.length);
    ConstraintError::Dependent { index: found.err().map_or(last, |Dependent(at)| at), count }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::{DType, Device, TensorData};

    fn iterates(coefficients: [f64; 3], count: usize) -> Vec<f64> {
        let half = TensorData::new(vec![0.5f64], [1, 1]);
        let half = Tensor::<2>::from_data(half, (&Device::flex(), DType::F64));
        let mut rows = Rows::read(half).expect("finite");
        let next = |_| {
            rows = step(rows.clone(), &rows.gram(), coefficients);
            rows.values[0]
        };
        (0..count).map(next).collect()
    }

    #[test]
    fn iterates_are_those_of_the_formulas() {
        for (coefficients, expected) in [
            (QUINTIC, vec![0.792_969, 0.981_118, 0.999_983]),
            // Björck's.
            ([1.5, -0.5, 0.0], vec![0.6875, 0.868_774, 0.975_300, 0.999_092, 0.999_999]),
            // Muon's, which do not arrive.
            (
                [3.4445, -4.7750, 2.0315],
                vec![1.188_859, 0.896_196, 0.824_367, 0.937_890, 0.765_439],
            ),
        ] {
            for (got, expected) in iterates(coefficients, expected.len()).iter().zip(expected) {
                assert!((got - expected).abs() < 1e-6, "{coefficients:?}: {got} {expected}");
            }
        }
    }
}
