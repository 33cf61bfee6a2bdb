//! What the keys mean: told by the schema, which is made from the structs and their comments.

use cobasis_data::nearest::nearest_key;
use schemars::generate::SchemaSettings;
use serde_json::Value;

use super::Config;
use super::error::ConfigError;
use super::shape::MAX_KEY;

/// The JSON schema of a configuration, for editors.
pub fn schema() -> Value {
    let settings =
        SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true);
    settings.into_generator().into_root_schema_for::<Config>().to_value()
}

/// What a key is for, its type and its default; for a section, all of its keys.
///
/// # Errors
/// When there is no such key; the nearest one is named.
pub fn explain(key: &str) -> Result<String, ConfigError> {
    let schema = schema();
    let found = key.split('.').try_fold(&schema, |at, name| table(at)["properties"].get(name));
    let Some(found) = found else {
        let mut keys = Vec::new();
        if key.len() <= MAX_KEY {
            collect(&schema, "", &mut keys);
        }
        let hint = nearest_key(key, &keys).map(|near| format!("; did you mean {near}?"));
        let key = if key.is_empty() { "\"\"" } else { key };
        return Err(ConfigError::at(key, format!("unknown key{}", hint.unwrap_or_default())));
    };
    let section = table(found);
    // A table in another one is a value of that.
    if section["properties"].is_object() && !key.contains('.') {
        let mut keys = Vec::new();
        collect(found, key, &mut keys);
        let inner = keys.iter().map(|key| explain(key)).collect::<Result<Vec<_>, _>>()?;
        let name = if is_list(found) { format!("[[{key}]]") } else { format!("[{key}]") };
        return Ok(format!("{name}\n{}\n\n{}", text(section), inner.join("\n\n")));
    }
    let Key { path, kind, default, meaning } = Key::of(key.to_owned(), found);
    let default = default.unwrap_or_else(|| "absent".to_owned());
    Ok(format!("{path} = {kind}, default {default}\n{meaning}"))
}

/// A part of a configuration.
#[derive(Debug)]
pub struct Section {
    /// The name between brackets; empty for the keys before all sections.
    pub name: String,
    /// Whether there may be several of it, each between double brackets.
    pub is_list: bool,
    /// What it is for.
    pub meaning: String,
    /// Its keys by name.
    pub keys: Vec<Key>,
}

/// A key of a configuration.
#[derive(Debug)]
pub struct Key {
    /// The key, dotted.
    pub path: String,
    /// Its type, in words.
    pub kind: String,
    /// Its default in TOML; none where the key is absent.
    pub default: Option<String>,
    /// What it is for.
    pub meaning: String,
}

/// All keys by section.
pub fn sections() -> Vec<Section> {
    let schema = schema();
    let all = schema["properties"].as_object().into_iter().flatten();
    let (sections, plain): (Vec<_>, Vec<_>) =
        all.partition(|(_, inner)| table(inner)["properties"].is_object());
    let top = Section {
        name: String::new(),
        is_list: false,
        meaning: text(&schema),
        keys: plain.into_iter().map(|(name, inner)| Key::of(name.clone(), inner)).collect(),
    };
    let sections = sections.into_iter().map(|(name, inner)| Section {
        name: name.clone(),
        is_list: is_list(inner),
        meaning: text(table(inner)),
        keys: table(inner)["properties"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(key, inner)| Key::of(format!("{name}.{key}"), inner))
            .collect(),
    });
    std::iter::once(top).chain(sections).collect()
}

impl Key {
    fn of(path: String, schema: &Value) -> Self {
        let default = Some(&schema["default"]).filter(|default| !default.is_null());
        let shown = |default: &Value| match default {
            // The keys of a table have defaults of their own.
            Value::Object(_) => "{}".to_owned(),
            default => default.to_string(),
        };
        Self { path, kind: kind(schema), default: default.map(shown), meaning: text(schema) }
    }
}

