//! Several tasks trained at once on one network: their files, their numbers, and runs in parts.

use std::fs;
use std::ops::ControlFlow;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use cobasis_train::config::Config;
use cobasis_train::run_dir::Summary;
use cobasis_train::train::{Outcome, StepReport, Watch, run};
use cobasis_train::{DeviceName, Error};
use tempfile::TempDir;

/// A small network, few steps, and digits once more for both further tasks: what is looked at is where the numbers
/// go.
const JOINT: &str = "model = 'digits/resnet14-s4u1'
train = { epochs = 2, max_steps = 4, batch = 32 }
schedule.milestones = []
data = { name = 'digits', pad = 1 }

[[tasks]]
name = 'one'
adapter = 'unique'
weight = 0.5
data = { name = 'digits', split = 'train/val', pad = 0 }

[[tasks]]
name = 'two-2'
data = { name = 'digits', train_images = 70, pad = 1 }
";

/// All that a checkpoint has to bring back beyond plain SGD.
const RECIPE: &str = "
[optimizer]
kind = 'adamw'
lr = 0.01
decay_norms = false
clip_norm = 1.0
[ortho]
scope = 'shared+unique'
";

fn config(more: &str) -> Config {
    let text = match more {
        "" => JOINT.to_string(),
        more => format!("{}{more}", JOINT.replace("batch = 32", "batch = 32, ema = 0.9")),
    };
    Config::parse_with("joint.toml", &text, &[]).expect("a configuration")
}

fn go(config: &Config, out: &Path, watch: &mut impl Watch) -> Result<Outcome, Error> {
    run(config, DeviceName::Flex, Some(out), "test", watch)
}

fn finished(config: &Config, out: &Path) -> Summary {
    match go(config, out, &mut ()).expect("trained") {
        Outcome::Finished(summary) => *summary,
        interrupted => panic!("{interrupted:?}"),
    }
}

/// Breaks a run off after some steps and batches of evaluation, counted together.
struct BreakAfter(usize);

