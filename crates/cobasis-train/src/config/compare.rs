//! Whether two configurations train the same model.

use toml::{Table, Value};

use super::error::ConfigError;
use super::{Config, DetectionLosses, LambdaSchedule, ScheduleKind, TaskKind, place};

/// Keys that say where things are and how fast they go, not what comes out.
const FREE: &[&str] = &[
    "data.dir",
    "data.download",
    "data.workers",
    "train.checkpoint_steps",
    "train.devices",
    "train.tensorboard",
];

/// A key whose values differ; one without a value has none.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// The key, with its section.
    pub key: String,
    /// Its value in the one configuration.
    pub before: Option<Value>,
    /// Its value in the other.
    pub now: Option<Value>,
}

impl Config {
    /// The keys in which what `now` trains differs from this.
    ///
    /// # Errors
    /// When a value cannot be written in TOML.
    pub fn differences(&self, now: &Config) -> Result<Vec<Difference>, ConfigError> {
        let table = |config: &Config| Table::try_from(config).map_err(ConfigError::not_toml);
        Ok(compare("", &table(self)?, &table(now)?))
    }

    /// Refuses a configuration that does not go on with what `before`, that of the run in `place`, has
    /// begun. Where the data lie, loader threads and intervals of checkpoints may differ, and there may
    /// be [more epochs](Self::is_longer) where that leaves the past as it was.
    ///
    /// # Errors
    /// The first key that differs, with both values.
    pub fn check_resumes(&self, before: &Config, place: &str) -> Result<(), ConfigError> {
        let advice = "to go on from the run's weights in a new run, give another --out and --init \
                      with its last.safetensors";
        self.check_resumes_or(before, place, advice)
    }

    /// As [`check_resumes`](Self::check_resumes), with other words for who can't make a run longer.
    pub(crate) fn check_resumes_or(
        &self,
        before: &Config,
        place: &str,
        advice: &str,
    ) -> Result<(), ConfigError> {
        let shown = |value: Option<Value>| {
            value.map_or_else(|| "nothing".to_owned(), |value| value.to_string())
        };
        for Difference { key, before: was, now } in before.differences(self)? {
            let why = match key.as_str() {
                "train.epochs" => self.why_not_longer(before, advice),
                "train.patience" => self.why_not_more_patient(before),
                _ => Some(
                    "to resume it, give the same configuration; to start a new run, another --out"
                        .to_owned(),
                ),
            };
            if let Some(why) = why {
                let (was, now) = (shown(was), shown(now));
                let problem = format!("the run in {place} has {was}, got {now}; {why}");
                return Err(ConfigError::at(key, problem));
            }
        }
        Ok(())
    }

    /// Whether this has another end than `before`, which it [resumes](Self::check_resumes): more epochs,
    /// or more patience.
    pub fn is_longer(&self, before: &Config) -> bool {
        let end = |config: &Config| (config.train.epochs, config.train.patience);
        end(self) != end(before)
    }

    /// Why a run can't be given the epochs of this configuration, in words.
    fn why_not_longer(&self, before: &Config, advice: &str) -> Option<String> {
        let depends = |what: &str, key: &str, value: &str| {
            format!(
                "with {key} = \"{value}\", {what} of the epochs before depends on the number of \
                 epochs; {advice}"
            )
        };
        let (kind, lambda) = (self.schedule.kind, self.ortho.lambda_schedule);
        if self.train.epochs < before.train.epochs {
            return Some(
                "a run can be given more epochs, not fewer; to start a new run, another --out"
                    .into(),
            );
        }
        if kind == ScheduleKind::Cosine {
            return Some(depends("the learning rate", "schedule.kind", kind.as_str()));
        }
        if self.model_name().is_ok_and(|name| name.weight_limit().is_some()) {
            let cut = self.ranks.cut.to_string();
            return Some(depends("the cut", "ranks.cut", &cut));
        }
        let detect = &self.detect;
        let changes = self.augment.mosaic > 0.0 || detect.losses == DetectionLosses::Yolox;
        if self.task == TaskKind::Detect && detect.last_epochs > 0 && changes {
            let last = detect.last_epochs.to_string();
            return Some(depends("the training", "detect.last_epochs", &last));
        }
        let lambda_falls = lambda != LambdaSchedule::Constant;
        lambda_falls
            .then(|| depends("the weight of the penalty", "ortho.lambda_schedule", lambda.as_str()))
    }

