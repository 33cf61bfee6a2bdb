//! A whole run: data, model, epochs, and the directory that records them.

mod result;

use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use burn::tensor::Device;
use cobasis_zoo::{Model, ModelConfig};

use crate::config::Config;
use crate::data::{ClassCount, ImageSet, Loader, Target, class_counts};
use crate::device::DeviceName;
use crate::error::Error;
use crate::memory::Maps;
use crate::preparation::of_set;
use crate::run_dir::{Provenance, RunDir, RunDirError, Summary};
use crate::train::checkpoint::Resumed;
use crate::train::fit::Fit;
use crate::train::joint::{Joint, TaskLoaders, results};
use crate::train::loaders::Loaders;
use crate::train::recorded_data::{DATA, check_model, check_same, recorded_data, warn_of_unknown};
use crate::train::start::{Start, StartFile, check_unchanged, resolved, start};
use crate::train::teacher::{taught, teacher};
use crate::train::{
    Classification, DataIdentity, Progress, Started, TargetOf, Task, Trainer, Watch, checkpoint,
};

/// The file of a run's directory that says which model file it started from.
const INIT: &str = "init.json";

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
    let start = Instant::now();
    config.check()?;
    let opened = device.open()?;
    let (config, file) = resolved(config, out, &opened)?;
    let config = &config;
    let mut run = Run::<T>::prepare(config, (device, opened), out, file)?;
    let (trainer, progress) = run.resume_or_start(watch)?;
    let params = trainer.model().parameters().trainable;
    watch.started(run.started(params, &progress));
    let loaders = (&run.loaders, &run.tasks);
    let mut fit = Fit::new(config, loaders, &run.directory, trainer, progress, start);
    run.directory.forget_divergence();
    let flow = fit.run(watch).inspect_err(|error| {
        if error.is_divergence() {
            run.directory.record_divergence(&error.line());
        }
    })?;
    let best = fit.check_best();
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
    let files = (run.directory.path(), &run.device);
    if best.is_ok() {
        let Some(tasks) = results(config, &run.tasks, &fit.progress, files, watch)? else {
            return Ok(run.interrupted(&fit.progress));
        };
        summary.tasks = tasks;
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

/// What a run has before it trains.
struct Run<'a, T: Task> {
    config: &'a Config,
    provenance: Provenance,
    loaders: Loaders<TargetOf<T>>,
    /// The images of further tasks.
    tasks: TaskLoaders,
    name: DeviceName,
    device: Device,
    model: ModelConfig,
    teacher: Option<Model>,
    /// What a new run starts with; not there in a directory that has a run already.
    start: Option<Start>,
    directory: RunDir,
    data: DataIdentity,
    /// Whether the directory said before that they are the run's.
    is_recorded: bool,
    /// Whether it is a run that was to end earlier.
    is_longer: bool,
    /// The classes to train on, where they are folders that somebody may have sorted.
    classes: Vec<ClassCount>,
}

impl<'a, T: Task> Run<'a, T> {
    /// Reads the images and makes the directory, or takes one that has this run.
    fn prepare(
        config: &'a Config,
        (name, device): (DeviceName, Device),
        out: Option<&Path>,
        file: Option<StartFile>,
    ) -> Result<Self, Error> {
        let provenance = Provenance::at_start();
        let loaders = Loaders::new::<T>(config, T::load(config)?)?;
        let tasks = TaskLoaders::load(config)?;
        let set = loaders.train.set();
        let model = match &file {
            Some(file) => file.config_for(config, set)?,
            None => model_of(config, set)?,
        };
        let batches = [&loaders.train, &loaders.val].map(Loader::batch_size);
        if name.is_processor() {
            maps(&model, &loaders).check_run(config, batches)?;
        }
        tasks.check(config, &model, name.is_processor())?;
        let teacher = teacher(config, &model, &device)?;
        // What is wrong with it is to be told before there is a directory.
        let is_new = out.is_none_or(|out| !RunDir::has_run(out));
        let start = is_new.then(|| start(config, file, set, &device)).transpose()?;
        if let Some((model, _)) = &start {
            Joint::new(config, &tasks, model)?;
        }
        let directory = RunDir::open(out, &config.model)?;
        let place = directory.path().display().to_string();
        let data = DataIdentity { tasks: tasks.identities(), ..DataIdentity::of(&loaders) };
        let (mut is_recorded, mut is_longer) = (false, false);
        if let Some(text) = directory.config()? {
            let before = Config::parse_with(&format!("{place}/config.toml"), &text, &[])?;
            config.check_resumes(&before, &place)?;
            if let Some(before) = recorded_data(&directory) {
                check_same(&before, &data, &place)?;
                is_recorded = true;
            }
            is_longer = config.is_longer(&before);
        } else {
            directory.write_config(&config.to_toml()?)?;
        }
        let is_folder = config.data.name.is_folder();
        let classes = if is_folder { class_counts(loaders.train.set()) } else { Vec::new() };
        Ok(Self {
            config,
            provenance,
            loaders,
            tasks,
            name,
            device,
            model,
            teacher,
            start,
            directory,
            data,
            is_recorded,
            is_longer,
            classes,
        })
    }

