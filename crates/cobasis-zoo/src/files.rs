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
//! A [task](crate::adapter) on a frozen base has a file of its own, [`save_task`], which [`open_task`] opens with
//! the base.
//!
//! Burn's own `save_file` and `load_file` work on a [`Model`] too and store each basis once, but
//! their files do not say which model they hold.

mod atomic;
mod error;
mod faults;
mod foreign;
mod load;
mod metadata;
mod notes;
mod numbers;
mod open;
mod packed;
mod pickle;
mod read;
mod task;
#[cfg(test)]
mod tests;
mod weights;
mod write;

use std::cmp::Reverse;
use std::path::Path;

use cobasis_run::plan::KEY as PLAN;
use cobasis_run::weights::KEY as WEIGHTS;

use crate::config::ModelConfig;
use crate::deploy::{Deployed, DeployedConfig, Weights};
use crate::model::Model;
use crate::pytorch_names::counter;
use crate::state::StateError;
#[doc(hidden)]
pub use atomic::{can_write, write_atomic};
pub use error::{FileError, FileProblem};
pub use faults::FaultyTensor;
pub use load::{
    deployed_from_bytes, from_bytes, load, load_deployed, load_pytorch, open, open_bytes,
    pytorch_from_bytes,
};
use metadata::{FORMAT, FORMAT_DEPLOYED, FORMAT_PYTORCH};
pub use notes::Notes;
pub use open::{OpenOptions, Opened};
use packed::packed;
use task::is_a_task;
pub use task::{open_task, save_task, sha256, task_from_bytes, task_to_bytes};
use write::{Entry, safetensors};

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
/// A basis that layers still use is stored once. Weights have the [form](Deployed::with_weights) that the model
/// has them in. The file is there whole or not at all.
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
    let plan = model.plan().map(|plan| plan.to_json());
    let weights = model.weights();
    let DeployedConfig { model: config, factorised, composed, inner_filters } = &model.config;
    let mut form = vec![
        ("format", FORMAT_DEPLOYED),
        ("factorised", factorised.name()),
        (WEIGHTS, weights.name()),
    ];
    if let (Some(plan), false) = (&plan, weights == Weights::Int8) {
        form.push((PLAN, plan));
    }
    let counts: Vec<String> = inner_filters.iter().map(usize::to_string).collect();
    let counts = counts.join(",");
    if !counts.is_empty() {
        form.push(("inner_filters", &counts));
    }
    let composed: String =
        composed.iter().map(|composed| if *composed { '1' } else { '0' }).collect();
    if !composed.is_empty() {
        form.push(("composed", &composed));
    }
    let metadata = metadata::written(config, &form);
    let stored = model.stored();
    let mut entries = match weights {
        Weights::Int8 => packed(stored, plan),
        _ => stored.into_iter().map(|(name, tensor)| Entry::stored(name, tensor)).collect(),
    };
    // Numbers of many bytes are aligned if they come first.
    entries.sort_by_key(|entry| Reverse(entry.width()));
    safetensors(&metadata, entries)
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

fn wrong(config: &ModelConfig, problem: StateError) -> FileProblem {
    FileProblem::State { model: Box::new(config.name.clone()), problem }
}