impl BreakAfter {
    fn flow(&mut self) -> ControlFlow<()> {
        self.0 = self.0.saturating_sub(1);
        if self.0 == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

impl Watch for BreakAfter {
    fn step(&mut self, _epoch: usize, _step: &StepReport) -> ControlFlow<()> {
        self.flow()
    }

    fn evaluated(&mut self, _images: usize) -> ControlFlow<()> {
        self.flow()
    }
}

/// What a finished run must have left: the metrics without times, and all model files.
fn result(out: &Path) -> Vec<(String, Vec<u8>)> {
    let text = fs::read_to_string(out.join("metrics.csv")).expect("metrics");
    let metrics = text.lines().map(|line| line.split(',').take(10).collect::<Vec<_>>().join(","));
    let metrics = metrics.collect::<Vec<_>>().join("\n").into_bytes();
    let tasks = ["", "-one", "-two-2"];
    let models = ["last", "best"].into_iter().flat_map(|epoch| tasks.map(|task| (epoch, task)));
    let names = models.map(|(epoch, task)| format!("{epoch}{task}.safetensors"));
    let names = names.chain(["tasks.csv".to_string()]);
    let read = |name: String| {
        let bytes = fs::read(out.join(&name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        (name, bytes)
    };
    names.map(read).chain([("metrics.csv".to_string(), metrics)]).collect()
}

fn assert_same(got: &[(String, Vec<u8>)], expected: &[(String, Vec<u8>)], what: &str) {
    for ((name, got), (_, expected)) in got.iter().zip(expected) {
        assert!(got == expected, "{what}: {name} differs");
    }
}

fn cobasis(folder: &TempDir, line: &str) -> (Output, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cobasis"));
    command.env("XDG_CACHE_HOME", folder.path().join("cache"));
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

fn write(folder: &TempDir, name: &str, text: &str) {
    fs::write(folder.path().join(name), text).expect("written");
}

#[test]
fn the_recorded_numbers_are_those_of_the_files() {
    let folder = tempfile::tempdir().expect("a folder");
    write(&folder, "joint.toml", JOINT);
    let said = done(&folder, "train --config joint.toml --out run --no-live");
    for part in
        ["      one  train: ", "chosen by the mean over all tasks", "task two-2: last epoch "]
    {
        assert!(said.contains(part), "{said}");
    }
    let text = fs::read(folder.path().join("run/summary.json")).expect("a summary");
    let summary: serde_json::Value = serde_json::from_slice(&text).expect("JSON");
    let best = summary["best_on_test"]["epoch"].as_u64().expect("an epoch");
    for epoch in ["last", "best"] {
        let found = json(&folder, &format!("eval --checkpoint run/{epoch}.safetensors"));
        let of_main = if epoch == "last" { "last" } else { "best_on_test" };
        assert_eq!(found["top1"], summary[of_main]["test_top1"], "{epoch}");
        for (index, chosen) in [(0, "best_on_val"), (1, "best_on_test")] {
            let task = &summary["tasks"][index];
            let name = task["name"].as_str().expect("a name");
            let line = format!(
                "eval --checkpoint run/{epoch}.safetensors --task run/{epoch}-{name}.safetensors"
            );
            let found = json(&folder, &line);
            let recorded = if epoch == "last" { &task["last"] } else { &task[chosen] };
            assert_eq!(found["top1"], recorded["test_top1"], "{epoch} {name}");
            assert!(epoch == "last" || recorded["epoch"].as_u64() == Some(best), "{name}");
        }
    }
    // The mean over all tasks chose the epoch.
    let column = |file: &str, column: &str| -> Vec<(u64, f64)> {
        let text = fs::read_to_string(folder.path().join("run").join(file)).expect("a table");
        let mut lines = text.lines().map(|line| line.split(',').collect::<Vec<_>>());
        let head = lines.next().expect("a header");
        let at = head.iter().position(|name| *name == column).expect(column);
        lines.map(|row| (row[0].parse().expect("n"), row[at].parse().expect("n"))).collect()
    };
    let mut sums = vec![0.0; 2];
    for (epoch, top1) in
        column("metrics.csv", "val_top1").into_iter().chain(column("tasks.csv", "val_top1"))
    {
        sums[epoch as usize - 1] += top1;
    }
    assert_eq!(best, if sums[1] > sums[0] { 2 } else { 1 }, "{sums:?}");
    assert_eq!(column("tasks.csv", "train_top5").len(), 4);
    let dry = done(&folder, "train --config joint.toml --dry-run");
    assert!(
        dry.contains("tasks   one (digits, unique, weight 0.5), two-2 (digits, norms, weight 1)")
    );
}

#[test]
fn a_run_broken_off_anywhere_ends_as_if_it_had_not_been() {
    let folder = tempfile::tempdir().expect("a folder");
    for (recipe, more) in [("plain", ""), ("every", RECIPE)] {
        let whole = folder.path().join(recipe);
        finished(&config(more), &whole);
        let expected = result(&whole);
        // Among the steps, the evaluations of an epoch, those of tasks, the next epoch, and what judges the result.
        for after in [2, 5, 8, 10, 19] {
            let out = folder.path().join(format!("{recipe}-{after}"));
            for after in [after, 1] {
                let ended = go(&config(more), &out, &mut BreakAfter(after)).expect("trained");
                assert!(matches!(ended, Outcome::Interrupted { .. }), "{after}: {ended:?}");
            }
            finished(&config(more), &out);
            assert_same(&result(&out), &expected, &format!("{recipe}, broken off after {after}"));
        }
    }
}

#[test]
fn a_process_that_is_killed_loses_nothing_that_was_saved() {
    let folder = tempfile::tempdir().expect("a folder");
    let text = JOINT.replace("batch = 32", "batch = 32, checkpoint_steps = 1");
    write(&folder, "joint.toml", &text);
    let whole = folder.path().join("whole");
    finished(&config(""), &whole);
    let out = folder.path().join("killed");
    let checkpoints = || fs::read_dir(out.join("checkpoints")).into_iter().flatten().count();
    for _ in 0..3 {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cobasis"));
        command.current_dir(folder.path()).args([
            "train",
            "--config",
            "joint.toml",
            "--out",
            "killed",
        ]);
        let mut child =
            command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it runs");
        let deadline = Instant::now() + Duration::from_secs(120);
        while checkpoints() == 0 && child.try_wait().expect("a process").is_none() {
            assert!(Instant::now() < deadline, "no checkpoint in two minutes");
            sleep(Duration::from_millis(1));
        }
        sleep(Duration::from_millis(20));
        child.kill().expect("killed");
        child.wait().expect("ended");
    }
    done(&folder, "train --config joint.toml --out killed");
    assert_same(&result(&out), &result(&whole), "killed");
}

#[test]
fn files_that_do_not_belong_together_are_made_again() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("run");
    finished(&config(""), &out);
    let expected = result(&out);
    // As a process leaves them that was killed between two of them.
    for name in ["last-one.safetensors", "best-two-2.safetensors", "best.safetensors", "tasks.csv"]
    {
        let other = if name.ends_with("csv") { "last.safetensors" } else { "best-one.safetensors" };
        fs::copy(out.join(other), out.join(name)).expect("copied");
    }
    finished(&config(""), &out);
    assert_same(&result(&out), &expected, "made again");
}

/// An RGB image of a colour.
fn image(path: &Path, colour: [u8; 3]) {
    fs::create_dir_all(path.parent().expect("a parent")).expect("folders");
    let mut encoder = png::Encoder::new(fs::File::create(path).expect("a file"), 20, 20);
    encoder.set_color(png::ColorType::Rgb);
    let mut writer = encoder.write_header().expect("a header");
    writer.write_image_data(&colour.repeat(400)).expect("pixels");
}

#[test]
fn images_of_other_sizes_and_classes_are_a_task_too() {
    let folder = tempfile::tempdir().expect("a folder");
    for (dir, classes) in [("main", 2u8), ("other", 3)] {
        for (part, images) in [("train", 4u8), ("val", 2)] {
            for (class, number) in (0..classes).flat_map(|c| (0..images).map(move |n| (c, n))) {
                let path = format!("{dir}/{part}/class{class}/{number}.png");
                image(&folder.path().join(path), [80 * class, 250 - 80 * class, number]);
            }
        }
    }
    write(
        &folder,
        "joint.toml",
        "model = 'digits/resnet14-s4u1'
train = { epochs = 1, batch = 4 }
schedule.milestones = []
data = { name = 'folder', dir = 'main', size = 16, pad = 1 }
[[tasks]]
name = 'other'
data = { name = 'folder', dir = 'other', size = 24, pad = 1 }
",
    );
    done(&folder, "train --config joint.toml --out run");
    let text = fs::read(folder.path().join("run/summary.json")).expect("a summary");
    let summary: Summary = serde_json::from_slice(&text).expect("a summary");
    let [task] = &summary.tasks[..] else { panic!("{summary:?}") };
    assert_eq!((task.train_images, task.test_images), (12, 6));
    let line =
        "eval --checkpoint run/best.safetensors --task run/best-other.safetensors --data other";
    let found = json(&folder, line);
    assert_eq!(found["top1"].as_f64(), Some(task.best().value("test_top1")));
    assert_eq!(found["images"].as_u64(), Some(6));
    // The images of a task tell the run's data from others, too.
    image(&folder.path().join("other/train/class0/9.png"), [1, 2, 3]);
    let (output, said) = cobasis(&folder, "train --config joint.toml --out run");
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("task \"other\": 13 training images instead of 12"), "{said}");
}

#[test]
fn wrong_uses_are_refused_with_a_line() {
    let folder = tempfile::tempdir().expect("a folder");
    write(&folder, "joint.toml", JOINT);
    write(&folder, "dense.toml", &JOINT.replace("-s4u1", ""));
    write(&folder, "film.toml", &JOINT.replace("unique", "film"));
    write(
        &folder,
        "colour.toml",
        &JOINT.replace("'digits', train_images = 70", "'folder', dir = 'c'"),
    );
    for class in ["c/train/a", "c/train/b", "c/val/a", "c/val/b"] {
        image(&folder.path().join(class).join("1.png"), [1; 3]);
    }
    for (line, expected) in [
        ("--config dense.toml", "tasks[0].adapter: "),
        ("--config film.toml", "tasks[0].adapter: film keeps the network's batch norms"),
        (
            "--config colour.toml",
            "tasks[1].data.name: the images of task \"two-2\" (folder) have 3",
        ),
        ("--config joint.toml --set ortho.constraint=qr", "ortho.constraint: can't be used with"),
        (
            "--config joint.toml --set augment.mixup=1",
            "augment.mixup: can't be used with [[tasks]]",
        ),
        ("--config joint.toml --set tasks[0].weight=2", "can't be set one by one"),
    ] {
        let (output, said) = cobasis(&folder, &format!("train --out run {line}"));
        assert_eq!(output.status.code(), Some(2), "{line}: {said}");
        assert!(said.contains(expected), "{line}: {said}");
        assert!(!folder.path().join("run").exists(), "{line}");
    }
    // A run goes on with its own tasks only.
    let out = folder.path().join("run");
    go(&config(""), &out, &mut BreakAfter(1)).expect("trained");
    let mut other = config("");
    other.tasks[1].weight = 3.0;
    let said = go(&other, &out, &mut ()).expect_err("another weight").line();
    assert!(said.contains("tasks[1].weight: the run in "), "{said}");
    other.tasks.pop();
    let said = go(&other, &out, &mut ()).expect_err("fewer tasks").line();
    assert!(said.contains("has [\"one\", \"two-2\"], got [\"one\"]"), "{said}");
    assert!(matches!(go(&config(""), &out, &mut ()), Ok(Outcome::Finished(_))));
}
