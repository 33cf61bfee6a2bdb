//! What a checkpoint holds: all of a trainer, how far the run has come, and whose it is.

use std::collections::BTreeMap;
use std::panic::{self, AssertUnwindSafe};
use std::path::Path;

use burn::optim::OptimizerRecord;
use burn::tensor::{Bytes, Device};
use cobasis_zoo::Model;
use cobasis_zoo::files::{from_bytes, to_bytes, write_atomic};
use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::error::Error;
use crate::run_dir::{
    CheckedFiles, Checkpoints, EpochMetrics, RunDirError, position, sums, sums_name,
};
use crate::train::joint::{self, Named, checkpoint_names};
use crate::train::parameter_ids::{parameter_ids, with_parameter_ids};
use crate::train::start::frozen;
use crate::train::{Progress, Task, Trainer};

const MODEL: &str = "model.safetensors";
const EMA: &str = "ema.safetensors";
const OPTIMIZER: &str = "optimizer.bpk";
const PROGRESS: &str = "progress.toml";
/// The configuration that the run was started with.
const CONFIG: &str = "config.toml";
/// All that a checkpoint may hold, beside the sums of these.
const FILES: [&str; 5] = [MODEL, EMA, OPTIMIZER, PROGRESS, CONFIG];
/// The layout of a checkpoint.
const FORMAT: u32 = 2;
/// Before there were sums and the configuration; such checkpoints are still read.
const WITHOUT_SUMS: u32 = 1;

/// `progress.toml`.
#[derive(Serialize, Deserialize)]
struct Saved<S> {
    format: u32,
    #[serde(flatten)]
    progress: Progress<S>,
    /// The identity, in hexadecimal, under which the optimizer keeps the state of a parameter.
    parameters: BTreeMap<String, String>,
    /// The same of what is further tasks' own, by the tasks' names.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    task_parameters: BTreeMap<String, BTreeMap<String, String>>,
}

/// Writes a checkpoint: weights and running statistics, their moving average, both of further tasks too, the optimizer's
/// state, the progress, the configuration, and the SHA-256 of each of these files.
///
/// # Errors
///
/// If it can't be written; then those that were there stay.
pub(crate) fn write<T: Task>(
    checkpoints: &Checkpoints,
    config: &Config,
    trainer: &Trainer<T>,
    progress: &Progress<T::Score>,
) -> Result<(), Error> {
    let best = progress.best().map(|best| best.epoch);
    checkpoints.write(progress.history.len(), progress.steps, best, |directory| {
        let mut listed = String::new();
        let mut write = |name: &str, bytes: &[u8]| {
            listed += &sums([(name, bytes)]);
            write_file(directory, name, bytes)
        };
        write(MODEL, &to_bytes(trainer.model()))?;
        let average = trainer.ema.as_ref().and_then(|ema| ema.model.as_ref());
        if let Some(average) = average {
            write(EMA, &to_bytes(average))?;
        }
        let mut task_parameters = BTreeMap::new();
        if let Some(joint) = &trainer.joint {
            let files = joint.to_files(trainer.model(), average);
            for (name, bytes) in files.map_err(|error| Error::checkpoint(directory, error))? {
                write(&name, &bytes)?;
            }
            task_parameters = joint::parameters(joint, trainer.model());
        }
        let optimizer = trainer.optimizer.into_bytes();
        write(OPTIMIZER, &optimizer.map_err(|error| Error::checkpoint(directory, error))?)?;
        let ids = parameter_ids(trainer.model()).into_iter();
        let parameters = ids.map(|(path, id)| (path, format!("{id:x}"))).collect();
        let progress = progress.clone();
        let saved = Saved { format: FORMAT, progress, parameters, task_parameters };
        let saved = toml::to_string(&saved).map_err(|error| Error::checkpoint(directory, error))?;
        write(PROGRESS, saved.as_bytes())?;
        write(CONFIG, config.to_toml()?.as_bytes())?;
        Ok(write_file(directory, sums_name(), listed.as_bytes())?)
    })
}

