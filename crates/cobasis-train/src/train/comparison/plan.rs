//! Which runs a comparison has: every combination of network, blocks, budget, method and seed.

use std::path::PathBuf;
use std::str::FromStr;

use burn::tensor::Device;
use cobasis_zoo::fit::{Counts, Limits, fit, ignores_blocks};
use cobasis_zoo::sharing::Blocks;
use cobasis_zoo::{ModelConfig, ModelName};

use crate::config::{Chosen, Comparison, Config, ConfigError, Contender, Pick, PublishedResult};
use crate::data::DatasetName;
use crate::train::constraint::joint_bases;
use crate::train::optimizer::decay_factor;

/// The runs of a comparison, and the rows of its table.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The rows, in the order of networks, blocks, budgets and methods.
    pub rows: Vec<PlannedRow>,
    /// The runs, each once, in the order of the rows and then of seeds.
    pub runs: Vec<PlannedRun>,
    /// Results of others.
    pub published: Vec<PublishedResult>,
}

/// A method on a network, with a budget where that chooses the setting.
#[derive(Clone, Debug)]
pub struct PlannedRow {
    /// What the method is called.
    pub label: String,
    /// The dense network.
    pub network: ModelName,
    /// Which blocks share; `None` where nothing is shared.
    pub blocks: Option<Blocks>,
    /// The key of the method, or its suffix.
    pub method: String,
    /// The most trainable parameters, where they chose the setting.
    pub budget: Option<u64>,
    /// The model.
    pub model: ModelName,
    /// What it costs at inference.
    pub counts: Counts,
    /// What it costs in training, which may be more.
    pub training: Counts,
    /// The parameters of the dense network.
    pub dense_params: u64,
    /// What the weight decay of compressed parameters is multiplied by.
    pub decay_factor: f64,
    /// The configuration with the first seed.
    pub config: Config,
    /// The numbers of its runs among all, one for each seed.
    pub runs: Vec<usize>,
}

/// A run.
#[derive(Clone, Debug)]
pub struct PlannedRun {
    /// Its directory below that of the runs: `cifar10-resnet20-s8u1/seed-0`.
    pub name: String,
    /// What it is told to do.
    pub config: Config,
}

/// A part of the runs: those whose number modulo `of` is `number - 1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Job {
    number: usize,
    of: usize,
}

impl Job {
    /// All runs.
    pub const ALL: Self = Self { number: 1, of: 1 };

    /// Those of the runs that are the job's.
    pub fn share<T>(self, runs: &[T]) -> impl Iterator<Item = &T> {
        runs.iter().skip(self.number - 1).step_by(self.of)
    }
}

/// `2/3`: the second of three parts.
impl FromStr for Job {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split_once('/').and_then(|(number, of)| {
            Some((number.parse::<usize>().ok()?, of.parse::<usize>().ok()?))
        });
        match parts {
            Some((number, of)) if (1..=of).contains(&number) => Ok(Self { number, of }),
            _ => Err("expected I/N with I from 1 to N, as 1/2".to_string()),
        }
    }
}

impl Plan {
    /// The plan of a comparison. Nothing is read or written; models are built to be counted.
    ///
    /// # Errors
    /// The first fault found, naming its key: a method without a form of a network or within a budget, a
    /// configuration that does not fit, the same model with the same configuration twice.
    pub fn new(comparison: &Comparison) -> Result<Self, ConfigError> {
        let published = comparison.published.clone();
        let mut plan = Self { rows: Vec::new(), runs: Vec::new(), published };
        let budgets: Vec<Option<u64>> = match comparison.budgets.is_empty() {
            true => vec![None],
            false => comparison.budgets.iter().copied().map(Some).collect(),
        };
        for network in &comparison.networks {
            for (nth_blocks, &blocks) in comparison.blocks.iter().enumerate() {
                for (nth_budget, &budget) in budgets.iter().enumerate() {
                    for (index, contender) in comparison.methods.iter().enumerate() {
                        let at = At {
                            network,
                            blocks,
                            budget,
                            firsts: [nth_blocks == 0, nth_budget == 0],
                        };
                        let choice = at.choice(contender, comparison.pick).map_err(|problem| {
                            let label = &contender.label;
                            let named = match contender.method() == label {
                                true => problem,
                                false => format!("{label:?}: {problem}"),
                            };
                            ConfigError::at(format!("methods[{index}]"), named)
                        })?;
                        if let Some(choice) = choice {
                            plan.add(comparison, contender, network, choice)?;
                        }
                    }
                }
            }
        }
        plan.check_distinct()?;
        Ok(plan)
    }

    /// Adds a row, and those of its runs that are not there yet: budgets may have the same setting.
    fn add(
        &mut self,
        comparison: &Comparison,
        contender: &Contender,
        network: &ModelName,
        choice: Choice,
    ) -> Result<(), ConfigError> {
        let Choice { model, blocks, budget } = choice;
        let directory = match contender.departs() {
            true => format!("{}+{}", file_name(&model.to_string()), slug(&contender.label)),
            false => file_name(&model.to_string()),
        };
        let mut runs = Vec::new();
        for &seed in &comparison.seeds {
            let config = comparison.config(contender, &model, seed)?;
            let name = format!("{directory}/seed-{seed}");
            let same = |run: &PlannedRun| run.name == name && run.config == config;
            runs.push(self.runs.iter().position(same).unwrap_or(self.runs.len()));
            if runs.last() == Some(&self.runs.len()) {
                self.runs.push(PlannedRun { name, config });
            }
        }
        // There is a seed.
        let config = self.runs[runs[0]].config.clone();
        let costed = ModelConfig::new(model.clone()).with_norms(config.sharing.norms());
        let is_first = self.rows.iter().all(|row| row.label != contender.label);
        if is_first && contender.sets("ortho") {
            warn_without_bases(&contender.label, &costed);
        }
        self.rows.push(PlannedRow {
            label: contender.label.clone(),
            network: network.clone(),
            blocks,
            method: contender.method().to_string(),
            budget,
            counts: Counts::of_config(&costed, &Device::flex()),
            training: Counts::in_training(&costed, &Device::flex()),
            dense_params: Counts::of(network, &Device::flex()).params,
            decay_factor: decay_factor(&config.optimizer, &costed),
            model,
            config,
            runs,
        });
        Ok(())
    }

