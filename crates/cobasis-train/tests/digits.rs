//! Whole trainings on the embedded digits: the accuracy that the README promises, and runs that
//! repeat themselves.

use std::fs;
use std::path::Path;

use cobasis_train::DeviceName;
use cobasis_train::config::{Config, DIGITS};
use cobasis_train::run_dir::Summary;
use cobasis_train::train::{Outcome, run};

fn config(sets: &[&str]) -> Config {
    let sets: Vec<String> = sets.iter().map(|set| set.to_string()).collect();
    Config::parse_with("digits.toml", DIGITS, &sets).expect("a configuration")
}

fn train(config: &Config, out: &Path) -> Summary {
    match run(config, DeviceName::Flex, Some(out), "test", &mut ()).expect("trained") {
        Outcome::Finished(summary) => *summary,
        interrupted => panic!("{interrupted:?}"),
    }
}

/// `metrics.csv` without its two columns of times.
fn metrics(run: &Path) -> Vec<String> {
    let text = fs::read_to_string(run.join("metrics.csv")).expect("metrics");
    text.lines().map(|line| line.split(',').take(10).collect::<Vec<_>>().join(",")).collect()
}

#[test]
fn the_default_training_reaches_98_5_percent() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("run");
    let summary = train(&config(&[]), &out);
    assert!(summary.last.value("test_top1") >= 98.5, "{summary:?}");
    for file in
        ["config.toml", "metrics.csv", "summary.json", "last.safetensors", "best.safetensors"]
    {
        assert!(out.join(file).is_file(), "{file}");
    }
    assert_eq!(metrics(&out).len(), 1 + config(&[]).train.epochs);
    let resolved = Config::load(&out.join("config.toml").display().to_string(), Path::new("none"));
    assert_eq!(resolved.expect("it loads"), config(&[]));
}

#[test]
fn a_seed_repeats_a_run_whatever_the_number_of_workers() {
    let folder = tempfile::tempdir().expect("a folder");
    let run = |name: &str, seed: &str, workers: &str| {
        let out = folder.path().join(name);
        let sets = ["train.epochs=2", "train.max_steps=6", seed, workers];
        train(&config(&sets), &out);
        (metrics(&out), fs::read(out.join("last.safetensors")).expect("a model"))
    };
    let first = run("a", "seed=1", "data.workers=0");
    assert_eq!(first, run("b", "seed=1", "data.workers=0"));
    assert_eq!(first, run("c", "seed=1", "data.workers=3"));
    assert_ne!(first.0, run("d", "seed=2", "data.workers=0").0);
}
