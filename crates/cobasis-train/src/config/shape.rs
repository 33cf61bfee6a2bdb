//! Which keys exist and of what type, learnt from a full configuration so there is no second list.

use cobasis_data::nearest::nearest_key;
use cobasis_data::text::shortened;
use toml::{Table, Value};

use super::Config;
use super::error::ConfigError;

/// Longer than any key, and than any slip in one.
pub(super) const MAX_KEY: usize = 200;

/// Keys with an array of which a single string may stand alone.
const ONE_OR_MORE: &[&str] = &["train.freeze", "data.images"];

/// Refuses unknown keys and values of the wrong type.
///
/// Every integer key is a count or a seed, so negative integers are refused here.
pub(super) fn check(given: &Table) -> Result<(), ConfigError> {
    let known = Table::try_from(Config::full()).map_err(ConfigError::not_toml)?;
    check_table("", given, &known, &known)
}

fn check_table(at: &str, given: &Table, here: &Table, all: &Table) -> Result<(), ConfigError> {
    for (name, value) in given {
        let key = join(at, name);
        match here.get(name) {
            Some(like) => check_value(&key, value, like, all)?,
            None => return Err(unknown(&key, at, value, here, all)),
        }
    }
    Ok(())
}

fn check_value(key: &str, got: &Value, like: &Value, all: &Table) -> Result<(), ConfigError> {
    match (like, got) {
        (Value::Table(like), Value::Table(got)) => return check_table(key, got, like, all),
        (Value::Array(like), Value::Array(got)) => {
            let Some(like) = like.first() else {
                return Ok(());
            };
            for (i, item) in got.iter().enumerate() {
                check_value(&format!("{key}[{i}]"), item, like, all)?;
            }
            return Ok(());
        }
        (Value::Array(_), Value::String(_)) if ONE_OR_MORE.contains(&key) => return Ok(()),
        (Value::Integer(_), Value::Integer(got)) if *got >= 0 => return Ok(()),
        (Value::Float(_), Value::Float(got)) if got.is_finite() => return Ok(()),
        (Value::Float(_), Value::Integer(_))
        | (Value::String(_), Value::String(_))
        | (Value::Boolean(_), Value::Boolean(_)) => return Ok(()),
        _ => {}
    }
    let meant = meant(like, got).or_else(|| meant_tasks(key, got));
    let hint = meant.map(|meant| format!("; did you mean {meant}?"));
    let problem = format!(
        "expected {}, got {}{}",
        wanted(key, like, got),
        shown(got),
        hint.unwrap_or_default()
    );
    Err(ConfigError::at(key, problem))
}

fn unknown(key: &str, at: &str, value: &Value, here: &Table, all: &Table) -> ConfigError {
    let mut candidates = Vec::new();
    // What is in a list is a configuration of its own.
    let is_listed = at.contains('[');
    if key.len() <= MAX_KEY {
        match is_listed {
            true => collect(here, at, value.is_table(), &mut candidates),
            false => collect(all, "", value.is_table(), &mut candidates),
        }
    }
    if let Some(near) = nearest_key(key, &candidates) {
        return ConfigError::at(key, format!("unknown key; did you mean {near}?"));
    }
    let place = match at {
        "" => "the top level".to_owned(),
        at if is_listed => at.to_owned(),
        at => format!("[{at}]"),
    };
    let keys = here.iter().map(|(name, value)| match value {
        Value::Table(_) => format!("[{name}]"),
        Value::Array(_) if lists_tables(value) => format!("[[{name}]]"),
        _ => name.clone(),
    });
    let keys = keys.collect::<Vec<_>>().join(", ");
    ConfigError::at(key, format!("unknown key; {place} has {keys}"))
}

/// The paths of all tables, or of all keys that are none.
fn collect(table: &Table, at: &str, tables: bool, paths: &mut Vec<String>) {
    for (name, value) in table {
        let path = join(at, name);
        if let Value::Table(inner) = value {
            collect(inner, &path, tables, paths);
        }
        if value.is_table() == tables {
            paths.push(path);
        }
    }
}

