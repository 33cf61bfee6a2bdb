//! `[[tasks]]`: further tasks that one network is trained for at once.

use std::collections::BTreeSet;

use cobasis_zoo::AdapterKind;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::error::{ConfigError, above_0, expect};
use super::{Config, DataConfig, Protocol, TaskKind};
use crate::data::SplitMix64;
use crate::data::text::shortened;

/// Keeps the seeds of tasks apart from all else that is drawn.
const DOMAIN: u64 = 0x7461_736b_7300_0000;
/// The most characters of a task's name, which is part of names of files.
const MAX_NAME: usize = 40;

/// A further task that the network is trained for at once with its own. There may be several: each begins with
/// `[[tasks]]`, and its data with `[tasks.data]`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TaskConfig {
    /// Name of the task, each once: 1 to 40 of a-z, 0-9, - and _. Its files are last-NAME.safetensors and
    /// best-NAME.safetensors.
    pub name: String,
    /// What the task has of its own beside a classifier: norms, rank1, mask, mix, mlp, or unique. All
    /// else is the network's, and learns from every task.
    pub adapter: String,
    /// Weight of the task's loss beside that of the main task, which has 1; above 0.
    pub weight: f64,
    /// The task's data set, preprocessing and loading: all keys of `[data]`, with the same defaults. All else,
    /// the batch size and `[augment]` among it, is the run's.
    pub data: DataConfig,
}

impl Default for TaskConfig {
    fn default() -> Self {
        Self {
            name: String::new(),
            adapter: AdapterKind::Norms.to_string(),
            weight: 1.0,
            data: DataConfig::default(),
        }
    }
}

impl TaskConfig {
    pub(super) fn full() -> Self {
        Self { name: "NAME".to_owned(), data: DataConfig::full(), ..Self::default() }
    }

    /// What the task has of its own; `at` is the task's place, such as `tasks[0]`.
    pub(crate) fn kind(&self, at: &str) -> Result<AdapterKind, ConfigError> {
        let refused = |problem: String| ConfigError::at(format!("{at}.adapter"), problem);
        let kind = self.adapter.parse::<AdapterKind>();
        let kind = kind.map_err(|error| {
            let expected =
                "expected \"norms\", \"rank1\", \"mask\", \"mix\", \"mlp\" or \"unique\"";
            refused(format!("{expected}, got {:?}", shortened(&error.got)))
        })?;
        let why = match kind {
            AdapterKind::Head | AdapterKind::Film => {
                "keeps the network's batch norms, whose statistics are those of the main task's \
                 images; norms has its own"
            }
            AdapterKind::Full => "shares nothing with the network; train it in a run of its own",
            _ => return Ok(kind),
        };
        Err(refused(format!("{kind} {why}")))
    }

    fn check(&self, at: &str) -> Result<(), ConfigError> {
        let fits = |letter: u8| matches!(letter, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_');
        let is_name = (1..=MAX_NAME).contains(&self.name.len()) && self.name.bytes().all(fits);
        let expected = "a name of 1 to 40 of a-z, 0-9, - and _";
        expect(format!("{at}.name"), &self.name, is_name, expected)?;
        self.kind(at)?;
        above_0(format!("{at}.weight"), self.weight)?;
        self.data.check().map_err(|error| error.within(at))
    }
}

/// How errors name the task of this index.
pub(crate) fn place(index: usize) -> String {
    format!("tasks[{index}]")
}

impl Config {
    /// The configuration by which the images of the task of this index are read: the run's, with the task's data,
    /// and a seed that is a function of the run's and the index.
    ///
    /// # Panics
    ///
    /// Panics if there are not as many tasks.
    pub(crate) fn of_task(&self, index: usize) -> Config {
        let seed = SplitMix64::keyed(&[DOMAIN, self.seed, index as u64]).next_u64();
        // TOML has no larger integers.
        let seed = seed >> 1;
        Config { data: self.tasks[index].data.clone(), seed, tasks: Vec::new(), ..self.clone() }
    }

    /// Checks each task on its own, and that names differ.
    pub(super) fn check_task_ranges(&self) -> Result<(), ConfigError> {
        let mut names = BTreeSet::new();
        for (index, task) in self.tasks.iter().enumerate() {
            let at = place(index);
            task.check(&at)?;
            let expected = "a name that no other task has";
            expect(format!("{at}.name"), &task.name, names.insert(&task.name), expected)?;
        }
        Ok(())
    }

