//! A whole run: data, model, epochs, and the directory that records them.

use std::path::Path;
use std::sync::Arc;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use cobasis_zoo::cobasis::ParameterCount;
use cobasis_zoo::{ModelConfig, save};

use crate::config::Config;
use crate::data::{Augment, Dataset, ImageSet, Loader, LoaderConfig};
use crate::device::DeviceName;
use crate::error::Error;
use crate::run_dir::{EpochMetrics, MetricsCsv, RunDir};
use crate::train::{EpochSummary, Started, StepReport, Summary, Trainer, Watch};

/// Steps of a dry run: the first one also warms up, the second one is timed.
const DRY_STEPS: usize = 2;

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

/// The parts of a run before its first step.
struct Setup {
    trainer: Trainer,
    params: u64,
    train: Loader,
    test: Loader,
}

impl Setup {
    fn new(config: &Config, device: DeviceName) -> Result<Self, Error> {
        let data = Dataset::load(&config.source()?)?;
        let model = ModelConfig::new(config.model_name()?)
            .with_num_classes(data.train.num_classes())
            .with_in_channels(data.train.shape()[0]);
        let device = device.open()?;
        let loader = |set: ImageSet, batch_size: usize, shuffle, augment| {
            // A batch can't hold more than there is.
            let batch_size = batch_size.min(set.len());
            let (seed, workers) = (config.seed, config.data.workers);
            let config = LoaderConfig { batch_size, shuffle, augment, seed, workers };
            Loader::new(Arc::new(set), config)
        };
        let trainer = Trainer::new(config, &model, &device);
        Ok(Self {
            params: ParameterCount::of(&trainer.model().network).trainable,
            trainer,
            train: loader(data.train, config.train.batch, true, config.data.augment())?,
            test: loader(data.test, config.train.eval_batch, false, Augment::NONE)?,
        })
    }
}

/// Trains a model as configured and records the run in a new directory: `out`, or one with the
/// model's name and a number under `runs`.
///
/// The directory gets the resolved configuration (`config.toml`), a row per epoch (`metrics.csv`),
/// the model of the last and of the best epoch (`last.safetensors`, `best.safetensors`) and a
/// summary (`summary.json`). `command` is recorded as it is.
///
/// # Errors
///
/// If the configuration, the data or the device can't be used, the directory can't be written, or
/// the loss is no longer a number. What was recorded until then stays.
pub fn run(
    config: &Config,
    device: DeviceName,
    out: Option<&Path>,
    command: &str,
    watch: &mut impl Watch,
) -> Result<Summary, Error> {
    let start = Instant::now();
    let started_unix = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
    config.check()?;
    let Setup { mut trainer, params, train, test } = Setup::new(config, device)?;
    let directory = RunDir::create(out, &config.model)?;
    directory.write_atomic("config.toml", config.to_toml()?.as_bytes())?;
    let mut csv = MetricsCsv::create(&directory.path().join("metrics.csv"))?;
    watch.started(Started {
        model: &config.model,
        params,
        train_images: train.num_images(),
        test_images: test.num_images(),
        epochs: config.train.epochs,
        steps: train.num_batches().min(config.train.max_steps.unwrap_or(usize::MAX)),
        directory: directory.path(),
    });
    let mut last = EpochMetrics::default();
    let mut best: Option<EpochMetrics> = None;
    for epoch in 1..=config.train.epochs {
        last = trainer.epoch(config, epoch, &train, &test, watch)?;
        csv.append(&last)?;
        save(trainer.model(), &directory.path().join("last.safetensors"))?;
        let is_best = best.is_none_or(|best| last.val_top1 > best.val_top1);
        if is_best {
            best = Some(last);
            save(trainer.model(), &directory.path().join("best.safetensors"))?;
        }
        watch.epoch(&last, is_best);
    }
    let summary = Summary {
        model: config.model.clone(),
        dataset: config.data.name.to_string(),
        train_images: train.num_images(),
        test_images: test.num_images(),
        params,
        seed: config.seed,
        device: device.to_string(),
        version: env!("CARGO_PKG_VERSION"),
        command: command.to_string(),
        started_unix,
        seconds: start.elapsed().as_secs_f64(),
        last: EpochSummary::from(&last),
        best_on_test: EpochSummary::from(&best.unwrap_or(last)),
    };
    let json = serde_json::to_string_pretty(&summary).unwrap_or_default();
    directory.write_atomic("summary.json", format!("{json}\n").as_bytes())?;
    Ok(summary)
}

/// Runs the first two training steps and writes nothing.
///
/// # Errors
///
/// If the configuration, the data or the device can't be used.
pub fn dry_run(config: &Config, device: DeviceName) -> Result<DryRun, Error> {
    config.check()?;
    let Setup { mut trainer, params, train, .. } = Setup::new(config, device)?;
    let lr = config.schedule.rate(config.optimizer.lr, 1);
    let mut reports = Vec::new();
    let (mut batch_shape, mut step_seconds) = ([0; 4], 0.0);
    for (index, batch) in train.epoch(1).take(DRY_STEPS).enumerate() {
        let batch = batch?;
        let start = Instant::now();
        reports.push(trainer.step(&batch, index + 1, lr));
        step_seconds = start.elapsed().as_secs_f64();
        batch_shape = batch.shape;
    }
    Ok(DryRun {
        params,
        train_images: train.num_images(),
        batch: batch_shape,
        steps: train.num_batches().min(config.train.max_steps.unwrap_or(usize::MAX)),
        reports,
        step_seconds,
    })
}
