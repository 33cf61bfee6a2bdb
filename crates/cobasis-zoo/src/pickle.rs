//! The authors' checkpoints: PyTorch files, which may come from anywhere.

use std::path::Path;

use pytorch_reader::{DType, PytorchError, PytorchReader};

use crate::file::{FileProblem, f32_data};
use crate::state::{State, StateError};

/// Where the authors' training scripts put the weights.
const WEIGHTS: &str = "net_state_dict";

/// The 32-bit tensors of a checkpoint by name: those under `net_state_dict`, or all if there is no
/// such entry.
pub(crate) fn read(path: &Path) -> Result<State, FileProblem> {
    let length = std::fs::metadata(path)?.len();
    let reader = match PytorchReader::with_top_level_key(path, WEIGHTS) {
        Err(PytorchError::KeyNotFound(_)) => PytorchReader::new(path),
        result => result,
    }
    .map_err(damaged)?;
    let mut state = State::new();
    for (name, tensor) in reader.tensors() {
        if name.ends_with(".num_batches_tracked") {
            continue;
        }
        if tensor.dtype() != DType::F32 {
            let got = format!("{:?}", tensor.dtype());
            let problem = StateError::DType {
                name: name.clone(),
                got,
            };
            return Err(FileProblem::Pickle(problem.to_string()));
        }
        // Strides can make a few bytes look like a tensor of any size.
        if tensor.byte_len() as u64 > length {
            let problem = format!("tensor {name:?} is larger than the file");
            return Err(FileProblem::Pickle(problem));
        }
        let bytes = tensor.read()?;
        state.insert(name.clone(), f32_data(&bytes, tensor.shape().to_vec()));
    }
    Ok(state)
}

fn damaged(error: PytorchError) -> FileProblem {
    match error {
        PytorchError::Io(error) => error.into(),
        other => FileProblem::Pickle(other.to_string()),
    }
}