fn write_file(directory: &Path, name: &str, bytes: &[u8]) -> Result<(), RunDirError> {
    let path = directory.join(name);
    write_atomic(&path, bytes).map_err(RunDirError::io(&path, "write the file"))
}

/// What a checkpoint gives back.
pub(crate) type Resumed<T> = (Trainer<T>, Progress<<T as Task>::Score>);

/// Reads a checkpoint.
///
/// # Errors
///
/// If a file of it is missing, damaged, or of another model or another run.
pub(crate) fn read<T: Task>(
    directory: &Path,
    config: &Config,
    device: &Device,
) -> Result<Resumed<T>, Error> {
    let refused = |problem: String| Error::checkpoint(directory, problem);
    let files = checked(directory, config)?;
    let text = file(directory, &files, PROGRESS).map(<[u8]>::to_vec)?;
    let text = String::from_utf8(text).map_err(|error| refused(error.to_string()))?;
    let saved: Saved<T::Score> =
        toml::from_str(&text).map_err(|error| refused(format!("{PROGRESS}: {error}")))?;
    let Saved { format, mut progress, parameters, task_parameters } = saved;
    match (format, files.has_sums()) {
        (FORMAT, true) | (WITHOUT_SUMS, false) => {}
        (FORMAT, false) => return Err(refused(format!("{} is missing", sums_name()))),
        (got, _) => return Err(refused(format!("expected format {FORMAT}, got {got}"))),
    }
    let place = (progress.history.len(), progress.steps);
    if position(directory).is_some_and(|named| named != place) {
        return Err(refused(format!("it is that of {} epochs and {} steps", place.0, place.1)));
    }
    progress.history.iter_mut().for_each(EpochMetrics::sort::<T::Score>);
    progress.joint.sort();
    let ids = identities(parameters).ok_or_else(|| refused(FOREIGN.into()))?;
    let of_tasks = task_parameters.into_iter().map(|(task, ids)| Some((task, identities(ids)?)));
    let of_tasks: BTreeMap<_, _> =
        of_tasks.collect::<Option<_>>().ok_or_else(|| refused(FOREIGN.into()))?;
    let device = device.clone().autodiff();
    let own = |name: &str, device: &Device| {
        let model = model(file(directory, &files, name)?, config, &ids, device);
        model.map_err(|problem| refused(format!("{name}: {problem}")))
    };

    let model = frozen(config, own(MODEL, &device)?)?;
    let mut trainer = Trainer::with_model(config, model, device.clone());
    if let Some(ema) = &mut trainer.ema
        && files.get(EMA).is_some()
    {
        ema.model = Some(own(EMA, &device.inner())?);
    }
    if !config.tasks.is_empty() {
        let average = trainer.ema.as_ref().and_then(|ema| ema.model.as_ref());
        let models = (trainer.model(), average);
        let tasks = joint::read(config, models, &ids, &of_tasks, |name| files.get(name));
        trainer = trainer.with_joint(tasks.map_err(refused)?);
    }
    let optimizer = file(directory, &files, OPTIMIZER)?.to_vec();
    let trainer = caught(|| with_optimizer(trainer, optimizer));
    let trainer = trainer.unwrap_or_else(|| Err("damaged".to_string()));
    let trainer = trainer.map_err(|problem| refused(format!("{OPTIMIZER}: {problem}")))?;
    Ok((trainer, progress))
}

