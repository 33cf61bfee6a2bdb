//! What a run starts from: new weights, or the model of a file.

mod head;

use std::path::Path;

use burn::tensor::Device;
use cobasis_zoo::files::{FileError, FileProblem, Notes, OpenOptions, Opened};
use cobasis_zoo::{AdapterKind, Model, ModelConfig, TensorInfo};

use crate::config::{Config, ConfigError, TaskKind};
use crate::data::number::grouped;
use crate::data::regular::{MAX_TEXT, read_text};
use crate::data::{ImageSet, Target};
use crate::error::Error;
use crate::preparation::of_set;
use crate::run_dir::{Classifier, InitRecord, sha256_of_file};
use crate::train::constraint::{check_joint, joint_bases, made_orthonormal, settings};
use crate::train::learned_ranks::check_uncut;
use crate::train::run::model_of;
use crate::train::teacher::{FIXED_ORDER, other_images};
use head::Head;

/// How far a number of a basis may move, when bases become orthonormal, without a word.
const UNTOLD: f32 = 1e-3;

/// The model of a file, on the autodiff device, and what is known of the file.
pub(super) struct StartFile {
    model: Model,
    file: String,
    sha256: String,
}

/// The model that a run starts with, on the autodiff device, and the file that it is from.
pub(super) type Start = (Model, Option<InitRecord>);

/// The configuration with the model of the file that a run in `out` starts from. The file is there too
/// unless `out` has a run already, which knows its model: it may be gone by then.
pub(super) fn resolved(
    config: &Config,
    out: Option<&Path>,
    device: &Device,
) -> Result<(Config, Option<StartFile>), Error> {
    let mut config = config.clone();
    if config.init.from.is_none() {
        return Ok((config, None));
    }
    if let Some(before) = out.map(recorded).transpose()?.flatten() {
        if config.model.is_empty() || config.model == before.model {
            (config.model, config.init.network) = (before.model, before.init.network);
        }
        if config.data.is_grey() {
            config.data.channels = before.data.channels;
        }
        return Ok((config, None));
    }
    let file = StartFile::open(&config, device)?;
    let channels = file.model.config.in_channels;
    if config.data.is_grey() && channels == 3 {
        log::info!(
            "the grey images of {} get three equal channels (data.channels)",
            config.data.name
        );
        config.data.channels = Some(channels);
    }
    let name = &file.model.config.name;
    config.model = name.to_string();
    config.init.network = (!name.is_registered())
        .then(|| serde_json::to_string(name.entry()))
        .transpose()
        .map_err(|error| refused(error.to_string()))?;
    config.check()?;
    Ok((config, Some(file)))
}

/// The configuration of the run in a directory, if there is one.
fn recorded(directory: &Path) -> Result<Option<Config>, ConfigError> {
    let path = directory.join("config.toml");
    // What can't be read is told by whoever opens the directory.
    let Ok(text) = read_text(&path, MAX_TEXT) else {
        return Ok(None);
    };
    Config::parse_with(&path.display().to_string(), &text, &[]).map(Some)
}

/// The model that a new run starts with: that of the file, which is opened if it was not, or else a new
/// one; with its frozen parts, and the constraint kept.
pub(super) fn start<T: Target>(
    config: &Config,
    file: Option<StartFile>,
    set: &ImageSet<T>,
    device: &Device,
) -> Result<Start, Error> {
    let file = match file {
        None if config.init.from.is_some() => Some(StartFile::open(config, device)?),
        file => file,
    };
    let (model, record) = match file {
        Some(file) => {
            let (model, record) = match config.init.adapter()? {
                Some(kind) => file.adapted(kind, config, set)?,
                None => file.fitted(config, set)?,
            };
            (orthonormal(config, frozen(config, model)?)?, Some(record))
        }
        None => {
            if !config.train.freeze.patterns().is_empty() {
                log::warn!(
                    "train.freeze: without a file to start from (init.from), frozen parts keep random \
                     weights"
                );
            }
            let model = model_of(config, set)?.with_seed(config.seed);
            (frozen(config, model.init(&device.clone().autodiff()))?, None)
        }
    };
    if config.ortho.constraint.0.is_some() && joint_bases(&model).is_empty() {
        let name = &model.config.name;
        log::warn!(
            "ortho.constraint: {name} has no filters to be kept orthonormal, so it has no effect"
        );
    }
    let [all, frozen] = [model.tensors(), model.frozen()].map(|tensors| parameters(&tensors));
    if frozen > 0 {
        let [all, frozen] = [all, frozen].map(grouped);
        log::info!("train.freeze: {frozen} of {all} parameters are frozen");
    }
    Ok((model, record))
}

