//! A whole run: data, model, epochs, and the directory that records them.

use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use burn::module::Module;
use burn::tensor::Device;
use cobasis_zoo::cobasis::ParameterCount;
use cobasis_zoo::{Model, ModelConfig, load};

use crate::config::{Config, ConfigError, Moment};
use crate::device::DeviceName;
use crate::error::Error;
use crate::evaluate::evaluate;
use crate::run_dir::RunDir;
use crate::train::date::iso;
use crate::train::fit::Fit;
use crate::train::loaders::Loaders;
use crate::train::{
    EpochSummary, Progress, Provenance, Started, StepAt, StepReport, Summary, Trainer, Watch,
    checkpoint,
};

/// Steps of a dry run: the first one also warms up, the second one is timed.
const DRY_STEPS: usize = 2;

/// How a run ended.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// All epochs are done.
    Finished(Box<Summary>),
    /// The [`Watch`] broke it off; the same call goes on with it.
    Interrupted {
        /// Where the run lies.
        directory: PathBuf,
        /// The epoch at hand, counted from 1.
        epoch: usize,
        /// Steps of it that are done.
        step: usize,
    },
}

/// What a dry run found out.
#[derive(Clone, Debug)]
pub struct DryRun {
    /// Trainable parameters, each shared tensor once.
    pub params: u64,
    /// Training images.
    pub train_images: usize,
    /// The shape of a full training batch.
    pub batch: [usize; 4],
    /// Classes, the other dimension of the logits.
    pub classes: usize,
    /// The most memory that this process has had, where the system tells it; a graphics processor
    /// has more of its own.
    pub peak_bytes: Option<u64>,
    /// Steps of an epoch.
    pub steps: usize,
    /// The steps that were run, of one batch each.
    pub reports: Vec<StepReport>,
    /// Wall time of a step, by that of the last batch, seconds.
    pub step_seconds: f64,
}

/// The model that the configuration names, for these images.
fn model(config: &Config, loaders: &Loaders) -> Result<ModelConfig, Error> {
    let set = loaders.train.set();
    let model = ModelConfig::new(config.model_name()?);
    Ok(model.with_num_classes(set.num_classes()).with_in_channels(set.shape()[0]))
}

/// The teacher that the configuration names, for that model.
fn teacher(config: &Config, model: &ModelConfig, device: &Device) -> Result<Option<Model>, Error> {
    let Some(path) = &config.distill.teacher else {
        return Ok(None);
    };
    let refused = |problem: String| ConfigError::at("distill.teacher", problem);
    let teacher = load(path, device).map_err(|error| refused(error.to_string()))?;
    let theirs = &teacher.config;
    if (theirs.num_classes, theirs.in_channels) != (model.num_classes, model.in_channels) {
        let (name, classes, channels) = (theirs.name, theirs.num_classes, theirs.in_channels);
        let problem = format!(
            "expected a model with {} classes and {} channels, got {name} with {classes} and \
             {channels}",
            model.num_classes, model.in_channels,
        );
        return Err(refused(problem).into());
    }
    Ok(Some(teacher.valid()))
}

/// The trainer, with its teacher if it has one.
fn taught(trainer: Trainer, teacher: Option<Model>) -> Trainer {
    match teacher {
        Some(teacher) => trainer.with_teacher(teacher),
        None => trainer,
    }
}

/// Trains a model as configured and records the run in a directory: `out`, or a new one with the
/// model's name and a number under `runs`. Where `out` holds the run already, it goes on with it
/// from its last checkpoint, and on the processor the result is the same to the last bit.
///
/// The directory gets the resolved configuration (`config.toml`), a row per epoch (`metrics.csv`),
/// the model of the last and of the best epoch (`last.safetensors`, `best.safetensors`), the last
/// two checkpoints and a summary (`summary.json`). `command` is recorded as it is.
///
/// # Errors
///
/// If the configuration, the data or the device can't be used, the directory holds the run of
/// another configuration or can't be written, or the loss is no longer a number. What was recorded
/// until then stays.
pub fn run(
    config: &Config,
    device: DeviceName,
    out: Option<&Path>,
    command: &str,
    watch: &mut impl Watch,
) -> Result<Outcome, Error> {
    let start = Instant::now();
    config.check()?;
    let provenance = Provenance::at_start();
    let loaders = Loaders::new(config)?;
    let opened = device.open()?;
    let model = model(config, &loaders)?;
    let teacher = teacher(config, &model, &opened)?;
    let directory = RunDir::open(out, &config.model)?;
    let place = directory.path().display().to_string();
    if let Some(text) = directory.config()? {
        let before = Config::parse_with(&format!("{place}/config.toml"), &text, &[])?;
        config.check_resumes(&before, &place)?;
    } else {
        directory.write_config(&config.to_toml()?)?;
    }
    let (trainer, progress) = match last_checkpoint(&directory, config, &opened, watch)? {
        Some(resumed) => resumed,
        None => {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
            (Trainer::new(config, &model, &opened), Progress::new(now))
        }
    };
    let trainer = taught(trainer, teacher);
    let params = ParameterCount::of(&trainer.model().network).trainable;
    watch.started(Started {
        model: &config.model,
        params,
        train_images: loaders.train.num_images(),
        val_images: loaders.val.num_images(),
        epochs: config.train.epochs,
        steps: loaders.steps(config),
        done: (progress.history.len(), progress.steps),
        directory: directory.path(),
    });
    let mut fit = Fit::new(config, &loaders, &directory, trainer, progress, start);
    let flow = fit.run(watch)?;
    let epochs = match flow.is_break() {
        true => None,
        false => epochs(&fit, &loaders, &directory, &opened, watch)?,
    };
    let Some((last, best)) = epochs else {
        let (epoch, step) = match fit.progress.steps {
            // Broken off while the test set judged the result.
            0 => (fit.progress.history.len().max(1), loaders.steps(config)),
            steps => (fit.progress.epoch(), steps),
        };
        let directory = directory.path().to_path_buf();
        return Ok(Outcome::Interrupted { directory, epoch, step });
    };
    let on_test = loaders.test.is_none();
    let summary = Summary {
        model: config.model.clone(),
        dataset: config.data.name.to_string(),
        split: config.data.split,
        train_images: loaders.train.num_images(),
        val_images: (!on_test).then(|| loaders.val.num_images()),
        test_images: loaders.test.as_ref().unwrap_or(&loaders.val).num_images(),
        params,
        seed: config.seed,
        device: device.to_string(),
        version: env!("CARGO_PKG_VERSION").to_string(),
        command: command.to_string(),
        started: iso(fit.progress.started_unix),
        started_unix: fit.progress.started_unix,
        seconds: fit.progress.seconds,
        provenance: provenance.at_end(),
        last,
        best_on_test: on_test.then_some(best),
        best_on_val: (!on_test).then_some(best),
    };
    let json = serde_json::to_string_pretty(&summary).unwrap_or_default();
    directory.write_atomic("summary.json", format!("{json}\n").as_bytes())?;
    Ok(Outcome::Finished(Box::new(summary)))
}