    /// Why a run can't be given the patience of this configuration, in words.
    fn why_not_more_patient(&self, before: &Config) -> Option<String> {
        let [now, was] = [self, before].map(|config| config.train.patience.unwrap_or(usize::MAX));
        (now < was).then(|| {
            "a run can be given more patience, or none that ends, but not less: it might have ended \
             before; to start a new run, another --out"
                .to_owned()
        })
    }
}

fn compare(at: &str, before: &Table, now: &Table) -> Vec<Difference> {
    let added = now.keys().filter(|name| !before.contains_key(*name));
    let compared = before.keys().chain(added).flat_map(|name| {
        let key = if at.is_empty() { name.clone() } else { format!("{at}.{name}") };
        match (before.get(name), now.get(name)) {
            (Some(Value::Table(before)), Some(Value::Table(now))) => compare(&key, before, now),
            (before, now) if before == now || is_free(&key) => Vec::new(),
            (before, now) if key == "tasks" => tasks(before, now),
            (before, now) => {
                vec![Difference { key, before: before.cloned(), now: now.cloned() }]
            }
        }
    });
    compared.collect()
}

/// Whether a key is one of those, of the run or of one of its tasks.
fn is_free(key: &str) -> bool {
    let of_task = key.strip_prefix("tasks[").and_then(|rest| rest.split_once("]."));
    FREE.contains(&of_task.map_or(key, |(_, key)| key))
}

