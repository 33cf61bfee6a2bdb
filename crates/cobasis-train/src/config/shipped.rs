//! The lab notes under `configs/`: each loads, and states what a reader needs.

use std::fs;
use std::path::{Path, PathBuf};

use burn::tensor::Device;
use cobasis_data::number::grouped;
use cobasis_zoo::listing::published;
use cobasis_zoo::registry::PUBLISHED;
use cobasis_zoo::{ModelConfig, ModelName};
use toml::Table;

use super::{Config, TaskKind};
use crate::data::{Augment, AugmentKey, Batch, Crop, Dataset, View};

/// What a lab note states even where it is the default.
const STATED: &[(&str, &str)] = &[
    ("data", "name"),
    ("train", "epochs"),
    ("train", "batch"),
    ("ortho", "lambda"),
    ("optimizer", "lr"),
];

/// Folders of experiments that a processor does: ten epochs of 10,000 images, and a recipe of their
/// own.
const SHORTENED: &[&str] = &["ablation/", "cpu10/"];
/// That of the page "make your network small": recipes of a few epochs.
const COMPRESS: &str = "compress/";
/// Those of tasks on a trained network, likewise, and of several tasks at once.
const TASKS: &str = "tasks/";

#[test]
fn every_shipped_config_loads_and_is_a_complete_note() {
    let dir = configs();
    let mut names = Vec::new();
    collect(&dir, &dir, &mut names);
    assert!(names.len() >= 50, "{names:?}");
    for name in &names {
        let config = Config::load(name, &dir).unwrap_or_else(|err| panic!("{err}"));
        let text = fs::read_to_string(dir.join(name)).unwrap();
        let table: Table = text.parse().unwrap();
        for (section, key) in STATED {
            assert!(table[*section].get(key).is_some(), "{name}: {section}.{key} not stated");
        }
        let shortened = [COMPRESS, TASKS].iter().any(|folder| name.starts_with(folder));
        let is_cosine = shortened || config.task == TaskKind::Detect;
        let schedule = if is_cosine { "kind" } else { "milestones" };
        assert!(
            table["schedule"].get(schedule).is_some(),
            "{name}: schedule.{schedule} not stated"
        );
        let data = if name.ends_with("digits.toml") { "" } else { " --data DIR" };
        let command = format!("# Command    cobasis train --config {name}{data}\n");
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
    if name.starts_with(COMPRESS) {
        let dense = config.model == "cifar10/resnet20";
        assert_eq!(config.ortho.lambda, if dense { 0.0 } else { 10.0 }, "{name}");
        assert_eq!(config.awaits_file(), name == "compress/fine-tune.toml", "{name}");
        return;
    }
    if !config.tasks.is_empty() {
        let data_set = format!("{data_set}/");
        assert!(config.model.starts_with(&data_set) && config.ortho.lambda == 10.0, "{name}");
        return;
    }
    if name.starts_with(TASKS) {
        // On the model of a file, as few images for each, seen as CIFAR's are.
        assert!(config.awaits_file() && config.init.adapter.is_some(), "{name}");
        assert_eq!((config.data.train_images, config.data.size), (Some(1000), Some(32)), "{name}");
        return;
    }
    if config.task == TaskKind::Detect {
        assert!(config.model.starts_with(name.trim_end_matches(".toml")), "{name}");
        // By the authors of the losses, but for a rate of 16 times theirs for each image of a batch; of it 5 %
        // at the end.
        let lr = 16.0 * 0.01 / 64.0 * config.train.batch as f64;
        let (optimizer, schedule) = (&config.optimizer, &config.schedule);
        assert!((optimizer.lr - lr).abs() < 1e-12, "{name}");
        assert!((schedule.min_lr - 0.05 * lr).abs() < 1e-12, "{name}");
        assert_eq!((schedule.warmup_epochs, optimizer.decay_norms), (5, false), "{name}");
        assert_eq!((optimizer.momentum, optimizer.weight_decay), (0.9, 5e-4), "{name}");
        return;
    }
    assert!(config.model.starts_with(&format!("{data_set}/")), "{name}");
    if SHORTENED.iter().any(|folder| name.starts_with(folder)) {
        let shortened = (config.data.train_images, config.train.epochs);
        assert_eq!(shortened, (Some(10_000), 10), "{name}");
        return;
    }
    if name.contains('/') {
        assert_eq!(name, format!("{}.toml", config.model));
    }
    let shares = config.model.contains("-s") && !config.model.contains("-s0");
    assert_eq!(config.ortho.lambda, if shares { 10.0 } else { 0.0 }, "{name}");
    if data_set == "digits" {
        return;
    }
    let recipe = Config::default();
    let (optimizer, train) = (&config.optimizer, &config.train);
    assert_eq!((optimizer.lr, optimizer.momentum, train.batch), (0.1, 0.9, 256), "{name}");
    assert!(config.data.flip, "{name}");
    if data_set == "imagenet" {
        let source = config.source().unwrap();
        assert_eq!(source.view, View { size: 224, resize: 256 }, "{name}");
        assert_eq!(config.data.augment().crop, Crop::Resized, "{name}");
        assert!(optimizer.weight_decay <= 1e-4, "{name}");
        // Every step of the schedule is reached.
        assert!(config.schedule.milestones.iter().all(|&step| step < train.epochs), "{name}");
    } else {
        assert_eq!(*optimizer, recipe.optimizer, "{name}");
        assert_eq!(config.schedule, recipe.schedule, "{name}");
        assert_eq!((train.epochs, config.data.pad), (300, 4), "{name}");
    }
}

#[test]
fn every_published_result_and_its_dense_network_has_a_config() {
    let dir = configs();
    for row in PUBLISHED {
        let name: ModelName = row.name.parse().unwrap();
        for name in [name.clone(), name.dense()] {
            let path = dir.join(format!("{name}.toml"));
            assert!(path.is_file(), "{}", path.display());
            let text = fs::read_to_string(path).unwrap();
            let text = text.replace("\n#", "").split_whitespace().collect::<Vec<_>>().join(" ");
            let [_, height, width] = name.entry().input;
            let cost = ModelConfig::new(name.clone()).cost([height, width], &Device::flex());
            let params = grouped(cost.total().params);
            assert!(text.contains(&format!("{params} parameters")), "{name}: {params}");
            if let Some(row) = published(&name) {
                let error = format!("Published {:.2} % top-1", row.error);
                assert!(text.contains(&error), "{name}: {error}");
            }
        }
    }
}

/// The ImageNet configs on a folder that looks like ImageNet but is small.
#[test]
fn every_imagenet_config_loads_batches_of_a_folder() {
    let folder = tempfile::tempdir().unwrap();
    for (split, class) in [("train", "n01"), ("train", "n02"), ("val", "n01"), ("val", "n02")] {
        let class = folder.path().join(split).join(class);
        fs::create_dir_all(&class).unwrap();
        fs::write(
            class.join("1.JPEG"),
            include_bytes!("../../../cobasis-data/assets/red-blue.jpg"),
        )
        .unwrap();
    }
    let dir = configs();
    let mut names = Vec::new();
    collect(&dir, &dir.join("imagenet"), &mut names);
    assert!(names.len() >= 13, "{names:?}");
    for name in &names {
        let mut config = Config::load(name, &dir).unwrap();
        config.data.dir = Some(folder.path().to_path_buf());
        let data = Dataset::load(&config.source().unwrap()).unwrap();
        assert_eq!((data.train.labels(), data.test.labels()), (&[0, 1][..], &[0, 1][..]));
        let key = AugmentKey { seed: 0, epoch: 1 };
        let batch = Batch::new(&data.train, &[0, 1], config.data.augment(), key);
        assert_eq!(batch.shape, [2, 3, 224, 224], "{name}");
        let batch = Batch::new(&data.test, &[0, 1], Augment::NONE, key);
        assert_eq!((batch.shape, batch.unreadable.len()), ([2, 3, 224, 224], 0), "{name}");
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
            let name = path.strip_prefix(root).unwrap().to_str().unwrap().replace('\\', "/");
            // Comparisons have recipes, and models of their own.
            names.extend((!name.starts_with("compare/")).then_some(name));
        }
    }
}
