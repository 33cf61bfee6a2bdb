//! Files of any kind as models.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufReader, Cursor, Read, Seek};
use std::path::Path;

use burn::tensor::{Device, TensorData};
use cobasis_run::weights::{KEY as WEIGHTS, Tensor, Tensors};

use super::error::{FileError, FileProblem};
use super::faults::faulty;
use super::foreign::{Counts, Fitted, Listed, Readable, fit, one_of_several};
use super::metadata::{self, FORMAT, FORMAT_DEPLOYED, FORMAT_PYTORCH, FORMAT_TASK};
use super::notes::Notes;
use super::pickle::{Checkpoint, MAX_FILE};
use super::read::{Safetensors, starts_as_pytorch};
use super::weights::choose;
use super::{is_a_task, wrong};
use crate::config::ModelConfig;
use crate::deploy::{Deployed, DeployedConfig, FactorisedLayers, Weights};
use crate::model::Model;
use crate::state::State;

/// A model out of a file of any kind.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "there is one of it")]
#[non_exhaustive]
pub enum Opened {
    /// As it was trained.
    Trained(Model),
    /// Folded for use.
    Deployed(Deployed),
}

impl Opened {
    /// What the model was made from.
    pub fn config(&self) -> &ModelConfig {
        match self {
            Opened::Trained(model) => &model.config,
            Opened::Deployed(deployed) => &deployed.config.model,
        }
    }
}

/// How to open a file, where that is not for the file alone to say.
///
/// ```
/// use burn::tensor::Device;
/// use cobasis_zoo::files::OpenOptions;
/// use cobasis_zoo::{ModelConfig, pytorch};
///
/// let device = Device::flex();
/// let config = ModelConfig::new("digits/resnet14".parse()?);
/// let bytes = pytorch::to_bytes(&config.init(&device))?;
/// let (opened, notes) = OpenOptions::new().model(config).open_bytes(&bytes, &device)?;
/// assert_eq!(opened.config().num_classes, 10);
/// assert_eq!(notes.taken(), None); // The file has nothing but the weights.
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct OpenOptions {
    config: Option<ModelConfig>,
    weights: Option<String>,
}

impl OpenOptions {
    /// As the file says.
    pub fn new() -> Self {
        Self::default()
    }

    /// Says which model a file holds that does not say it. The counts of classes and of channels of
    /// such a file are those of its tensors; one of ours must be of the same name.
    pub fn model(self, config: ModelConfig) -> Self {
        Self { config: Some(config), ..self }
    }

    /// Takes the weights under a key of a file that is not ours: of nested dictionaries the keys
    /// joined by points, or the first part of the names of its tensors. Moving averages of weights
    /// are taken in no other way.
    pub fn weights(self, key: impl Into<String>) -> Self {
        Self { weights: Some(key.into()), ..self }
    }

    /// Opens a file of any kind, and tells what was decided in doing so.
    ///
    /// # Errors
    ///
    /// Those of [`open`](Self::open); if there are no weights under the key; and without a key if there are
    /// several weights of which none has a usual name, or only moving averages.
    pub fn open(
        &self,
        path: impl AsRef<Path>,
        device: &Device,
    ) -> Result<(Opened, Notes), FileError> {
        let path = path.as_ref();
        let opened = contents(path).and_then(|contents| self.opened(contents, device));
        opened.map_err(|problem| FileError::new(path, problem))
    }

    /// [`open`](Self::open) for the bytes of a file.
    ///
    /// # Errors
    ///
    /// Those of [`open`](Self::open).
    pub fn open_bytes(
        &self,
        bytes: &[u8],
        device: &Device,
    ) -> Result<(Opened, Notes), FileProblem> {
        self.opened(contents_of(bytes), device)
    }

