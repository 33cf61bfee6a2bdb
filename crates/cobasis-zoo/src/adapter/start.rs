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

/// The adapter with the numbers of a model's batch norms, unique filters and biases in the task's.
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
        match (self.adapter.layer(at), Unique::of(conv), conv.bias) {
            (Some(LayerAdapter::Unique(task)), Some(base), _) => {
                self.values.insert(task.unique.id, base.val().into_data());
            }
            (Some(LayerAdapter::Film(task)), _, Some(base)) => {
                self.values.insert(task.shift.id, base.val().into_data());
            }
            _ => {}
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
