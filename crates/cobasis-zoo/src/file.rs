//! Model files: the one module of the crate that reads and writes.

mod error;
mod read;
mod write;

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use burn::tensor::Device;

use crate::authors::{authors_shapes, counter, is_counter};
use crate::deploy::{Deployed, DeployedConfig};
use crate::graph::FactorisedLayers;
use crate::model::{Model, ModelConfig, Variant};
use crate::name::ModelName;
use crate::pickle;
use crate::preparation::Preparation;
use crate::state::StateError;
pub use error::{FileError, FileProblem};
pub(crate) use read::f32_data;
use read::{is_pytorch, metadata, tensors};
pub use write::write_atomic;
use write::{Entry, to_bytes};

/// The version of our files' metadata.
const FORMAT: &str = "cobasis-1";
/// The same where tensors have the authors' names.
const FORMAT_AUTHORS: &str = "cobasis-pytorch-1";
/// The same where a model is folded for use.
const FORMAT_DEPLOYED: &str = "cobasis-deployed-1";
/// What our files' metadata call the authors' variant; files of the other say nothing.
const AUTHORS: &str = "authors";
/// What they call torchvision's.
const TORCHVISION: &str = "torchvision";
/// What they say of batch norms that are not there; of those that are, they say nothing.
const WITHOUT: &str = "false";

/// Writes a model to a safetensors file that says which model it is.
///
/// A basis is stored once. The file is there whole or not at all, and equal models give equal
/// files.
///
/// # Errors
///
/// If the file can't be written.
pub fn save(model: &Model, path: &Path) -> Result<(), FileError> {
    let state = model.state().into_iter();
    let entries = state.map(|(name, data)| Entry::numbers(name, &data));
    write_model(path, &model.config, &[("format", FORMAT)], entries)
}

/// Writes a deployed model to a safetensors file that says which model it computes.
///
/// A basis that layers still use is stored once. The file is there whole or not at all.
///
/// # Errors
///
/// If the file can't be written.
pub fn save_deployed(model: &Deployed, path: &Path) -> Result<(), FileError> {
    let state = model.state().into_iter();
    let entries = state.map(|(name, data)| Entry::numbers(name, &data));
    let DeployedConfig { model, factorised } = &model.config;
    let form = [("format", FORMAT_DEPLOYED), ("factorised", factorised.name())];
    write_model(path, model, &form, entries)
}

/// Writes a model to a safetensors file with the names and shapes of the authors' PyTorch code.
///
/// Their networks load it strictly: it repeats a basis as their checkpoints do and has a counter of
/// batches (`num_batches_tracked`), at zero, for every batch norm. It says which model it is, is
/// there whole or not at all, and equal models give equal files.
///
/// # Errors
///
/// If the file can't be written.
pub fn save_authors(model: &Model, path: &Path) -> Result<(), FileError> {
    let state = model.authors_state();
    let counters: Vec<Entry> =
        state.keys().filter_map(|name| counter(name)).map(Entry::counter).collect();
    let numbers = state.into_iter().map(|(name, data)| Entry::numbers(name, &data));
    let form = [("format", FORMAT_AUTHORS)];
    write_model(path, &model.config, &form, counters.into_iter().chain(numbers))
}