fn join(at: &str, name: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    let name = match !name.is_empty() && name.chars().all(bare) {
        true => name.to_owned(),
        false => format!("{name:?}"),
    };
    if at.is_empty() { name } else { format!("{at}.{name}") }
}

fn wanted(key: &str, like: &Value, got: &Value) -> String {
    match like {
        Value::Integer(_) if got.is_integer() => "an integer of at least 0".to_owned(),
        Value::Integer(_) => "an integer".to_owned(),
        Value::Float(_) if got.is_float() => "a finite number".to_owned(),
        Value::Float(_) => "a number".to_owned(),
        Value::String(_) => "a string".to_owned(),
        Value::Boolean(_) => "true or false".to_owned(),
        Value::Datetime(_) => "a date".to_owned(),
        Value::Array(_) if lists_tables(like) => format!("tables [[{key}]]"),
        Value::Array(_) => "an array in [ ]".to_owned(),
        Value::Table(_) => format!("a table [{key}]"),
    }
}

fn shown(got: &Value) -> String {
    match got {
        Value::Integer(got) => format!("integer {got}"),
        Value::Float(got) => format!("number {got:?}"),
        Value::String(got) => format!("string {:?}", shortened(got)),
        Value::Boolean(got) => format!("boolean {got}"),
        Value::Datetime(got) => format!("date {got}"),
        Value::Array(_) => "an array".to_owned(),
        Value::Table(_) => "a table".to_owned(),
    }
}

/// What was likely meant by a value of the wrong type: `10` by `10.0` or `"10"`, `0.1` by `".1"`.
fn meant(like: &Value, got: &Value) -> Option<String> {
    match (like, got) {
        (Value::Integer(_), Value::Float(got)) => whole(*got),
        (Value::Integer(_), Value::String(got)) => got.trim().parse().ok().and_then(whole),
        (Value::Float(_), Value::String(got)) => got
            .trim()
            .parse::<f64>()
            .ok()
            .filter(|got| got.is_finite())
            .map(|got| format!("{got:?}")),
        (Value::Boolean(_), Value::String(got)) => {
            got.parse::<bool>().ok().map(|got| got.to_string())
        }
        (Value::Boolean(_), Value::Integer(got @ (0 | 1))) => Some((*got == 1).to_string()),
        (Value::Array(_), Value::Integer(got)) => Some(format!("[{got}]")),
        _ => None,
    }
}

/// `[[task]]`, since `task` is another key.
fn meant_tasks(key: &str, got: &Value) -> Option<String> {
    (key == "task" && lists_tables(got)).then(|| "[[tasks]]".to_owned())
}

fn lists_tables(value: &Value) -> bool {
    value.as_array().and_then(|list| list.first()).is_some_and(Value::is_table)
}

fn whole(number: f64) -> Option<String> {
    (number.fract() == 0.0 && (0.0..1e15).contains(&number)).then(|| format!("{number}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An optional key without an example in `full()` would be unknown to every file.
    #[test]
    fn the_full_config_has_a_value_for_every_key() {
        fn check(at: &str, value: &serde_json::Value) {
            match value {
                serde_json::Value::Object(map) => {
                    map.iter().for_each(|(name, value)| check(&join(at, name), value));
                }
                serde_json::Value::Array(items) => assert!(!items.is_empty(), "{at}: no example"),
                value => assert!(!value.is_null(), "{at}: no example in full()"),
            }
        }
        check("", &serde_json::to_value(Config::full()).unwrap());
    }

    #[test]
    fn optional_keys_are_known_and_typed() {
        check(&"train.max_steps = 3\ndata.dir = \"d\"".parse().unwrap()).unwrap();
        let err = check(&"train.max_steps = 3.0".parse().unwrap()).unwrap_err();
        assert_eq!(
            err.to_string(),
            "train.max_steps: expected an integer, got number 3.0; did you mean 3?"
        );
    }
}
