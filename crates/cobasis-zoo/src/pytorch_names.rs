//! The authors' PyTorch names: `layer1.1.basis_conv1.weight` for
//! `stages.0.blocks.1.conv1.unique`.
//!
//! Their modules register a basis once in the network and again in every block that uses it, so
//! their checkpoints repeat it: `shared_basis_1.weight`, `layer1.1.shared_basis.weight`, …, and
//! with two bases a stage `shared_basis_1_1.weight`, `layer1.1.shared_basis_1.weight`, …. In
//! MobileNetV2s the copies are `stage3.1.shared_basis1.weight`, ….

mod densenet;
mod mobilenet;
mod naming;
mod resnet;
mod resnext;
#[cfg(test)]
mod tests;
mod torchvision;

use std::collections::BTreeMap;

use burn::tensor::{Device, TensorData};

use crate::config::ModelConfig;
use crate::model::Model;
use crate::sharing::{Blocks, Sharing};
use crate::spec::{Architecture, BlockKind, MobileNetV2Spec, Norms, Variant};
use crate::state::{State, StateError, TensorInfo};
pub(crate) use naming::{Naming, counter, is_counter, is_weight};

/// A tensor of a model in the naming and layout of the authors' PyTorch code.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PyTorchTensor {
    /// Its path in our module tree.
    pub path: String,
    /// The authors' name.
    pub name: String,
    /// The shape in PyTorch, where a linear layer's weight is `[outputs, inputs]`, or
    /// `[outputs, inputs, 1, 1]` if the authors write it as a convolution.
    pub shape: Vec<usize>,
    /// The copies of a shared basis in the blocks that use it, by the authors' names.
    pub copies: Vec<String>,
    transposed: bool,
    /// Other names that the copies may have.
    aliases: Vec<String>,
}

impl PyTorchTensor {
    /// Its name and those of its copies.
    fn names(&self) -> impl Iterator<Item = &String> {
        std::iter::once(&self.name).chain(&self.copies)
    }

    /// The names that it may have in a file.
    fn accepted_names(&self) -> impl Iterator<Item = &String> {
        self.names().chain(&self.aliases)
    }
}

/// The tensors of a model as the authors' PyTorch code names them, in the order of
/// [`Model::tensors`].
///
/// ```
/// use burn::tensor::Device;
/// use cobasis_zoo::{ModelConfig, pytorch};
///
/// let config = ModelConfig::new("cifar10/resnet20-s8u1".parse()?);
/// let tensors = pytorch::tensors(&config, &Device::flex())?;
/// assert_eq!((&*tensors[0].path, &*tensors[0].name), ("stem.conv.weight", "conv1.weight"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// If their code has no such network: a sharing method that is not theirs may have tensors that they
/// have no names for.
pub fn pytorch_tensors(
    config: &ModelConfig,
    device: &Device,
) -> Result<Vec<PyTorchTensor>, StateError> {
    named(config, &config.skeleton(device).tensors())
}