/// Refuses to go on with a run in `place` whose file is another by now: its result would be taken for that
/// of the new file. That the file is gone is no matter.
pub(super) fn check_unchanged(
    config: &Config,
    record: &InitRecord,
    place: &str,
) -> Result<(), Error> {
    let Some(path) = &config.init.from else { return Ok(()) };
    match sha256_of_file(path) {
        Ok(now) if now != record.sha256 => {
            let problem = format!(
                "{} has changed since the run in {place} began from it; for the new file give another \
                 --out; to go on without it, move it away",
                path.display()
            );
            Err(refused(problem).into())
        }
        _ => Ok(()),
    }
}

/// The model with the parts frozen that the configuration names.
pub(super) fn frozen(config: &Config, model: Model) -> Result<Model, Error> {
    let patterns = config.train.freeze.patterns();
    if patterns.is_empty() {
        return Ok(model);
    }
    let refused = |problem: String| Error::from(ConfigError::at("train.freeze", problem));
    let name = model.config.name.to_string();
    let model = model.with_frozen(&patterns).map_err(|error| {
        let nearest: Vec<String> = error.nearest.iter().map(|name| format!("{name:?}")).collect();
        refused(match nearest.is_empty() {
            true => format!(
                "no tensor of {name} fits {:?}; expected \"bases\", \"backbone\" or paths as in model \
                 files, such as \"stem\" or \"stages.0.*\"",
                error.pattern
            ),
            false => format!(
                "no tensor of {name} fits {:?}; did you mean {}?",
                error.pattern,
                nearest.join(" or ")
            ),
        })
    })?;
    if parameters(&model.tensors()) == parameters(&model.frozen()) {
        return Err(refused(format!("all of {name} is frozen, and nothing left to train")));
    }
    check_joint(&config.ortho, &model).map_err(refused)?;
    check_uncut(&model).map_err(refused)?;
    Ok(model)
}

/// The numbers of tensors that can be trained: running statistics are not.
fn parameters(tensors: &[TensorInfo]) -> u64 {
    let is_statistic =
        |path: &str| path.ends_with(".running_mean") || path.ends_with(".running_var");
    let parameters = tensors.iter().filter(|tensor| !is_statistic(&tensor.path));
    parameters.map(|tensor| tensor.shape.iter().product::<usize>() as u64).sum()
}

/// The model with orthonormal bases, where a constraint is to keep them so.
fn orthonormal(config: &Config, model: Model) -> Result<Model, Error> {
    let Some(constraint) = config.ortho.constraint.0 else {
        return Ok(model);
    };
    let settings = settings(&config.ortho, config.optimizer.lr);
    let made = made_orthonormal(constraint, &settings, model).map_err(|error| {
        refused(format!("its shared filters can't be made orthonormal (ortho.constraint): {error}"))
    });
    let (model, farthest) = made?;
    if farthest > UNTOLD {
        log::warn!(
            "init.from: its shared filters are not as ortho.constraint keeps them, and are made so, which \
             changes what the model computes: numbers of filters change by up to {farthest:.1e}"
        );
    }
    Ok(model)
}

fn refused(problem: String) -> ConfigError {
    ConfigError::at("init.from", problem)
}

/// An error of the file, which is the user's or the system's.
fn of_file(error: FileError) -> Error {
    match error.is_user_error() {
        true => refused(error.to_string()).into(),
        false => error.into(),
    }
}

impl StartFile {
    /// Opens the file that the configuration names.
    pub(super) fn open(config: &Config, device: &Device) -> Result<Self, Error> {
        let Some(path) = &config.init.from else {
            return Err(refused("expected a file".to_owned()).into());
        };
        let (model, notes) = opened(config, path, &device.clone().autodiff())?;
        let file = path.display().to_string();
        if let Some(faulty) = notes.faulty() {
            return Err(refused(format!("{file}: {faulty}")).into());
        }
        if let Some(passed_over) = notes.passed_over() {
            log::warn!("{file}: {passed_over}");
        }
        let name = model.config.name.to_string();
        if !config.model.is_empty() && config.model != name {
            let problem = format!(
                "{file} holds {name}, and model is {}; leave model out, or give --set model={name}",
                config.model
            );
            return Err(refused(problem).into());
        }
        if !config.sharing.norms && model.config.norms != config.sharing.norms() {
            let problem = format!("expected true, since {file} has batch norms, got false");
            return Err(ConfigError::at("sharing.norms", problem).into());
        }
        let sha256 = sha256_of_file(path).map_err(|error| of_file(FileError::new(path, error)))?;
        Ok(Self { model, file, sha256 })
    }

