//! Model files: the one module of the crate that reads and writes.
//!
//! A file says which model it holds, so that [`load`] needs nothing else, and [`open`] takes any of
//! them. Each function for paths has one for bytes beside it, for programs that embed a model or
//! have no file system.
//!
//! ```
//! use burn::tensor::Device;
//! use cobasis_zoo::{ModelConfig, files};
//!
//! let device = Device::flex();
//! let model = ModelConfig::new("digits/resnet14-s8u1".parse()?).init(&device);
//! let bytes = files::to_bytes(&model);
//! let same = files::from_bytes(&bytes, &device)?;
//! assert_eq!(same.state(), model.state());
//!
//! let path = std::env::temp_dir().join(format!("cobasis-{}.safetensors", std::process::id()));
//! files::save(&model, &path)?;
//! assert_eq!(files::load(&path, &device)?.config, model.config);
//! # std::fs::remove_file(path)?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Burn's own `save_file` and `load_file` work on a [`Model`] too and store each basis once, but
//! their files do not say which model they hold.

mod atomic;
mod error;
mod metadata;
mod pickle;
mod read;
mod write;

use std::path::Path;

use burn::tensor::Device;

use crate::config::ModelConfig;
use crate::deploy::{Deployed, DeployedConfig, FactorisedLayers};
use crate::model::Model;
use crate::pytorch_names::{counter, is_counter, pytorch_shapes};
use crate::state::StateError;
#[doc(hidden)]
pub use atomic::write_atomic;
pub use error::{FileError, FileProblem};
use metadata::{FORMAT, FORMAT_DEPLOYED, FORMAT_PYTORCH};
use read::{is_pytorch, starts_as_pytorch, tensors};
use write::{Entry, safetensors};

/// A model out of a file of any kind.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "there is one of it")]
#[non_exhaustive]
pub enum Opened {
    /// As it was trained.
    Trained(Model),
    /// Folded for use.
    Deployed(Deployed),
}

impl Opened {
    /// What the model was made from.
    pub fn config(&self) -> &ModelConfig {
        match self {
            Opened::Trained(model) => &model.config,
            Opened::Deployed(deployed) => &deployed.config.model,
        }
    }
}

/// What is in a file, by its bytes.
enum Contents {
    /// A PyTorch checkpoint, which pickles are read from.
    Checkpoint,
    /// Safetensors.
    Safetensors(Vec<u8>),
}

/// Writes a model to a safetensors file that says which model it is.
///
/// A basis is stored once. The file is there whole or not at all, and equal models give equal
/// files.
///
/// # Errors
///
/// If the file can't be written.
pub fn save(model: &Model, path: impl AsRef<Path>) -> Result<(), FileError> {
    write(path.as_ref(), &to_bytes(model))
}

/// The bytes of the file that [`save`] writes.
pub fn to_bytes(model: &Model) -> Vec<u8> {
    let state = model.state().into_iter();
    let entries = state.map(|(name, data)| Entry::numbers(name, &data));
    safetensors(&metadata::written(&model.config, &[("format", FORMAT)]), entries)
}

/// Writes a deployed model to a safetensors file that says which model it computes.
///
/// A basis that layers still use is stored once. The file is there whole or not at all.
///
/// # Errors
///
/// If the file can't be written.
pub fn save_deployed(model: &Deployed, path: impl AsRef<Path>) -> Result<(), FileError> {
    write(path.as_ref(), &deployed_to_bytes(model))
}

/// The bytes of the file that [`save_deployed`] writes.
///
/// ```
/// use burn::tensor::Device;
/// use cobasis_zoo::{ModelConfig, files};
///
/// let device = Device::flex();
/// let model = ModelConfig::new("digits/resnet14-s8u1".parse()?).init(&device);
/// let deployed = model.deploy(&device);
/// let bytes = files::deployed_to_bytes(&deployed);
/// assert_eq!(files::deployed_from_bytes(&bytes, &device)?.state(), deployed.state());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn deployed_to_bytes(model: &Deployed) -> Vec<u8> {
    let state = model.state().into_iter();
    let entries = state.map(|(name, data)| Entry::numbers(name, &data));
    let DeployedConfig { model, factorised } = &model.config;
    let form = [("format", FORMAT_DEPLOYED), ("factorised", factorised.name())];
    safetensors(&metadata::written(model, &form), entries)
}

/// Writes a model to a safetensors file with the names and shapes of the authors' PyTorch code.
///
/// Their networks load it strictly: it repeats a basis as their checkpoints do and has a counter of
/// batches (`num_batches_tracked`), at zero, for every batch norm. It says which model it is, is
/// there whole or not at all, and equal models give equal files.
///
/// # Errors
///
/// If the authors' code has no such model, or if the file can't be written.
pub fn save_pytorch(model: &Model, path: impl AsRef<Path>) -> Result<(), FileError> {
    let path = path.as_ref();
    let bytes = pytorch_to_bytes(model).map_err(|problem| FileError::new(path, problem))?;
    write(path, &bytes)
}