/// These tensors of a model as the authors' code names them.
fn named(config: &ModelConfig, tensors: &[TensorInfo]) -> Result<Vec<PyTorchTensor>, StateError> {
    let theirs =
        |sharing: Sharing| sharing.is_the_authors() && config.name.blocks() == Blocks::AfterFirst;
    if !config.name.sharing().is_none_or(theirs) || config.detector.is_some() {
        return Err(StateError::NoPyTorchNames { model: config.name.to_string() });
    }
    let double = tensors.iter().any(|tensor| tensor.path.contains(".bases.1."));
    let architecture = &config.name.entry().architecture;
    tensors
        .iter()
        .map(|TensorInfo { path, shape, .. }| {
            let transposed = path == "head.weight";
            let mut shape = shape.clone();
            if transposed {
                shape.reverse();
                if let Architecture::MobileNetV2(MobileNetV2Spec::Small) = architecture {
                    shape.extend([1, 1]);
                }
            }
            let parts: Vec<&str> = path.split('.').collect();
            let copies = match (&parts[..], architecture) {
                (["stages", stage, "bases", basis, _], Architecture::ResNet(spec)) => {
                    resnet::copies(spec, stage, basis, double)
                }
                (["stages", stage, "bases", ..], Architecture::DenseNet(spec)) => {
                    densenet::copies(spec, stage)
                }
                (["stages", stage, "bases", basis, _], Architecture::MobileNetV2(_)) => {
                    mobilenet::copies(tensors, stage, basis)
                }
                _ => Vec::new(),
            };
            let name = match architecture {
                Architecture::ResNet(spec) if spec.block == BlockKind::ResNeXt => {
                    resnext::name(&parts, config.name.sharing().is_some())
                }
                Architecture::ResNet(_) => resnet::name(&parts, double),
                Architecture::MobileNetV2(_) if config.variant == Variant::Torchvision => {
                    torchvision::name(&parts)
                }
                Architecture::MobileNetV2(spec) => mobilenet::name(&parts, double, *spec),
                Architecture::DenseNet(spec) => {
                    densenet::name(&parts, spec, config.name.sharing().is_some())
                }
            };
            // Their blocks that share one of two kinds of filters were made from those that share
            // both, where the basis has a number.
            let numbered = |copy: &String| copy.replace("shared_basis.", "shared_basis_1.");
            let aliases = copies.iter().map(numbered).filter(|alias| !copies.contains(alias));
            let aliases = aliases.collect();
            let name = name.ok_or_else(|| StateError::NoPyTorchName { name: path.clone() })?;
            Ok(PyTorchTensor { path: path.clone(), name, shape, copies, transposed, aliases })
        })
        .collect()
}

/// The shapes of all tensors and copies that a file of a model may have, by the authors' names.
pub(crate) fn pytorch_shapes(
    config: &ModelConfig,
    device: &Device,
) -> Result<BTreeMap<String, Vec<usize>>, StateError> {
    let mut shapes = BTreeMap::new();
    for config in std::iter::once(config).chain(&torchvision::variant_of(config)) {
        for tensor in pytorch_tensors(config, device)? {
            let names = tensor.accepted_names().cloned();
            shapes.extend(names.map(|name| (name, tensor.shape.clone())));
        }
    }
    Ok(shapes)
}

/// The counts of classes and of an image's channels that the tensors of a file have, whose shapes are
/// found by the authors' names.
pub(crate) fn sizes_in_file<'a>(
    config: &ModelConfig,
    device: &Device,
    shape: impl Fn(&str) -> Option<&'a [usize]>,
) -> Result<[Option<usize>; 2], StateError> {
    let (mut classes, mut channels) = (None, None);
    for config in std::iter::once(config).chain(&torchvision::variant_of(config)) {
        for tensor in pytorch_tensors(config, device)? {
            match (&*tensor.path, shape(&tensor.name)) {
                ("head.weight" | "head.bias", Some([outputs, ..])) => classes = Some(*outputs),
                ("stem.conv.weight" | "stem.weight", Some([_, inputs, ..])) => {
                    channels = Some(*inputs);
                }
                _ => {}
            }
        }
    }
    Ok([classes, channels])
}

fn norm_name(leaf: &str) -> &str {
    match leaf {
        "gamma" => "weight",
        "beta" => "bias",
        other => other,
    }
}

/// Our indices count from 0, the authors' from 1.
fn one_based(index: &str) -> usize {
    index.parse::<usize>().map_or(0, |index| index + 1)
}