    fn opened(
        &self,
        contents: Contents<impl Read + Seek>,
        device: &Device,
    ) -> Result<(Opened, Notes), FileProblem> {
        let bytes = match contents {
            Contents::Safetensors(bytes) => bytes,
            Contents::Checkpoint(input) => {
                let config = self.config.as_ref().ok_or(FileProblem::Unnamed)?;
                let (model, notes) = self.checkpoint(input, config, device)?;
                return Ok((Opened::Trained(model), notes));
            }
        };
        let file = Safetensors::read(&bytes)?;
        let (opened, notes) = match file.metadata("format") {
            Some(FORMAT | FORMAT_DEPLOYED) if self.weights.is_some() => {
                let found = "a file of cobasis has no others than its own".to_string();
                return Err(FileProblem::NoWeights { found, asked: self.weights.clone() });
            }
            Some(FORMAT) => {
                let config = metadata::read(file.all_metadata())?;
                let state = file.state(&config)?;
                let notes = Notes { faulty: faulty(&state), ..Notes::default() };
                let model = config.init_from(state, device);
                (Opened::Trained(model.map_err(|problem| wrong(&config, problem))?), notes)
            }
            Some(FORMAT_PYTORCH) => {
                let config = metadata::read(file.all_metadata())?;
                let (model, notes) = self.foreign(file, &config, Counts::OfConfig, device)?;
                (Opened::Trained(model), notes)
            }
            Some(FORMAT_DEPLOYED) => {
                let (deployed, notes) = deployed(&file, &bytes, device)?;
                (Opened::Deployed(deployed), notes)
            }
            Some(FORMAT_TASK) => return Err(is_a_task(&file)),
            _ => {
                let config = self.config.as_ref().ok_or(FileProblem::Unnamed)?;
                let config = config.clone().as_authors();
                let (model, notes) = self.foreign(file, &config, Counts::OfTensors, device)?;
                return Ok((Opened::Trained(model), notes));
            }
        };
        let got = &opened.config().name;
        match &self.config {
            Some(ModelConfig { name, .. }) if name != got => {
                let [expected, got] = [name, got].map(|name| Box::new(name.clone()));
                Err(FileProblem::OtherModel { expected, got })
            }
            _ => Ok((opened, notes)),
        }
    }

    /// Reads PyTorch's names, whatever a safetensors file says of itself.
    pub(super) fn pytorch(
        &self,
        contents: Contents<impl Read + Seek>,
        config: &ModelConfig,
        device: &Device,
    ) -> Result<Model, FileProblem> {
        let (model, _) = match contents {
            Contents::Checkpoint(input) => self.checkpoint(input, config, device)?,
            Contents::Safetensors(bytes) => {
                let config = config.clone().as_authors();
                self.foreign(Safetensors::read(&bytes)?, &config, Counts::OfTensors, device)?
            }
        };
        Ok(model)
    }

    fn checkpoint(
        &self,
        input: impl Read + Seek,
        config: &ModelConfig,
        device: &Device,
    ) -> Result<(Model, Notes), FileProblem> {
        let config = config.clone().as_authors();
        let mut checkpoint = Checkpoint::open(input)?;
        let asked = self.weights.as_deref();
        let chosen = choose(&checkpoint.tree, &checkpoint.root, asked)?;
        let (listed, no_tensors) = chosen.tensors(&checkpoint.tree);
        let in_names = asked.filter(|_| chosen.key.is_none());
        let (listed, others) = one_of_several(listed, in_names)?;
        let mut notes = Notes { weights: chosen.key, others: chosen.others, ..Notes::default() };
        notes.others.extend(others);
        notes.passed_over.extend(chosen.beside.into_iter().chain(no_tensors));
        finish(listed, &config, Counts::OfTensors, notes, device, |tensors| {
            checkpoint.read(tensors)
        })
    }

    fn foreign(
        &self,
        file: Safetensors,
        config: &ModelConfig,
        counts: Counts,
        device: &Device,
    ) -> Result<(Model, Notes), FileProblem> {
        let (listed, others) = one_of_several(file.listed(), self.weights.as_deref())?;
        let notes = Notes { others, ..Notes::default() };
        finish(listed, config, counts, notes, device, |tensors| Ok(file.values(tensors)))
    }
}

/// The model of these tensors, whose numbers are read last.
fn finish<P>(
    listed: Vec<Listed<P>>,
    named: &ModelConfig,
    counts: Counts,
    mut notes: Notes,
    device: &Device,
    read: impl FnOnce(Vec<Readable<P>>) -> Result<State, FileProblem>,
) -> Result<(Model, Notes), FileProblem> {
    let fitted = fit(listed, named, counts, device).map_err(|problem| wrong(named, problem))?;
    let Fitted { config, tensors, prefix, passed_over } = fitted;
    let state = read(tensors)?;
    notes.faulty = faulty(&state);
    let model = config.init_from_pytorch(state, device);
    let other = |got: usize, expected: usize| (got != expected).then_some(got);
    notes.classes = other(config.num_classes, named.num_classes);
    notes.channels = other(config.in_channels, named.in_channels);
    notes.prefix = prefix;
    notes.passed_over.extend(passed_over);
    Ok((model.map_err(|problem| wrong(&config, problem))?, notes))
}

