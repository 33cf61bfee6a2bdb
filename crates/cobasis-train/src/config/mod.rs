//! What a training run is told to do: a TOML file, then `--set key=value`, then checks.
//!
//! Adding a key takes a field with its default and one range line, all in the section's own file.
//! Everything else (the known keys, their types, suggestions, `--set`, the saved copy) is derived
//! from the structs. An optional key also needs an example value in the section's `full()`.

mod augment;
mod compare;
mod comparison;
mod data;
mod describe;
mod detect;
mod distill;
mod error;
mod freeze;
mod init;
mod load;
mod moved;
mod one_or_more;
mod optimizer;
mod or_none;
mod ortho;
mod overrides;
mod ranks;
mod schedule;
mod shape;
mod sharing;
mod sweep;
mod task;
mod tasks;
mod train;

#[cfg(test)]
mod bad_configs;
#[cfg(test)]
mod shipped;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use toml::Table;

pub use augment::AugmentConfig;
pub use compare::Difference;
pub use comparison::{Chosen, Comparison, Contender, Pick, PublishedResult};
pub use data::{CropKind, DataConfig, Protocol};
pub use describe::{Key, Section, explain, schema, sections};
pub use detect::{DetectConfig, DetectionLosses, Head};
pub use distill::DistillConfig;
pub use error::ConfigError;
pub use freeze::Freeze;
pub use init::InitConfig;
pub use load::DIGITS;
pub use optimizer::{OptimizerConfig, OptimizerKind, WeightDecayScale};
pub use or_none::{Named, OrNone};
pub use ortho::{LambdaSchedule, OrthoConfig, PenaltyScope};
pub use overrides::apply_set;
pub use ranks::RanksConfig;
pub use schedule::{Moment, ScheduleConfig, ScheduleKind};
pub use sharing::SharingConfig;
pub use sweep::{Axis, Choice, grid};
pub use task::TaskKind;
pub use tasks::TaskConfig;
pub(crate) use tasks::place;
pub use train::TrainConfig;

use cobasis_zoo::ModelName;
use error::expect;

use crate::data::Source;

/// More bytes than any model's name has.
const MAX_NAME: usize = 200;

/// Everything that determines a training run. Every key has a default.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    // TOML wants plain keys before tables, so sections stay last.
    /// Name of the model, `<data set>/<network>[-s<shared>u<unique>[-double]]`; empty or absent with
    /// `init.from` = that of the file.
    pub model: String,
    /// What the model is trained for: classify = which class an image is of; detect = a box around each
    /// thing in an image, and its class.
    pub task: TaskKind,
    /// Random seed of the run, at most 2^63 - 1 (the largest integer in TOML).
    pub seed: u64,
    /// What training starts from.
    pub init: InitConfig,
    /// How blocks that share filters are built.
    pub sharing: SharingConfig,
    /// The data set, preprocessing and loading.
    pub data: DataConfig,
    /// Epochs, batch size, loss and checkpoints.
    pub train: TrainConfig,
    /// What keeps shared filters orthonormal.
    pub ortho: OrthoConfig,
    /// How training finds ranks, in models whose names leave them open.
    pub ranks: RanksConfig,
    /// Optimizer, learning rate, weight decay and gradient clipping.
    pub optimizer: OptimizerConfig,
    /// Learning rate schedule and warm-up.
    pub schedule: ScheduleConfig,
    /// Augmentation beyond random crop and flip.
    pub augment: AugmentConfig,
    /// Knowledge distillation.
    pub distill: DistillConfig,
    /// Detection of things in images.
    pub detect: DetectConfig,
    /// Further tasks that the network is trained for at once with its own.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tasks: Vec<TaskConfig>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            model: "cifar10/resnet32-s16u1".to_owned(),
            task: TaskKind::Classify,
            seed: 0,
            init: InitConfig::default(),
            sharing: SharingConfig::default(),
            data: DataConfig::default(),
            train: TrainConfig::default(),
            ortho: OrthoConfig::default(),
            ranks: RanksConfig::default(),
            optimizer: OptimizerConfig::default(),
            schedule: ScheduleConfig::default(),
            augment: AugmentConfig::default(),
            distill: DistillConfig::default(),
            detect: DetectConfig::default(),
            tasks: Vec::new(),
        }
    }
}