    /// Checks that the rest of the configuration can be kept to with several tasks.
    pub(super) fn check_tasks_together(&self) -> Result<(), ConfigError> {
        if self.tasks.is_empty() {
            return Ok(());
        }
        if self.task == TaskKind::Detect {
            let problem = "are for task = \"classify\", got task = \"detect\"";
            return Err(ConfigError::at("tasks", problem));
        }
        let is_cut = self.model_name().is_ok_and(|name| name.weight_limit().is_some());
        let set = [
            ("model", is_cut, "training would find ranks that are the main task's alone"),
            (
                "ortho.constraint",
                self.ortho.constraint.0.is_some(),
                "filters of tasks would not be kept orthonormal; the penalty (ortho.lambda) is",
            ),
            ("distill.teacher", self.distill.teacher.is_some(), "it teaches one task"),
            (
                "init.adapter",
                self.init.adapter.is_some(),
                "the base would be frozen; cobasis adapt trains a task on a frozen base",
            ),
            ("augment.mixup", self.augment.mixup != 0.0, "it is for one task"),
            ("augment.cutmix", self.augment.cutmix != 0.0, "it is for one task"),
        ];
        if let Some((key, _, why)) = set.iter().find(|(_, is_set, _)| *is_set) {
            return Err(ConfigError::at(*key, format!("can't be used with [[tasks]]: {why}")));
        }
        for (index, task) in self.tasks.iter().enumerate() {
            self.check_data_of(task, &place(index))?;
        }
        Ok(())
    }

    /// Checks the images of a task.
    fn check_data_of(&self, task: &TaskConfig, at: &str) -> Result<(), ConfigError> {
        let DataConfig { name, split, .. } = &task.data;
        if name.has_boxes() {
            let problem =
                format!("the images of \"{name}\" have boxes, and tasks are about classes");
            return Err(ConfigError::at(format!("{at}.data.name"), problem));
        }
        task.data.check_together().map_err(|error| error.within(at))?;
        match (self.train.patience, split) {
            (Some(_), Protocol::Paper) => {
                let problem = "expected \"train/val\" with train.patience: the task's test images must \
                               not decide when training ends, got \"paper\"";
                Err(ConfigError::at(format!("{at}.data.split"), problem))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAIN: &str = "model = 'digits/resnet14-s8u1'\ndata.name = 'digits'\n";

    fn config(text: &str) -> Result<Config, ConfigError> {
        let config = Config::from_table(&format!("{MAIN}{text}").parse().unwrap())?;
        config.check().map(|()| config)
    }

    #[test]
    fn a_task_has_the_defaults_of_its_own_data() {
        let config = config("[[tasks]]\nname = 'a-1_b'\n[tasks.data]\nname = 'mnist'").unwrap();
        let [task] = &config.tasks[..] else { panic!("{config:?}") };
        assert_eq!((task.adapter.as_str(), task.weight), ("norms", 1.0));
        let expected = DataConfig { name: task.data.name, ..DataConfig::default() };
        assert_eq!((task.data.name.as_str(), &task.data), ("mnist", &expected));
        // It comes back from a run's directory.
        let text = config.to_toml().unwrap();
        assert_eq!(Config::from_table(&text.parse().unwrap()).unwrap(), config);
        // Runs of one task are written down as before.
        assert!(!self::config("").unwrap().to_toml().unwrap().contains("tasks"));
    }

    #[test]
    fn what_cannot_be_kept_to_is_refused_by_its_key() {
        let task = "\n[[tasks]]\nname = 'a'";
        for (main, key, said) in [
            ("model = 'digits/resnet14-hinge30000'", "model", "ranks that are the main task's"),
            ("ortho.constraint = 'qr'", "ortho.constraint", "with [[tasks]]: filters of tasks"),
            ("distill.teacher = 'FILE'", "distill.teacher", "it teaches one task"),
            ("init = { from = 'FILE', adapter = 'norms' }", "init.adapter", "cobasis adapt trains"),
            ("augment.mixup = 0.4", "augment.mixup", "can't be used with [[tasks]]"),
            ("augment.cutmix = 0.4", "augment.cutmix", "can't be used with [[tasks]]"),
            (
                "data.split = 'train/val'\ntrain.patience = 3",
                "tasks[0].data.split",
                "expected \"train/val\" with train.patience",
            ),
        ] {
            let model =
                if main.starts_with("model") { "" } else { "model = 'digits/resnet14-s8u1'\n" };
            let text = format!("{model}data.name = 'digits'\n{main}{task}");
            let config = Config::from_table(&text.parse().unwrap()).unwrap();
            let err = config.check().expect_err(main);
            assert_eq!(err.key(), Some(key), "{main}: {err}");
            assert!(err.to_string().contains(said), "{main}: {err}");
        }
    }

    #[test]
    fn each_task_has_a_seed_of_its_own() {
        let two = config("[[tasks]]\nname = 'a'\n[[tasks]]\nname = 'b'").unwrap();
        let seeds = [0, 1].map(|index| two.of_task(index).seed);
        assert!(seeds[0] != seeds[1] && !seeds.contains(&two.seed));
        assert_eq!(seeds, [0, 1].map(|index| two.of_task(index).seed));
        let other = Config { seed: 1, ..two };
        assert_ne!(other.of_task(0).seed, seeds[0]);
        other.of_task(0).check_ranges().unwrap();
    }
}
