//! Reports of real runs: every number is that of the runs' files, and a browser shows them.

mod require;

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use require::skip;
use serde_json::Value;
use tempfile::TempDir;

/// The tags of a page that carry data, as their attributes.
type Tags = Vec<HashMap<String, String>>;

fn cobasis(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cobasis"));
    // What the machine's user has downloaded is not for tests.
    command.env("XDG_CACHE_HOME", folder.join("cache"));
    command.current_dir(folder).args(arguments).output().expect("the program runs")
}

fn succeeds(folder: &Path, arguments: &[&str]) {
    let output = cobasis(folder, arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// A folder with two short runs, `both/seed-4` and `both/seed-5`.
fn runs() -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let train = ["train", "--seeds", "4,5", "--no-live", "--out", "both"];
    let short = ["--set", "train.epochs=2", "--set", "train.max_steps=4"];
    succeeds(folder.path(), &[&train[..], &short].concat());
    folder
}

fn page(folder: &Path, name: &str) -> String {
    fs::read_to_string(folder.join(name)).expect("a page")
}

fn json(path: PathBuf) -> Value {
    serde_json::from_slice(&fs::read(path).expect("a file")).expect("JSON")
}

fn tags(page: &str) -> Tags {
    let tag = |text: &str| -> HashMap<String, String> {
        let (tag, _) = text.split_once('>').expect("a tag that ends");
        let mut parts = tag.split('"');
        let mut attributes = HashMap::new();
        while let (Some(name), Some(value)) = (parts.next(), parts.next()) {
            let name = name.trim().rsplit(' ').next().unwrap_or_default();
            attributes.insert(name.trim_end_matches('=').to_string(), value.to_string());
        }
        attributes
    };
    let all = page.split('<').skip(1).filter(|text| text.contains("data-")).map(tag);
    all.collect()
}

/// The value of the one tag with all these attributes.
fn value(tags: &Tags, attributes: &[(&str, &str)], name: &str) -> f64 {
    let fits = |tag: &&HashMap<String, String>| {
        attributes.iter().all(|(name, value)| tag.get(*name).is_some_and(|got| got == value))
    };
    let found: Vec<_> = tags.iter().filter(fits).collect();
    assert_eq!(found.len(), 1, "{attributes:?}");
    found[0][name].parse().expect("a number")
}

/// Whether the page has each number of the run's files.
fn check_numbers(page: &str, run: &Path) {
    let tags = tags(page);
    let metrics = fs::read_to_string(run.join("metrics.csv")).expect("metrics");
    let mut lines = metrics.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let names = lines.next().expect("a header");
    let mut epochs = 0;
    for row in lines {
        for (name, field) in names.iter().zip(&row).skip(1) {
            let at = [("data-column", *name), ("data-epoch", row[0])];
            let expected: f64 = field.parse().expect("a number");
            assert_eq!(value(&tags, &at, "data-value"), expected, "{at:?}");
        }
        epochs += 1;
    }
    assert_eq!(epochs, 2);
    let summary = json(run.join("summary.json"));
    for (field, name) in [
        ("last.test_top1", "/last/test_top1"),
        ("best.test_top1", "/best_on_test/test_top1"),
        ("params", "/params"),
        ("seconds", "/seconds"),
        ("evaluated.top1", "/last/test_top1"),
    ] {
        let written = summary.pointer(name).and_then(Value::as_f64).expect("a number");
        assert_eq!(value(&tags, &[("data-field", field)], "value"), written, "{field}");
    }
    let counts: Vec<(bool, f64)> = tags
        .iter()
        .filter(|tag| tag.contains_key("data-class") && tag.contains_key("data-value"))
        .map(|tag| {
            let count = tag["data-value"].parse().expect("a count");
            (tag["data-class"] == tag["data-predicted"], count)
        })
        .collect();
    assert_eq!((counts.len(), counts.iter().map(|(_, count)| count).sum::<f64>()), (100, 360.0));
    let right: f64 = counts.iter().filter(|(right, _)| *right).map(|(_, count)| count).sum();
    let top1 = summary["last"]["test_top1"].as_f64().expect("a number");
    assert!((100.0 * right / 360.0 - top1).abs() < 1e-9);
    let command = summary["command"].as_str().expect("a command");
    assert!(page.contains(command), "{command}");
}

#[test]
fn pages_have_the_numbers_of_the_files() {
    let folder = runs();
    let path = folder.path();
    let seed_4 = path.join("both/seed-4");
    succeeds(path, &["report", "both/seed-4"]);
    let single = page(path, "both/seed-4/report.html");
    check_numbers(&single, &seed_4);
    assert!(single.contains("|BBᵀ|") && single.contains("Stage 3"));
    assert!(single.contains("Not recorded"), "no gradient flow was asked for");

    let flow = "epoch,basis,mean_abs,max_abs\n\
                1,stages.0.bases.0,0.25,0.5\n2,stages.0.bases.0,0.125,0.75\n";
    fs::write(seed_4.join("gradient_flow.csv"), flow).expect("written");
    succeeds(path, &["report", "both/seed-4", "--out", "one.html"]);
    let tags_of = tags(&page(path, "one.html"));
    let drawn = tags_of.iter().filter(|tag| tag.get("data-value").is_some_and(|v| v == "0.75"));
    // In its line, and among the bars.
    assert_eq!(drawn.count(), 2);

    succeeds(path, &["report", "both", "--out", "two.html"]);
    let two = tags(&page(path, "two.html"));
    let seeds = json(path.join("both/seeds.json"));
    for (field, name) in [("last.error", "last_test_top1"), ("best.error", "best_test_top1")] {
        let of = |part: &str| seeds[name][part].as_f64().expect("a number");
        let at = [("data-field", field)];
        assert!((value(&two, &at, "data-value") - (100.0 - of("mean"))).abs() < 1e-9);
        assert!((value(&two, &at, "data-std") - of("std")).abs() < 1e-9);
        assert_eq!(value(&two, &at, "data-n"), 2.0);
    }
    let points = two.iter().filter(|tag| tag.get("data-kind").is_some_and(|kind| kind == "last"));
    assert_eq!(points.count(), 2, "against parameters and against multiply-accumulates");
}

#[test]
fn what_a_run_was_made_with_is_on_its_card() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path();
    let short = ["--set", "train.epochs=1", "--set", "train.max_steps=1", "--out", "<b>&run"];
    succeeds(path, &[&["train"][..], &short].concat());
    succeeds(path, &["report", "<b>&run"]);
    let page = page(path, "<b>&run/report.html");
    // The temporary folder is in no repository.
    assert!(page.contains("<dd class=\"why\" data-field=\"commit\">not recorded</dd>"));
    assert!(page.contains("&lt;b&gt;&amp;run") && !page.contains("<b>&"));
    assert!(page.contains("Burn 0."));
    let summary = json(path.join("<b>&run/summary.json"));
    assert!(summary["platform"].is_string() && summary["commit"].is_null());
}

