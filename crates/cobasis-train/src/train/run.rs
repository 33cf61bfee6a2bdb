//! A whole run: data, model, epochs, and the directory that records them.

mod prepared;
mod result;

use std::path::{Path, PathBuf};
use std::time::Instant;

use cobasis_zoo::ModelConfig;

use crate::config::Config;
use crate::data::{ImageSet, Target};
use crate::device::DeviceName;
use crate::error::Error;
use crate::memory::Maps;
use crate::preparation::of_set;
use crate::run_dir::Summary;
use crate::train::fit::Fit;
use crate::train::joint::results;
use crate::train::loaders::Loaders;
use crate::train::ranks::{check_accumulate, check_model, check_run};
use crate::train::start::resolved;
use crate::train::{Classification, Ranks, Task, Watch};
use prepared::Run;

/// How a run ended.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// All epochs are done.
    Finished(Box<Summary>),
    /// The [`Watch`] interrupted it; the same call resumes it.
    Interrupted {
        /// Where the run lies.
        directory: PathBuf,
        /// The epoch at hand, counted from 1.
        epoch: usize,
        /// Steps of it that are done.
        step: usize,
    },
}

/// The model that the configuration names, for these images.
pub(super) fn model_of<T: Target>(
    config: &Config,
    set: &ImageSet<T>,
) -> Result<ModelConfig, Error> {
    let model = ModelConfig::new(config.model_name()?);
    let model = model.with_num_classes(set.num_classes()).with_in_channels(set.shape()[0]);
    let model = model.with_norms(config.sharing.norms()).with_preparation(of_set(set));
    Ok(match config.detector() {
        Some(detector) => model.with_detector(detector),
        None => model,
    })
}

/// What the maps of that model take for these images.
pub(super) fn maps<T: Target>(model: &ModelConfig, loaders: &Loaders<T>) -> Maps {
    let [_, height, width] = loaders.train.set().shape();
    Maps::of(model, [height, width])
}

/// Trains a model as configured, from new weights or from those of a file, and records the run in a
/// directory: `out`, or a new one with the model's name and a number under `runs`. If `out` already holds
/// the run, it resumes it from its last checkpoint, and on the processor the result is the same to the
/// last bit; the file that it started from is not needed any more. A run may get more epochs, where that
/// leaves those before as they were.
///
/// The directory gets the resolved configuration (`config.toml`), what tells its data from others
/// (`data.json`), a row per epoch (`metrics.csv`),
/// the model of the last and of the best epoch (`last.safetensors`, `best.safetensors`), of further tasks a row per
/// epoch (`tasks.csv`) and what is their own of these models (`last-NAME.safetensors`, `best-NAME.safetensors`), the last
/// two checkpoints and a summary (`summary.json`). `command` is recorded as it is.
///
/// # Errors
///
/// If the configuration, the data or the device can't be used, the directory holds the run of
/// another configuration or of other data or can't be written, or the loss is no longer a number. What was recorded
/// until then stays.
pub fn run(
    config: &Config,
    device: DeviceName,
    out: Option<&Path>,
    command: &str,
    watch: &mut impl Watch,
) -> Result<Outcome, Error> {
    run_task::<Classification>(config, device, out, command, watch)
}

/// A run of any task; as [`run`] otherwise.
///
/// # Errors
///
/// As [`run`].
pub fn run_task<T: Task>(
    config: &Config,
    device: DeviceName,
    out: Option<&Path>,
    command: &str,
    watch: &mut impl Watch<T::Score>,
) -> Result<Outcome, Error> {
    run_together::<T>(config, device, out, command, &Ranks::alone(), watch)
}

/// A run that several processes train together, all of which call this; as [`run`] otherwise. The first of them alone
/// writes, and finds or makes the directory; which `out` the others have is of no matter. Checkpoints do not say how
/// many there were: as many as divide `train.accumulate` may go on.
///
/// # Errors
///
/// As [`run`]; where the processes are not alike in version, configuration or data; [`Error::OtherRank`] where another
/// one has failed. Whoever gets any other error tells the others by [`Ranks::fail`].
pub fn run_together<T: Task>(
    config: &Config,
    device: DeviceName,
    out: Option<&Path>,
    command: &str,
    ranks: &Ranks,
    watch: &mut impl Watch<T::Score>,
) -> Result<Outcome, Error> {
    let outcome = trained::<T>(config, device, out, command, ranks, watch)?;
    // Whether the first could write the result.
    ranks.wait()?;
    Ok(outcome)
}

fn trained<T: Task>(
    config: &Config,
    device: DeviceName,
    out: Option<&Path>,
    command: &str,
    ranks: &Ranks,
    watch: &mut impl Watch<T::Score>,
) -> Result<Outcome, Error> {
    let start = Instant::now();
    config.check()?;
    // Of several ranks, each has a device of its own.
    let (device, further) = match (ranks.count(), &config.train.devices[..]) {
        (1, [first, further @ ..]) => (*first, further),
        _ => (device, &[][..]),
    };
    check_accumulate(config, 1 + further.len())?;
    let opened = device.open()?;
    let further = further.iter().map(|name| name.open()).collect::<Result<Vec<_>, _>>()?;
    let (config, file) = resolved(config, out, &opened)?;
    let config = &config;
    check_run(ranks, config, device)?;
    let mut run = Run::<T>::prepare(config, ranks, (device, opened, further), out, file)?;
    let (trainer, progress) = run.resume_or_start(watch)?;
    check_model(ranks, trainer.model(), "before the first step")?;
    let params = trainer.model().parameters().trainable;
    watch.started(run.started(params, &progress));
    let loaders = (&run.loaders, &run.tasks);
    let place = (&run.directory, ranks);
    let mut fit = Fit::new(config, loaders, place, trainer, progress, start);
    if ranks.leads() {
        run.directory.forget_divergence();
    }
    let flow = fit.run(watch).inspect_err(|error| {
        if error.is_divergence() && ranks.leads() {
            run.directory.record_divergence(&error.line());
        }
    })?;
    let best = if ranks.leads() { fit.check_best() } else { Ok(()) };
    let epochs = match flow.is_break() {
        true => None,
        // Without the best model there is nothing to judge by the test set.
        false if best.is_err() && run.loaders.test.is_some() => return Err(best.unwrap_err()),
        false => run.epochs(&fit.progress, watch)?,
    };
    let Some(epochs) = epochs else {
        return Ok(run.interrupted(&fit.progress));
    };
    let mut summary = run.summary(&fit.progress, epochs, params, command);
    if !ranks.leads() {
        return Ok(Outcome::Finished(Box::new(summary)));
    }
    let files = (run.directory.path(), &run.device);
    if best.is_ok() {
        let Some(tasks) = results(config, &run.tasks, &fit.progress, files, watch)? else {
            return Ok(run.interrupted(&fit.progress));
        };
        summary.tasks = tasks;
    }
    if ranks.count() > 1 {
        summary.provenance.processes = Some(ranks.count());
        summary.provenance.exchange_seconds = Some(fit.exchange);
    }
    let left = fit.inference_cost();
    summary.inference_params = left.map(|cost| cost.params);
    summary.inference_macs = left.map(|cost| cost.macs);
    // A command that only repeats the result takes little memory.
    summary.provenance.peak_bytes =
        summary.provenance.peak_bytes.max(result::recorded_peak(run.directory.path()));
    run.directory.write_json("summary.json", &summary)?;
    best?;
    Ok(Outcome::Finished(Box::new(summary)))
}