fn write_model(
    path: &Path,
    config: &ModelConfig,
    form: &[(&'static str, &str)],
    entries: impl Iterator<Item = Entry>,
) -> Result<(), FileError> {
    let mut metadata: Vec<(&str, String)> =
        form.iter().map(|&(key, value)| (key, value.to_string())).collect();
    metadata.extend([
        ("model", config.name.to_string()),
        ("num_classes", config.num_classes.to_string()),
        ("in_channels", config.in_channels.to_string()),
    ]);
    match config.variant {
        Variant::Corrected => {}
        Variant::Authors => metadata.push(("variant", AUTHORS.to_string())),
        Variant::Torchvision => metadata.push(("variant", TORCHVISION.to_string())),
    }
    if !config.norms {
        metadata.push(("norms", WITHOUT.to_string()));
    }
    if let Some(preparation) = &config.preparation {
        // Only maps with keys that are no strings fail.
        metadata.push(("images", serde_json::to_string(preparation).unwrap_or_default()));
    }
    write_atomic(path, &to_bytes(&metadata, entries)).map_err(|error| FileError::new(path, error))
}

/// Reads a model that [`save`] or [`save_authors`] wrote.
///
/// # Errors
///
/// If the file can't be read, is damaged, or does not say which model of the zoo it holds; then
/// the problem is [`FileProblem::Unnamed`] and [`load_authors`] may read it.
pub fn load(path: &Path, device: &Device) -> Result<Model, FileError> {
    read_own(path, device).map_err(|problem| FileError::new(path, problem))
}

fn read_own(path: &Path, device: &Device) -> Result<Model, FileProblem> {
    if is_pytorch(path)? {
        return Err(FileProblem::Unnamed);
    }
    let bytes = fs::read(path)?;
    let metadata = metadata(&bytes)?;
    match metadata.get("format").map(String::as_str) {
        Some(FORMAT) => {
            let config = config_of(&metadata)?;
            let state = tensors(&bytes, config.name, |_| false)?;
            config.init_from(state, device).map_err(|problem| wrong(&config, problem))
        }
        Some(FORMAT_AUTHORS) => read_authors(&bytes, &config_of(&metadata)?, device),
        Some(FORMAT_DEPLOYED) => Err(FileProblem::Deployed),
        _ => Err(FileProblem::Unnamed),
    }
}

/// Reads a model that [`save_deployed`] wrote.
///
/// # Errors
///
/// If the file can't be read, is damaged, or does not hold a deployed model; then the problem is
/// [`FileProblem::NotDeployed`] and [`load`] may read it.
pub fn load_deployed(path: &Path, device: &Device) -> Result<Deployed, FileError> {
    read_deployed(path, device).map_err(|problem| FileError::new(path, problem))
}

fn read_deployed(path: &Path, device: &Device) -> Result<Deployed, FileProblem> {
    if is_pytorch(path)? {
        return Err(FileProblem::NotDeployed);
    }
    let bytes = fs::read(path)?;
    let metadata = metadata(&bytes)?;
    if metadata.get("format").is_none_or(|format| format != FORMAT_DEPLOYED) {
        return Err(FileProblem::NotDeployed);
    }
    let name = metadata.get("factorised").ok_or(FileProblem::Metadata("factorised"))?;
    let factorised = FactorisedLayers::ALL.into_iter().find(|form| form.name() == name);
    let factorised = factorised.ok_or_else(|| FileProblem::Factorised(name.clone()))?;
    let config = DeployedConfig { model: config_of(&metadata)?, factorised };
    let state = tensors(&bytes, config.model.name, |_| false)?;
    config.init_from(state, device).map_err(|problem| wrong(&config.model, problem))
}

/// Reads a file with the tensors of the authors' PyTorch code or of torchvision as the given
/// model, in [the authors' form](ModelConfig::as_authors): a checkpoint (`.pth`) or a safetensors
/// file.
///
/// # Errors
///
/// If the file can't be read, is damaged, or does not hold the tensors of the model.
pub fn load_authors(
    path: &Path,
    config: &ModelConfig,
    device: &Device,
) -> Result<Model, FileError> {
    let config = config.clone().as_authors();
    let read = || {
        if !is_pytorch(path)? {
            return read_authors(&fs::read(path)?, &config, device);
        }
        let tensors = pickle::read(path, config.name, &authors_shapes(&config, device))?;
        config.init_from_authors(tensors, device).map_err(|problem| wrong(&config, problem))
    };
    read().map_err(|problem| FileError::new(path, problem))
}

fn read_authors(bytes: &[u8], config: &ModelConfig, device: &Device) -> Result<Model, FileProblem> {
    let state = tensors(bytes, config.name, is_counter)?;
    config.init_from_authors(state, device).map_err(|problem| wrong(config, problem))
}

fn wrong(config: &ModelConfig, problem: StateError) -> FileProblem {
    FileProblem::State { model: config.name, problem }
}

fn config_of(metadata: &HashMap<String, String>) -> Result<ModelConfig, FileProblem> {
    let entry = |key: &'static str| metadata.get(key).ok_or(FileProblem::Metadata(key));
    let number = |key: &'static str| {
        let text = entry(key)?;
        let number = text.parse().ok().filter(|number| (1..=65536).contains(number));
        number.ok_or_else(|| FileProblem::Number { key, got: text.clone() })
    };
    let name: ModelName = entry("model")?.parse()?;
    let variant = match metadata.get("variant") {
        None => Variant::Corrected,
        Some(variant) if variant == AUTHORS => Variant::Authors,
        Some(variant) if variant == TORCHVISION => Variant::Torchvision,
        Some(other) => return Err(FileProblem::Variant(other.clone())),
    };
    let norms = match metadata.get("norms") {
        None => true,
        Some(norms) if norms == WITHOUT && name.can_be_without_norms() => false,
        Some(other) => return Err(FileProblem::Norms(other.clone())),
    };
    let config = ModelConfig::new(name)
        .with_variant(variant)
        .with_norms(norms)
        .with_num_classes(number("num_classes")?)
        .with_in_channels(number("in_channels")?);
    match metadata.get("images") {
        None => Ok(config),
        Some(text) => {
            let preparation: Preparation = serde_json::from_str(text)
                .map_err(|error| FileProblem::Preparation(error.to_string()))?;
            let fits = preparation.check(config.num_classes, config.in_channels);
            fits.map_err(FileProblem::Preparation)?;
            Ok(config.with_preparation(preparation))
        }
    }
}
