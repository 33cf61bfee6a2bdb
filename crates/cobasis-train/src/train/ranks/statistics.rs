//! Running statistics of batch norms, which one rank has and all need.

use std::collections::BTreeSet;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param, ParamId};
use burn::tensor::{Tensor, TensorData};
use cobasis_zoo::Model;

use crate::tensors::host;

/// The running statistics of a model one after the other, in the order of the module tree.
pub(crate) fn statistics(model: &Model) -> Vec<f32> {
    // What was learnt of the last batch is taken in.
    let model = model.valid();
    let mut found = Found { which: which(&model), values: Vec::new() };
    model.visit(&mut found);
    found.values
}

/// The model with these in the place of its own. They are of the same kind of model, or some stay as they are.
pub(crate) fn with_statistics(model: &Model, values: &[f32]) -> Model {
    // A model of its own, which nothing learnt before comes back to.
    let model = model.valid().train();
    model.clone().map(&mut Put { which: which(&model), values })
}

fn which(model: &Model) -> BTreeSet<ParamId> {
    let is_running = |path: &str| path.ends_with(".running_mean") || path.ends_with(".running_var");
    let tensors = model.tensors().into_iter().filter(|tensor| is_running(&tensor.path));
    tensors.map(|tensor| tensor.id).collect()
}

struct Found {
    which: BTreeSet<ParamId>,
    values: Vec<f32>,
}

impl ModuleVisitor for Found {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if self.which.contains(&param.id) {
            self.values.extend(host(param.val()));
        }
    }
}

struct Put<'a> {
    which: BTreeSet<ParamId>,
    values: &'a [f32],
}

impl ModuleMapper for Put<'_> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        if !self.which.contains(&param.id) {
            return param;
        }
        let shape = param.shape();
        let Some((own, rest)) = self.values.split_at_checked(shape.num_elements()) else {
            return param;
        };
        self.values = rest;
        let data = TensorData::new(own.to_vec(), shape);
        param.map(|before| Tensor::from_data(data, &before.device()))
    }
}