/// The last and the best epoch, judged by the test set; `None` if the watch broke off.
fn epochs(
    fit: &Fit,
    loaders: &Loaders,
    directory: &RunDir,
    device: &Device,
    watch: &mut impl Watch,
) -> Result<Option<(EpochSummary, EpochSummary)>, Error> {
    let last = fit.progress.history.last().copied().unwrap_or_default();
    let best = fit.progress.best().copied().unwrap_or(last);
    let Some(test) = &loaders.test else {
        return Ok(Some((EpochSummary::on_test(&last), EpochSummary::on_test(&best))));
    };
    let mut judge = |name: &str| -> Result<_, Error> {
        let model = load(&directory.path().join(name), device)?;
        Ok(evaluate(&model, test, |images| watch.evaluated(images))?)
    };
    let Some(on_last) = judge("last.safetensors")? else {
        return Ok(None);
    };
    let Some(on_best) = judge("best.safetensors")? else {
        return Ok(None);
    };
    let last = EpochSummary::on_both(&last, &on_last);
    Ok(Some((last, EpochSummary::on_both(&best, &on_best))))
}

/// What the furthest checkpoint that can be read holds; `None` where there is no checkpoint.
fn last_checkpoint(
    directory: &RunDir,
    config: &Config,
    device: &Device,
    watch: &mut impl Watch,
) -> Result<Option<(Trainer, Progress)>, Error> {
    let mut first_error = None;
    for path in directory.checkpoints().list()? {
        match checkpoint::read(&path, config, device) {
            Ok(read) => return Ok(Some(read)),
            Err(error) => {
                watch.checkpoint_lost(&error);
                first_error.get_or_insert(error);
            }
        }
    }
    first_error.map_or(Ok(None), Err)
}

/// Runs the first two training steps and writes nothing.
///
/// # Errors
///
/// If the configuration, the data or the device can't be used.
pub fn dry_run(config: &Config, device: DeviceName) -> Result<DryRun, Error> {
    config.check()?;
    let loaders = Loaders::new(config)?;
    let (model, device) = (model(config, &loaders)?, device.open()?);
    let teacher = teacher(config, &model, &device)?;
    let mut trainer = taught(Trainer::new(config, &model, &device), teacher);
    let mut reports = Vec::new();
    let (mut batch_shape, mut step_seconds) = ([0; 4], 0.0);
    let (steps_per_epoch, epochs) = (loaders.steps(config), config.train.epochs);
    for (steps, batch) in loaders.train.epoch(1).take(DRY_STEPS).enumerate() {
        let batch = batch?;
        let moment = Moment { epoch: 1, steps, steps_per_epoch, epochs };
        let lr = config.schedule.rate(config.optimizer.lr, moment);
        let lambda = config.train.lambda_at(moment);
        batch_shape = batch.shape;
        let start = Instant::now();
        reports.push(trainer.step(&[batch], StepAt { epoch: 1, step: steps + 1, lr, lambda }));
        step_seconds = start.elapsed().as_secs_f64() * config.train.accumulate as f64;
    }
    Ok(DryRun {
        classes: trainer.model().config.num_classes,
        peak_bytes: peak_bytes(),
        params: ParameterCount::of(&trainer.model().network).trainable,
        train_images: loaders.train.num_images(),
        batch: batch_shape,
        steps: loaders.steps(config),
        reports,
        step_seconds,
    })
}

fn peak_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}
