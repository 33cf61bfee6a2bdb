//! The pass that collects unique filters.

use burn::nn::conv::Conv1d;
use burn::nn::{BatchNorm, Linear};
use burn::tensor::Tensor;
use cobasis::{Activation, Convolution, Filters, Pass, Place, Windows};

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

impl Pass for UniqueFilters {
    type Map = ();
    type Vector = ();

    fn conv(&mut self, at: &Place, conv: Convolution<'_>, (): ()) {
        let Filters::Stacked { own: Some(own), shared } = &conv.filters else { return };
        if let (Some(stage), false) = (at.index_in("stages"), shared.is_empty()) {
            self.stages.resize(self.stages.len().max(stage + 1), Vec::new());
            self.stages[stage].push(own.val());
        }
    }

    fn norm_add(&mut self, _: &Place, _: &BatchNorm, (): (), _: Option<()>, _: Activation) {}
    fn activate(&mut self, (): (), _: Activation) {}
    fn add(&mut self, (): (), (): ()) {}
    fn concat(&mut self, (): (), (): ()) {}
    fn max_pool(&mut self, _: Windows, (): ()) {}
    fn avg_pool(&mut self, _: Windows, (): ()) {}
    fn pad(&mut self, _: usize, _: usize, (): ()) {}
    fn attention(&mut self, _: &Place, _: &Conv1d, (): ()) {}
    fn global_average(&mut self, (): ()) {}
    fn linear(&mut self, _: &Place, _: &Linear, (): ()) {}
}
