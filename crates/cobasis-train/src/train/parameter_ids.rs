//! Burn's identities of parameters, by which an optimizer keeps its state: random in every process,
//! so a checkpoint brings them back.

use std::collections::BTreeMap;

use burn::module::{Module, ModuleMapper, Param, ParamId};
use burn::tensor::Tensor;
use cobasis_zoo::Model;

/// The identity of every tensor of a model by its path.
pub(crate) fn parameter_ids(model: &Model) -> BTreeMap<String, u64> {
    model.tensors().into_iter().map(|tensor| (tensor.path, tensor.id.val())).collect()
}

/// The model with the given identities; `None` unless every tensor of it gets one.
pub(crate) fn with_parameter_ids(model: Model, ids: &BTreeMap<String, u64>) -> Option<Model> {
    let tensors = model.tensors();
    let new =
        tensors.iter().map(|tensor| Some((tensor.id, ParamId::from(*ids.get(&tensor.path)?))));
    let mut renamer = Renamer { new: new.collect::<Option<_>>()? };
    Some(model.map(&mut renamer))
}

struct Renamer {
    new: BTreeMap<ParamId, ParamId>,
}

impl ModuleMapper for Renamer {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let (id, tensor, mapper) = param.consume();
        Param::from_mapped_value(self.new.get(&id).copied().unwrap_or(id), tensor, mapper)
    }
}
