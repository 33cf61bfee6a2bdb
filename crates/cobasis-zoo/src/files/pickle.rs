//! The authors' checkpoints: PyTorch files, which may come from anywhere.

mod guard;
mod refusal;
mod scan;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::Path;

use pytorch_reader::{DType, PytorchError, PytorchReader, Tensor};

use super::error::FileProblem;
use super::read::f32_data;
use crate::name::ModelName;
use crate::pytorch_names::{Naming, is_counter};
use crate::state::{State, StateError};
use refusal::{refusal, unreadable};

/// Where the authors' training scripts put the weights.
const WEIGHTS: &str = "net_state_dict";

/// The tensors of a checkpoint by the file's own names, except for counters of batches: those
/// under `net_state_dict`, or all if there is no such entry.
///
/// `expected` has the shapes of all tensors that the model may have. A tensor's bytes are read
/// only after all were compared with it, since strides can make a few bytes look like a tensor of
/// any size.
///
/// # Errors
///
/// If the file can't be read, is damaged or not a checkpoint, or holds a tensor that is not the
/// model's.
pub(super) fn read(
    path: &Path,
    model: &ModelName,
    expected: &BTreeMap<String, Vec<usize>>,
) -> Result<State, FileProblem> {
    guard::check(path)?;
    let reader = match PytorchReader::with_top_level_key(path, WEIGHTS) {
        Err(PytorchError::KeyNotFound(_)) => PytorchReader::new(path),
        result => result,
    }
    .map_err(damaged)?;
    // In order, so that of several problems it is always the same that is told.
    let mut tensors: BTreeMap<String, Tensor> = reader.into_tensors().into_iter().collect();
    let naming = Naming::of(tensors.keys());
    tensors.retain(|name, _| !is_counter(name));
    for (name, tensor) in &tensors {
        let expected = expected.get(&naming.in_authors(name));
        compare(name, tensor, expected)
            .map_err(|problem| FileProblem::State { model: Box::new(model.clone()), problem })?;
    }
    tensors
        .into_iter()
        .map(|(name, tensor)| {
            let bytes = tensor.read().map_err(unreadable)?;
            Ok((name, f32_data(&bytes, tensor.shape().to_vec())))
        })
        .collect()
}

/// Whether a tensor is one of the model's.
fn compare(name: &str, tensor: &Tensor, expected: Option<&Vec<usize>>) -> Result<(), StateError> {
    let name = name.to_string();
    let Some(expected) = expected else {
        return Err(StateError::Extra { name });
    };
    if tensor.dtype() != DType::F32 {
        let got = format!("{:?}", tensor.dtype());
        return Err(StateError::DType { name, got });
    }
    if tensor.shape() != expected {
        return Err(StateError::Shape {
            name,
            expected: expected.clone(),
            got: tensor.shape().to_vec(),
        });
    }
    Ok(())
}

fn damaged(error: PytorchError) -> FileProblem {
    match error {
        PytorchError::Io(error) => unreadable(error),
        other => refusal(other),
    }
}
