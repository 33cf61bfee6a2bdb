//! Collecting unique filters.

use std::collections::HashMap;

use burn::tensor::Tensor;
use cobasis::{Convolution, Filters, Place};

use crate::banks::Scope;
use crate::visit::Visit;

/// Collects the filters that layers have beside shared ones, stage by stage: those that act on the
/// same channels, and so can be compared with them.
#[derive(Default)]
pub(crate) struct UniqueFilters {
    by_scope: HashMap<Scope, Vec<Tensor<4>>>,
}

impl UniqueFilters {
    /// Those of a stage or of the head, one tensor a layer.
    pub(crate) fn of(&self, scope: Scope) -> Vec<Tensor<4>> {
        self.by_scope.get(&scope).cloned().unwrap_or_default()
    }
}

impl Visit for UniqueFilters {
    fn conv(&mut self, at: &Place, conv: &Convolution<'_>) {
        let Filters::Stacked { own: Some(own), shared } = &conv.filters else { return };
        let scope = match at.index_in("stages") {
            Some(stage) => Scope::Stage(stage),
            None => Scope::Head,
        };
        if !shared.is_empty() {
            self.by_scope.entry(scope).or_default().push(own.val());
        }
    }
}
