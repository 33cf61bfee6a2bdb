//! A whole run: data, model, epochs, and the directory that records them.

use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use burn::module::Module;
use burn::tensor::Device;
use cobasis_zoo::cobasis::ParameterCount;
use cobasis_zoo::{Model, ModelConfig, load};

use crate::config::{Config, ConfigError};
use crate::date::iso;
use crate::device::DeviceName;
use crate::error::Error;
use crate::evaluate::evaluate;
use crate::preparation::of_set;
use crate::run_dir::{EpochSummary, Provenance, RunDir, Summary};
use crate::train::fit::Fit;
use crate::train::loaders::Loaders;
use crate::train::{Progress, Started, Trainer, Watch, checkpoint};

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

/// The model that the configuration names, for these images.
pub(super) fn model(config: &Config, loaders: &Loaders) -> Result<ModelConfig, Error> {
    let set = loaders.train.set();
    let model = ModelConfig::new(config.model_name()?);
    let model = model.with_num_classes(set.num_classes()).with_in_channels(set.shape()[0]);
    Ok(model.with_norms(config.sharing.norms).with_preparation(of_set(set)))
}

/// The teacher that the configuration names, for that model.
pub(super) fn teacher(
    config: &Config,
    model: &ModelConfig,
    device: &Device,
) -> Result<Option<Model>, Error> {
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
pub(super) fn taught(trainer: Trainer, teacher: Option<Model>) -> Trainer {
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