#[test]
fn damaged_and_partial_runs_get_one_line_and_exit_code_2() {
    let folder = runs();
    let path = folder.path();
    let refused = |arguments: &[&str], said: &str| {
        let output = cobasis(path, &[&["report", "--out", "refused.html"], arguments].concat());
        let line = String::from_utf8(output.stderr).expect("UTF-8");
        assert_eq!((output.status.code(), line.lines().count()), (Some(2), 1), "{line}");
        assert!(line.contains(said), "{said}: {line}");
        assert!(!path.join("refused.html").exists());
    };
    refused(&["none"], "none: not the directory of a run");
    refused(&["both", "both/seed-4"], "both/seed-4: duplicate run");
    let file = |name: &str| path.join("both/seed-4").join(name);
    let model = fs::read(file("last.safetensors")).expect("a model");
    fs::write(file("last.safetensors"), &model[..model.len() / 2]).expect("written");
    refused(&["both/seed-4"], "last.safetensors: not a valid safetensors file");
    fs::remove_file(file("last.safetensors")).expect("removed");
    refused(&["both"], "last.safetensors: No such file");
    fs::write(file("gradient_flow.csv"), "epoch\n").expect("written");
    fs::write(file("last.safetensors"), &model).expect("written");
    refused(&["both/seed-4"], "gradient_flow.csv: cannot be read as part of a run: expected");
    fs::write(file("metrics.csv"), [0xff, 0xfe]).expect("written");
    refused(&["both/seed-4"], "metrics.csv: cannot be read as part of a run");
    fs::remove_file(file("summary.json")).expect("removed");
    fs::write(file("metrics.csv"), "epoch,lr\n1,x\n2,0.1\n").expect("written");
    refused(&["both"], "metrics.csv: cannot be read as part of a run: row 1: lr");
}

