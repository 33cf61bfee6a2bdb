//! Orthonormality penalties, differentiable functions of groups of filters.
//!
//! A formula is a file below this module and a line in [`Penalty`].

mod dso;
mod group;
mod mean;
mod so;

use burn::tensor::Tensor;

use crate::named::named;
use dso::Dso;
use mean::Mean;
use so::So;

pub use group::{Counted, Family, FilterGroup};

named! {
    /// A formula for how far filters are from orthonormal, by its name in configurations.
    ///
    /// `B` has one flattened filter per row.
    Penalty: Formula {
        /// The mean squared entry of `B Bᵀ − I` over all stages: the regulariser of *Deeply Shared
        /// Filter Bases*.
        Mean = "mean" => Mean,
        /// Soft orthogonality (SO), `‖B Bᵀ − I‖²_F`; of more filters than numbers in each,
        /// `‖Bᵀ B − I‖²_F`.
        So = "so" => So,
        /// Double soft orthogonality (DSO), `‖B Bᵀ − I‖²_F + ‖Bᵀ B − I‖²_F`. A matrix with unequal
        /// sides costs at least their difference.
        Dso = "dso" => Dso,
    }
}

/// What a file below this module implements.
trait Formula: Sync {
    /// The penalty of one family, a scalar of shape `[1]` on the filters' device; `None` if none of
    /// its groups has shared filters.
    ///
    /// A formula that starts from random numbers draws them from `key`, and from nothing else.
    ///
    /// # Panics
    ///
    /// Panics if the filters of a group differ in size or device.
    fn of_family(&self, family: &[FilterGroup], counted: Counted, key: u64) -> Option<Tensor<1>>;
}

impl Penalty {
    /// The penalty of families of filters, a scalar of shape `[1]` on the filters' device: the sum
    /// over the families. `None` if no group has shared filters: there is nothing to penalise.
    ///
    /// To be multiplied by a weight and added to the loss. A formula that starts from random
    /// numbers draws them from `key`; none of today's does.
    ///
    /// # Panics
    ///
    /// Panics if the filters of a group differ in size or device.
    pub fn of(self, families: &[Family], counted: Counted, key: u64) -> Option<Tensor<1>> {
        families
            .iter()
            .filter_map(|family| self.method().of_family(family, counted, key))
            .reduce(|a, b| a + b)
    }
}

/// [`Penalty::Mean`], the penalty of the paper.
///
/// For each family, the squared entries of `B Bᵀ − I` over the [`Counted`] blocks are summed over
/// all its groups and divided by the number of entries so counted: one mean over all stages, in
/// which a stage with more filters weighs more. The families' means are added. A group without
/// shared filters does not count, and `None` is returned if no group has any: there is nothing to
/// penalise. The result, a scalar of shape `[1]` on the filters' device, is to be multiplied by λ
/// (10 in the paper) and added to the loss.
///
/// Source: the authors' training code (the paper's regulariser with the normalisation that its
/// results used).
///
/// # Panics
///
/// Panics if the filters of a group differ in size or device.
pub fn penalty(families: &[Family], counted: Counted) -> Option<Tensor<1>> {
    Penalty::Mean.of(families, counted, 0)
}

/// `Σ (R Rᵀ − I)²` over all entries.
fn squared_deviation(rows: Tensor<2>) -> Tensor<1> {
    let identity = identity(rows.dims()[0], &rows);
    (rows.clone().matmul(rows.transpose()) - identity).square().sum()
}

