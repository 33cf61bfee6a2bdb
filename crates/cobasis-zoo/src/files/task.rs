//! Files that hold what is a task's alone, and name their base.

use std::path::Path;

use burn::tensor::Device;
use sha2::{Digest, Sha256};

use super::error::{FileError, FileProblem};
use super::faults::faulty;
use super::metadata::{self, FORMAT_TASK};
use super::notes::Notes;
use super::open::{Contents, contents};
use super::read::Safetensors;
use super::write::{Entry, safetensors};
use super::{to_bytes, write, wrong};
use crate::adapter::{AdapterConfig, AdapterKind};
use crate::config::ModelConfig;
use crate::model::Model;
use crate::state::StateError;

/// The SHA-256 of a model, in hexadecimal: what `sha256sum` says of the file that [`save`](super::save) writes.
pub fn sha256(model: &Model) -> String {
    Sha256::digest(to_bytes(model)).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Writes what is a task's alone, of an [adapted](crate::adapter) model: its adapter, its batch norms and its
/// classifier, with the SHA-256 of its base. Of `full`, that is all of the network.
///
/// The file is there whole or not at all, and equal tasks give equal files.
///
/// # Errors
///
/// If the model has no adapter, or if the file can't be written.
pub fn save_task(model: &Model, path: impl AsRef<Path>) -> Result<(), FileError> {
    let path = path.as_ref();
    let bytes = task_to_bytes(model).map_err(|problem| FileError::new(path, problem))?;
    write(path, &bytes)
}

/// The bytes of the file that [`save_task`] writes.
///
/// # Errors
///
/// If the model has no adapter.
pub fn task_to_bytes(model: &Model) -> Result<Vec<u8>, FileProblem> {
    let Some(adapter) = &model.config.adapter else {
        return Err(FileProblem::NoAdapter { model: Box::new(model.config.name.clone()) });
    };
    let state = model.state().into_iter();
    let of_task = state.filter(|(name, _)| is_of_task(adapter.kind, name));
    let entries = of_task.map(|(name, data)| Entry::numbers(name, &data));
    Ok(safetensors(&metadata::written(&model.config, &[("format", FORMAT_TASK)]), entries))
}

/// Reads a task that [`save_task`] wrote, on its base: the adapted model, on the base's device, and what there is to
/// say of the file.
///
/// # Errors
///
/// If the file can't be read, is damaged, holds no task or not the tensors of one, or is for another base;
/// [`FileProblem::OtherBase`] names both.
pub fn open_task(base: Model, path: impl AsRef<Path>) -> Result<(Model, Notes), FileError> {
    let path = path.as_ref();
    let opened = contents(path).and_then(|contents| match contents {
        Contents::Checkpoint(_) => Err(FileProblem::NotTask),
        Contents::Safetensors(bytes) => task_from_bytes(base, &bytes),
    });
    opened.map_err(|problem| FileError::new(path, problem))
}

/// [`open_task`] for the bytes of a file.
///
/// # Errors
///
/// As [`open_task`].
pub fn task_from_bytes(base: Model, bytes: &[u8]) -> Result<(Model, Notes), FileProblem> {
    if let Some(AdapterConfig { kind, .. }) = base.config.adapter {
        return Err(FileProblem::AdaptedBase(kind));
    }
    let file = Safetensors::read(bytes)?;
    if file.metadata("format") != Some(FORMAT_TASK) {
        return Err(FileProblem::NotTask);
    }
    let task = metadata::read(file.all_metadata())?;
    let adapter = task.adapter.clone().ok_or(FileProblem::Metadata("adapter"))?;
    let config = on_base(&base, task, &adapter)?;
    let device: Device = base.head.device();
    let given = file.state(&config)?;
    let notes = Notes { faulty: faulty(&given), ..Notes::default() };
    let mut state = base.state();
    // What the file has of its own stands in no base, so that nothing there can be put in the place of a base's.
    state.retain(|name, _| !is_of_task(adapter.kind, name));
    let of_base = given.keys().find(|name| !is_of_task(adapter.kind, name));
    if let Some(name) = of_base {
        return Err(wrong(&config, StateError::Extra { name: name.clone() }));
    }
    state.extend(given);
    let model = config.init_from(state, &device);
    Ok((model.map_err(|problem| wrong(&config, problem))?, notes))
}

/// The configuration of a task on a base, if the base is its own.
fn on_base(
    base: &Model,
    task: ModelConfig,
    adapter: &AdapterConfig,
) -> Result<ModelConfig, FileProblem> {
    let got = sha256(base);
    // A file may lie about either.
    let is_same = got == adapter.base_sha256
        && base.config.num_classes == adapter.base_classes
        && task.name == base.config.name
        && task.in_channels == base.config.in_channels
        && task.detector == base.config.detector;
    match is_same {
        true => Ok(ModelConfig {
            num_classes: task.num_classes,
            preparation: task.preparation,
            adapter: task.adapter,
            ..base.config.clone()
        }),
        false => Err(FileProblem::OtherBase {
            expected_model: Box::new(task.name),
            expected: adapter.base_sha256.clone(),
            got_model: Box::new(base.config.name.clone()),
            got,
        }),
    }
}

/// Why a file with a task can't be opened alone.
pub(super) fn is_a_task(file: &Safetensors) -> FileProblem {
    match metadata::read(file.all_metadata()) {
        Ok(ModelConfig { name, adapter: Some(AdapterConfig { base_sha256, .. }), .. }) => {
            FileProblem::Task { model: Box::new(name), base_sha256 }
        }
        Ok(_) => FileProblem::Metadata("adapter"),
        Err(problem) => problem,
    }
}

/// Whether a tensor is the task's, by its name in files.
fn is_of_task(kind: AdapterKind, name: &str) -> bool {
    kind == AdapterKind::Full || name.starts_with("adapter.") || name.starts_with("head.")
}
