//! Model files: the one module of the crate that reads and writes.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use burn::tensor::{DType, Device, TensorData};
use safetensors::tensor::{Dtype, SafeTensors};

use crate::authors::authors_shapes;
use crate::model::{Model, ModelConfig, Variant};
use crate::name::{ModelName, ModelNameError};
use crate::pickle;
use crate::state::{State, StateError};

/// The version of our files' metadata.
const FORMAT: &str = "cobasis-1";
/// What our files' metadata call the authors' variant; files of the other say nothing.
const AUTHORS: &str = "authors";

/// Why a model file can't be read or written.
#[derive(Debug, thiserror::Error)]
#[error("{}: {problem}", .path.display())]
pub struct FileError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong.
    #[source]
    pub problem: Box<FileProblem>,
}

/// What can be wrong with a model file.
#[derive(Debug, thiserror::Error)]
pub enum FileProblem {
    /// The system can't read or write it.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// It is not a safetensors file, or a damaged one.
    #[error("not a valid safetensors file: {0}")]
    Safetensors(String),
    /// It does not say which model it holds.
    #[error("the file does not say which model it holds (no metadata {0:?})")]
    Metadata(&'static str),
    /// A number of its metadata is none.
    #[error("metadata {key:?}: expected a number from 1 to 65536, got {got:?}")]
    Number {
        /// The entry.
        key: &'static str,
        /// Its text.
        got: String,
    },
    /// It is of a variant that this version does not know.
    #[error("metadata \"variant\": expected \"authors\" or nothing, got {0:?}")]
    Variant(String),
    /// It holds a model that is not in the registry.
    #[error(transparent)]
    Name(#[from] ModelNameError),
    /// Its tensors are not those of the model.
    #[error("not the tensors of {model}: {problem}")]
    State {
        /// The model.
        model: ModelName,
        /// What does not fit.
        problem: StateError,
    },
    /// It is not a PyTorch checkpoint, or a damaged one.
    #[error("not a valid PyTorch checkpoint: {0}")]
    Pickle(String),
}

impl FileError {
    /// A problem with the file at this path.
    pub fn new(path: &Path, problem: impl Into<FileProblem>) -> Self {
        Self { path: path.to_path_buf(), problem: Box::new(problem.into()) }
    }

    /// Whether the file is to blame, rather than the system that reads or writes it.
    pub fn is_user_error(&self) -> bool {
        match &*self.problem {
            FileProblem::Io(error) => matches!(
                error.kind(),
                io::ErrorKind::NotFound
                    | io::ErrorKind::IsADirectory
                    | io::ErrorKind::NotADirectory
            ),
            _ => true,
        }
    }
}

/// Writes a model to a safetensors file that says which model it is.
///
/// A basis is stored once. The file is there whole or not at all, and equal models give equal
/// files.
///
/// # Errors
///
/// If the file can't be written.
pub fn save(model: &Model, path: &Path) -> Result<(), FileError> {
    write_atomic(path, &to_bytes(model)).map_err(|error| FileError::new(path, error))
}

/// The bytes of a safetensors file: header length, header, numbers.
///
/// Written by hand because the safetensors crate orders metadata at random, so that no two files
/// of one model would be equal. Names and metadata need no escapes in JSON.
fn to_bytes(model: &Model) -> Vec<u8> {
    let config = &model.config;
    let variant = match config.variant {
        Variant::Corrected => String::new(),
        Variant::Authors => format!(",\"variant\":\"{AUTHORS}\""),
    };
    let mut header = format!(
        "{{\"__metadata__\":{{\"format\":\"{FORMAT}\",\"model\":\"{}\",\"num_classes\":\"{}\",\
         \"in_channels\":\"{}\"{variant}}}",
        config.name, config.num_classes, config.in_channels
    );
    let mut numbers = Vec::new();
    for (name, data) in model.state() {
        let start = numbers.len();
        let values = data.iter::<f32>();
        numbers.extend(values.flat_map(f32::to_le_bytes));
        let (shape, end) = (data.shape().to_vec(), numbers.len());
        header += &format!(
            ",\"{name}\":{{\"dtype\":\"F32\",\"shape\":{shape:?},\"data_offsets\":[{start},{end}]}}"
        );
    }
    header.push('}');
    // Numbers start at a multiple of 8 bytes.
    let length = header.len().next_multiple_of(8);
    let mut bytes = (length as u64).to_le_bytes().to_vec();
    bytes.extend(format!("{header:<length$}").into_bytes());
    bytes.extend(numbers);
    bytes
}

/// Reads a model that [`save`] wrote.
///
/// # Errors
///
/// If the file can't be read, is damaged, or does not hold a model of the zoo.
pub fn load(path: &Path, device: &Device) -> Result<Model, FileError> {
    let fail = |problem: FileProblem| FileError::new(path, problem);
    let bytes = fs::read(path).map_err(|error| fail(error.into()))?;
    let damaged =
        |error: safetensors::SafeTensorError| fail(FileProblem::Safetensors(error.to_string()));
    let (_, header) = SafeTensors::read_metadata(&bytes).map_err(damaged)?;
    let config = config_of(header.metadata().as_ref()).map_err(fail)?;
    let tensors = SafeTensors::deserialize(&bytes).map_err(damaged)?;
    let mut state = State::new();
    for (name, view) in tensors.iter() {
        if view.dtype() != Dtype::F32 {
            let got = format!("{:?}", view.dtype());
            let problem = StateError::DType { name: name.to_string(), got };
            return Err(fail(FileProblem::State { model: config.name, problem }));
        }
        state.insert(name.to_string(), f32_data(view.data(), view.shape().to_vec()));
    }
    let model = config.init_from(state, device);
    model.map_err(|problem| fail(FileProblem::State { model: config.name, problem }))
}

/// Reads a checkpoint of the authors' code (`.pth`) as the given model.
///
/// # Errors
///
/// If the file can't be read, is damaged, or does not hold the tensors of the model.
pub fn load_authors(
    path: &Path,
    config: &ModelConfig,
    device: &Device,
) -> Result<Model, FileError> {
    let expected = authors_shapes(config, device);
    let tensors = pickle::read(path, config.name, &expected)
        .map_err(|problem| FileError::new(path, problem))?;
    config
        .init_from_authors(tensors, device)
        .map_err(|problem| FileError::new(path, FileProblem::State { model: config.name, problem }))
}

/// Writes a file that is there whole or not at all: to a temporary file beside it, to the disk,
/// then renamed.
///
/// # Errors
///
/// When a step fails; then what was there before stays, and the temporary file goes.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let temporary = temporary_path(path);
    let written = File::create_new(&temporary)
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&temporary, path));
    written.inspect_err(|_| {
        // The first error is the one to tell; a file that was never made can't be removed.
        let _ = fs::remove_file(&temporary);
    })
}

