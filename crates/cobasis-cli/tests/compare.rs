//! `compare`: the same tables whoever trains the runs, when, and how often that is interrupted.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Runs that take a moment; the last method diverges.
const FILE: &str = "\
networks = [\"digits/resnet14\"]
budgets = [125000]
seeds = [0, 1]

[[methods]]
method = \"dense\"

[[methods]]
method = \"tied\"

[[methods]]
label = \"shared, half decay\"
suffix = \"s4u1\"
set = { \"optimizer.weight_decay_scale\" = \"ratio\", ortho.lambda = 10 }

[[methods]]
label = \"too fast\"
method = \"lowrank\"
set = { optimizer.lr = 1e30 }

[[published]]
label = \"theirs\"
network = \"digits/resnet14\"
params = 100000
macs = 1000000
error = 2.5
source = \"a paper\"

[recipe]
data = { split = \"train/val\", flip = false }
train = { epochs = 2, batch = 64, max_steps = 3 }
ortho = { lambda = 0 }
";

/// A folder with the comparison in it.
fn folder(text: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    fs::write(folder.path().join("a.toml"), text).expect("written");
    folder
}

fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cobasis"));
    command.env("XDG_CACHE_HOME", folder.join("cache")).current_dir(folder);
    command.args(["compare", "a.toml"]).args(arguments);
    command
}

fn compare(folder: &Path, arguments: &[&str]) -> Output {
    command(folder, arguments).output().expect("the program runs")
}

/// What the program says whose exit code this is.
fn ended(folder: &Path, arguments: &[&str], code: i32) -> String {
    let output = compare(folder, arguments);
    assert_eq!(output.status.code(), Some(code), "{}", text(&output.stderr));
    text(&output.stdout)
}

/// Some of the runs are left, or none is to be trained.
fn done(folder: &Path, arguments: &[&str]) -> String {
    ended(folder, arguments, 0)
}

/// All runs are there, and those of a method diverged.
fn lost(folder: &Path, arguments: &[&str]) -> String {
    ended(folder, arguments, 1)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

/// The tables that must be the same.
fn tables(out: &Path) -> [String; 2] {
    ["comparison.csv", "runs.csv"].map(|name| fs::read_to_string(out.join(name)).expect(name))
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder").flatten() {
        let target = to.join(entry.file_name());
        match entry.path().is_dir() {
            true => copy(&entry.path(), &target),
            false => drop(fs::copy(entry.path(), target).expect("copied")),
        }
    }
}

#[test]
fn the_tables_have_every_method_and_are_the_same_again() {
    let folder = folder(FILE);
    let out = folder.path().join("out");
    let output = compare(folder.path(), &["--out", "out"]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    let (said, warned) = (text(&output.stdout), text(&output.stderr));
    assert!(said.contains("run 3 of 8: digits-resnet14-tied/seed-0"), "{said}");
    assert!(warned.contains("+too-fast/seed-1: training diverged"), "{warned}");
    let before = tables(&out);
    let rows: Vec<&str> = before[0].lines().collect();
    assert_eq!(rows.len(), 5, "{}", before[0]);
    assert!(
        rows[1].starts_with("dense,digits/resnet14,,dense,,digits/resnet14,172218,1631872,0,0")
    );
    assert!(
        rows[2].starts_with("tied,digits/resnet14,after-first,tied,125000,digits/resnet14-tied")
    );
    assert!(rows[3].starts_with("\"shared, half decay\",digits/resnet14,after-first,s4u1,,"));
    let (ratio, params) = (rows[3].contains(",ratio,0."), rows[2].contains(",none,1,"));
    assert!(ratio && params, "{}", before[0]);
    assert!(rows[4].contains(",0,2,0,,,,,,,,"), "two diverged: {}", before[0]);
    let runs: Vec<&str> = before[1].lines().collect();
    assert_eq!(runs.len(), 9, "{}", before[1]);
    assert_eq!(runs.iter().filter(|row| row.contains(",diverged,")).count(), 2);
    let page = fs::read_to_string(out.join("comparison.html")).expect("a page");
    assert!(page.contains("data-kind=\"front\"") && page.contains("data-kind=\"published\""));
    assert!(page.contains("a paper") && page.contains("data-field=\"state\">diverged"));
    assert!(page.contains("id=\"diverged\"") && !page.contains("id=\"missing\""));
    assert!(page.contains("4 methods compared, 8 runs"));

    // As after an interruption: a run is missing, the others are taken as they are.
    fs::remove_dir_all(out.join("runs/digits-resnet14-tied/seed-1")).expect("removed");
    fs::remove_file(out.join("comparison.csv")).expect("removed");
    let dry = done(folder.path(), &["--out", "out", "--dry-run"]);
    assert!(dry.contains("a second of the runs that are finished"), "{dry}");
    let said = lost(folder.path(), &["--out", "out"]);
    assert_eq!(tables(&out), before);
    // Nor are those trained that diverged.
    assert_eq!(said.matches("run ").count(), 1, "{said}");
    let timing = fs::read_to_string(out.join("timing.csv")).expect("a table");
    assert_eq!(timing.lines().count(), 7, "{timing}");

    let dry = done(folder.path(), &["--out", "out", "--dry-run"]);
    let marked = |word: &str| dry.lines().filter(|line| line.trim_end().ends_with(word)).count();
    assert_eq!((marked("  finished"), marked("  diverged")), (6, 2), "{dry}");
    assert!(dry.contains("nothing is left to train"), "{dry}");

    // Another recipe in the same place is refused before anything is trained.
    let other = FILE.replace("batch = 64", "batch = 32");
    fs::write(folder.path().join("a.toml"), other).expect("written");
    for arguments in [&["--out", "out"][..], &["--out", "out", "--dry-run"]] {
        let output = compare(folder.path(), arguments);
        let line = text(&output.stderr);
        assert_eq!((output.status.code(), line.lines().count()), (Some(2), 1), "{line}");
        assert!(
            line.contains("train.batch: the run in out/runs/digits-resnet14/seed-0 has 64"),
            "{line}"
        );
    }
}

/// One method that works, in two budgets that have the same setting, and one that diverges.
const SHORT: &str = "\
networks = [\"digits/resnet14\"]
budgets = [125000, 130000]
seeds = [0]

[[methods]]
method = \"tied\"

[[methods]]
label = \"too fast\"
suffix = \"tied\"
set = { optimizer.lr = 1e30, ortho.lambda = 1 }

[recipe]
data = { split = \"paper\", flip = false }
train = { epochs = 2, batch = 64, max_steps = 2 }
schedule = { kind = \"cosine\" }
";

#[test]
fn files_that_a_finished_run_has_lost_are_made_again_or_told() {
    let folder = folder(SHORT);
    let output = compare(folder.path(), &["--out", "out"]);
    let (said, warned) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(1), "{warned}");
    assert!(warned.contains("\"too fast\" sets keys of ortho, which have no effect"), "{warned}");
    assert!(said.contains("budget") && said.contains("best epoch"), "{said}");
    let out = folder.path().join("out");
    let before = tables(&out);
    let runs: Vec<&str> = before[1].lines().collect();
    assert_eq!(runs.len(), 3, "each run once: {}", before[1]);
    assert!(runs[1].contains(",tied,125000;130000,"), "{}", before[1]);
    assert_eq!(before[0].lines().count(), 4);

    let run = out.join("runs/digits-resnet14-tied/seed-0");
    let model = fs::read(run.join("last.safetensors")).expect("a model");
    fs::remove_file(run.join("last.safetensors")).expect("removed");
    lost(folder.path(), &["--out", "out"]);
    assert_eq!(fs::read(run.join("last.safetensors")).expect("a model"), model);
    assert_eq!(tables(&out), before);

    // Without a checkpoint it can't be, but its result is there.
    fs::remove_file(run.join("last.safetensors")).expect("removed");
    fs::rename(run.join("checkpoints"), run.join("gone")).expect("moved");
    let output = compare(folder.path(), &["--out", "out"]);
    let warned = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{warned}");
    assert!(warned.contains("is missing, and can't be made again"), "{warned}");
    assert_eq!(tables(&out), before);

    // What is advised is possible here.
    fs::write(folder.path().join("a.toml"), SHORT.replace("epochs = 2", "epochs = 3"))
        .expect("written");
    let line = text(&compare(folder.path(), &["--out", "out"]).stderr);
    assert!(line.contains("give another --out") && !line.contains("--init"), "{line}");
    fs::write(folder.path().join("a.toml"), SHORT).expect("written");

    for damage in ["metrics.csv", "summary.json"] {
        let file = run.join(damage);
        let text_before = fs::read(&file).expect("a file");
        fs::write(&file, "garbage").expect("written");
        let output = compare(folder.path(), &["--out", "out"]);
        let line = text(&output.stderr);
        let last = line.lines().last().unwrap_or_default();
        assert_eq!(output.status.code(), Some(2), "{line}");
        assert!(last.contains("; delete out/runs/digits-resnet14-tied/seed-0, and"), "{line}");
        fs::write(&file, text_before).expect("written");
    }
}

#[test]
fn a_comparison_is_told_from_a_configuration() {
    let folder = folder(SHORT);
    for arguments in [&["config", "check", "a.toml"][..], &["train", "--config", "a.toml"]] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cobasis"));
        command.current_dir(folder.path()).args(arguments);
        let output = command.output().expect("the program runs");
        let line = text(&output.stderr);
        assert_eq!((output.status.code(), line.lines().count()), (Some(2), 1), "{line}");
        assert!(line.contains("a.toml: this is a comparison; run it with cobasis compare a.toml"));
    }
}

#[test]
fn a_comparison_that_was_killed_goes_on_to_the_same_tables() {
    let text = FILE.replace("epochs = 2", "epochs = 3").replace("max_steps = 3", "max_steps = 6");
    let folder = folder(&text);
    lost(folder.path(), &["--out", "whole"]);
    let expected = tables(&folder.path().join("whole"));
    let first = folder.path().join("killed/runs/digits-resnet14/seed-1/metrics.csv");
    for _ in 0..2 {
        let mut child = command(folder.path(), &["--out", "killed"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the program runs");
        let since = Instant::now();
        while !first.is_file() && since.elapsed() < Duration::from_secs(120) {
            sleep(Duration::from_millis(5));
            if child.try_wait().expect("a child").is_some() {
                break;
            }
        }
        sleep(Duration::from_millis(30));
        child.kill().expect("killed");
        child.wait().expect("ended");
    }
    assert!(
        !folder.path().join("killed/runs/digits-resnet14-s4u1+shared-half-decay/seed-1").exists()
    );
    lost(folder.path(), &["--out", "killed"]);
    assert_eq!(tables(&folder.path().join("killed")), expected);
}

#[test]
fn two_halves_join_to_the_whole() {
    let folder = folder(FILE);
    let at = |name: &str| -> PathBuf { folder.path().join(name) };
    lost(folder.path(), &["--out", "whole"]);
    let expected = tables(&at("whole"));
    let said = done(folder.path(), &["--out", "first", "--jobs", "1/2"]);
    assert!(
        said.contains("run 4 of 4") && said.contains("4 of 8 runs are not finished yet"),
        "{said}"
    );
    let page = fs::read_to_string(at("first/comparison.html")).expect("a page");
    assert!(page.contains("data-field=\"missing\">4 of 8 runs not finished"));
    assert_ne!(tables(&at("first")), expected);
    done(folder.path(), &["--out", "second", "--jobs", "2/2"]);

    // Apart and put together, or in one place.
    copy(&at("first"), &at("joined"));
    copy(&at("second/runs"), &at("joined/runs"));
    lost(folder.path(), &["--out", "joined"]);
    assert_eq!(tables(&at("joined")), expected);
    lost(folder.path(), &["--out", "first", "--jobs", "2/2"]);
    assert_eq!(tables(&at("first")), expected);
}

#[test]
fn a_dry_run_says_what_there_is_to_do_and_writes_nothing() {
    let folder = folder(FILE);
    let said = done(folder.path(), &["--out", "out", "--dry-run", "--jobs", "1/2"]);
    let lines: Vec<&str> = said.lines().collect();
    let tied = lines.iter().find(|line| line.starts_with("digits-resnet14-tied/seed-1 "));
    let words: Vec<&str> = tied.expect("a run").split_whitespace().collect();
    // 2 epochs of 3 steps of 64 images, three passes of each.
    let macs = format!("{:.3e}", (2 * 3 * 64 * 3 * 1_631_872) as f64);
    assert_eq!(words[1..], ["tied", "123,834", "1,631,872", macs.as_str()]);
    assert!(said.contains("runs    8, of 1,294 training images"), "{said}");
    assert!(said.contains("job     4 runs"), "{said}");
    assert!(
        said.contains("time    not known") && said.ends_with("nothing was written\n"),
        "{said}"
    );
    assert!(!folder.path().join("out").exists());
}

#[test]
fn what_is_wrong_is_refused_before_anything_is_trained() {
    for (from, to, said) in [
        ("budgets = [125000]", "budgets = [1000]", "methods[1]: no setting of tied"),
        ("method = \"tied\"", "method = \"tyed\"", "unknown method \"tyed\"; the methods are"),
        (
            "method = \"tied\"",
            "label = \"mine\"\nmethod = \"tied\"\nblocks = [\"all\"]",
            "methods[1].blocks: \"mine\" is for \"all\"",
        ),
        (
            "ortho.lambda = 10",
            "data.split = \"paper\"",
            "methods[2].set: \"shared, half decay\": data is not for a method to set",
        ),
        ("\"s4u1\"", "\"s4v1\"", "methods[2]: \"shared, half decay\": "),
        ("method = \"tied\"", "method = \"tied\"\nfoo = 1", "methods[1].foo: unknown field `foo`"),
        ("seeds = [0, 1]", "seeds = []", "seeds: expected at least one"),
        ("batch = 64", "bach = 64", "recipe: train.bach: unknown key; did you mean train.batch?"),
        ("batch = 64", "batch = 0", "recipe: train.batch: expected"),
        ("ortho.lambda = 10", "ortho.lambda = -10", "sets: ortho.lambda: expected"),
        ("[recipe]", "[recipe]\nseed = 3", "recipe.seed: not for a comparison"),
        ("resnet14\"]", "resnet14\", \"digits/resnet14\"]", "networks: expected each once"),
        ("flip = false", "name = \"cifar10\"", "data.name"),
        ("seeds = [", "seeds [", "a.toml:3:"),
    ] {
        let folder = folder(&FILE.replacen(from, to, 1));
        let output = compare(folder.path(), &["--out", "out"]);
        let line = text(&output.stderr);
        assert_eq!((output.status.code(), line.lines().count()), (Some(2), 1), "{said}: {line}");
        assert!(line.contains(said) && line.contains("a.toml"), "{said}: {line}");
        assert!(!folder.path().join("out").exists());
    }
    let folder = folder(FILE);
    for jobs in ["0/2", "3/2", "1", "x/2"] {
        let output = compare(folder.path(), &["--out", "out", "--jobs", jobs]);
        let line = text(&output.stderr);
        assert_eq!((output.status.code(), line.lines().count()), (Some(2), 1), "{line}");
        assert!(line.contains("expected I/N with I from 1 to N"), "{line}");
    }
    let output = command(folder.path(), &[]).arg("--out").arg("a.toml").output().expect("it runs");
    assert_eq!(output.status.code(), Some(2), "{}", text(&output.stderr));
}
