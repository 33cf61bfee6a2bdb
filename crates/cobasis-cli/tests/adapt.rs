//! Tasks on a frozen base, by the program.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use burn::tensor::Device;
use cobasis_zoo::{ModelConfig, save};
use tempfile::TempDir;

/// Few epochs, small steps: what is looked at is where the numbers go.
const SHORT: &str = "--set train.epochs=2 --set schedule.milestones=[] --set train.max_steps=2";

fn cobasis(folder: &TempDir, line: &str) -> (Output, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cobasis"));
    let words = line.split(' ').filter(|word| !word.is_empty());
    let output = command.current_dir(folder.path()).args(words).output().expect("it runs");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (output, said)
}

fn done(folder: &TempDir, line: &str) -> String {
    let (output, said) = cobasis(folder, line);
    assert!(output.status.success(), "{line}: {said}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

fn json(folder: &TempDir, line: &str) -> serde_json::Value {
    serde_json::from_str(&done(folder, &format!("{line} --json"))).expect("JSON")
}

fn base(folder: &TempDir, seed: u64, file: &str) {
    let name = "digits/resnet14-s8u1".parse().expect("a name");
    let config = ModelConfig::new(name).with_seed(seed);
    save(&config.init(&Device::flex()), folder.path().join(file)).expect("saved");
}

fn read(folder: &TempDir, file: impl AsRef<Path>) -> Vec<u8> {
    fs::read(folder.path().join(file)).expect("a file")
}

#[test]
fn a_task_has_a_file_of_its_own_and_the_base_stays() {
    let folder = tempfile::tempdir().expect("a folder");
    base(&folder, 1, "base.st");
    base(&folder, 2, "other.st");
    let before = read(&folder, "base.st");
    for kind in ["unique", "norms", "head"] {
        let adapt = format!("adapt base.st --adapter {kind} {SHORT} --out {kind}.st");
        let said = done(&folder, &adapt);
        let size = format!("{kind}.st: ");
        assert!(
            said.lines().any(|line| line.starts_with(&size) && line.contains("% of the base's"))
        );
        assert!(read(&folder, "base.st") == before, "{kind} changed its base");
        let task = read(&folder, format!("{kind}.st"));
        assert!(task.len() < before.len() / 2, "{kind}: {} of {}", task.len(), before.len());

        // What the run found is what the two files compute.
        let run: serde_json::Value =
            serde_json::from_slice(&read(&folder, format!("{kind}-run/summary.json")))
                .expect("JSON");
        let found = json(&folder, &format!("eval --checkpoint base.st --task {kind}.st"));
        assert_eq!(found["top1"], run["best_on_test"]["test_top1"], "{kind}");
        // Folded too.
        done(&folder, &format!("deploy base.st --task {kind}.st --out {kind}-folded.st"));
        let folded = json(&folder, &format!("eval --checkpoint {kind}-folded.st"));
        assert_eq!(folded["top1"], found["top1"], "{kind}");

        let (output, said) =
            cobasis(&folder, &format!("eval --checkpoint other.st --task {kind}.st"));
        assert_eq!((output.status.code(), said.lines().count()), (Some(2), 1), "{said}");
        let digests = said.split(|c: char| !c.is_ascii_hexdigit()).filter(|word| word.len() == 64);
        assert_eq!(digests.count(), 2, "{said}");
    }
}

#[test]
fn grey_images_of_another_size_are_shown_to_a_colour_base() {
    let folder = tempfile::tempdir().expect("a folder");
    let name = "cifar10/resnet20-s8u1".parse().expect("a name");
    save(&ModelConfig::new(name).init(&Device::flex()), folder.path().join("base.st"))
        .expect("saved");
    let adapt = format!("adapt base.st --adapter norms {SHORT} --set data.size=16 --out task.st");
    done(&folder, &adapt);
    // A second time it only tells the result.
    done(&folder, &format!("{adapt} --force"));
    let run: serde_json::Value =
        serde_json::from_slice(&read(&folder, "task-run/summary.json")).expect("JSON");
    let found = json(&folder, "eval --checkpoint base.st --task task.st");
    assert_eq!(
        (&found["images"], &found["top1"]),
        (&360.into(), &run["best_on_test"]["test_top1"])
    );
    let config = String::from_utf8(read(&folder, "task-run/config.toml")).expect("UTF-8");
    assert!(config.contains("channels = 3") && config.contains("size = 16"), "{config}");
    let (_, said) = cobasis(&folder, "eval --checkpoint base.st --dataset digits");
    assert!(said.contains("do not fit cifar10/resnet20-s8u1"), "{said}");
}

#[test]
fn the_sizes_of_tasks_are_told() {
    let folder = tempfile::tempdir().expect("a folder");
    let known = json(&folder, "models info cifar10/resnet20 --adapters");
    let of = |kind: &str| {
        let rows = known["adapters"].as_array().expect("rows");
        rows.iter().find(|row| row["adapter"] == kind).cloned()
    };
    assert_eq!(of("mix").expect("a row")["layers"], 1_539);
    assert_eq!((of("unique"), &known["parameters"]), (None, &269_722.into()));
    base(&folder, 1, "base.st");
    let said = done(&folder, "models info base.st --adapters");
    assert!(said.lines().any(|line| line.starts_with("unique ")), "{said}");
    done(&folder, &format!("adapt base.st --adapter unique {SHORT} --out task.st"));
    let said = done(&folder, "models info base.st --task task.st");
    let line = said.lines().find(|line| line.starts_with("of the task ")).expect("a line");
    assert!(line.ends_with("% of the base's 111,990; its classifier has 650"), "{line}");
    for line in ["models info digits/resnet14 --task task.st", "models info base.st --task base.st"]
    {
        let (output, said) = cobasis(&folder, line);
        assert_eq!((output.status.code(), said.lines().count()), (Some(2), 1), "{said}");
    }
}

#[test]
fn an_interrupted_task_goes_on_and_ends_the_same() {
    let folder = tempfile::tempdir().expect("a folder");
    base(&folder, 1, "base.st");
    let adapt = |epochs: usize, out: &str, run: &str| {
        let short = SHORT.replace("epochs=2", &format!("epochs={epochs}"));
        format!("adapt base.st --adapter rank1 {short} --run {run} --out {out}")
    };
    done(&folder, &adapt(2, "whole.st", "whole"));
    done(&folder, &adapt(1, "half.st", "parts"));
    done(&folder, &adapt(2, "parts.st", "parts"));
    assert!(read(&folder, "whole.st") == read(&folder, "parts.st"));
}

#[test]
fn wrong_uses_are_refused_with_a_line() {
    let folder = tempfile::tempdir().expect("a folder");
    base(&folder, 1, "base.st");
    let dense = ModelConfig::new("digits/resnet14".parse().expect("a name"));
    save(&dense.init(&Device::flex()), folder.path().join("dense.st")).expect("saved");
    fs::write(folder.path().join("there.st"), "mine").expect("written");
    for (line, expected) in [
        ("adapt base.st --adapter rank0 --out a.st", "expected \"head\""),
        ("adapt dense.st --adapter unique --out a.st", "no layer there has unique filters"),
        ("adapt base.st --adapter norms --out there.st", "exists; give --force"),
        ("adapt none.st --adapter norms --out a.st", "none.st"),
        ("train --set init.adapter=norms", "init.adapter: is only for a file"),
        (
            "adapt base.st --adapter norms --set ortho.constraint=qr --out a.st",
            "ortho.constraint: would change the frozen base",
        ),
        ("eval --checkpoint base.st --task dense.st", "dense.st"),
    ] {
        let (output, said) = cobasis(&folder, line);
        assert_eq!(output.status.code(), Some(2), "{line}: {said}");
        assert!(said.contains(expected), "{line}: {said}");
    }
    assert_eq!(read(&folder, "there.st"), b"mine");
}
