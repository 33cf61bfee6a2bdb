//! What an adapter starts with that its base has.

use std::collections::HashMap;

use burn::module::ParamId;
use burn::nn::BatchNorm;
use burn::tensor::TensorData;
use cobasis::{Convolution, Place};

use super::Adapter;
use super::modulator::LayerAdapter;
use super::unique::Unique;
use crate::model::Model;
use crate::state;
use crate::visit::Visit;

/// The adapter with the numbers of a model's batch norms and unique filters in the task's.
pub(super) fn as_the_base(adapter: Adapter, base: &Model) -> Adapter {
    let mut copies = Copies { adapter: &adapter, values: HashMap::new() };
    base.visit_network(&mut copies);
    let Copies { values, .. } = copies;
    state::replace(adapter, values)
}

struct Copies<'a> {
    adapter: &'a Adapter,
    values: HashMap<ParamId, TensorData>,
}

impl Visit for Copies<'_> {
    fn conv(&mut self, at: &Place, conv: &Convolution<'_>) {
        let layer = self.adapter.layer(at);
        if let (Some(LayerAdapter::Unique(task)), Some(base)) = (layer, Unique::of(conv)) {
            self.values.insert(task.unique.id, base.val().into_data());
        }
    }

    fn norm(&mut self, at: &Place, norm: &BatchNorm) {
        let Some(task) = self.adapter.norm(at) else { return };
        let mut values = state::read(norm, |path| path);
        for tensor in state::tensors(task, |path| path) {
            let numbers = values.remove(&tensor.path);
            self.values.extend(numbers.map(|numbers| (tensor.id, numbers)));
        }
    }
}