/// Beside `path`, since a rename is atomic only within a file system; unique to this write.
fn temporary_path(path: &Path) -> PathBuf {
    static WRITES: AtomicU64 = AtomicU64::new(0);
    let write = WRITES.fetch_add(1, Ordering::Relaxed);
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(".{}-{write}.tmp", std::process::id()));
    path.with_file_name(name)
}

fn config_of(metadata: Option<&HashMap<String, String>>) -> Result<ModelConfig, FileProblem> {
    let entry = |key: &'static str| {
        metadata.and_then(|metadata| metadata.get(key)).ok_or(FileProblem::Metadata(key))
    };
    let number = |key: &'static str| {
        let text = entry(key)?;
        let number = text.parse().ok().filter(|number| (1..=65536).contains(number));
        number.ok_or_else(|| FileProblem::Number { key, got: text.clone() })
    };
    entry("format")?;
    let name: ModelName = entry("model")?.parse()?;
    let variant = match metadata.and_then(|metadata| metadata.get("variant")) {
        None => Variant::Corrected,
        Some(variant) if variant == AUTHORS => Variant::Authors,
        Some(other) => return Err(FileProblem::Variant(other.clone())),
    };
    Ok(ModelConfig::new(name)
        .with_variant(variant)
        .with_num_classes(number("num_classes")?)
        .with_in_channels(number("in_channels")?))
}

/// Little-endian bytes, as all our formats store them, as numbers.
pub(crate) fn f32_data(bytes: &[u8], shape: Vec<usize>) -> TensorData {
    let values = bytes.as_chunks::<4>().0.iter().map(|&bytes| f32::from_le_bytes(bytes));
    let data = TensorData::new(values.collect::<Vec<f32>>(), shape);
    debug_assert_eq!(data.dtype(), DType::F32);
    data
}
