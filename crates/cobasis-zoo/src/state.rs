//! The tensors of a model by name, in and out.

use std::collections::{BTreeMap, HashMap};

use burn::module::{Flag, Module, ModuleMapper, ModuleVisitor, Param, ParamId};
use burn::tensor::{Tensor, TensorData};

use crate::short::{quoted, shape, shortened};

/// The tensors of a model by their path in the module tree, `stages.0.bases.0.weight`: trainable
/// parameters and running statistics.
pub type State = BTreeMap<String, TensorData>;

/// A tensor of a model, without its values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorInfo {
    /// Its path in the module tree.
    pub path: String,
    /// Its shape.
    pub shape: Vec<usize>,
    /// Burn's identity of the parameter, by which gradients are kept.
    pub id: ParamId,
}

/// Why tensors do not make up a model.
///
/// The names are those of the file that was read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// A tensor of the model is not there.
    #[error("tensor {} is missing", quoted(.name))]
    Missing {
        /// Its name.
        name: String,
    },
    /// There is a tensor that the model does not have.
    #[error("tensor {} does not belong to the model", quoted(.name))]
    Extra {
        /// Its name.
        name: String,
    },
    /// A tensor has another shape than the model's.
    #[error("tensor {}: expected shape {expected:?}, got {}", quoted(.name), shape(.got))]
    Shape {
        /// Its name.
        name: String,
        /// The model's shape.
        expected: Vec<usize>,
        /// The shape that was read.
        got: Vec<usize>,
    },
    /// A tensor's numbers are of a type that the model is not made of.
    #[error(
        "tensor {}: expected floating point numbers of 16, 32 or 64 bits, got {}",
        quoted(.name), shortened(.got)
    )]
    DType {
        /// Its name.
        name: String,
        /// The type that was read.
        got: String,
    },
    /// The authors' PyTorch code has no network with such a tensor.
    #[error("tensor {name:?} has no name in the authors' PyTorch code")]
    NoPyTorchName {
        /// Its name in our files.
        name: String,
    },
    /// The authors' PyTorch code has no network of this sharing method.
    #[error("the authors' PyTorch code has no model {model}")]
    NoPyTorchNames {
        /// The model's name.
        model: String,
    },
    /// Copies of one shared basis differ.
    #[error(
        "tensors {} and {} are copies of one basis and must be equal", quoted(.first), quoted(.second)
    )]
    Disagree {
        /// One copy.
        first: String,
        /// A copy with other values.
        second: String,
    },
}

/// All tensors of a module by their paths, in files' names.
pub(crate) fn read<M: Module>(module: &M, name: impl Fn(String) -> String) -> State {
    // Only validation copies take in pending updates of running statistics.
    let mut reader = Reader::default();
    module.valid().visit(&mut reader);
    reader.state.into_iter().map(|(path, data)| (name(path), data)).collect()
}

/// All tensors of a module, in the order of the module tree, without reading any.
pub(crate) fn tensors<M: Module>(module: &M, name: impl Fn(String) -> String) -> Vec<TensorInfo> {
    let mut lister = Lister::default();
    module.visit(&mut lister);
    let tensors = lister.tensors.into_iter();
    tensors.map(|tensor| TensorInfo { path: name(tensor.path), ..tensor }).collect()
}

/// The names and identities of all that a module owns: its tensors, and the flags that say whether a
/// layer is in training.
pub(crate) fn values<M: Module>(
    module: &M,
    name: impl Fn(String) -> String,
) -> Vec<(String, ParamId)> {
    let mut lister = Lister::default();
    module.visit(&mut lister);
    let tensors = lister.tensors.into_iter().map(|tensor| (tensor.path, tensor.id));
    let flags = lister.flags.into_iter().map(|flag| (flag.path, flag.id));
    tensors.chain(flags).map(|(path, id)| (name(path), id)).collect()
}

/// A flag that says whether a layer is in training.
pub(crate) struct FlagInfo {
    /// Its path, below that of its layer.
    pub(crate) path: String,
    pub(crate) id: ParamId,
    pub(crate) is_enabled: bool,
}

/// The flags of a module.
pub(crate) fn flags<M: Module>(module: &M, name: impl Fn(String) -> String) -> Vec<FlagInfo> {
    let mut lister = Lister::default();
    module.visit(&mut lister);
    lister.flags.into_iter().map(|flag| FlagInfo { path: name(flag.path), ..flag }).collect()
}

