//! What a comparison may not have.

use std::collections::BTreeSet;

use cobasis_zoo::sharing::Blocks;
use toml::{Table, Value};

use super::{BlocksChoice, Contender};
use crate::config::error::ConfigError;

/// What is the same for all methods of a comparison.
pub(super) const FIXED: &[(&str, &str)] = &[
    ("model", "networks and methods say which models are trained"),
    ("seed", "seeds says which seeds there are, the same for all"),
    ("init", "all methods start from new weights"),
    ("task", "methods are compared by classification"),
    ("detect", "methods are compared by classification"),
    ("tasks", "methods are compared by one task"),
    ("data", "all methods are compared on the same images; recipe.data is for all"),
    ("train.epochs", "all methods are trained for as long; recipe.train.epochs is for all"),
    ("train.max_steps", "all methods are trained for as long; recipe.train.max_steps is for all"),
    ("train.patience", "all methods are trained for as long; recipe.train.patience is for all"),
];

/// Whether a table has a dotted key.
pub(super) fn has_key(table: &Table, key: &str) -> bool {
    match key.split_once('.') {
        None => table.contains_key(key),
        Some((section, rest)) => table
            .get(section)
            .and_then(Value::as_table)
            .is_some_and(|section| has_key(section, rest)),
    }
}

/// Refuses what would break a line, or talk to the terminal.
pub(super) fn check_label(key: &str, label: &str) -> Result<(), ConfigError> {
    match label.contains(char::is_control) {
        true => Err(ConfigError::at(key, "expected a text without control characters")),
        false => Ok(()),
    }
}

/// Refuses methods for blocks that the comparison has not, which would be left out without a word.
pub(super) fn check_blocks(methods: &[Contender], all: &[BlocksChoice]) -> Result<(), ConfigError> {
    let there: Vec<Blocks> = all.iter().map(|&blocks| blocks.into()).collect();
    for (index, Contender { label, blocks, .. }) in methods.iter().enumerate() {
        let lost = blocks.iter().flatten().find(|blocks| !there.contains(blocks));
        if let Some(lost) = lost {
            let name = match lost {
                Blocks::AfterFirst => BlocksChoice::AfterFirst,
                Blocks::All => BlocksChoice::All,
            };
            let all: Vec<&str> = all.iter().map(|blocks| blocks.as_str()).collect();
            let problem = format!(
                "{label:?} is for \"{}\", which blocks of the comparison does not have: {}",
                name.as_str(),
                all.join(", ")
            );
            return Err(ConfigError::at(format!("methods[{index}].blocks"), problem));
        }
    }
    Ok(())
}

/// Refuses what a comparison says itself, and what does not start from new weights.
pub(super) fn check_recipe(recipe: &Table) -> Result<(), ConfigError> {
    for (name, why) in [
        ("model", "networks and methods say which models are trained"),
        ("seed", "seeds says which seeds there are"),
        ("init", "all methods start from new weights"),
        ("task", "methods are compared by classification"),
        ("detect", "methods are compared by classification"),
        ("tasks", "methods are compared by one task"),
    ] {
        if recipe.contains_key(name) {
            let problem = format!("not for a comparison: {why}");
            return Err(ConfigError::at(format!("recipe.{name}"), problem));
        }
    }
    Ok(())
}

pub(super) fn each_once<T: Ord + std::fmt::Display>(
    key: &str,
    list: &[T],
) -> Result<(), ConfigError> {
    let mut seen = BTreeSet::new();
    match list.iter().find(|item| !seen.insert(*item)) {
        Some(twice) => Err(ConfigError::at(key, format!("expected each once, got {twice} twice"))),
        None => Ok(()),
    }
}

pub(super) fn some_each_once<T: Ord + std::fmt::Display>(
    key: &str,
    list: &[T],
) -> Result<(), ConfigError> {
    match list.is_empty() {
        true => Err(ConfigError::at(key, "expected at least one, got an empty list")),
        false => each_once(key, list),
    }
}