/// The paths of all keys and sections.
fn collect(schema: &Value, at: &str, keys: &mut Vec<String>) {
    for (name, inner) in table(schema)["properties"].as_object().into_iter().flatten() {
        let key = if at.is_empty() { name.clone() } else { format!("{at}.{name}") };
        if at.is_empty() {
            collect(inner, &key, keys);
        }
        keys.push(key);
    }
}

/// What has the keys of a section: of a list, what it is of.
fn table(schema: &Value) -> &Value {
    if is_list(schema) { &schema["items"] } else { schema }
}

/// Whether a section may be there several times.
fn is_list(schema: &Value) -> bool {
    schema["items"]["properties"].is_object()
}

/// The comment, on one line.
fn text(schema: &Value) -> String {
    schema["description"]
        .as_str()
        .unwrap_or_default()
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
}

/// The type, as a reader of TOML knows it.
fn kind(schema: &Value) -> String {
    if let Some(choices) = schema["enum"].as_array() {
        return choices.iter().map(Value::to_string).collect::<Vec<_>>().join(" | ");
    }
    let named = |name: &str| match name {
        "integer" => "an integer".to_owned(),
        "number" => "a number".to_owned(),
        "boolean" => "true or false".to_owned(),
        "string" => "a string".to_owned(),
        "object" => "a table".to_owned(),
        "array" => format!("an array of {}s", schema["items"]["type"].as_str().unwrap_or("value")),
        other => other.to_owned(),
    };
    match &schema["type"] {
        Value::String(name) => named(name),
        // An optional key may also be nothing.
        Value::Array(names) => {
            let names = names.iter().filter_map(Value::as_str).filter(|name| *name != "null");
            names.map(named).collect::<Vec<_>>().join(" or ")
        }
        _ => "a value".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_has_a_type_and_a_meaning() {
        let mut keys = Vec::new();
        collect(&schema(), "", &mut keys);
        assert!(keys.len() > 40, "{keys:?}");
        for key in keys {
            let shown = explain(&key).unwrap();
            assert!(shown.lines().all(|line| !line.contains("a value")), "{shown}");
            assert!(shown.lines().nth(1).is_some_and(|line| line.len() > 10), "{shown}");
        }
    }

    #[test]
    fn every_key_is_in_a_section() {
        let mut keys = Vec::new();
        collect(&schema(), "", &mut keys);
        let sections = sections();
        let names = sections.iter().map(|section| section.name.clone()).filter(|n| !n.is_empty());
        let paths = sections.iter().flat_map(|section| &section.keys).map(|key| key.path.clone());
        let mut found: Vec<String> = names.chain(paths).collect();
        found.sort();
        keys.sort();
        assert_eq!(found, keys);
    }

    #[test]
    fn a_list_of_tables_is_a_section_too() {
        let shown = explain("tasks").unwrap();
        assert!(shown.starts_with("[[tasks]]\nA further task"), "{shown}");
        assert!(shown.contains("\ntasks.weight = a number, default 1.0\n"), "{shown}");
        assert!(shown.contains("\ntasks.data = a table, default {}\n"), "{shown}");
        assert!(explain("tasks.data.pad").unwrap().starts_with("tasks.data.pad = an integer"));
        let err = explain("tasks.adaptor").unwrap_err().to_string();
        assert_eq!(err, "tasks.adaptor: unknown key; did you mean tasks.adapter?");
    }

    #[test]
    fn a_key_is_explained_or_the_nearest_named() {
        let shown = explain("ortho.scope").unwrap();
        assert!(shown.starts_with("ortho.scope = \"auto\" | \"shared\" | \"shared+unique\", "));
        assert!(
            explain("schedule.milestones")
                .unwrap()
                .contains("= an array of integers, default [150,225]")
        );
        assert!(
            explain("train.max_steps")
                .unwrap()
                .starts_with("train.max_steps = an integer, default absent")
        );
        assert!(explain("schedule").unwrap().contains("schedule.gamma = a number, default 0.1"));
        let err = explain("train.epoch").unwrap_err().to_string();
        assert_eq!(err, "train.epoch: unknown key; did you mean train.epochs?");
    }
}
