//! The lab notes under `configs/`: each loads, and states what a reader needs.

use std::fs;
use std::path::{Path, PathBuf};

use toml::Table;

use super::Config;

/// What a lab note states even where it is the default.
const STATED: &[(&str, &str)] = &[
    ("data", "name"),
    ("train", "epochs"),
    ("train", "batch"),
    ("train", "lambda"),
    ("optimizer", "lr"),
    ("schedule", "milestones"),
];

#[test]
fn every_shipped_config_loads_and_is_a_complete_note() {
    let dir = configs();
    let mut names = Vec::new();
    collect(&dir, &dir, &mut names);
    assert!(names.len() >= 20, "{names:?}");
    for name in &names {
        let config = Config::load(name, &dir).unwrap_or_else(|err| panic!("{err}"));
        let text = fs::read_to_string(dir.join(name)).unwrap();
        let table: Table = text.parse().unwrap();
        for (section, key) in STATED {
            assert!(table[*section].get(key).is_some(), "{name}: {section}.{key} not stated");
        }
        let data = if name == "digits.toml" { "" } else { " --data DIR" };
        let command = format!("# Command    cargo xtask train --config {name}{data}\n");
        for part in ["# Source ", "# Published ", "# Expected ", "# Cost ", command.as_str()] {
            assert!(text.contains(part), "{name}: no {part:?}");
        }
        assert!(text.starts_with("# ") && text.lines().all(|line| line.len() <= 100), "{name}");
        assert_matches_its_model(name, &config);
    }
}

#[test]
fn the_top_level_cifar100_config_is_the_papers() {
    let dir = configs();
    let long = Config::load("cifar100/resnet34-s32u1.toml", &dir).unwrap();
    assert_eq!(Config::load("cifar100.toml", &dir).unwrap(), long);
}

fn assert_matches_its_model(name: &str, config: &Config) {
    let data_set = config.data.name.as_str();
    assert!(config.model.starts_with(&format!("{data_set}/")), "{name}");
    if name.contains('/') {
        assert_eq!(name, format!("{}.toml", config.model));
    }
    let shares = config.model.contains("-s") && !config.model.contains("-s0");
    assert_eq!(config.train.lambda, if shares { 10.0 } else { 0.0 }, "{name}");
    if data_set != "digits" {
        let recipe = Config::default();
        assert_eq!(config.optimizer, recipe.optimizer, "{name}");
        assert_eq!(config.schedule, recipe.schedule, "{name}");
        assert_eq!((config.train.epochs, config.train.batch), (300, 256), "{name}");
        assert_eq!((config.data.pad, config.data.flip), (4, true), "{name}");
    }
}

/// `configs/` of the repository, wherever below it this crate lies.
fn configs() -> PathBuf {
    let dirs = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().map(|dir| dir.join("configs"));
    dirs.into_iter().find(|dir| dir.is_dir()).expect("no configs/ above the crate")
}

fn collect(root: &Path, dir: &Path, names: &mut Vec<String>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(root, &path, names);
        } else {
            names.push(path.strip_prefix(root).unwrap().to_str().unwrap().replace('\\', "/"));
        }
    }
}