/// The module with its tensors replaced by those of a state, which has files' names.
///
/// # Errors
///
/// If a tensor is missing, not the module's, or of another shape.
pub(crate) fn write<M: Module>(
    module: M,
    mut state: State,
    name: impl Fn(String) -> String,
) -> Result<M, StateError> {
    let mut values = HashMap::new();
    for TensorInfo { path: name, shape: expected, id } in tensors(&module, name) {
        let Some(data) = state.remove(&name) else {
            return Err(StateError::Missing { name });
        };
        let got = data.shape().to_vec();
        if got != expected {
            return Err(StateError::Shape { name, expected, got });
        }
        values.insert(id, data);
    }
    match state.into_keys().next() {
        Some(name) => Err(StateError::Extra { name }),
        None => Ok(replace(module, values)),
    }
}

/// The module with other values of some of its tensors, which have the tensors' shapes.
pub(crate) fn replace<M: Module>(module: M, values: HashMap<ParamId, TensorData>) -> M {
    module.map(&mut Replacer { values })
}

/// The way through the module tree to the current parameter.
#[derive(Default)]
struct Path {
    names: Vec<String>,
}

impl Path {
    fn enter(&mut self, name: &str, container_type: &str) {
        // The variant of an enum says how a module is made, not where it is.
        let name = if container_type.starts_with("Enum:") { "" } else { name };
        self.names.push(name.to_string());
    }

    fn exit(&mut self) {
        self.names.pop();
    }

    fn name(&self) -> String {
        let names: Vec<&str> =
            self.names.iter().map(String::as_str).filter(|name| !name.is_empty()).collect();
        names.join(".")
    }
}

#[derive(Default)]
struct Reader {
    path: Path,
    state: State,
}

impl ModuleVisitor for Reader {
    fn enter_module(&mut self, name: &str, container_type: &str) {
        self.path.enter(name, container_type);
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.exit();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.state.insert(self.path.name(), param.val().into_data());
    }
}

#[derive(Default)]
struct Lister {
    path: Path,
    tensors: Vec<TensorInfo>,
    flags: Vec<FlagInfo>,
}

impl ModuleVisitor for Lister {
    fn enter_module(&mut self, name: &str, container_type: &str) {
        self.path.enter(name, container_type);
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.exit();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let (path, shape) = (self.path.name(), param.lazy_shape().to_vec());
        let id = param.id;
        self.tensors.push(TensorInfo { path, shape, id });
    }

    fn visit_flag(&mut self, flag: &Param<Flag>) {
        let is_enabled = flag.val().is_enabled();
        self.flags.push(FlagInfo { path: self.path.name(), id: flag.id, is_enabled });
    }
}

struct Replacer {
    values: HashMap<ParamId, TensorData>,
}

impl ModuleMapper for Replacer {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        match self.values.remove(&param.id) {
            Some(data) => param.map(|old| {
                let new = Tensor::from_data(data, &old.device());
                new.set_require_grad(old.is_require_grad())
            }),
            None => param,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Model, ModelConfig};
    use burn::tensor::Device;

    fn model(seed: u64) -> Model {
        let name = "digits/resnet14-s4u1".parse().expect("a name");
        ModelConfig::new(name).with_seed(seed).init(&Device::flex())
    }

    #[test]
    fn a_state_moves_a_model_into_another() {
        let source = model(1);
        let copy = model(2).config.init_from(source.state(), &Device::flex());
        assert_eq!(copy.expect("the same tensors").state(), source.state());
    }

    #[test]
    fn names_are_paths_without_variants_and_bases_stand_once() {
        let names = model(1).tensors().into_iter().map(|tensor| tensor.path);
        let names: Vec<String> = names.collect();
        for name in [
            "stem.conv.weight",
            "stages.1.bases.0.weight",
            "stages.1.blocks.0.conv1.weight",
            "stages.1.blocks.1.conv1.unique",
            "stages.1.blocks.1.conv2.coefficients.weight",
            "stages.1.blocks.1.conv2.norm.running_var",
            "head.bias",
        ] {
            assert!(names.contains(&name.to_string()), "{name} in {names:?}");
        }
        assert_eq!(names.iter().filter(|name| name.contains("bases")).count(), 3);
    }

    #[test]
    fn faults_name_the_tensor() {
        let fault = |change: fn(&mut State)| {
            let mut state = model(1).state();
            change(&mut state);
            let model = model(1).config.init_from(state, &Device::flex());
            model.map(|_| ()).expect_err("a fault").to_string()
        };
        let missing = fault(|state| drop(state.remove("head.bias")));
        assert_eq!(missing, "tensor \"head.bias\" is missing");
        let extra = fault(|state| {
            state.insert("head.scale".to_string(), TensorData::new(vec![1.0f32], [1]));
        });
        assert_eq!(extra, "tensor \"head.scale\" does not belong to the model");
        let shape = fault(|state| {
            state.insert("head.bias".to_string(), TensorData::new(vec![1.0f32; 3], [3]));
        });
        assert_eq!(shape, "tensor \"head.bias\": expected shape [10], got [3]");
    }
}