/// The model file that the run of a checkpoint is judged by, of this name, and those of further tasks, with names
/// made of theirs: of moving averages, where there are some. None where there is no such checkpoint, or none that
/// can vouch for its files.
pub(crate) fn judged_files(
    directory: &Path,
    config: &Config,
    model_name: &str,
    task_name: impl Fn(&str) -> String,
) -> Vec<Named> {
    let Some(files) = checked(directory, config).ok().filter(CheckedFiles::has_sums) else {
        return Vec::new();
    };
    let judged = |trained: &str, average: &str| files.get(average).or_else(|| files.get(trained));
    let tasks = config.tasks.iter().zip(checkpoint_names(config));
    let tasks =
        tasks.map(|(task, [trained, average])| (task_name(&task.name), judged(&trained, &average)));
    let model = (model_name.to_string(), judged(MODEL, EMA));
    let found = std::iter::once(model).chain(tasks);
    found.filter_map(|(name, bytes)| Some((name, bytes?.to_vec()))).collect()
}

/// Identities that are written in hexadecimal; `None` where one is not.
fn identities(written: BTreeMap<String, String>) -> Option<BTreeMap<String, u64>> {
    written.into_iter().map(|(path, id)| Some((path, hexadecimal(&id)?))).collect()
}

/// What is said of a checkpoint whose parameters have other names, or identities that are none.
const FOREIGN: &str = "the parameters do not match the model";

/// The files of a checkpoint, none of which was looked into before all were found to be whole.
fn checked(directory: &Path, config: &Config) -> Result<CheckedFiles, Error> {
    let refused = |problem: String| Error::checkpoint(directory, problem);
    let of_tasks = checkpoint_names(config);
    let names: Vec<&str> =
        FILES.into_iter().chain(of_tasks.iter().flatten().map(String::as_str)).collect();
    let files = CheckedFiles::read(directory, &names).map_err(refused)?;
    if files.has_sums() {
        let text = String::from_utf8_lossy(file(directory, &files, CONFIG)?);
        let before = Config::parse_with(CONFIG, &text, &[]);
        let before = before.map_err(|error| refused(error.to_string()))?;
        // The run may have become longer since.
        if let Err(error) = config.check_resumes(&before, "") {
            let key = error.key().unwrap_or("configuration");
            return Err(refused(format!("it is another run's, with another {key}")));
        }
    }
    Ok(files)
}

fn file<'a>(directory: &Path, files: &'a CheckedFiles, name: &str) -> Result<&'a [u8], Error> {
    files.get(name).ok_or_else(|| Error::checkpoint(directory, format!("{name} is missing")))
}

/// A model of a checkpoint, whose parameters get the identities under which the optimizer knows
/// them.
fn model(
    bytes: &[u8],
    config: &Config,
    ids: &BTreeMap<String, u64>,
    device: &Device,
) -> Result<Model, String> {
    let model = from_bytes(bytes, device).map_err(|problem| problem.to_string())?;
    if model.config.name.to_string() != config.model {
        return Err(format!("expected model {}, got {}", config.model, model.config.name));
    }
    with_parameter_ids(model, ids).ok_or_else(|| FOREIGN.to_string())
}

/// The trainer with the optimizer's state of these bytes.
fn with_optimizer<T: Task>(mut trainer: Trainer<T>, bytes: Vec<u8>) -> Result<Trainer<T>, String> {
    let record = OptimizerRecord::from_bytes(Bytes::from_bytes_vec(bytes));
    let record = record.map_err(|error| error.to_string())?;
    let tensors = record.len();
    trainer.optimizer = trainer.optimizer.load_record(record);
    // Burn skips what it can't make sense of.
    let loaded = trainer.optimizer.to_record().len();
    if loaded != tensors {
        return Err(format!("{loaded} of {tensors} tensors could be read"));
    }
    Ok(trainer)
}

/// What `read` gives; `None` where it panics, of which nobody else hears. Burn does so at damaged
/// records, which checkpoints without sums may have.
fn caught<R>(read: impl FnOnce() -> R) -> Option<R> {
    let hook = panic::take_hook();
    panic::set_hook(Box::new(|_| ()));
    let result = panic::catch_unwind(AssertUnwindSafe(read));
    panic::set_hook(hook);
    result.ok()
}

fn hexadecimal(text: &str) -> Option<u64> {
    u64::from_str_radix(text, 16).ok()
}

#[cfg(test)]
mod tests;
