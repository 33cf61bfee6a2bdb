//! Mutual coherence.

use burn::tensor::Tensor;

use super::{Counted, FilterGroup, Formula, deviation, summed};

/// `max |D|` over the entries of `D = B Bᵀ − I`, summed over stages.
///
/// The slope is that at the largest entry, `±(bⱼ, bᵢ)` for the filters `i` and `j`; of several that
/// are equally large, the first counts. Source: Bansal, Chen and Wang, *Can We Gain More from
/// Orthogonality Regularizations in Training Deep Networks?*, NeurIPS 2018, whose infinity norm this
/// takes entry by entry.
pub(super) struct Mc;

impl Formula for Mc {
    fn of_family(&self, family: &[FilterGroup], counted: Counted, _key: u64) -> Option<Tensor<1>> {
        summed(family, counted, |rows| deviation(rows).abs().max())
    }
}
