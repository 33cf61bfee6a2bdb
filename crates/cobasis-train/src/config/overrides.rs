//! `--set key=value`: changes to a configuration from the command line.

use std::str::FromStr;

use toml::{Table, Value};

use super::Config;
use super::error::{ConfigError, place};
use super::moved::rename_aloud;

/// Deeper than any key; a table nested without limit would overflow the stack when dropped.
const MAX_DEPTH: usize = 8;

/// Applies each `key=value` to the table, in order, the last word winning.
///
/// Keys are dotted paths (`train.epochs`). Values are read as TOML, and as a bare string when that
/// fails, so `model=cifar10/resnet20` needs no quotes.
///
/// # Errors
/// The first text that is no `key=value`, or whose key, type or range a file could not have
/// either; the text is named. The table may hold the changes before it.
pub fn apply_set(table: &mut Table, sets: &[String]) -> Result<(), ConfigError> {
    for text in sets {
        merge(table, change(text, &place(text))?);
    }
    Ok(())
}

/// What a `key=value` changes; `place` is how errors name it.
pub(super) fn change(text: &str, place: &str) -> Result<Table, ConfigError> {
    let mut change = parse(text, place)?;
    rename_aloud(&mut change, place)?;
    // Checked alone, over the defaults, so that the fault can only be this text's.
    Config::from_table(&change).map_err(|err| err.in_place(place))?;
    Ok(change)
}

fn parse(text: &str, place: &str) -> Result<Table, ConfigError> {
    let malformed = |what| {
        let problem = format!("expected key=value like train.epochs=10, got {what}");
        ConfigError::of(place, problem)
    };
    let (key, value) = text.split_once('=').ok_or_else(|| malformed("no \"=\""))?;
    let (key, value) = (key.trim(), value.trim());
    if key.split('.').any(|part| part.trim().is_empty()) {
        return Err(malformed("an empty part in the key"));
    }
    if key.starts_with("tasks.") || key.starts_with("tasks[") {
        let problem = format!(
            "{key}: a key of one of several [[tasks]], which can't be set one by one; change it in the \
             configuration file, or give the whole list, as in 'tasks=[{{ name = \"a\" }}]'"
        );
        return Err(ConfigError::of(place, problem));
    }
    if key.split('.').count() > MAX_DEPTH {
        return Err(malformed("too many parts in the key"));
    }
    let value = Value::from_str(value).unwrap_or_else(|_| Value::String(value.to_owned()));
    Ok(nested(key, value))
}

/// The table in which a value has a dotted path.
pub(super) fn nested(key: &str, value: Value) -> Table {
    let mut parts = key.rsplit('.').map(|part| part.trim().to_owned());
    let last = parts.next().unwrap_or_default();
    parts.fold(Table::from_iter([(last, value)]), |inner, part| {
        Table::from_iter([(part, Value::Table(inner))])
    })
}

/// Replaces values, but goes into tables: `train={epochs=3}` leaves the rest of `[train]` alone.
pub(super) fn merge(table: &mut Table, change: Table) {
    for (name, value) in change {
        match (table.get_mut(&name), value) {
            (Some(Value::Table(inner)), Value::Table(change)) => merge(inner, change),
            (_, value) => drop(table.insert(name, value)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(file: &str, sets: &[&str]) -> Result<Config, ConfigError> {
        let mut table = file.parse().unwrap();
        apply_set(&mut table, &sets.iter().map(|set| set.to_string()).collect::<Vec<_>>())?;
        Config::from_table(&table)
    }

    #[test]
    fn values_are_toml_or_bare_strings_and_the_last_wins() {
        let sets = [
            "model=cifar10/resnet20",
            "train.epochs=5",
            " train.epochs = 6 ",
            "schedule.milestones=[]",
            "optimizer.lr=1",
            "data={flip=false}",
            "data.dir=a dir=b",
        ];
        let config = set("train.batch = 7\ndata.pad = 1", &sets).unwrap();
        assert_eq!(config.model, "cifar10/resnet20");
        assert_eq!((config.train.epochs, config.train.batch), (6, 7));
        assert_eq!(config.schedule.milestones, Vec::<usize>::new());
        assert_eq!(config.optimizer.lr, 1.0);
        assert_eq!((config.data.flip, config.data.pad), (false, 1));
        assert_eq!(config.data.dir.unwrap().to_str(), Some("a dir=b"));
    }

    #[test]
    fn errors_name_the_text() {
        for (text, problem) in [
            ("train.epochs", "expected key=value like train.epochs=10, got no \"=\""),
            ("=3", "expected key=value like train.epochs=10, got an empty part in the key"),
            ("train..epochs=3", "expected key=value like train.epochs=10, got an empty part"),
            ("a.b.c.d.e.f.g.h.i=3", "expected key=value like train.epochs=10, got too many parts"),
            ("lr=0.1", "lr: unknown key; did you mean optimizer.lr?"),
            (
                "tasks.weight=2",
                "tasks.weight: a key of one of several [[tasks]], which can't be set",
            ),
            ("tasks[0].weight=2", "tasks[0].weight: a key of one of several [[tasks]], which"),
            ("tasks=3", "tasks: expected tables [[tasks]], got integer 3"),
            ("tasks=[{ name = 'A' }]", "tasks[0].name: expected a name of 1 to 40 of a-z"),
            ("optimizer.lr=.1", "optimizer.lr: expected a number, got string \".1\"; did"),
            ("train.epochs=ten", "train.epochs: expected an integer, got string"),
            ("train.epochs=0", "train.epochs: expected at least 1, got 0"),
            ("train=3", "train: expected a table [train], got integer 3"),
            ("schedule.milestones=[3", "schedule.milestones: expected an array in [ ], got string"),
            ("data.name=cifar", "data.name: expected digits | cifar10 | cifar100 | mnist"),
            ("seed=1\n2", "seed: expected an integer"),
        ] {
            let shown = set("", &[text]).unwrap_err().to_string();
            let text = text.replace('\n', " ");
            assert!(shown.starts_with(&format!("--set {text}: {problem}")), "{shown}");
            assert!(!shown.contains('\n'), "{shown}");
        }
    }
}