/// What is written beside the name of the page.
fn said(folder: &Path, arguments: &[&str]) -> String {
    let output = cobasis(folder, arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}

#[test]
fn runs_that_are_not_finished_show_what_there_is_and_count_in_no_mean() {
    let folder = runs();
    let path = folder.path();
    let run = path.join("both/seed-5");
    let refresh = "<meta http-equiv=\"refresh\"";
    succeeds(path, &["report", "both", "--out", "whole.html"]);
    assert!(!page(path, "whole.html").contains(refresh));
    let metrics = fs::read_to_string(run.join("metrics.csv")).expect("metrics");
    fs::remove_file(run.join("summary.json")).expect("removed");

    assert_eq!(
        said(path, &["report", "both/seed-5", "--watch"]),
        "wrote both/seed-5/report.html (interrupted: epoch 2 of 2)\n"
    );
    // One epoch, the second cut within its last number, and none.
    let first = metrics.lines().take(2).map(|line| format!("{line}\n")).collect::<String>();
    let head = metrics.lines().next().expect("a header");
    for (text, dots) in [(first.as_str(), 1), (&metrics[..metrics.len() - 2], 1), (head, 0)] {
        fs::write(run.join("metrics.csv"), text).expect("written");
        let state = format!("interrupted: epoch {} of 2", dots + 1);
        assert!(said(path, &["report", "both/seed-5"]).contains(&state));
        let single = page(path, "both/seed-5/report.html");
        assert!(single.contains(refresh) && single.contains(&state), "{text}");
        assert!(!single.contains("NaN") && !single.contains("inf"), "{text}");
        let series = tags(&single);
        let losses = series.iter().filter(|tag| tag.contains_key("data-epoch"));
        assert_eq!(losses.count() > 0, dots == 1, "{text}");
        let cut = single.contains("damaged or not whole, and left out");
        assert_eq!(cut, !text.ends_with('\n'), "{text}");
    }
    fs::remove_file(run.join("metrics.csv")).expect("removed");
    fs::remove_file(run.join("last.safetensors")).expect("removed");
    assert!(said(path, &["report", "both/seed-5"]).contains("interrupted: epoch 1 of 2"));

    fs::write(run.join("metrics.csv"), &first).expect("written");
    assert!(
        said(path, &["report", "both", "--out", "two.html"])
            .contains("(interrupted: epoch 2 of 2)")
    );
    let two = page(path, "two.html");
    assert!(two.contains(refresh) && two.contains("Not finished"));
    assert!(two.contains("seed 5 (interrupted: epoch 2 of 2)"));
    let one = json(path.join("both/seed-4/summary.json"));
    let error = 100.0 - one["last"]["test_top1"].as_f64().expect("a number");
    let tags = tags(&two);
    assert_eq!(value(&tags, &[("data-field", "last.error")], "data-n"), 1.0);
    assert!((value(&tags, &[("data-field", "last.error")], "data-value") - error).abs() < 1e-9);

    // None is finished.
    fs::remove_file(path.join("both/seed-4/summary.json")).expect("removed");
    assert!(
        said(path, &["report", "both", "--out", "none.html"]).contains("2 runs are not finished")
    );
    let none = page(path, "none.html");
    assert!(none.contains("2 runs, none of them finished") && !none.contains("last.error"));
}

/// The page as Chromium has it, which must have nothing to say about it; `None` without Chromium.
fn shown(page: &Path) -> Option<String> {
    let profile = tempfile::tempdir().expect("a folder");
    let mut command = Command::new("chromium");
    command.args(["--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr"]);
    command.arg(format!("--user-data-dir={}", profile.path().display()));
    let output = command.arg("--dump-dom").arg(page).output().ok()?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && !said.contains(":CONSOLE"), "{said}");
    Some(String::from_utf8(output.stdout).expect("UTF-8"))
}

#[test]
fn a_browser_shows_the_numbers_and_has_nothing_to_complain_about() {
    let folder = runs();
    let path = folder.path();
    succeeds(path, &["report", "both/seed-4"]);
    succeeds(path, &["report", "both"]);
    let Some(single) = shown(&path.join("both/seed-4/report.html")) else {
        skip("browser", "no chromium");
        return;
    };
    check_numbers(&single, &path.join("both/seed-4"));
    let both = shown(&path.join("both/report.html")).expect("Chromium was there");
    assert_eq!(tags(&both).len(), tags(&page(path, "both/report.html")).len());
}
