//! The bytes of model files as tensors.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use burn::tensor::{DType, TensorData};
use safetensors::tensor::{Dtype, SafeTensorError, SafeTensors};

use super::error::FileProblem;
use crate::name::ModelName;
use crate::state::{State, StateError};

/// The most bytes of a model file; those of the zoo's largest networks have a tenth of it.
const MAX_FILE: u64 = 2 << 30;

/// Whether a file starts like a ZIP archive or a pickle, as PyTorch's do.
///
/// # Errors
///
/// If it can't be read or is not a file.
pub(super) fn is_pytorch(path: &Path) -> Result<bool, FileProblem> {
    // Before opening it, which waits if it is a pipe.
    let metadata = fs::metadata(path)?;
    if metadata.is_dir() {
        return Err(io::Error::from(io::ErrorKind::IsADirectory).into());
    }
    if !metadata.is_file() {
        return Err(FileProblem::NoFile);
    }
    let mut start = Vec::new();
    File::open(path)?.take(9).read_to_end(&mut start)?;
    Ok(starts_as_pytorch(&start))
}

/// The bytes of a file of a size that models have.
///
/// # Errors
///
/// If it can't be read, or is larger.
pub(super) fn bytes(path: &Path) -> Result<Vec<u8>, FileProblem> {
    let file = File::open(path)?;
    let length = file.metadata()?.len();
    let mut bytes = Vec::new();
    if length <= MAX_FILE {
        bytes.reserve_exact(length as usize + 1);
        // It may grow meanwhile.
        file.take(MAX_FILE + 1).read_to_end(&mut bytes)?;
    }
    match length.max(bytes.len() as u64) {
        got if got > MAX_FILE => Err(FileProblem::TooLarge { expected: MAX_FILE, got }),
        _ => Ok(bytes),
    }
}

/// Whether bytes start like a ZIP archive or a pickle.
pub(super) fn starts_as_pytorch(start: &[u8]) -> bool {
    // The length of a safetensors header may start like a pickle; its ninth byte tells.
    let safetensors = start.get(8) == Some(&b'{');
    !safetensors && (start.starts_with(b"PK\x03\x04") || start.starts_with(b"\x80"))
}

/// The metadata of a safetensors file.
///
/// # Errors
///
/// If the file is damaged.
pub(super) fn metadata(bytes: &[u8]) -> Result<HashMap<String, String>, FileProblem> {
    let (_, header) = SafeTensors::read_metadata(bytes).map_err(damaged)?;
    Ok(header.metadata().clone().unwrap_or_default())
}

/// The tensors of a safetensors file that are to make up a model.
///
/// # Errors
///
/// If the file is damaged, or a tensor that is not `ignored` is of other numbers than a model.
pub(super) fn tensors(
    bytes: &[u8],
    model: &ModelName,
    ignored: fn(&str) -> bool,
) -> Result<State, FileProblem> {
    let tensors = SafeTensors::deserialize(bytes).map_err(damaged)?;
    let mut state = State::new();
    for (name, view) in tensors.iter().filter(|(name, _)| !ignored(name)) {
        if view.dtype() != Dtype::F32 {
            let got = format!("{:?}", view.dtype());
            let problem = StateError::DType { name: name.to_string(), got };
            let model = Box::new(model.clone());
            return Err(FileProblem::State { model, problem });
        }
        state.insert(name.to_string(), f32_data(view.data(), view.shape().to_vec()));
    }
    Ok(state)
}

fn damaged(error: SafeTensorError) -> FileProblem {
    use SafeTensorError::{HeaderTooLarge, HeaderTooSmall, InvalidHeader};
    match error {
        // Files of PyTorch's do not come here.
        HeaderTooSmall | HeaderTooLarge | InvalidHeader(_) => FileProblem::Unknown,
        error => FileProblem::Safetensors(error.to_string()),
    }
}

/// Little-endian bytes, as all our formats store them, as numbers.
pub(super) fn f32_data(bytes: &[u8], shape: Vec<usize>) -> TensorData {
    let values = bytes.as_chunks::<4>().0.iter().map(|&bytes| f32::from_le_bytes(bytes));
    let data = TensorData::new(values.collect::<Vec<f32>>(), shape);
    debug_assert_eq!(data.dtype(), DType::F32);
    data
}