    /// Refuses different methods that would train the same, and different runs of one directory.
    fn check_distinct(&self) -> Result<(), ConfigError> {
        for (index, row) in self.rows.iter().enumerate() {
            for other in &self.rows[..index] {
                if other.runs[0] == row.runs[0] && other.label != row.label {
                    let problem = format!(
                        "{:?} and {:?} train the same model {} with the same configuration",
                        other.label, row.label, row.model
                    );
                    return Err(ConfigError::at("methods", problem));
                }
            }
        }
        for (index, run) in self.runs.iter().enumerate() {
            if self.runs[..index].iter().any(|other| other.name == run.name) {
                let problem = format!(
                    "two methods have runs in the directory {}: give them labels that differ in \
                     letters or digits",
                    run.name
                );
                return Err(ConfigError::at("methods", problem));
            }
        }
        Ok(())
    }

    /// The data sets of the runs, each once.
    pub fn data_sets(&self) -> Vec<DatasetName> {
        let mut sets: Vec<DatasetName> = Vec::new();
        for run in &self.runs {
            if !sets.contains(&run.config.data.name) {
                sets.push(run.config.data.name);
            }
        }
        sets
    }

    /// Sets the directory that the images of a data set are in.
    pub fn set_data_dir(&mut self, set: DatasetName, directory: Option<PathBuf>) {
        let runs = self.runs.iter_mut().map(|run| &mut run.config);
        let rows = self.rows.iter_mut().map(|row| &mut row.config);
        for config in runs.chain(rows).filter(|config| config.data.name == set) {
            config.data.dir.clone_from(&directory);
        }
    }
}

/// A place in the order of networks, blocks and budgets.
struct At<'a> {
    network: &'a ModelName,
    blocks: Blocks,
    budget: Option<u64>,
    /// Whether blocks and budget are the first ones.
    firsts: [bool; 2],
}

/// What a method takes at a place.
struct Choice {
    model: ModelName,
    blocks: Option<Blocks>,
    budget: Option<u64>,
}

impl At<'_> {
    /// The model of a method here; none where the method is not for these blocks, or has nothing to do with
    /// what differs from an earlier place.
    fn choice(&self, contender: &Contender, pick: Pick) -> Result<Option<Choice>, String> {
        let &At { network, blocks, budget, firsts: [first_blocks, first_budget] } = self;
        let own = contender.blocks.as_ref();
        let is_own = own.is_none_or(|own| own.contains(&blocks));
        match &contender.chosen {
            Chosen::ByBudget(key) if key == "dense" => {
                let choice = Choice { model: network.clone(), blocks: None, budget: None };
                Ok((first_blocks && first_budget).then_some(choice))
            }
            Chosen::ByBudget(key) => {
                let ignores = ignores_blocks(key).map_err(|error| error.to_string())?;
                if !(if ignores { first_blocks } else { is_own }) {
                    return Ok(None);
                }
                let Some(params) = budget else {
                    return Err("expected a budget that its setting is found by".to_string());
                };
                let limits = Limits { params, macs: None };
                let found = fit(network, key, blocks, limits, &Device::flex())
                    .map_err(|error| error.to_string())?;
                let setting = match pick {
                    Pick::Nearest => found.nearest,
                    Pick::Even => found.even,
                };
                let blocks = (!ignores).then_some(blocks);
                Ok(Some(Choice { model: setting.name, blocks, budget }))
            }
            Chosen::BySuffix(suffix) => {
                let is_all = suffix.ends_with("-all");
                if !first_budget || !(if is_all { first_blocks } else { is_own }) {
                    return Ok(None);
                }
                let all = if blocks == Blocks::All && !is_all { "-all" } else { "" };
                let model = network.with_sharing(&format!("{suffix}{all}"));
                let model = model.map_err(|error| error.to_string())?;
                let blocks = Some(model.blocks());
                Ok(Some(Choice { model, blocks, budget: None }))
            }
        }
    }
}

/// Tells of keys that have no effect.
fn warn_without_bases(label: &str, config: &ModelConfig) {
    if joint_bases(&config.init(&Device::flex())).is_empty() {
        log::warn!(
            "{label:?} sets keys of ortho, which have no effect: {} has no filters to be kept \
             orthonormal",
            config.name
        );
    }
}

/// The name of a model as that of a directory.
fn file_name(model: &str) -> String {
    model.replace('/', "-")
}

/// A label in small letters, digits and dashes.
fn slug(label: &str) -> String {
    let lower = label.to_lowercase();
    let words = lower.split(|letter: char| !letter.is_ascii_alphanumeric());
    words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join("-")
}

#[cfg(test)]
mod tests;
