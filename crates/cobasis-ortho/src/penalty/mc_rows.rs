//! Mutual coherence by rows.

use burn::tensor::Tensor;

use super::{Counted, FilterGroup, Formula, deviation, summed};

/// `maxᵢ Σⱼ |Dᵢⱼ|` of `D = B Bᵀ − I`, summed over stages: the infinity norm as an operator has it.
///
/// The slope is that of the row with the largest sum; of several, the first. Source: Bansal, Chen
/// and Wang, *Can We Gain More from Orthogonality Regularizations in Training Deep Networks?*,
/// NeurIPS 2018, whose `‖·‖_∞` may be read in this way, too.
pub(super) struct McRows;

impl Formula for McRows {
    fn of_family(&self, family: &[FilterGroup], counted: Counted, _key: u64) -> Option<Tensor<1>> {
        summed(family, counted, |rows| deviation(rows).abs().sum_dim(1).max())
    }
}