/// The bytes of the file that [`save_pytorch`] writes.
///
/// # Errors
///
/// If the authors' code has no such model.
pub fn pytorch_to_bytes(model: &Model) -> Result<Vec<u8>, FileProblem> {
    let state = model.pytorch_state().map_err(|problem| wrong(&model.config, problem))?;
    let counters: Vec<Entry> =
        state.keys().filter_map(|name| counter(name)).map(Entry::counter).collect();
    let numbers = state.into_iter().map(|(name, data)| Entry::numbers(name, &data));
    let metadata = metadata::written(&model.config, &[("format", FORMAT_PYTORCH)]);
    Ok(safetensors(&metadata, counters.into_iter().chain(numbers)))
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    write_atomic(path, bytes).map_err(|error| FileError::new(path, error))
}

/// Reads a model file of any kind: ours, deployed or not, which say what they hold, and others with
/// the tensors of the authors' PyTorch code or of torchvision, for which a configuration must be
/// given. A configuration that is given for one of ours must be of the same name.
///
/// ```
/// use burn::tensor::Device;
/// use cobasis_zoo::files::{self, Opened};
/// use cobasis_zoo::ModelConfig;
///
/// let device = Device::flex();
/// let model = ModelConfig::new("digits/resnet14".parse()?).init(&device);
/// let path = std::env::temp_dir().join(format!("cobasis-open-{}", std::process::id()));
/// files::save_deployed(&model.deploy(&device), &path)?;
/// assert!(matches!(files::open(&path, None, &device)?, Opened::Deployed(_)));
/// # std::fs::remove_file(path)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// If the file can't be read, is damaged, does not hold the tensors of its model or is of another
/// model; [`FileProblem::Unnamed`] if it does not say which model it holds and no configuration is
/// given.
pub fn open(
    path: impl AsRef<Path>,
    config: Option<&ModelConfig>,
    device: &Device,
) -> Result<Opened, FileError> {
    let path = path.as_ref();
    let opened = contents(path).and_then(|contents| match contents {
        Contents::Checkpoint => {
            let config = config.ok_or(FileProblem::Unnamed)?;
            read_checkpoint(path, config, device).map(Opened::Trained)
        }
        Contents::Safetensors(bytes) => open_safetensors(&bytes, config, device),
    });
    opened.map_err(|problem| FileError::new(path, problem))
}

/// [`open`] for the bytes of a file, which must be safetensors.
///
/// # Errors
///
/// As [`open`].
pub fn open_bytes(
    bytes: &[u8],
    config: Option<&ModelConfig>,
    device: &Device,
) -> Result<Opened, FileProblem> {
    match starts_as_pytorch(bytes) {
        true => Err(FileProblem::PickleBytes),
        false => open_safetensors(bytes, config, device),
    }
}

/// Reads a model that [`save`] or [`save_pytorch`] wrote.
///
/// # Errors
///
/// As [`open`], and if the file holds a deployed model. Where the problem is
/// [`FileProblem::Unnamed`], [`load_pytorch`] may read it.
pub fn load(path: impl AsRef<Path>, device: &Device) -> Result<Model, FileError> {
    let path = path.as_ref();
    let trained = open(path, None, device).map(trained)?;
    trained.map_err(|problem| FileError::new(path, problem))
}

/// [`load`] for the bytes of a file.
///
/// # Errors
///
/// As [`load`].
pub fn from_bytes(bytes: &[u8], device: &Device) -> Result<Model, FileProblem> {
    trained(open_bytes(bytes, None, device)?)
}

fn trained(opened: Opened) -> Result<Model, FileProblem> {
    match opened {
        Opened::Trained(model) => Ok(model),
        Opened::Deployed(_) => Err(FileProblem::Deployed),
    }
}

/// Reads a model that [`save_deployed`] wrote.
///
/// # Errors
///
/// As [`open`], and [`FileProblem::NotDeployed`] if it does not hold a deployed model; then [`load`]
/// may read it.
pub fn load_deployed(path: impl AsRef<Path>, device: &Device) -> Result<Deployed, FileError> {
    let path = path.as_ref();
    let deployed = contents(path).and_then(|contents| match contents {
        Contents::Checkpoint => Err(FileProblem::NotDeployed),
        Contents::Safetensors(bytes) => deployed_from_bytes(&bytes, device),
    });
    deployed.map_err(|problem| FileError::new(path, problem))
}

