//! `train --sweep`: a run for each setting, and what they come to.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

/// Runs that take a moment.
const SHORT: [&str; 4] = ["--set", "train.epochs=1", "--set", "train.max_steps=2"];

fn train(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cobasis"));
    command.env("XDG_CACHE_HOME", folder.join("cache")).current_dir(folder);
    command.arg("train").args(arguments).args(SHORT).output().expect("the program runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

fn top1(run: &Path) -> f64 {
    let summary = fs::read(run.join("summary.json")).expect("a finished run");
    let summary: Value = serde_json::from_slice(&summary).expect("JSON");
    summary["last"]["test_top1"].as_f64().expect("a number")
}

#[test]
fn the_grid_is_trained_with_every_seed_and_the_same_command_takes_it_as_it_is() {
    let folder = tempfile::tempdir().expect("a folder");
    let sweep = ["--sweep", "optimizer.lr=0.1,0.02", "--sweep", "schedule.milestones=[1,2],[3]"];
    let arguments = [&sweep[..], &["--seeds", "1,2", "--out", "out"]].concat();
    let output = train(folder.path(), &arguments);
    let said = text(&output.stdout);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(said.contains("run 8 of 8: optimizer.lr=0.02,schedule.milestones=3/seed-2"), "{said}");
    assert_eq!(said.lines().filter(|line| line.ends_with("  best")).count() - 8, 1, "{said}");
    let table = fs::read_to_string(folder.path().join("out/sweep.csv")).expect("a table");
    let rows: Vec<&str> = table.lines().collect();
    assert_eq!(rows.len(), 5, "{table}");
    assert!(rows[0].starts_with("optimizer.lr,schedule.milestones,n,diverged,last_test_top1_mean"));
    assert!(rows[1].starts_with("0.1,\"[1,2]\",2,0,"), "{table}");
    let place = folder.path().join("out/optimizer.lr=0.02,schedule.milestones=3");
    let mean = (top1(&place.join("seed-1")) + top1(&place.join("seed-2"))) / 2.0;
    let told: f64 = rows[4].split(',').nth(4).expect("a mean").parse().expect("a number");
    assert!((told - mean).abs() < 1e-9, "{table}");
    assert_eq!(rows[1..].iter().filter(|row| row.ends_with(",1")).count(), 1, "{table}");

    // As after an interruption: one run is missing, the others are taken as they are.
    fs::remove_dir_all(place.join("seed-2")).expect("removed");
    let again = train(folder.path(), &arguments);
    assert!(again.status.success(), "{}", text(&again.stderr));
    assert_eq!(fs::read_to_string(folder.path().join("out/sweep.csv")).expect("a table"), table);

    let report = Command::new(env!("CARGO_BIN_EXE_cobasis"))
        .current_dir(folder.path())
        .args(["report", "out"])
        .output()
        .expect("the program runs");
    assert!(report.status.success(), "{}", text(&report.stderr));
    let page = fs::read_to_string(folder.path().join("out/report.html")).expect("a page");
    assert!(page.contains("8 runs of 4 configurations"));
}

#[test]
fn a_setting_that_diverges_is_told_and_is_not_the_best() {
    let folder = tempfile::tempdir().expect("a folder");
    let output = train(folder.path(), &["--sweep", "optimizer.lr=1e30,0.05", "--out", "out"]);
    let (said, warned) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{warned}");
    assert!(warned.contains("warning: optimizer.lr=1e30: training diverged"), "{warned}");
    assert!(said.contains("1 diverged"), "{said}");
    let table = fs::read_to_string(folder.path().join("out/sweep.csv")).expect("a table");
    let rows: Vec<&str> = table.lines().collect();
    assert_eq!((rows[1], rows[2].ends_with(",1")), ("1e30,0,1,,,,,,,0", true), "{table}");
}

#[test]
fn a_sweep_without_a_best_setting_ends_with_1() {
    let folder = tempfile::tempdir().expect("a folder");
    let output = train(folder.path(), &["--sweep", "optimizer.lr=1e30,1e29", "--out", "out"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stdout).contains("none is best"));
    assert!(folder.path().join("out/sweep.csv").exists());
}

#[test]
fn what_is_wrong_is_refused_before_the_first_run() {
    let folder = tempfile::tempdir().expect("a folder");
    for (arguments, said) in [
        (
            &["--sweep", "optimizer.lr=0.1,x"][..],
            "--sweep optimizer.lr=x: optimizer.lr: expected a number",
        ),
        (&["--sweep", "train.epoch=1,2"], "--sweep train.epoch=1: train.epoch: unknown key"),
        (&["--sweep", "model=digits/resnet14,wrong"], "unknown model \"wrong\""),
        (&["--sweep", "optimizer.lr=0.1,1e-1"], "are the same configuration"),
        (&["--sweep", "train.batch=1", "--sweep", "train.batch=2"], "expected each key once"),
        (&["--sweep", "seed=1,2"], "--seeds is for seeds"),
    ] {
        let output = train(folder.path(), &[arguments, &["--out", "out"]].concat());
        let line = text(&output.stderr);
        assert_eq!((output.status.code(), line.lines().count()), (Some(2), 1), "{line}");
        assert!(line.contains(said), "{said}: {line}");
        assert!(!folder.path().join("out").exists());
    }
    let dry = ["--sweep", "optimizer.lr=0.1,0.2,0.3", "--seeds", "1,2", "--dry-run"];
    let output = train(folder.path(), &dry);
    assert!(text(&output.stdout).starts_with("runs    6: settings 3 x seeds 2"));
    assert!(!folder.path().join("runs").exists());
}
