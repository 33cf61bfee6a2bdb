//! Reading a model file in one call, for those who need no options.

use std::path::Path;

use burn::tensor::Device;

use super::error::{FileError, FileProblem};
use super::metadata::FORMAT_DEPLOYED;
use super::open::{Contents, OpenOptions, Opened, contents, contents_of, deployed};
use super::read::Safetensors;
use crate::config::ModelConfig;
use crate::deploy::Deployed;
use crate::model::Model;

/// Reads a model file of any kind: ours, deployed or not, which say what they hold, and others with
/// the tensors of the authors' PyTorch code or of torchvision, for which a configuration must be
/// given. A configuration that is given for one of ours must be of the same name. [`OpenOptions`] can
/// say more, and tells what was decided.
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
    Ok(options(config).open(path, device)?.0)
}

/// [`open`] for the bytes of a file.
///
/// # Errors
///
/// As [`open`].
pub fn open_bytes(
    bytes: &[u8],
    config: Option<&ModelConfig>,
    device: &Device,
) -> Result<Opened, FileProblem> {
    Ok(options(config).open_bytes(bytes, device)?.0)
}

fn options(config: Option<&ModelConfig>) -> OpenOptions {
    match config {
        Some(config) => OpenOptions::new().model(config.clone()),
        None => OpenOptions::new(),
    }
}

/// Reads a model that [`save`](super::save) or [`save_pytorch`](super::save_pytorch) wrote.
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

/// Reads a model that [`save_deployed`](super::save_deployed) wrote.
///
/// # Errors
///
/// As [`open`], and [`FileProblem::NotDeployed`] if it does not hold a deployed model; then [`load`]
/// may read it.
pub fn load_deployed(path: impl AsRef<Path>, device: &Device) -> Result<Deployed, FileError> {
    let path = path.as_ref();
    let deployed = contents(path).and_then(|contents| match contents {
        Contents::Checkpoint(_) => Err(FileProblem::NotDeployed),
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
    let file = Safetensors::read(bytes)?;
    match file.metadata("format") {
        Some(FORMAT_DEPLOYED) => Ok(deployed(&file, bytes, device)?.0),
        _ => Err(FileProblem::NotDeployed),
    }
}

/// Reads a file with the tensors of the authors' PyTorch code or of torchvision as the given
/// model, in [the authors' form](ModelConfig::as_authors): a checkpoint (`.pth`) or a safetensors
/// file. The counts of classes and channels are those of the file's tensors.
///
/// A checkpoint may hold the weights in a dictionary of its own, and all names may have a prefix, as
/// [`OpenOptions`] tells.
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
    let model =
        contents(path).and_then(|contents| OpenOptions::new().pytorch(contents, config, device));
    model.map_err(|problem| FileError::new(path, problem))
}

/// [`load_pytorch`] for the bytes of a file.
///
/// # Errors
///
/// As [`load_pytorch`].
pub fn pytorch_from_bytes(
    bytes: &[u8],
    config: &ModelConfig,
    device: &Device,
) -> Result<Model, FileProblem> {
    OpenOptions::new().pytorch(contents_of(bytes), config, device)
}
