//! What a checkpoint holds: all of a trainer, and how far the run has come.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use burn::optim::OptimizerRecord;
use burn::tensor::{Bytes, Device};
use cobasis_zoo::files::{load, save, write_atomic};
use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::error::Error;
use crate::run_dir::{Checkpoints, RunDirError};
use crate::train::parameter_ids::{parameter_ids, with_parameter_ids};
use crate::train::{Progress, Trainer};

const MODEL: &str = "model.safetensors";
const EMA: &str = "ema.safetensors";
const OPTIMIZER: &str = "optimizer.bpk";
const PROGRESS: &str = "progress.toml";
/// The layout of a checkpoint.
const FORMAT: u32 = 1;

/// `progress.toml`.
#[derive(Serialize, Deserialize)]
struct Saved {
    format: u32,
    #[serde(flatten)]
    progress: Progress,
    /// The identity, in hexadecimal, under which the optimizer keeps the state of a parameter.
    parameters: BTreeMap<String, String>,
}

/// Writes a checkpoint: weights and running statistics, their moving average, the optimizer's
/// state, the progress.
///
/// # Errors
///
/// If it can't be written; then those that were there stay.
pub(crate) fn write(
    checkpoints: &Checkpoints,
    trainer: &Trainer,
    progress: &Progress,
) -> Result<(), Error> {
    checkpoints.write(progress.history.len(), progress.steps, |directory| {
        save(trainer.model(), &directory.join(MODEL))?;
        if let Some(average) = trainer.ema.as_ref().and_then(|ema| ema.model.as_ref()) {
            save(average, &directory.join(EMA))?;
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

/// Reads a checkpoint.
///
/// # Errors
///
/// If a file of it is missing, damaged, or of another model.
pub(crate) fn read(
    directory: &Path,
    config: &Config,
    device: &Device,
) -> Result<(Trainer, Progress), Error> {
    let bytes = |name: &str| {
        let path = directory.join(name);
        fs::read(&path).map_err(RunDirError::io(&path, "read the file"))
    };
    let text = String::from_utf8(bytes(PROGRESS)?);
    let text = text.map_err(|error| Error::checkpoint(directory, error))?;
    let saved: Saved =
        toml::from_str(&text).map_err(|error| Error::checkpoint(directory, error))?;
    if saved.format != FORMAT {
        let problem = format!("expected format {FORMAT}, got {}", saved.format);
        return Err(Error::checkpoint(directory, problem));
    }
    let device = device.clone().autodiff();
    let ids = saved.parameters.into_iter().map(|(path, id)| Some((path, hexadecimal(&id)?)));
    let ids: Option<BTreeMap<_, _>> = ids.collect();
    let model = |name: &str, device: &Device| {
        let model = load(&directory.join(name), device)?;
        if model.config.name.to_string() != config.model {
            let problem = format!("expected model {}, got {}", config.model, model.config.name);
            return Err(Error::checkpoint(directory, problem));
        }
        let model = ids.as_ref().and_then(|ids| with_parameter_ids(model, ids));
        model.ok_or_else(|| {
            Error::checkpoint(directory, "the parameters are not those of the model")
        })
    };
    let mut trainer = Trainer::with_model(config, model(MODEL, &device)?, device.clone());
    if let Some(ema) = &mut trainer.ema
        && directory.join(EMA).is_file()
    {
        ema.model = Some(model(EMA, &device.clone().inner())?);
    }
    let record = OptimizerRecord::from_bytes(Bytes::from_bytes_vec(bytes(OPTIMIZER)?));
    let record = record.map_err(|error| Error::checkpoint(directory, error))?;
    let tensors = record.len();
    trainer.optimizer = trainer.optimizer.load_record(record);
    // Burn skips what it can't make sense of.
    let loaded = trainer.optimizer.to_record().len();
    if loaded != tensors {
        let problem = format!("{OPTIMIZER}: {loaded} of {tensors} tensors could be read");
        return Err(Error::checkpoint(directory, problem));
    }
    Ok((trainer, saved.progress))
}

fn hexadecimal(text: &str) -> Option<u64> {
    u64::from_str_radix(text, 16).ok()
}