    /// The trainer of the last checkpoint, or a new one, and how far the run has come.
    fn resume_or_start(&mut self, watch: &mut impl Watch<T::Score>) -> Result<Resumed<T>, Error> {
        let resumed = last_checkpoint::<T>(&self.directory, self.config, &self.device, watch)?;
        let path = self.directory.path();
        if resumed.is_none() && path.join("metrics.csv").exists() {
            return Err(RunDirError::NoCheckpoint { path: path.to_owned() }.into());
        }
        let before_cut = self.config.epochs_before_cut();
        if let Some((trainer, progress)) = &resumed {
            let place = self.directory.path().display().to_string();
            match &progress.data {
                Some(before) => check_same(before, &self.data, &place)?,
                None => check_model(&trainer.model().config, &self.model, &place)?,
            }
            if progress.data.is_none() && !self.is_recorded {
                warn_of_unknown(&place);
            }
            if let Some(record) = &progress.init {
                check_unchanged(self.config, record, &place)?;
            }
        }
        if self.is_longer {
            self.directory.forget_result()?;
            self.directory.write_config(&self.config.to_toml()?)?;
        }
        self.directory.write_json(DATA, &self.data)?;
        let (trainer, progress) = match resumed {
            Some(resumed) => resumed,
            None => self.begin()?,
        };
        if let Some(init) = &progress.init {
            self.directory.write_json(INIT, init)?;
        }
        let progress = progress.with_data(self.data.clone()).with_before_cut(before_cut);
        Ok((taught(trainer, self.teacher.take()), progress))
    }

    /// A trainer that has done nothing yet.
    fn begin(&mut self) -> Result<Resumed<T>, Error> {
        let config = self.config;
        let (model, init) = match self.start.take() {
            Some(start) => start,
            // The run was killed before its first checkpoint.
            None => start(config, None, self.loaders.train.set(), &self.device)?,
        };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs());
        let further = match config.tasks.is_empty() {
            true => None,
            false => Some(Joint::new(config, &self.tasks, &model)?),
        };
        let mut trainer = Trainer::with_model(config, model, self.device.clone().autodiff());
        if let Some(further) = further {
            trainer = trainer.with_joint(further);
        }
        Ok((trainer, Progress::new(now).with_init(init)))
    }

    fn started(&self, params: u64, progress: &Progress<T::Score>) -> Started<'_> {
        Started {
            model: &self.config.model,
            params,
            train_images: self.loaders.train.num_images(),
            val_images: self.loaders.val.num_images(),
            epochs: self.config.train.epochs,
            steps: self.loaders.steps(self.config),
            done: (progress.history.len(), progress.steps),
            directory: self.directory.path(),
            classes: &self.classes,
        }
    }

    fn interrupted(&self, progress: &Progress<T::Score>) -> Outcome {
        let (epoch, step) = match progress.steps {
            // Broken off while the test set judged the result.
            0 => (progress.history.len().max(1), self.loaders.steps(self.config)),
            steps => (progress.epoch(), steps),
        };
        Outcome::Interrupted { directory: self.directory.path().to_path_buf(), epoch, step }
    }
}

/// What the furthest checkpoint that can be read holds; `None` where there is no checkpoint.
fn last_checkpoint<T: Task>(
    directory: &RunDir,
    config: &Config,
    device: &Device,
    watch: &mut impl Watch<T::Score>,
) -> Result<Option<Resumed<T>>, Error> {
    let mut first_error = None;
    for path in directory.checkpoints().list()? {
        if !path.is_dir() {
            watch.checkpoint_lost(&Error::checkpoint(&path, "expected a directory, got a file"));
            continue;
        }
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
