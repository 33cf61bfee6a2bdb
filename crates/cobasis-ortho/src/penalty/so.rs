//! Soft orthogonality.

use burn::tensor::Tensor;

use super::{Counted, FilterGroup, Formula, squared_deviation, summed, wide};

/// `‖B Bᵀ − I‖²_F`, summed over stages; by the smaller side, `‖Bᵀ B − I‖²_F`, of more filters than
/// numbers in each, which can't all be orthogonal.
///
/// Its gradient is `4 (B Bᵀ − I) B`. Source: Bansal, Chen and Wang, *Can We Gain More from
/// Orthogonality Regularizations in Training Deep Networks?*, NeurIPS 2018.
pub(super) struct So;

impl Formula for So {
    fn of_family(&self, family: &[FilterGroup], counted: Counted, _key: u64) -> Option<Tensor<1>> {
        summed(family, counted, |rows| squared_deviation(wide(rows)))
    }
}
