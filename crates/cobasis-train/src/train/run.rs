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
use crate::train::ranks::{check_accumulate, check_data, check_model as check_weights, check_run};
use crate::train::recorded_data::{DATA, check_model, check_same, recorded_data, warn_of_unknown};
use crate::train::start::{Start, StartFile, check_unchanged, resolved, start};
use crate::train::teacher::{taught, teacher};
use crate::train::{
    Classification, DataIdentity, Progress, Ranks, Started, TargetOf, Task, Trainer, Watch,
    checkpoint,
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
    check_weights(ranks, trainer.model(), "before the first step")?;
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

/// What a run has before it trains.
struct Run<'a, T: Task> {
    config: &'a Config,
    ranks: &'a Ranks,
    provenance: Provenance,
    loaders: Loaders<TargetOf<T>>,
    /// The images of further tasks.
    tasks: TaskLoaders,
    name: DeviceName,
    device: Device,
    /// Those that compute batches beside it.
    further: Vec<Device>,
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
        ranks: &'a Ranks,
        (name, device, further): (DeviceName, Device, Vec<Device>),
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
        let data = DataIdentity { tasks: tasks.identities(), ..DataIdentity::of(&loaders) };
        check_data(ranks, &data, is_new)?;
        let opened = ranks.leads().then(|| RunDir::open(out, &config.model)).transpose()?;
        let directory = directory_of(ranks, opened)?;
        let place = directory.path().display().to_string();
        let (mut is_recorded, mut is_longer) = (false, false);
        if !ranks.leads() {
            // The first looks after it.
        } else if let Some(text) = directory.config()? {
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
            ranks,
            provenance,
            loaders,
            tasks,
            name,
            device,
            further,
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
        let (leads, path) = (self.ranks.leads(), self.directory.path());
        let resumed = self.last_checkpoint(watch)?;
        if resumed.is_none() && leads && path.join("metrics.csv").exists() {
            return Err(RunDirError::NoCheckpoint { path: path.to_owned() }.into());
        }
        let before_cut = self.config.epochs_before_cut();
        if let Some((trainer, progress)) = &resumed {
            let place = self.directory.path().display().to_string();
            match &progress.data {
                Some(before) => check_same(before, &self.data, &place)?,
                None => check_model(&trainer.model().config, &self.model, &place)?,
            }
            if progress.data.is_none() && !self.is_recorded && leads {
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
        if leads {
            self.directory.write_json(DATA, &self.data)?;
        }
        let (trainer, progress) = match resumed {
            Some(resumed) => resumed,
            None => self.begin()?,
        };
        if let Some(init) = progress.init.as_ref().filter(|_| leads) {
            self.directory.write_json(INIT, init)?;
        }
        let progress = progress.with_data(self.data.clone()).with_before_cut(before_cut);
        let trainer = trainer.with_devices(&self.further);
        Ok((taught(trainer, self.teacher.take()), progress))
    }

    /// What the furthest checkpoint that the first rank can read holds; `None` where there is no checkpoint.
    fn last_checkpoint(
        &self,
        watch: &mut impl Watch<T::Score>,
    ) -> Result<Option<Resumed<T>>, Error> {
        let (config, device) = (self.config, &self.device);
        let found = match self.ranks.leads() {
            true => last_checkpoint::<T>(&self.directory, config, device, watch)?,
            false => None,
        };
        let name = found.as_ref().and_then(|(path, _)| path.file_name());
        let name = || name.map(|name| name.to_string_lossy().into_owned().into_bytes());
        let name = self.ranks.of_first(|| name().unwrap_or_default())?;
        Ok(match found {
            Some((_, resumed)) => Some(resumed),
            None if self.ranks.leads() || name.is_empty() => None,
            None => {
                let name = String::from_utf8_lossy(&name).into_owned();
                let path = self.directory.path().join("checkpoints").join(name);
                Some(checkpoint::read(&path, config, device)?)
            }
        })
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

/// The directory that the first rank has opened, by each of the ranks.
fn directory_of(ranks: &Ranks, opened: Option<RunDir>) -> Result<RunDir, Error> {
    let path = opened.as_ref().map(|directory| directory.path().display().to_string());
    let path = ranks.of_first(|| path.unwrap_or_default().into_bytes())?;
    let path = || PathBuf::from(String::from_utf8_lossy(&path).into_owned());
    Ok(opened.unwrap_or_else(|| RunDir::of_other(path())))
}

/// The furthest checkpoint that can be read, and what it holds; `None` where there is no checkpoint.
fn last_checkpoint<T: Task>(
    directory: &RunDir,
    config: &Config,
    device: &Device,
    watch: &mut impl Watch<T::Score>,
) -> Result<Option<(PathBuf, Resumed<T>)>, Error> {
    let mut first_error = None;
    for path in directory.checkpoints().list()? {
        if !path.is_dir() {
            watch.checkpoint_lost(&Error::checkpoint(&path, "expected a directory, got a file"));
            continue;
        }
        match checkpoint::read(&path, config, device) {
            Ok(read) => return Ok(Some((path, read))),
            Err(error) => {
                watch.checkpoint_lost(&error);
                first_error.get_or_insert(error);
            }
        }
    }
    first_error.map_or(Ok(None), Err)
}
