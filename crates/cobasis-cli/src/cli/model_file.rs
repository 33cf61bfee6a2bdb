//! Model files as arguments: reading one of any kind, writing one where none is lost.

use std::fs;
use std::path::{Path, PathBuf};

use burn::module::Module;
use burn::tensor::Device;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use cobasis_cli::Error;
use cobasis_zoo::deploy::{FactorisedLayers, Weights};
use cobasis_zoo::files::{FileError, FileProblem, Notes, OpenOptions, Opened, open_task};
use cobasis_zoo::{Deployed, Model, ModelConfig, ModelName};
use serde::Serialize;

use super::output::{grouped, print, print_json};

/// Which model a file holds and where, if it is not ours and does not say so.
#[derive(Debug, clap::Args)]
pub(crate) struct Held<K: KeyOption = WeightsOption> {
    /// Name of the model in the file; not needed for files written by cobasis.
    #[arg(long, value_name = "NAME")]
    model: Option<ModelName>,
    #[command(flatten)]
    key: K,
    /// File of a task that the model file is the base of, as `cobasis adapt` writes it.
    #[arg(long, value_name = "FILE")]
    task: Option<PathBuf>,
}

/// The option that takes the key of weights.
pub(crate) trait KeyOption: clap::Args {
    /// What it is called.
    const NAME: &'static str;

    fn key(&self) -> Option<&str>;
}

/// Usually it is called like this.
#[derive(Debug, clap::Args)]
pub(crate) struct WeightsOption {
    /// Key of the weights in a PyTorch checkpoint that contains several, such as model_ema.
    #[arg(long, visible_alias = "key", value_name = "KEY")]
    weights: Option<String>,
}

/// Where `--weights` says what weights become.
#[derive(Debug, clap::Args)]
pub(crate) struct OnlyKey {
    /// Key of the weights in a PyTorch checkpoint that contains several, such as model_ema.
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
}

impl KeyOption for WeightsOption {
    const NAME: &'static str = "--weights";

    fn key(&self) -> Option<&str> {
        self.weights.as_deref()
    }
}

impl KeyOption for OnlyKey {
    const NAME: &'static str = "--key";

    fn key(&self) -> Option<&str> {
        self.key.as_deref()
    }
}

/// A model that was read: as it was trained, or folded for use.
#[expect(clippy::large_enum_variant, reason = "there is one of it")]
pub(crate) enum Found {
    Trained(Model),
    Deployed(Deployed),
}

impl Found {
    pub(crate) fn config(&self) -> &ModelConfig {
        match self {
            Found::Trained(model) => &model.config,
            Found::Deployed(model) => &model.config.model,
        }
    }
}

impl<K: KeyOption> Held<K> {
    /// Opens a model file that can be written as another: ours, or one of PyTorch's.
    pub(crate) fn open(&self, path: &Path, device: &Device) -> Result<Model, Error> {
        let (opened, notes) = self.open_file(path, device)?;
        warn_of_faults(path, &notes);
        match opened {
            Opened::Trained(model) => Ok(model),
            _ => Err(FileError::new(path, FileProblem::Deployed).into()),
        }
    }

    /// Opens a model file that is computed with and written as another: one whose weights are no numbers
    /// is refused.
    pub(crate) fn open_trained(&self, path: &Path, device: &Device) -> Result<Model, Error> {
        match self.open_to_run(path, device)? {
            Found::Trained(model) => Ok(model),
            _ => Err(FileError::new(path, FileProblem::Deployed).into()),
        }
    }

    /// The same for deployed ones too.
    pub(crate) fn open_any(&self, path: &Path, device: &Device) -> Result<Found, Error> {
        let (opened, notes) = self.open_file(path, device)?;
        warn_of_faults(path, &notes);
        found(path, opened)
    }

    /// Opens a model file of any kind whose outputs are wanted: one whose outputs would be no numbers is
    /// refused.
    pub(crate) fn open_to_run(&self, path: &Path, device: &Device) -> Result<Found, Error> {
        let (opened, notes) = self.open_file(path, device)?;
        match notes.faulty() {
            Some(faulty) => Err(Error::Usage(format!("{}: {faulty}", path.display()))),
            None => found(path, opened),
        }
    }