impl ModelConfig {
    /// The model with the tensors of one of the authors' networks, by their names. For weights that
    /// were trained with their code, the configuration should be that of
    /// [their network](Self::as_authors).
    ///
    /// A basis may be there under its own name, under the names of the blocks that use it, or both;
    /// all copies must be equal, and it is loaded once. Counters of batches
    /// (`num_batches_tracked`) are ignored, and so is what stands before every name: `module.` from
    /// parallel training, `_orig_mod.` from compilation. A file without the batch norms of blocks that share filters becomes a
    /// model [without](Self::norms) them. torchvision's names are understood too: `downsample` for `shortcut`,
    /// and those of its MobileNetV2, which becomes one of [its variant](Variant::Torchvision).
    ///
    /// # Errors
    ///
    /// If a tensor is missing, not the model's, of another shape, or copies of a basis differ.
    pub fn init_from_pytorch(
        &self,
        mut tensors: State,
        device: &Device,
    ) -> Result<Model, StateError> {
        let known = pytorch_shapes(self, device)?;
        let naming = Naming::of(tensors.keys().map(String::as_str), &known);
        let others = torchvision::variant_of(self);
        let is_theirs = || tensors.keys().any(|name| torchvision::is_one(&naming.in_authors(name)));
        let config = others.as_ref().filter(|_| is_theirs()).unwrap_or(self);
        // Their ablation takes batch norms out of the code, and out of its files.
        let has = |part: &str| tensors.keys().any(|name| name.contains(part));
        let ablated = self.name.can_be_without_norms() && has(".coeff_") && !has(".basis_bn");
        let config =
            &if ablated { config.clone().with_norms(Norms::LastOnly) } else { config.clone() };
        tensors.retain(|name, _| !is_counter(name));
        let mut state = State::new();
        for tensor in pytorch_tensors(config, device)? {
            let data = take(&mut tensors, &naming, &tensor)?;
            state.insert(tensor.path, if tensor.transposed { transposed(data) } else { data });
        }
        match tensors.into_keys().next() {
            Some(name) => Err(StateError::Extra { name }),
            None => config.init_from(state, device),
        }
    }
}

impl Model {
    /// The tensors as the authors' network has them, by their names: the inverse of
    /// [`ModelConfig::init_from_pytorch`], with every copy of a basis.
    ///
    /// # Errors
    ///
    /// If the authors' code has no such network.
    pub fn pytorch_state(&self) -> Result<State, StateError> {
        let mut state = self.state();
        let mut theirs = State::new();
        for tensor in named(&self.config, &self.tensors())? {
            if let Some(data) = state.remove(&tensor.path) {
                let data = if tensor.transposed { transposed(data) } else { data };
                theirs.extend(tensor.names().map(|name| (name.clone(), data.clone())));
            }
        }
        Ok(theirs)
    }
}

/// Takes a tensor and all its copies out of those that were read.
fn take(
    tensors: &mut State,
    naming: &Naming,
    tensor: &PyTorchTensor,
) -> Result<TensorData, StateError> {
    let mut found: Option<(String, TensorData)> = None;
    for name in tensor.accepted_names() {
        let name = naming.in_file(name);
        let Some(data) = tensors.remove(&name) else {
            continue;
        };
        let got = data.shape().to_vec();
        if got != tensor.shape {
            let expected = tensor.shape.clone();
            return Err(StateError::Shape { name, expected, got });
        }
        match &found {
            Some((first, value)) if *value != data => {
                let (first, second) = (first.clone(), name);
                return Err(StateError::Disagree { first, second });
            }
            Some(_) => {}
            None => found = Some((name, data)),
        }
    }
    match found {
        Some((_, data)) => Ok(data),
        None => Err(StateError::Missing { name: naming.in_file(&tensor.name) }),
    }
}

/// A matrix, or a 1×1 convolution, with rows and columns exchanged.
fn transposed(data: TensorData) -> TensorData {
    let (rows, cols) = (data.shape()[0], data.shape()[1]);
    let values: Vec<f32> = data.iter::<f32>().collect();
    let by_columns = (0..cols)
        .flat_map(|col| (0..rows).map(move |row| (row, col)))
        .map(|(row, col)| values[row * cols + col]);
    TensorData::new(by_columns.collect::<Vec<f32>>(), [cols, rows])
}