/// The differences of lists of tasks: of those of the same names key by key, else of the names.
fn tasks(before: Option<&Value>, now: Option<&Value>) -> Vec<Difference> {
    let tables = |value: Option<&Value>| -> Vec<Table> {
        let tables = value.and_then(Value::as_array).into_iter().flatten();
        tables.filter_map(Value::as_table).cloned().collect()
    };
    let names = |tables: &[Table]| -> Vec<Value> {
        tables.iter().filter_map(|table| table.get("name")).cloned().collect()
    };
    let [before, now] = [before, now].map(tables);
    let [was, is] = [names(&before), names(&now)];
    if was != is {
        let listed = |names: Vec<Value>| (!names.is_empty()).then_some(Value::Array(names));
        let key = "tasks".to_owned();
        return vec![Difference { key, before: listed(was), now: listed(is) }];
    }
    let pairs = before.iter().zip(&now).enumerate();
    pairs.flat_map(|(index, (before, now))| compare(&place(index), before, now)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> Config {
        Config::from_table(&text.parse().unwrap()).unwrap()
    }

    #[test]
    fn a_difference_names_the_key_and_both_values() {
        let before = config("optimizer.lr = 0.1");
        for (now, said) in [
            ("optimizer.lr = 0.2", "optimizer.lr: the run in DIR has 0.1, got 0.2"),
            ("train.max_steps = 3", "train.max_steps: the run in DIR has nothing, got 3"),
            ("schedule.milestones = [1]", "has [150, 225], got [1]"),
            ("task = 'detect'", "task: the run in DIR has \"classify\", got \"detect\""),
            ("detect.nms = 0.5", "detect.nms: the run in DIR has 0.65, got 0.5"),
            ("model = 'cifar10/resnet20'", "has \"cifar10/resnet32-s16u1\", got \"cifar10/resn"),
        ] {
            let line = config(now).check_resumes(&before, "DIR").unwrap_err().to_string();
            assert!(line.contains(said), "{line}");
        }
        let err = before.check_resumes(&config("train.max_steps = 3"), "DIR").unwrap_err();
        assert!(err.to_string().contains("has 3, got nothing"), "{err}");
    }

    #[test]
    fn tasks_are_compared_by_name_and_then_key_by_key() {
        let task = |name: &str, more: &str| config(&format!("[[tasks]]\nname = '{name}'\n{more}"));
        let before = task("a", "weight = 0.5\ndata.dir = 'x'");
        let said = |now: Config| now.check_resumes(&before, "DIR").unwrap_err().to_string();
        let weight = said(task("a", ""));
        assert!(weight.starts_with("tasks[0].weight: the run in DIR has 0.5, got 1.0"), "{weight}");
        let data = said(task("a", "weight = 0.5\ndata.name = 'mnist'"));
        assert!(data.contains("tasks[0].data.name: the run in DIR has \"cifar10\""), "{data}");
        let name = said(task("b", "weight = 0.5"));
        assert!(name.starts_with("tasks: the run in DIR has [\"a\"], got [\"b\"]"), "{name}");
        let none = said(config(""));
        assert!(none.starts_with("tasks: the run in DIR has [\"a\"], got nothing"), "{none}");
        let moved = task("a", "weight = 0.5\ndata.dir = 'y'\ndata.workers = 0");
        moved.check_resumes(&before, "DIR").unwrap();
    }

    #[test]
    fn what_changes_no_weight_may_change() {
        let before = config(
            "data.dir = 'a'\ndata.workers = 1\n[train]\ncheckpoint_steps = 1\ntensorboard = true",
        );
        config("data.dir = 'b'").check_resumes(&before, "DIR").unwrap();
    }

    #[test]
    fn a_run_may_become_longer_where_its_past_stays() {
        let resumes = |before: &str, now: &str| {
            let [before, now] =
                [before, now].map(|text| config(&format!("data.split = 'train/val'\n{text}")));
            let checked = now.check_resumes(&before, "DIR").map_err(|error| error.to_string());
            checked.map(|()| now.is_longer(&before))
        };
        let longer = |more: &str| {
            let [before, now] = [10, 20].map(|epochs| format!("train.epochs = {epochs}\n{more}"));
            (resumes(&before, &now), resumes(&now, &before))
        };
        for more in ["", "schedule.kind = 'constant'", "schedule.warmup_epochs = 3"] {
            let (more, fewer) = longer(more);
            assert_eq!(more, Ok(true));
            let fewer = fewer.unwrap_err();
            assert!(fewer.starts_with("train.epochs: the run in DIR has 20, got 10; a run can"));
        }
        let said = longer("schedule.kind = 'cosine'").0.unwrap_err();
        assert!(said.contains("with schedule.kind = \"cosine\", the learning rate of"), "{said}");
        let hinge = "model = 'digits/resnet14-hinge30000'\ndata.name = 'digits'";
        let said = longer(hinge).0.unwrap_err();
        assert!(said.contains("with ranks.cut = \"0.6\", the cut of the epochs before"), "{said}");
        let detect = "model = 'cifar10/resnet20'\ntask = 'detect'\ndata.name = 'voc'";
        let said = longer(detect).0.unwrap_err();
        assert!(said.contains("with detect.last_epochs = \"15\", the training of the"), "{said}");
        let said = longer(&format!("{detect}\ndetect.losses = 'fcos'\naugment.mosaic = 0.5"));
        assert!(said.0.unwrap_err().contains("with detect.last_epochs = \"15\""));
        for alike in ["detect.last_epochs = 0", "detect.losses = 'fcos'"] {
            assert_eq!(longer(&format!("{detect}\n{alike}")).0, Ok(true));
        }
        let said = longer("ortho.lambda_schedule = 'linear'\northo.lambda_end = 1").0.unwrap_err();
        assert!(said.contains("with ortho.lambda_schedule = \"linear\""), "{said}");
        let patient = |epochs: usize| format!("train.patience = {epochs}");
        assert_eq!(resumes(&patient(3), &patient(4)), Ok(true));
        assert_eq!(resumes(&patient(3), ""), Ok(true));
        assert_eq!(resumes(&patient(3), &patient(3)), Ok(false));
        for (before, now) in [(patient(4), patient(3)), (String::new(), patient(3))] {
            let said = resumes(&before, &now).unwrap_err();
            assert!(said.starts_with("train.patience: the run in DIR has"), "{said}");
        }
    }
}
