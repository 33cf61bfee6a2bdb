//! What model files say of themselves, in the metadata of safetensors.

use std::collections::HashMap;

use super::error::FileProblem;
use crate::adapter::{AdapterConfig, AdapterKind};
use crate::config::ModelConfig;
use crate::detector::DetectorConfig;
use crate::name::ModelName;
use crate::preparation::Preparation;
use crate::registry::Entry;
use crate::spec::{Norms, Variant};

/// The version of our files' metadata.
pub(super) const FORMAT: &str = "cobasis-1";
/// The same where tensors have the authors' names.
pub(super) const FORMAT_PYTORCH: &str = "cobasis-pytorch-1";
/// The same where a model is folded for use.
pub(super) const FORMAT_DEPLOYED: &str = "cobasis-deployed-1";
/// The same where a file has what is a task's alone.
pub(super) const FORMAT_TASK: &str = "cobasis-task-1";
/// What our files' metadata call the authors' variant; files of the other say nothing.
const AUTHORS: &str = "authors";
/// What they call torchvision's.
const TORCHVISION: &str = "torchvision";
/// What they say of batch norms where only the last one of a block is there; where all are, they say
/// nothing.
const LAST_ONLY: &str = "false";

/// The metadata of a file that holds a model of this configuration.
pub(super) fn written(
    config: &ModelConfig,
    form: &[(&'static str, &str)],
) -> Vec<(&'static str, String)> {
    let ModelConfig {
        name,
        num_classes,
        in_channels,
        variant,
        norms,
        preparation,
        detector,
        adapter,
        seed: _,
    } = config;
    let mut metadata: Vec<(&str, String)> =
        form.iter().map(|&(key, value)| (key, value.to_string())).collect();
    metadata.extend([
        ("model", name.to_string()),
        ("num_classes", num_classes.to_string()),
        ("in_channels", in_channels.to_string()),
    ]);
    match variant {
        Variant::Corrected => {}
        Variant::Authors => metadata.push(("variant", AUTHORS.to_string())),
        Variant::Torchvision => metadata.push(("variant", TORCHVISION.to_string())),
    }
    match norms {
        Norms::All => {}
        Norms::LastOnly => metadata.push(("norms", LAST_ONLY.to_string())),
        Norms::WithoutInner => metadata.push(("norms", norms.name().to_string())),
    }
    // Only maps with keys that are no strings can't be written.
    let json = |text: Result<String, serde_json::Error>| text.expect("plain data is JSON");
    if !name.is_registered() {
        metadata.push(("network", json(serde_json::to_string(name.entry()))));
    }
    if let Some(detector) = detector {
        metadata.push(("detector", json(serde_json::to_string(detector))));
    }
    if let Some(AdapterConfig { kind, base_sha256, base_classes }) = adapter {
        metadata.push(("adapter", kind.to_string()));
        metadata.push(("base_sha256", base_sha256.clone()));
        metadata.push(("base_classes", base_classes.to_string()));
    }
    if let Some(preparation) = preparation {
        metadata.push(("images", json(serde_json::to_string(preparation))));
    }
    metadata
}

/// The configuration of the model that a file with these metadata holds.
pub(super) fn read(metadata: &HashMap<String, String>) -> Result<ModelConfig, FileProblem> {
    let entry = |key: &'static str| metadata.get(key).ok_or(FileProblem::Metadata(key));
    let number = |key: &'static str| {
        let text = entry(key)?;
        let number = text.parse().ok().filter(|number| (1..=65536).contains(number));
        number.ok_or_else(|| FileProblem::Number { key, got: text.clone() })
    };
    let name = match metadata.get("network") {
        Some(network) => own_name(network, entry("model")?)?,
        None => entry("model")?.parse()?,
    };
    let variant = match metadata.get("variant").map(String::as_str) {
        None => Variant::Corrected,
        Some(AUTHORS) => Variant::Authors,
        Some(TORCHVISION) => Variant::Torchvision,
        Some(other) => return Err(FileProblem::Variant(other.to_string())),
    };
    let norms = match metadata.get("norms").map(String::as_str) {
        None => Norms::All,
        Some(LAST_ONLY) if name.can_be_without_norms() => Norms::LastOnly,
        Some(other) if other == Norms::WithoutInner.name() && name.can_be_without_norms() => {
            Norms::WithoutInner
        }
        Some(other) => return Err(FileProblem::Norms(other.to_string())),
    };
    let config = ModelConfig::new(name)
        .with_variant(variant)
        .with_norms(norms)
        .with_num_classes(number("num_classes")?)
        .with_in_channels(number("in_channels")?);
    let config = match metadata.get("detector") {
        Some(text) => {
            let detector: DetectorConfig = serde_json::from_str(text)
                .map_err(|error| FileProblem::Detector(error.to_string()))?;
            detector.check(&config.name).map_err(FileProblem::Detector)?;
            config.with_detector(detector)
        }
        None => config,
    };
    let config = match metadata.get("adapter") {
        Some(kind) => {
            let adapter = AdapterConfig {
                kind: adapter(kind, &config.name)?,
                base_sha256: sha256(entry("base_sha256")?)?,
                base_classes: number("base_classes")?,
            };
            ModelConfig { adapter: Some(adapter), ..config }
        }
        None => config,
    };
    let Some(text) = metadata.get("images") else {
        return Ok(config);
    };
    let preparation: Preparation =
        serde_json::from_str(text).map_err(|error| FileProblem::Preparation(error.to_string()))?;
    let fits = preparation.check(config.num_classes, config.in_channels);
    fits.map_err(FileProblem::Preparation)?;
    Ok(config.with_preparation(preparation))
}

/// The adapter of this name, for a network that can have it.
fn adapter(kind: &str, network: &ModelName) -> Result<AdapterKind, FileProblem> {
    let kind: AdapterKind = kind.parse().map_err(FileProblem::AdapterKind)?;
    kind.check(network).map_err(FileProblem::Adapter)?;
    Ok(kind)
}

/// A text that is a SHA-256 in hexadecimal.
fn sha256(text: &str) -> Result<String, FileProblem> {
    let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    match text.len() == 64 && text.bytes().all(is_digit) {
        true => Ok(text.to_string()),
        false => Err(FileProblem::Sha256(text.to_string())),
    }
}

/// The name of a model whose network is not one of the zoo.
fn own_name(network: &str, name: &str) -> Result<ModelName, FileProblem> {
    let network: Entry =
        serde_json::from_str(network).map_err(|error| FileProblem::Network(error.to_string()))?;
    Ok(ModelName::own_named(network, name)?)
}
