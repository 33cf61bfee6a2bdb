//! Collecting unique filters.

use burn::tensor::Tensor;
use cobasis::{Convolution, Filters, Place};

use crate::visit::Visit;

/// Collects the filters that layers have beside shared ones, stage by stage: those that act on the
/// same channels, and so can be compared with them.
#[derive(Default)]
pub(crate) struct UniqueFilters {
    stages: Vec<Vec<Tensor<4>>>,
}

impl UniqueFilters {
    /// Those of a stage, one tensor a layer.
    pub(crate) fn of_stage(&self, stage: usize) -> Vec<Tensor<4>> {
        self.stages.get(stage).cloned().unwrap_or_default()
    }
}

impl Visit for UniqueFilters {
    fn conv(&mut self, at: &Place, conv: &Convolution<'_>) {
        let Filters::Stacked { own: Some(own), shared } = &conv.filters else { return };
        if let (Some(stage), false) = (at.index_in("stages"), shared.is_empty()) {
            self.stages.resize(self.stages.len().max(stage + 1), Vec::new());
            self.stages[stage].push(own.val());
        }
    }
}