    fn open_file(&self, path: &Path, device: &Device) -> Result<(Opened, Notes), Error> {
        let mut options = OpenOptions::new();
        if let Some(name) = &self.model {
            options = options.model(ModelConfig::new(name.clone()));
        }
        if let Some(key) = self.key.key() {
            options = options.weights(key);
        }
        let (opened, notes) = options.open(path, device).map_err(|error| match *error.problem {
            FileProblem::Unnamed => Error::Usage(format!("{error}: give --model NAME")),
            FileProblem::SeveralWeights { .. } | FileProblem::OnlyAverages { .. } => {
                Error::Usage(format!("{error}: give {} KEY", K::NAME))
            }
            FileProblem::OtherModel { .. } => Error::Usage(error.to_string()),
            _ => error.into(),
        })?;
        let path = path.display();
        if let Some(taken) = notes.taken() {
            log::info!("{path}: {taken}");
        }
        if let (Some(others), [first, ..]) = (notes.others(), &notes.others[..]) {
            log::info!("{path}: {others}; {} {first:?} takes those", K::NAME);
        }
        if let Some(passed_over) = notes.passed_over() {
            log::warn!("{path}: {passed_over}");
        }
        match &self.task {
            Some(task) => on_base(opened, task),
            None => Ok((opened, notes)),
        }
    }
}

/// A task on its base.
fn on_base(base: Opened, task: &Path) -> Result<(Opened, Notes), Error> {
    let Opened::Trained(base) = base else {
        let task = task.display();
        let problem = "a deployed model is no base; give the trained one, or deploy with --task";
        return Err(Error::Usage(format!("--task {task}: {problem}")));
    };
    let (model, notes) = open_task(base, task)?;
    Ok((Opened::Trained(model), notes))
}

fn warn_of_faults(path: &Path, notes: &Notes) {
    if let Some(faulty) = notes.faulty() {
        log::warn!("{}: {faulty}", path.display());
    }
}

fn found(path: &Path, opened: Opened) -> Result<Found, Error> {
    match opened {
        Opened::Trained(model) => Ok(Found::Trained(model.valid())),
        Opened::Deployed(deployed) => Ok(Found::Deployed(deployed)),
        _ => Err(Error::Usage(format!("{}: unknown kind of model file", path.display()))),
    }
}

/// What may become of factorised layers, by name.
pub(crate) fn form() -> impl TypedValueParser<Value = FactorisedLayers> {
    PossibleValuesParser::new(FactorisedLayers::ALL.map(FactorisedLayers::name)).map(|name| {
        let named = FactorisedLayers::ALL.into_iter().find(|form| form.name() == name);
        named.unwrap_or_default()
    })
}

/// The form of weights in a deployed file, by name.
pub(crate) fn weights() -> impl TypedValueParser<Value = Weights> {
    PossibleValuesParser::new(Weights::ALL.map(Weights::name)).map(|name| {
        let named = Weights::ALL.into_iter().find(|form| form.name() == name);
        named.unwrap_or_default()
    })
}

/// Where a command writes a model, and how it reports that.
#[derive(Debug, clap::Args)]
pub(crate) struct Destination {
    /// File to write.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: PathBuf,
    /// Overwrite the file if it exists.
    #[arg(long)]
    force: bool,
    /// Print JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// The bytes of a file.
pub(crate) fn file_size(path: &Path) -> Result<u64, Error> {
    let metadata = fs::metadata(path).map_err(|error| FileError::new(path, error))?;
    Ok(metadata.len())
}

#[derive(Serialize)]
struct Report<'a> {
    model: String,
    parameters: u64,
    file: &'a Path,
    bytes: u64,
}

impl Destination {
    /// That of a command that tells what it does in words alone.
    pub(crate) fn in_words(out: PathBuf, force: bool) -> Self {
        Self { out, force, json: false }
    }

    /// Refuses to write over a file, before anything is read; over the input even by force.
    pub(crate) fn check(&self, input: &Path) -> Result<(), Error> {
        let places = [self.out.as_path(), input].map(|path| fs::canonicalize(path).ok());
        if let [Some(out), Some(input)] = places
            && out == input
        {
            let path = self.out.display();
            return Err(Error::Usage(format!("--out {path}: is the input; give another file")));
        }
        // A link that leads nowhere is there too.
        if self.force || fs::symlink_metadata(&self.out).is_err() {
            return Ok(());
        }
        let path = self.out.display();
        Err(Error::Usage(format!("--out {path}: exists; give --force to replace it")))
    }

    /// Writes the model and says what was written.
    pub(crate) fn write(
        &self,
        model: &Model,
        save: impl Fn(&Model, &Path) -> Result<(), FileError>,
    ) -> Result<(), Error> {
        save(model, &self.out)?;
        self.report(&model.config.name, model.parameters().trainable)
    }

    /// Says what was written.
    pub(crate) fn report(&self, name: &ModelName, parameters: u64) -> Result<(), Error> {
        let report = Report {
            model: name.to_string(),
            parameters,
            file: &self.out,
            bytes: file_size(&self.out)?,
        };
        if self.json {
            print_json(&report);
        } else {
            let [parameters, bytes] = [report.parameters, report.bytes].map(grouped);
            let file = self.out.display();
            print(&format!("{}, {parameters} parameters\n{file}, {bytes} bytes", report.model));
        }
        Ok(())
    }
}