/// The identity, on the device and in the precision of another tensor.
fn identity(size: usize, like: &Tensor<2>) -> Tensor<2> {
    Tensor::<2>::eye(size, &like.device()).cast(like.dtype())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{devices, filters};

    /// The penalty of one stage with one basis, and the gradient of the basis.
    fn value_and_gradient(formula: Penalty, values: &[f32], shape: [usize; 2]) -> (f32, Vec<f32>) {
        let [first, second] = devices().map(|device| {
            let basis = filters(values, [shape[0], shape[1], 1, 1], &device.autodiff());
            let basis = basis.require_grad();
            let families = [vec![FilterGroup::shared([basis.clone()])]];
            let penalty = formula.of(&families, Counted::Shared, 0).expect("there is a basis");
            let gradient = basis.grad(&penalty.backward()).expect("the basis takes part");
            let gradient = gradient.into_data().try_to_vec::<f32>().expect("f32 data");
            (penalty.into_scalar::<f32>(), gradient)
        });
        let both = first.1.iter().zip(&second.1).chain([(&first.0, &second.0)]);
        for (a, b) in both {
            assert!((a - b).abs() <= 1e-6 * a.abs().max(1.0), "{formula}: {a} {b}");
        }
        first
    }

    #[test]
    fn values_are_those_computed_by_hand() {
        let (wide, square) = ([2.0, 0.0, 0.0, 0.0, 1.0, 0.0], [1.0, 1.0, 0.0, 1.0]);
        // The first matrix lying on its side.
        let tall = [2.0, 0.0, 0.0, 1.0, 0.0, 0.0];
        for (formula, of_wide, of_square, of_tall) in [
            (Penalty::Mean, 2.25, 0.75, (9.0 + 1.0) / 9.0),
            (Penalty::So, 9.0, 3.0, 9.0),
            (Penalty::Dso, 19.0, 6.0, 19.0),
        ] {
            let value = |values: &[f32], shape| value_and_gradient(formula, values, shape).0;
            assert_eq!(value(&wide, [2, 3]), of_wide, "{formula}");
            assert_eq!(value(&square, [2, 2]), of_square, "{formula}");
            assert!((value(&tall, [3, 2]) - of_tall).abs() < 1e-6, "{formula}");
        }
    }

    #[test]
    fn gradients_are_those_computed_by_hand() {
        let gradient = |formula| value_and_gradient(formula, &[1.0, 1.0, 0.0, 1.0], [2, 2]).1;
        assert_eq!(gradient(Penalty::So), [4.0, 8.0, 4.0, 4.0]);
        assert_eq!(gradient(Penalty::Mean), [1.0, 2.0, 1.0, 1.0]);
        // That of the columns is 4 B (Bᵀ B − I) = 4 [[1, 2], [1, 1]] here.
        assert_eq!(gradient(Penalty::Dso), [8.0, 16.0, 8.0, 8.0]);
    }

    /// Against central differences, at points that are in no table.
    #[test]
    fn gradients_are_the_slopes() {
        for (rows, cols) in [(3, 5), (5, 3)] {
            let values = crate::orthonormal_seeded(rows, cols, 7);
            let values: Vec<f32> = values
                .iter()
                .enumerate()
                .map(|(i, v)| (v * 1.2 + 0.1 * (i % 3) as f64) as f32)
                .collect();
            for &formula in Penalty::ALL {
                let (_, gradient) = value_and_gradient(formula, &values, [rows, cols]);
                for (i, gradient) in gradient.into_iter().enumerate() {
                    let at = |step: f32| {
                        let mut moved = values.clone();
                        moved[i] += step;
                        value_and_gradient(formula, &moved, [rows, cols]).0
                    };
                    let slope = (at(1e-2) - at(-1e-2)) / 2e-2;
                    let close = (slope - gradient).abs() < 2e-3 * gradient.abs().max(1.0);
                    assert!(close, "{formula} {rows}x{cols}: {slope} {gradient}");
                }
            }
        }
    }

    #[test]
    fn names_parse_back_and_others_are_refused() {
        for &formula in Penalty::ALL {
            assert_eq!(formula.to_string().parse(), Ok(formula));
        }
        let refused = "sso".parse::<Penalty>().expect_err("no such formula");
        assert_eq!(refused.to_string(), "expected mean | so | dso, got \"sso\"");
    }

    #[test]
    fn with_unique_filters_every_layer_is_a_matrix_of_its_own() {
        for device in devices() {
            let one = |values: &[f32]| filters(values, [1, 2, 1, 1], &device);
            let unique = vec![one(&[0.6, 0.8]), one(&[0.0, 2.0])];
            let families = [vec![FilterGroup { shared: vec![one(&[1.0, 0.0])], unique }]];
            let of = |counted| -> f32 {
                let penalty = Penalty::So.of(&families, counted, 0);
                penalty.expect("there are shared filters").into_scalar()
            };
            assert_eq!(of(Counted::Shared), 0.0);
            // [[1, .6], [.6, 1]] and [[1, 0], [0, 4]], less the identity.
            let expected = 2.0 * 0.36 + 9.0;
            assert!((of(Counted::SharedAndUnique) - expected).abs() < 1e-6);
        }
    }
}
