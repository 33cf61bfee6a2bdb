//! Double soft orthogonality.

use burn::tensor::Tensor;

use super::{Counted, FilterGroup, Formula, squared_deviation, summed};

/// `‖B Bᵀ − I‖²_F + ‖Bᵀ B − I‖²_F`, summed over stages.
///
/// `rows` and `columns` can't both be orthonormal in a matrix with unequal sides, so it costs at
/// least their difference there. Source: Bansal, Chen and Wang, *Can We Gain More from
/// Orthogonality Regularizations in Training Deep Networks?*, NeurIPS 2018.
pub(super) struct Dso;

impl Formula for Dso {
    fn of_family(&self, family: &[FilterGroup], counted: Counted, _key: u64) -> Option<Tensor<1>> {
        summed(family, counted, |rows| {
            squared_deviation(rows.clone()) + squared_deviation(rows.transpose())
        })
    }
}
