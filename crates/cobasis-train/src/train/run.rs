//! A whole run: data, model, epochs, and the directory that records them.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use burn::tensor::Device;
use cobasis_zoo::ModelConfig;
use cobasis_zoo::cobasis::ParameterCount;

use crate::config::Config;
use crate::data::{Augment, Dataset, ImageSet, Loader, LoaderConfig};
use crate::device::DeviceName;
use crate::error::Error;
use crate::run_dir::RunDir;
use crate::train::fit::Fit;
use crate::train::{
    EpochSummary, Progress, Started, StepReport, Summary, Trainer, Watch, checkpoint,
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
    /// Steps of an epoch.
    pub steps: usize,
    /// The steps that were run.
    pub reports: Vec<StepReport>,
    /// Wall time of the last step, seconds.
    pub step_seconds: f64,
}

/// The images of a run.
pub(crate) struct Loaders {
    pub(crate) train: Loader,
    pub(crate) val: Loader,
}

impl Loaders {
    fn new(config: &Config) -> Result<Self, Error> {
        let data = Dataset::load(config.data.name, config.data.dir.as_deref())?;
        let augment = Augment { pad: config.data.pad, flip: config.data.flip };
        let loader = |set: ImageSet, batch_size: usize, shuffle, augment| {
            // A batch can't hold more than there is.
            let batch_size = batch_size.min(set.len());
            let (seed, workers) = (config.seed, config.data.workers);
            let config = LoaderConfig { batch_size, shuffle, augment, seed, workers };
            Loader::new(Arc::new(set), config)
        };
        Ok(Self {
            train: loader(data.train, config.train.batch, true, augment)?,
            val: loader(data.test, config.train.eval_batch, false, Augment::NONE)?,
        })
    }

    /// Steps of an epoch.
    fn steps(&self, config: &Config) -> usize {
        self.train.num_batches().min(config.train.max_steps.unwrap_or(usize::MAX))
    }
}

fn trainer(config: &Config, device: &Device) -> Result<Trainer, Error> {
    Ok(Trainer::new(config, &ModelConfig::new(config.model_name()?), device))
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
    let loaders = Loaders::new(config)?;
    let opened = device.open()?;
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
            (trainer(config, &opened)?, Progress::new(now))
        }
    };
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
    if fit.run(watch)?.is_break() {
        let (epoch, step) = (fit.progress.epoch(), fit.progress.steps);
        let directory = directory.path().to_path_buf();
        return Ok(Outcome::Interrupted { directory, epoch, step });
    }
    let Progress { started_unix, seconds, history, .. } = &fit.progress;
    let last = history.last().copied().unwrap_or_default();
    let best = fit.progress.best().copied().unwrap_or(last);
    let summary = Summary {
        model: config.model.clone(),
        dataset: config.data.name.to_string(),
        train_images: loaders.train.num_images(),
        test_images: loaders.val.num_images(),
        params,
        seed: config.seed,
        device: device.to_string(),
        version: env!("CARGO_PKG_VERSION"),
        command: command.to_string(),
        started_unix: *started_unix,
        seconds: *seconds,
        last: EpochSummary::from(&last),
        best_on_test: EpochSummary::from(&best),
    };
    let json = serde_json::to_string_pretty(&summary).unwrap_or_default();
    directory.write_atomic("summary.json", format!("{json}\n").as_bytes())?;
    Ok(Outcome::Finished(Box::new(summary)))
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
    let mut trainer = trainer(config, &device.open()?)?;
    let lr = config.schedule.rate(config.optimizer.lr, 1);
    let mut reports = Vec::new();
    let (mut batch_shape, mut step_seconds) = ([0; 4], 0.0);
    for (index, batch) in loaders.train.epoch(1).take(DRY_STEPS).enumerate() {
        let start = Instant::now();
        reports.push(trainer.step(&batch, index + 1, lr));
        step_seconds = start.elapsed().as_secs_f64();
        batch_shape = batch.shape;
    }
    Ok(DryRun {
        params: ParameterCount::of(&trainer.model().network).trainable,
        train_images: loaders.train.num_images(),
        batch: batch_shape,
        steps: loaders.steps(config),
        reports,
        step_seconds,
    })
}