impl Config {
    /// Reads a table: unknown keys, types, and the range of each key on its own.
    ///
    /// # Errors
    /// The first fault found, naming its key. How keys fit together is left to [`Config::check`],
    /// so that `--set` may still change one of them.
    pub fn from_table(table: &Table) -> Result<Self, ConfigError> {
        let mut table = table.clone();
        moved::rename(&mut table)?;
        shape::check(&table)?;
        let from_file = table.get("init").is_some_and(|init| init.get("from").is_some());
        if from_file && !table.contains_key("model") {
            table.insert("model".to_owned(), String::new().into());
        }
        let config: Self = serde_path_to_error::deserialize(table)
            .map_err(|err| ConfigError::at(err.path().to_string(), err.inner().message()))?;
        config.check_ranges()?;
        Ok(config)
    }

    /// Checks every range, the model's name, and how keys fit together.
    ///
    /// Milestones may lie beyond the last epoch: a shortened run then ends at an earlier rate, as
    /// the first epochs of the long run do.
    ///
    /// # Errors
    /// The first fault found, naming its key.
    pub fn check(&self) -> Result<(), ConfigError> {
        self.check_ranges()?;
        if !self.awaits_file() {
            let model = self.model_name()?;
            let is_usual = model.dataset() == self.data.name.as_str();
            // A trained model may go on with the images of another data set.
            if self.init.from.is_none() && self.data.name.has_models() && !is_usual {
                let (expected, got) = (model.dataset(), self.data.name);
                let problem = format!("model {model} is for {expected:?}, got \"{got}\"");
                return Err(ConfigError::at("data.name", problem));
            }
            self.sharing.check_with(&model)?;
            if self.task == TaskKind::Detect {
                self.detect.check_with(&model)?;
            }
        }
        self.check_task()?;
        self.check_tasks_together()?;
        self.init.check_together()?;
        if self.init.adapter.is_some() && self.ortho.constraint.0.is_some() {
            let problem =
                "would change the frozen base (init.adapter), and with it every task; leave it out";
            return Err(ConfigError::at("ortho.constraint", problem));
        }
        self.data.check_together()?;
        self.train.check_together(self.data.split)?;
        self.ortho.check_together()?;
        self.optimizer.check_together()?;
        self.schedule.check_together(self.optimizer.lr, self.train.epochs)
    }

    /// Whether the model is that of a file which was not looked into yet.
    pub fn awaits_file(&self) -> bool {
        self.model.is_empty() && self.init.from.is_some() && self.init.network.is_none()
    }

    /// Where the images come from.
    ///
    /// # Errors
    /// When the model's name is none.
    pub fn source(&self) -> Result<Source, ConfigError> {
        let [_, side, _] = self.model_name()?.entry().input;
        Ok(self.data.source(side))
    }

    /// The model's name, parsed.
    ///
    /// # Errors
    /// When it is none.
    pub fn model_name(&self) -> Result<ModelName, ConfigError> {
        self.check_name()?;
        if self.awaits_file() {
            let problem = "expected its name: it is that of the file of init.from, which is only read to \
                           train";
            return Err(ConfigError::at("model", problem));
        }
        self.init.model_name(&self.model)
    }

    /// The epochs after which the model is [cut](RanksConfig::cut) to the weights of its name, none of
    /// which is the result; 0 for a model that is not.
    pub fn epochs_before_cut(&self) -> usize {
        let is_cut = self.model_name().is_ok_and(|name| name.weight_limit().is_some());
        if is_cut { self.ranks.epochs_before_cut(self.train.epochs) } else { 0 }
    }

    /// The resolved configuration as TOML, keys in a fixed order; once checked, it loads back
    /// equal.
    ///
    /// # Errors
    /// When a value cannot be written in TOML: a path that is not UTF-8.
    pub fn to_toml(&self) -> Result<String, ConfigError> {
        toml::to_string(self).map_err(ConfigError::not_toml)
    }

