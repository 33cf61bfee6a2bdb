//! What a run has before it trains: its images, its directory, and how far it has come.

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use burn::tensor::Device;
use cobasis_zoo::{Model, ModelConfig};

use super::{Outcome, maps, model_of};
use crate::config::Config;
use crate::data::{ClassCount, Loader, class_counts};
use crate::device::DeviceName;
use crate::error::Error;
use crate::run_dir::{Provenance, RunDir, RunDirError};
use crate::train::checkpoint::Resumed;
use crate::train::joint::{Joint, TaskLoaders};
use crate::train::loaders::Loaders;
use crate::train::ranks::check_data;
use crate::train::recorded_data::{DATA, check_model, check_same, recorded_data, warn_of_unknown};
use crate::train::start::{Start, StartFile, check_unchanged, start};
use crate::train::teacher::{taught, teacher};
use crate::train::{
    DataIdentity, Progress, Ranks, Started, TargetOf, Task, Trainer, Watch, checkpoint,
};

/// The file of a run's directory that says which model file it started from.
const INIT: &str = "init.json";

/// What a run has before it trains.
pub(super) struct Run<'a, T: Task> {
    pub(super) config: &'a Config,
    pub(super) ranks: &'a Ranks,
    pub(super) provenance: Provenance,
    pub(super) loaders: Loaders<TargetOf<T>>,
    /// The images of further tasks.
    pub(super) tasks: TaskLoaders,
    pub(super) name: DeviceName,
    pub(super) device: Device,
    /// Those that compute batches beside it.
    pub(super) further: Vec<Device>,
    pub(super) model: ModelConfig,
    teacher: Option<Model>,
    /// What a new run starts with; not there in a directory that has a run already.
    start: Option<Start>,
    pub(super) directory: RunDir,
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
    pub(super) fn prepare(
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
    pub(super) fn resume_or_start(
        &mut self,
        watch: &mut impl Watch<T::Score>,
    ) -> Result<Resumed<T>, Error> {
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

    pub(super) fn started(&self, params: u64, progress: &Progress<T::Score>) -> Started<'_> {
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

    pub(super) fn interrupted(&self, progress: &Progress<T::Score>) -> Outcome {
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