/// What is in a file, by its bytes.
pub(super) enum Contents<R> {
    /// A PyTorch checkpoint, which is read part by part.
    Checkpoint(R),
    /// Safetensors.
    Safetensors(Vec<u8>),
}

pub(super) fn contents(path: &Path) -> Result<Contents<BufReader<File>>, FileProblem> {
    // Before opening it, which waits if it is a pipe.
    let metadata = fs::metadata(path)?;
    if metadata.is_dir() {
        return Err(io::Error::from(io::ErrorKind::IsADirectory).into());
    }
    if !metadata.is_file() {
        return Err(FileProblem::NoFile);
    }
    if metadata.len() > MAX_FILE {
        return Err(FileProblem::TooLarge { limit: MAX_FILE, got: metadata.len() });
    }
    let mut file = File::open(path)?;
    let mut start = Vec::new();
    (&mut file).take(9).read_to_end(&mut start)?;
    file.rewind()?;
    if starts_as_pytorch(&start) {
        return Ok(Contents::Checkpoint(BufReader::new(file)));
    }
    let mut bytes = Vec::new();
    file.take(MAX_FILE).read_to_end(&mut bytes)?;
    Ok(Contents::Safetensors(bytes))
}

pub(super) fn contents_of(bytes: &[u8]) -> Contents<Cursor<&[u8]>> {
    match starts_as_pytorch(bytes) {
        true => Contents::Checkpoint(Cursor::new(bytes)),
        false => Contents::Safetensors(bytes.to_vec()),
    }
}

pub(super) fn deployed(
    file: &Safetensors,
    bytes: &[u8],
    device: &Device,
) -> Result<(Deployed, Notes), FileProblem> {
    let name = file.metadata("factorised").ok_or(FileProblem::Metadata("factorised"))?;
    let forms = FactorisedLayers::ALL.into_iter().chain([FactorisedLayers::Listed]);
    let factorised = forms.into_iter().find(|form| form.name() == name);
    let factorised = factorised.ok_or_else(|| FileProblem::Factorised(name.to_string()))?;
    let model = metadata::read(file.all_metadata())?;
    let inner = file.metadata("inner_filters").unwrap_or_default();
    let wrong_inner = || FileProblem::InnerFilters(inner.to_string());
    let counts = inner.split(',').filter(|_| !inner.is_empty()).map(str::parse);
    let inner_filters = counts.collect::<Result<_, _>>().map_err(|_| wrong_inner())?;
    let list = file.metadata("composed").unwrap_or_default();
    let wrong_list = || FileProblem::Composed(list.to_string());
    let composed = list.chars().map(|composed| match composed {
        '0' => Ok(false),
        '1' => Ok(true),
        _ => Err(wrong_list()),
    });
    let composed = composed.collect::<Result<_, _>>()?;
    let config = DeployedConfig { model, factorised, composed, inner_filters };
    if !config.has_inner_filters_of_its_model(device) {
        return Err(wrong_inner());
    }
    if !config.lists_its_layers(device) {
        return Err(wrong_list());
    }
    let (weights, scales, state) = match file.metadata(WEIGHTS) {
        Some(_) => {
            let Tensors { weights, tensors, scales } =
                Tensors::from_bytes(bytes).map_err(FileProblem::Weights)?;
            let tensors = tensors.into_iter();
            let state = tensors
                .map(|(name, Tensor { shape, values })| (name, TensorData::new(values, shape)));
            (weights, scales, state.collect())
        }
        // Of an older version, or somebody else's.
        None => (Weights::F32, BTreeMap::new(), file.state(&config.model)?),
    };
    let notes = Notes { faulty: faulty(&state), ..Notes::default() };
    let deployed = config.init_from(state, device);
    let deployed = deployed.map_err(|problem| wrong(&config.model, problem))?;
    Ok((deployed.of_form(weights, scales), notes))
}