/// [`load_deployed`] for the bytes of a file.
///
/// # Errors
///
/// As [`load_deployed`].
pub fn deployed_from_bytes(bytes: &[u8], device: &Device) -> Result<Deployed, FileProblem> {
    let metadata = read::metadata(bytes)?;
    match metadata.get("format").map(String::as_str) {
        Some(FORMAT_DEPLOYED) => read_deployed(bytes, &metadata, device),
        _ => Err(FileProblem::NotDeployed),
    }
}

/// Reads a file with the tensors of the authors' PyTorch code or of torchvision as the given
/// model, in [the authors' form](ModelConfig::as_authors): a checkpoint (`.pth`) or a safetensors
/// file.
///
/// # Errors
///
/// If the file can't be read, is damaged, or does not hold the tensors of the model.
pub fn load_pytorch(
    path: impl AsRef<Path>,
    config: &ModelConfig,
    device: &Device,
) -> Result<Model, FileError> {
    let path = path.as_ref();
    let model = contents(path).and_then(|contents| match contents {
        Contents::Checkpoint => read_checkpoint(path, config, device),
        Contents::Safetensors(bytes) => pytorch_from_bytes(&bytes, config, device),
    });
    model.map_err(|problem| FileError::new(path, problem))
}

/// [`load_pytorch`] for the bytes of a safetensors file.
///
/// # Errors
///
/// As [`load_pytorch`].
pub fn pytorch_from_bytes(
    bytes: &[u8],
    config: &ModelConfig,
    device: &Device,
) -> Result<Model, FileProblem> {
    match starts_as_pytorch(bytes) {
        true => Err(FileProblem::PickleBytes),
        false => read_pytorch(bytes, &config.clone().as_authors(), device),
    }
}

fn contents(path: &Path) -> Result<Contents, FileProblem> {
    match is_pytorch(path)? {
        true => Ok(Contents::Checkpoint),
        false => Ok(Contents::Safetensors(read::bytes(path)?)),
    }
}

fn open_safetensors(
    bytes: &[u8],
    config: Option<&ModelConfig>,
    device: &Device,
) -> Result<Opened, FileProblem> {
    let metadata = read::metadata(bytes)?;
    let opened = match metadata.get("format").map(String::as_str) {
        Some(FORMAT) => {
            let config = metadata::read(&metadata)?;
            let state = tensors(bytes, &config.name, |_| false)?;
            let model = config.init_from(state, device);
            Opened::Trained(model.map_err(|problem| wrong(&config, problem))?)
        }
        Some(FORMAT_PYTORCH) => {
            Opened::Trained(read_pytorch(bytes, &metadata::read(&metadata)?, device)?)
        }
        Some(FORMAT_DEPLOYED) => Opened::Deployed(read_deployed(bytes, &metadata, device)?),
        _ => {
            let config = config.cloned().ok_or(FileProblem::Unnamed)?;
            return read_pytorch(bytes, &config.as_authors(), device).map(Opened::Trained);
        }
    };
    let got = &opened.config().name;
    match config {
        Some(ModelConfig { name, .. }) if name != got => {
            let [expected, got] = [name, got].map(|name| Box::new(name.clone()));
            Err(FileProblem::OtherModel { expected, got })
        }
        _ => Ok(opened),
    }
}

fn read_deployed(
    bytes: &[u8],
    metadata: &std::collections::HashMap<String, String>,
    device: &Device,
) -> Result<Deployed, FileProblem> {
    let name = metadata.get("factorised").ok_or(FileProblem::Metadata("factorised"))?;
    let factorised = FactorisedLayers::ALL.into_iter().find(|form| form.name() == name);
    let factorised = factorised.ok_or_else(|| FileProblem::Factorised(name.clone()))?;
    let config = DeployedConfig { model: metadata::read(metadata)?, factorised };
    let state = tensors(bytes, &config.model.name, |_| false)?;
    config.init_from(state, device).map_err(|problem| wrong(&config.model, problem))
}

fn read_checkpoint(
    path: &Path,
    config: &ModelConfig,
    device: &Device,
) -> Result<Model, FileProblem> {
    let config = config.clone().as_authors();
    let shapes = pytorch_shapes(&config, device).map_err(|problem| wrong(&config, problem))?;
    let tensors = pickle::read(path, &config.name, &shapes)?;
    config.init_from_pytorch(tensors, device).map_err(|problem| wrong(&config, problem))
}

fn read_pytorch(bytes: &[u8], config: &ModelConfig, device: &Device) -> Result<Model, FileProblem> {
    let state = tensors(bytes, &config.name, is_counter)?;
    config.init_from_pytorch(state, device).map_err(|problem| wrong(config, problem))
}

fn wrong(config: &ModelConfig, problem: StateError) -> FileProblem {
    FileProblem::State { model: Box::new(config.name.clone()), problem }
}