    /// The defaults with every optional key present: what [`shape`] learns keys and types from.
    fn full() -> Self {
        Self {
            init: InitConfig::full(),
            data: DataConfig::full(),
            train: TrainConfig::full(),
            ortho: OrthoConfig::full(),
            optimizer: OptimizerConfig::full(),
            schedule: ScheduleConfig::full(),
            distill: DistillConfig::full(),
            tasks: vec![TaskConfig::full()],
            ..Self::default()
        }
    }

    /// Looked at before the name is compared with all others.
    fn check_name(&self) -> Result<(), ConfigError> {
        let fits = self.model.len() <= MAX_NAME;
        expect("model", &self.model, fits, "a name of at most 200 characters")
    }

    fn check_ranges(&self) -> Result<(), ConfigError> {
        self.check_name()?;
        let seed_fits = i64::try_from(self.seed).is_ok();
        expect("seed", self.seed, seed_fits, "an integer of at most 2^63 - 1")?;
        self.init.check()?;
        self.data.check()?;
        self.train.check()?;
        self.ortho.check()?;
        self.ranks.check()?;
        self.optimizer.check()?;
        self.schedule.check()?;
        self.augment.check()?;
        self.distill.check()?;
        self.detect.check()?;
        self.check_task_ranges()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_table_gives_the_papers_defaults() {
        let config = Config::from_table(&Table::new()).unwrap();
        assert_eq!(config, Config::default());
        config.check().unwrap();
    }

    #[test]
    fn the_resolved_config_loads_back_equal_and_in_order() {
        let task = TaskConfig { name: "a".to_owned(), ..TaskConfig::full() };
        let full = Config { tasks: vec![task], ..Config::full() };
        for config in [Config::default(), full] {
            let text = config.to_toml().unwrap();
            assert_eq!(Config::from_table(&text.parse().unwrap()).unwrap(), config);
            let at: Vec<_> = [
                "model =",
                "task =",
                "seed =",
                "[init]",
                "[data]",
                "[train]",
                "[ortho]",
                "[optimizer]",
                "[distill]",
                "[detect]",
                "[[tasks]]",
            ]
            .iter()
            .filter(|key| **key != "[[tasks]]" || !config.tasks.is_empty())
            .map(|key| text.find(key).unwrap())
            .collect();
            assert!(at.is_sorted(), "{text}");
        }
    }

    #[test]
    fn an_integer_is_accepted_where_a_number_is_wanted() {
        let table = "optimizer.lr = 1\northo.lambda = 0".parse().unwrap();
        let config = Config::from_table(&table).unwrap();
        assert_eq!((config.optimizer.lr, config.ortho.lambda), (1.0, 0.0));
    }

    #[test]
    fn faults_of_a_config_built_in_code_are_found_too() {
        let mut config = Config { seed: u64::MAX, ..Config::default() };
        assert_eq!(config.check().unwrap_err().key(), Some("seed"));
        config.seed = 0;
        config.optimizer.lr = f64::INFINITY;
        assert_eq!(config.check().unwrap_err().key(), Some("optimizer.lr"));
    }

    #[test]
    fn a_name_of_a_megabyte_is_refused_before_it_is_compared() {
        let mut config = Config { model: "x/".repeat(500_000), ..Config::default() };
        let refused = |config: &Config| {
            let shown = config.check().unwrap_err().to_string();
            assert!(shown.len() < 200 && shown.contains("characters, got \"x/x"), "{shown}");
        };
        refused(&config);
        config.model = "\u{1b}".repeat(201);
        let shown = config.source().unwrap_err().to_string();
        assert!(shown.starts_with("model: expected a name of at most 200 characters"), "{shown}");
    }

    #[cfg(unix)]
    #[test]
    fn a_path_toml_cannot_hold_is_refused_not_mangled() {
        use std::os::unix::ffi::OsStringExt;
        let mut config = Config::default();
        config.data.dir = Some(std::ffi::OsString::from_vec(vec![0xff]).into());
        let line = config.to_toml().unwrap_err().to_string();
        assert!(line.starts_with("configuration: cannot be written as TOML: "), "{line}");
    }
}
