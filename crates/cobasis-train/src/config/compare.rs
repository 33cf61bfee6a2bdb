//! Whether two configurations train the same model.

use toml::{Table, Value};

use super::Config;
use super::error::ConfigError;

/// Keys that say where things are and how fast they go, not what comes out.
const FREE: &[&str] =
    &["data.dir", "data.download", "data.workers", "train.checkpoint_steps", "train.tensorboard"];

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

    /// Refuses a configuration that does not train what `before`, that of the run in `place`, does.
    /// Where the data lie, loader threads and intervals of checkpoints may differ.
    ///
    /// # Errors
    /// The first key that differs, with both values.
    pub fn check_resumes(&self, before: &Config, place: &str) -> Result<(), ConfigError> {
        match before.differences(self)?.into_iter().next() {
            None => Ok(()),
            Some(Difference { key, before, now }) => {
                let shown = |value: Option<Value>| {
                    value.map_or_else(|| "nothing".to_owned(), |value| value.to_string())
                };
                let (before, now) = (shown(before), shown(now));
                let problem = format!(
                    "the run in {place} has {before}, got {now}; to resume it, give the same \
                     configuration; to start a new run, another --out"
                );
                Err(ConfigError::at(key, problem))
            }
        }
    }
}

fn compare(at: &str, before: &Table, now: &Table) -> Vec<Difference> {
    let added = now.keys().filter(|name| !before.contains_key(*name));
    let compared = before.keys().chain(added).flat_map(|name| {
        let key = if at.is_empty() { name.clone() } else { format!("{at}.{name}") };
        match (before.get(name), now.get(name)) {
            (Some(Value::Table(before)), Some(Value::Table(now))) => compare(&key, before, now),
            (before, now) if before == now || FREE.contains(&key.as_str()) => Vec::new(),
            (before, now) => {
                vec![Difference { key, before: before.cloned(), now: now.cloned() }]
            }
        }
    });
    compared.collect()
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
            ("model = 'cifar10/resnet20'", "has \"cifar10/resnet32-s16u1\", got \"cifar10/resn"),
        ] {
            let line = config(now).check_resumes(&before, "DIR").unwrap_err().to_string();
            assert!(line.contains(said), "{line}");
        }
        let err = before.check_resumes(&config("train.max_steps = 3"), "DIR").unwrap_err();
        assert!(err.to_string().contains("has 3, got nothing"), "{err}");
    }

    #[test]
    fn what_changes_no_weight_may_change() {
        let before = config(
            "data.dir = 'a'\ndata.workers = 1\n[train]\ncheckpoint_steps = 1\ntensorboard = true",
        );
        config("data.dir = 'b'").check_resumes(&before, "DIR").unwrap();
    }
}
