//! Orthonormality penalties, differentiable functions of groups of filters.
//!
//! A formula is a file below this module and a line in [`Penalty`].

mod dso;
mod group;
mod mc;
mod mc_rows;
mod mean;
mod ocnn_columns;
mod ocnn_rows;
mod so;
mod srip;

use burn::tensor::Tensor;

use crate::named::named;
use dso::Dso;
use mc::Mc;
use mc_rows::McRows;
use mean::Mean;
use ocnn_columns::OcnnColumns;
use ocnn_rows::OcnnRows;
use so::So;
use srip::Srip;

pub use group::{Counted, Family, FilterGroup};

named! {
    /// A formula for how far filters are from orthonormal, by its name in configurations.
    ///
    /// `B` has one flattened filter per row, and `D` is what is off in it: `B Bᵀ − I`, or
    /// `Bᵀ B − I` of more filters than numbers in each, which can't all be orthogonal. All but the
    /// mean are summed over the stages.
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
        /// Mutual coherence (MC), `max |D|` over the entries.
        Mc = "mc" => Mc,
        /// Mutual coherence, read as the norm that the largest row sum is: `max Σ |D|`, the sum over
        /// a row.
        McRows = "mc-rows" => McRows,
        /// The spectral restricted isometry property (SRIP), `σ(D)²` of the largest singular value,
        /// which is estimated by power iteration from a random start.
        Srip = "srip" => Srip::PUBLISHED,
        /// Orthogonal convolutions (OCNN), by rows: `‖K ∗ K − δ‖_F`, the products of filters with
        /// one another at every shift that they overlap in, not squared.
        OcnnRows = "ocnn-rows" => OcnnRows,
        /// Orthogonal kernels, as OCNN counts them where there are no shifts: `‖D‖_F`, not squared.
        OcnnColumns = "ocnn-columns" => OcnnColumns,
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
    /// Panics if the filters of a group differ in size or device, or, where shifts count, in shape.
    fn of_family(&self, family: &[FilterGroup], counted: Counted, key: u64) -> Option<Tensor<1>>;
}

impl Penalty {
    /// The penalty of families of filters, a scalar of shape `[1]` on the filters' device: the sum
    /// over the families. `None` if no group has shared filters: there is nothing to penalise.
    ///
    /// To be multiplied by a weight and added to the loss. A formula that starts from random
    /// numbers ([`Penalty::Srip`]) draws them from `key`, so the same key gives the same value.
    ///
    /// # Panics
    ///
    /// Panics if the filters of a group differ in size or device, or, with [`Penalty::OcnnRows`], in
    /// the shape of a filter.
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

/// The sum of a function of matrices over all matrices of a family.
fn summed(
    family: &[FilterGroup],
    counted: Counted,
    of_matrix: impl FnMut(Tensor<2>) -> Tensor<1>,
) -> Option<Tensor<1>> {
    let matrices = family.iter().flat_map(|group| group.matrices(counted));
    matrices.map(of_matrix).reduce(|a, b| a + b)
}

/// The matrix with its smaller side down, whose rows can be orthonormal.
fn wide(rows: Tensor<2>) -> Tensor<2> {
    match rows.dims() {
        [count, length] if count > length => rows.transpose(),
        _ => rows,
    }
}

/// What is off in the smaller Gram matrix: `R Rᵀ − I` of the [`wide`] matrix `R`.
fn deviation(rows: Tensor<2>) -> Tensor<2> {
    let rows = wide(rows);
    let identity = identity(rows.dims()[0], &rows);
    rows.clone().matmul(rows.transpose()) - identity
}

/// The root of a sum of squares. Where the sum is 0 the slope is, too, which is that of the smallest
/// of all tangents there; a root by itself has none.
fn norm(squares: Tensor<1>) -> Tensor<1> {
    squares.clamp_min(1e-24).sqrt()
}

/// The identity, on the device and in the precision of another tensor.
fn identity(size: usize, like: &Tensor<2>) -> Tensor<2> {
    Tensor::<2>::eye(size, &like.device()).cast(like.dtype())
}

#[cfg(test)]
mod tests;