    /// The configuration of the model for these images and the task.
    pub(super) fn config_for<T: Target>(
        &self,
        config: &Config,
        set: &ImageSet<T>,
    ) -> Result<ModelConfig, Error> {
        if config.task == TaskKind::Classify && self.model.config.detector.is_some() {
            let problem = format!(
                "{} holds a detector, and task is \"classify\"; to go on with it, give --set \
                 task=detect",
                self.file
            );
            return Err(refused(problem).into());
        }
        let (theirs, [ours, ..]) = (self.model.config.in_channels, set.shape());
        if theirs != ours {
            let problem = format!(
                "{} holds {}, which takes images of {theirs} channels; those of {} have {ours}",
                self.file,
                self.model.config.name,
                set.info().name
            );
            return Err(refused(problem).into());
        }
        let model = self.model.config.clone().with_num_classes(set.num_classes());
        let model = model.with_preparation(of_set(set));
        Ok(match config.detector() {
            Some(detector) => model.with_detector(detector),
            None => model,
        })
    }

    /// The model as the frozen base of a task: with an adapter and a new classifier, both drawn from the run's
    /// seed.
    fn adapted<T: Target>(
        self,
        kind: AdapterKind,
        config: &Config,
        set: &ImageSet<T>,
    ) -> Result<(Model, InitRecord), Error> {
        let ours = self.config_for(config, set)?;
        let Self { mut model, file, sha256 } = self;
        if let Some(said) = other_images("init.from", &model.config, &ours) {
            log::warn!("{said}");
        }
        let name = model.config.name.to_string();
        model.config.seed = config.seed;
        let adapted = model.with_adapter(kind, ours.num_classes);
        let mut model =
            adapted.map_err(|error| ConfigError::at("init.adapter", format!("{file}: {error}")))?;
        log::info!("{file}, {name}, is the frozen base of a task with the adapter {kind}");
        model.config.preparation = ours.preparation;
        Ok((model, InitRecord { file, sha256, model: name, classifier: Classifier::New }))
    }

    /// The model for these images: with its own classifier where it is one of their classes, else with
    /// a new one, drawn from the run's seed.
    fn fitted<T: Target>(
        self,
        config: &Config,
        set: &ImageSet<T>,
    ) -> Result<(Model, InitRecord), Error> {
        let ours = self.config_for(config, set)?.with_seed(config.seed);
        let Self { mut model, file, sha256 } = self;
        let theirs = model.config.clone();
        let (head, said) = Head::of(&theirs, &ours, &set.info().classes, &file);
        log::info!("starting from {file}, {}{said}", theirs.name);
        if let Some(said) = other_images("init.from", &theirs, &ours) {
            log::warn!("{said}");
        }
        model.config.seed = config.seed;
        if matches!(head, Head::Reordered(_)) && !model.can_reorder_classes() {
            return Err(refused(format!("{file} holds {}, which{FIXED_ORDER}", theirs.name)).into());
        }
        let (mut model, classifier) = match head {
            Head::Kept => (model, Classifier::Kept),
            Head::Reordered(order) => (model.with_class_order(&order), Classifier::Reordered),
            Head::New => match &ours.detector {
                Some(detector) => {
                    (model.into_detector(detector.clone(), ours.num_classes), Classifier::New)
                }
                None if theirs.detector.is_some() => {
                    (model.into_classifier(ours.num_classes), Classifier::New)
                }
                None => (model.with_new_head(ours.num_classes), Classifier::New),
            },
        };
        model.config = ours;
        let model_name = theirs.name.to_string();
        Ok((model, InitRecord { file, sha256, model: model_name, classifier }))
    }
}

/// The model of a file of any kind, by the name that the configuration has for one that says none.
fn opened(config: &Config, path: &Path, device: &Device) -> Result<(Model, Notes), Error> {
    let mut options = OpenOptions::new();
    if let Some(key) = &config.init.weights {
        options = options.weights(key);
    }
    let mut opened = options.open(path, device);
    if let Err(error) = &opened
        && matches!(*error.problem, FileProblem::Unnamed)
    {
        if config.model.is_empty() {
            let problem = format!("{error}: give the model's name, --set model=NAME");
            return Err(refused(problem).into());
        }
        opened = options.model(ModelConfig::new(config.model_name()?)).open(path, device);
    }
    let (opened, notes) = opened.map_err(|error| match *error.problem {
        FileProblem::SeveralWeights { .. } | FileProblem::OnlyAverages { .. } => {
            refused(format!("{error}: give --set init.weights=KEY")).into()
        }
        _ => of_file(error),
    })?;
    match opened {
        Opened::Trained(model) => Ok((model, notes)),
        _ => Err(of_file(FileError::new(path, FileProblem::Deployed))),
    }
}
