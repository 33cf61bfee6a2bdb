//! Keys that have moved to another section: their old paths are still understood.

use toml::{Table, Value};

use super::error::ConfigError;

/// Section and name of old, then of new.
const MOVED: &[([&str; 2], [&str; 2])] = &[
    (["train", "lambda"], ["ortho", "lambda"]),
    (["train", "lambda_schedule"], ["ortho", "lambda_schedule"]),
    (["train", "lambda_end"], ["ortho", "lambda_end"]),
    (["train", "penalty"], ["ortho", "scope"]),
];

/// Puts the values of old keys where they belong now; gives the old and the new path of each.
///
/// # Errors
/// When a key is there by both of its paths.
pub(super) fn rename(table: &mut Table) -> Result<Vec<[String; 2]>, ConfigError> {
    let mut renamed = Vec::new();
    for (old, new) in MOVED {
        // Values that should be tables and are none are left to the check of types.
        if table.get(new[0]).is_some_and(|section| !section.is_table()) {
            continue;
        }
        let Some(Value::Table(section)) = table.get_mut(old[0]) else {
            continue;
        };
        let Some(value) = section.remove(old[1]) else {
            continue;
        };
        let [old, path] = [old, new].map(|key| key.join("."));
        let section = table.entry(new[0]).or_insert_with(|| Value::Table(Table::new()));
        if let Value::Table(section) = section
            && section.insert(new[1].to_owned(), value).is_some()
        {
            let problem = format!("was renamed to {path}, which is given too");
            return Err(ConfigError::at(old, problem));
        }
        renamed.push([old, path]);
    }
    Ok(renamed)
}

/// [`rename`] with a line of warning for each old key, which names where it is.
pub(super) fn rename_aloud(table: &mut Table, place: &str) -> Result<(), ConfigError> {
    for [old, new] in rename(table).map_err(|err| err.in_place(place))? {
        log::warn!("{place}: {old} was renamed to {new}");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::{Config, LambdaSchedule, PenaltyScope};
    use super::*;

    fn config(text: &str, sets: &[&str]) -> Result<Config, ConfigError> {
        let sets: Vec<_> = sets.iter().map(|set| set.to_string()).collect();
        Config::parse_with("a.toml", text, &sets)
    }

    #[test]
    fn old_keys_mean_what_the_new_ones_do() {
        let old = "[train]\nlambda = 3\nlambda_schedule = 'linear'\nlambda_end = 1\n\
                   penalty = 'shared'\nbatch = 7";
        let config = config(old, &[]).unwrap();
        assert_eq!((config.train.batch, config.ortho.lambda), (7, 3.0));
        assert_eq!(config.ortho.lambda_schedule, LambdaSchedule::Linear);
        assert_eq!(config.ortho.lambda_end, Some(1.0));
        assert_eq!(config.ortho.scope, PenaltyScope::Shared);
        assert_eq!(Config::from_table(&old.parse().unwrap()).unwrap(), config);
        let mut table = old.parse().unwrap();
        let renamed = rename(&mut table).unwrap();
        assert_eq!(renamed[3], ["train.penalty", "ortho.scope"].map(str::to_owned));
        assert_eq!(rename(&mut table).unwrap(), Vec::<[String; 2]>::new());
    }

    #[test]
    fn files_with_old_keys_are_read() {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
        file("old.toml", "train.lambda = 3");
        file("both.toml", "train.lambda = 3\northo.lambda = 3");
        assert_eq!(Config::load("old.toml", dir.path()).unwrap().ortho.lambda, 3.0);
        let both = Config::load("both.toml", dir.path()).unwrap_err();
        assert_eq!(both.key(), Some("train.lambda"));
    }

    #[test]
    fn an_override_by_either_path_wins_over_the_file() {
        for file in ["train.lambda = 3", "ortho.lambda = 3"] {
            for set in ["train.lambda=4", "ortho.lambda=4"] {
                assert_eq!(config(file, &[set]).unwrap().ortho.lambda, 4.0, "{file} {set}");
            }
        }
    }

    #[test]
    fn faults_are_told() {
        for (file, said) in [
            (
                "train.lambda = 3\northo.lambda = 4",
                "a.toml: train.lambda: was renamed to ortho.lambda, which is given too",
            ),
            ("train.lambda = -1", "a.toml: ortho.lambda: expected a number of at least 0"),
            ("train.penalty = 'mean'", "a.toml: ortho.scope: expected auto | shared"),
            ("train.lambda = 3\northo = 4", "a.toml: ortho: expected a table [ortho]"),
            ("train = 3", "a.toml: train: expected a table [train]"),
        ] {
            let shown = config(file, &[]).unwrap_err().to_string();
            assert!(shown.starts_with(said), "{file}: {shown}");
        }
        let shown = config("", &["train.lambda=x"]).unwrap_err().to_string();
        assert!(shown.starts_with("--set train.lambda=x: ortho.lambda: expected a number"));
    }
}
