//! What a checkpoint holds: all of a trainer, and how far the run has come.

use std::collections::BTreeMap;
use std::path::Path;

use burn::optim::OptimizerRecord;
use burn::tensor::{Bytes, Device};
use cobasis_data::regular;
use cobasis_zoo::Model;
use cobasis_zoo::files::{load, save, write_atomic};
use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::error::Error;
use crate::metrics::Scores;
use crate::run_dir::{Checkpoints, EpochMetrics, RunDirError};
use crate::train::parameter_ids::{parameter_ids, with_parameter_ids};
use crate::train::{Progress, Task, Trainer};

const MODEL: &str = "model.safetensors";
const EMA: &str = "ema.safetensors";
const OPTIMIZER: &str = "optimizer.bpk";
const PROGRESS: &str = "progress.toml";
/// The layout of a checkpoint.
const FORMAT: u32 = 1;

/// `progress.toml`.
#[derive(Serialize, Deserialize)]
struct Saved<S> {
    format: u32,
    #[serde(flatten)]
    progress: Progress<S>,
    /// The identity, in hexadecimal, under which the optimizer keeps the state of a parameter.
    parameters: BTreeMap<String, String>,
}

/// Writes a checkpoint: weights and running statistics, their moving average, the optimizer's
/// state, the progress.
///
/// # Errors
///
/// If it can't be written; then those that were there stay.
pub(crate) fn write<T: Task>(
    checkpoints: &Checkpoints,
    trainer: &Trainer<T>,
    progress: &Progress<T::Score>,
) -> Result<(), Error> {
    checkpoints.write(progress.history.len(), progress.steps, |directory| {
        save(trainer.model(), directory.join(MODEL))?;
        if let Some(average) = trainer.ema.as_ref().and_then(|ema| ema.model.as_ref()) {
            save(average, directory.join(EMA))?;
        }
        let write = |name: &str, bytes: &[u8]| {
            let path = directory.join(name);
            write_atomic(&path, bytes).map_err(RunDirError::io(&path, "write the file"))
        };
        let optimizer = trainer.optimizer.into_bytes();
        let optimizer = optimizer.map_err(|error| Error::checkpoint(directory, error))?;
        write(OPTIMIZER, &optimizer)?;
        let ids = parameter_ids(trainer.model()).into_iter();
        let parameters = ids.map(|(path, id)| (path, format!("{id:x}"))).collect();
        let saved = Saved { format: FORMAT, progress: progress.clone(), parameters };
        let saved = toml::to_string(&saved).map_err(|error| Error::checkpoint(directory, error))?;
        write(PROGRESS, saved.as_bytes())?;
        Ok(())
    })
}

/// What a checkpoint gives back.
pub(crate) type Resumed<T> = (Trainer<T>, Progress<<T as Task>::Score>);

/// Reads a checkpoint.
///
/// # Errors
///
/// If a file of it is missing, damaged, or of another model.
pub(crate) fn read<T: Task>(
    directory: &Path,
    config: &Config,
    device: &Device,
) -> Result<Resumed<T>, Error> {
    let refused = |problem: String| Error::checkpoint(directory, problem);
    let Saved { mut progress, parameters, .. } = saved::<T::Score>(directory)?;
    progress.history.iter_mut().for_each(EpochMetrics::sort::<T::Score>);
    let ids = parameters.into_iter().map(|(path, id)| Some((path, hexadecimal(&id)?)));
    let ids: BTreeMap<String, u64> =
        ids.collect::<Option<_>>().ok_or_else(|| refused(FOREIGN.into()))?;
    let device = device.clone().autodiff();
    let own = |name: &str, device: &Device| model(&directory.join(name), device, config, &ids);

    let mut trainer = Trainer::with_model(config, own(MODEL, &device)?, device.clone());
    if let Some(ema) = &mut trainer.ema
        && directory.join(EMA).is_file()
    {
        ema.model = Some(own(EMA, &device.inner())?);
    }
    let record = OptimizerRecord::from_bytes(Bytes::from_bytes_vec(bytes(directory, OPTIMIZER)?));
    let record = record.map_err(|error| refused(error.to_string()))?;
    let tensors = record.len();
    trainer.optimizer = trainer.optimizer.load_record(record);
    // Burn skips what it can't make sense of.
    let loaded = trainer.optimizer.to_record().len();
    if loaded != tensors {
        return Err(refused(format!("{OPTIMIZER}: {loaded} of {tensors} tensors could be read")));
    }
    Ok((trainer, progress))
}

/// The most bytes of a file of a checkpoint, an optimizer's with two numbers for each weight.
const MAX_FILE: u64 = 8 << 30;

/// What is said of a checkpoint whose parameters have other names, or identities that are none.
const FOREIGN: &str = "the parameters do not match the model";

/// What `progress.toml` of a checkpoint says.
fn saved<S: Scores>(directory: &Path) -> Result<Saved<S>, Error> {
    let text = String::from_utf8(bytes(directory, PROGRESS)?);
    let text = text.map_err(|error| Error::checkpoint(directory, error))?;
    let saved: Saved<S> =
        toml::from_str(&text).map_err(|error| Error::checkpoint(directory, error))?;
    match saved.format {
        FORMAT => Ok(saved),
        got => Err(Error::checkpoint(directory, format!("expected format {FORMAT}, got {got}"))),
    }
}

/// A model of a checkpoint, whose parameters get the identities under which the optimizer knows
/// them.
fn model(
    path: &Path,
    device: &Device,
    config: &Config,
    ids: &BTreeMap<String, u64>,
) -> Result<Model, Error> {
    let directory = path.parent().unwrap_or(path);
    let model = load(path, device)?;
    if model.config.name.to_string() != config.model {
        let problem = format!("expected model {}, got {}", config.model, model.config.name);
        return Err(Error::checkpoint(directory, problem));
    }
    with_parameter_ids(model, ids).ok_or_else(|| Error::checkpoint(directory, FOREIGN))
}

fn bytes(directory: &Path, name: &str) -> Result<Vec<u8>, RunDirError> {
    let path = directory.join(name);
    regular::read(&path, MAX_FILE).map_err(RunDirError::io(&path, "read the file"))
}

fn hexadecimal(text: &str) -> Option<u64> {
    u64::from_str_radix(text, 16).ok()
}
