//! Runs that are interrupted and resumed: nothing is lost, and the result is the same to the last
//! bit.

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use burn::tensor::{Device, Tensor};
use cobasis_data::DatasetName;
use cobasis_train::config::{Config, DIGITS};
use cobasis_train::preparation::of_dataset;
use cobasis_train::train::{Outcome, StepReport, Watch, run};
use cobasis_train::{DeviceName, Error};
use cobasis_zoo::cobasis::ortho::Gram;
use cobasis_zoo::{Norms, load};
use tempfile::TempDir;

const SETS: [&str; 3] = ["train.epochs=2", "train.max_steps=6", "train.batch=32"];

fn config(sets: &[&str]) -> Config {
    let sets: Vec<String> = SETS.iter().chain(sets).map(|set| set.to_string()).collect();
    Config::parse_with("digits.toml", DIGITS, &sets).expect("a configuration")
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

fn go(config: &Config, out: &Path, watch: &mut impl Watch) -> Result<Outcome, Error> {
    run(config, DeviceName::Flex, Some(out), "test", watch)
}

/// What a finished run must have left: the metrics without times, and the models.
fn result(out: &Path) -> (Vec<String>, Vec<Vec<u8>>) {
    let text = fs::read_to_string(out.join("metrics.csv")).expect("metrics");
    let metrics = text.lines().map(|line| line.split(',').take(10).collect::<Vec<_>>().join(","));
    let models = ["last.safetensors", "best.safetensors"];
    let models = models.map(|name| fs::read(out.join(name)).expect("a model"));
    (metrics.collect(), models.to_vec())
}

fn uninterrupted(folder: &TempDir, sets: &[&str]) -> PathBuf {
    let out = folder.path().join("uninterrupted");
    let ended = go(&config(sets), &out, &mut ()).expect("trained");
    assert!(matches!(ended, Outcome::Finished(_)));
    out
}

#[test]
fn a_run_broken_off_anywhere_ends_as_if_it_had_not_been() {
    let folder = tempfile::tempdir().expect("a folder");
    let expected = result(&uninterrupted(&folder, &[]));
    // 6 steps and 2 batches of evaluation make an epoch.
    for after in [1, 4, 6, 7, 11] {
        let out = folder.path().join(format!("after-{after}"));
        let ended = go(&config(&[]), &out, &mut BreakAfter(after)).expect("trained");
        assert!(matches!(ended, Outcome::Interrupted { .. }), "{after}: {ended:?}");
        // Broken off again before it got anywhere, then to the end.
        go(&config(&[]), &out, &mut BreakAfter(1)).expect("trained");
        let ended = go(&config(&[]), &out, &mut ()).expect("trained");
        assert!(matches!(ended, Outcome::Finished(_)), "{after}: {ended:?}");
        assert!(result(&out) == expected, "broken off after {after}");
    }
}

/// Everything that a checkpoint has to bring back beyond plain SGD.
const RECIPE: [&str; 9] = [
    "optimizer.kind=adamw",
    "optimizer.lr=0.01",
    "optimizer.decay_norms=false",
    "optimizer.basis_weight_decay=0.1",
    "schedule.kind=cosine",
    "schedule.warmup_epochs=1",
    "train.ema=0.9",
    "train.accumulate=2",
    "augment.mixup=0.4",
];

#[test]
fn a_run_with_every_recipe_ends_as_if_it_had_not_been_broken_off() {
    let folder = tempfile::tempdir().expect("a folder");
    let sets = [
        &RECIPE[..],
        &[
            "data.split=train/val",
            "augment.cutmix=1",
            "train.max_steps=4",
            "augment.rand_ops=2",
            "augment.rand_magnitude=9",
            "augment.erase=0.5",
            "ortho.penalty=srip",
            "ortho.lambda=0.01",
            "ortho.lambda_schedule=srip",
        ],
    ];
    let sets = sets.concat();
    let expected = result(&uninterrupted(&folder, &sets));
    let out = folder.path().join("broken");
    // 4 steps and 1 batch of evaluation make an epoch; the last batches judge the result.
    for after in [2, 1, 5, 2, 1] {
        let ended = go(&config(&sets), &out, &mut BreakAfter(after)).expect("trained");
        assert!(matches!(ended, Outcome::Interrupted { .. }), "{after}: {ended:?}");
    }
    let ended = go(&config(&sets), &out, &mut ()).expect("trained");
    let Outcome::Finished(summary) = ended else { panic!("{ended:?}") };
    assert_eq!((summary.train_images, summary.val_images), (1294, Some(143)));
    assert_eq!(summary.test_images, 360);
    assert!(summary.best_on_test.is_none() && summary.best_on_val.is_some());
    assert!(result(&out) == expected);
}

#[test]
fn a_run_under_a_constraint_ends_as_if_it_had_not_been_broken_off() {
    let folder = tempfile::tempdir().expect("a folder");
    let constrained = ["model=digits/resnet14-s4u1-double"];
    for (constraint, kind, every) in [
        ("qr", "sgd", "ortho.every=1"),
        ("qr", "sgd", "ortho.every=4"),
        ("qr", "adamw", "ortho.every=1"),
        ("polar", "sgd", "ortho.every=1"),
        ("cayley", "sgd", "ortho.every=1"),
        ("landing", "sgd", "ortho.every=1"),
        ("landing", "adamw", "ortho.every=1"),
        ("band", "sgd", "ortho.every=1"),
    ] {
        let kind = [
            "ortho.constraint=".to_owned() + constraint,
            "optimizer.kind=".to_owned() + kind,
            format!("optimizer.lr={}", if kind == "sgd" { 0.1 } else { 0.01 }),
        ];
        let kinds = kind.iter().map(String::as_str);
        let sets: Vec<&str> = constrained.into_iter().chain([every]).chain(kinds).collect();
        let name = |part: &str| format!("{part}-{constraint}-{}-{every}", kind[1]);
        let whole = folder.path().join(name("whole"));
        go(&config(&sets), &whole, &mut ()).expect("trained");
        let out = folder.path().join(name("parts"));
        for after in [2, 1, 5] {
            let ended = go(&config(&sets), &out, &mut BreakAfter(after)).expect("trained");
            assert!(matches!(ended, Outcome::Interrupted { .. }), "{after}: {ended:?}");
        }
        go(&config(&sets), &out, &mut ()).expect("trained");
        assert!(result(&out) == result(&whole), "{sets:?}");
        if every == "ortho.every=1" {
            let model = load(out.join("last.safetensors"), &Device::flex()).expect("a model");
            for stage in model.bases().chunks(2) {
                let joint = stage.iter().map(|(_, basis)| basis.weight.val()).collect();
                let off = Gram::of(Tensor::cat(joint, 0)).max_deviation();
                // Singular values within 0.1 of 1 have squares within 0.21.
                let width = if constraint == "band" { 0.21 } else { 0.0 };
                assert!(off <= width + 1e-5, "{sets:?}: {off}");
            }
        }
    }
}

#[test]
fn the_gradient_flow_of_a_run_in_parts_is_that_of_a_whole_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let on = ["train.gradient_flow=true"];
    let flow = |out: &Path| fs::read_to_string(out.join("gradient_flow.csv")).expect("a file");
    let whole = uninterrupted(&folder, &on);
    let text = flow(&whole);
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].starts_with("epoch,basis,mean_abs,max_abs,task_mean_abs,task_max_abs,"));
    assert_eq!(lines.len(), 1 + 2 * 3);
    for (line, (epoch, stage)) in
        lines[1..].iter().zip((1..=2).flat_map(|e| (0..3).map(move |s| (e, s))))
    {
        let start = format!("{epoch},stages.{stage}.bases.0,");
        let sizes = line.strip_prefix(&start).expect(line).split(',');
        let sizes: Vec<f64> = sizes.map(|size| size.parse().expect("a number")).collect();
        let [whole, task, penalty] = [0, 2, 4].map(|at| (sizes[at], sizes[at + 1]));
        for (mean, max) in [whole, task, penalty] {
            assert!(0.0 < mean && mean < max, "{line}");
        }
        assert!(whole.1 <= task.1 + penalty.1 + 1e-6, "{line}");
        let [distance, max_distance, condition, max_condition] = sizes[6..] else {
            panic!("{line}");
        };
        assert!(0.0 < distance && distance < max_distance && max_distance < 5.0, "{line}");
        assert!(1.0 < condition && condition < max_condition && max_condition < 5.0, "{line}");
    }
    let out = folder.path().join("parts");
    for steps in [4, 7] {
        go(&config(&on), &out, &mut BreakAfter(steps)).expect("trained");
    }
    go(&config(&on), &out, &mut ()).expect("trained");
    assert_eq!(flow(&out), text);
    assert!(result(&out) == result(&whole));

    // It changes nothing else, and is not written unasked.
    let without = folder.path().join("without");
    go(&config(&[]), &without, &mut ()).expect("trained");
    assert!(result(&without) == result(&whole) && !without.join("gradient_flow.csv").exists());
}

#[test]
fn a_run_without_norms_goes_on_without_and_is_judged_without() {
    let folder = tempfile::tempdir().expect("a folder");
    let sets = ["sharing.norms=false", "data.train_images=192", "data.split=train/val"];
    let whole = uninterrupted(&folder, &sets);
    let out = folder.path().join("parts");
    go(&config(&sets), &out, &mut BreakAfter(8)).expect("trained");
    let ended = go(&config(&sets), &out, &mut ()).expect("trained");
    let Outcome::Finished(summary) = ended else { panic!("{ended:?}") };
    assert!(result(&out) == result(&whole));
    assert_eq!((summary.train_images, summary.val_images), (192, Some(143)));
    let model = load(out.join("last.safetensors"), &Device::flex()).expect("a model");
    assert_eq!(model.config.norms, Norms::LastOnly);
    assert_eq!(model.parameters().trainable, summary.params);
    assert_eq!(model.config.preparation, Some(of_dataset(DatasetName::Digits, 8)));
    let refused = go(&config(&sets[1..]), &out, &mut ()).expect_err("another model");
    assert!(refused.line().starts_with("sharing.norms: the run in "), "{}", refused.line());
}

#[test]
fn a_finished_run_is_left_as_it_is() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = uninterrupted(&folder, &[]);
    let before = result(&out);
    let ended = go(&config(&[]), &out, &mut BreakAfter(1)).expect("trained");
    let Outcome::Finished(summary) = ended else { panic!("{ended:?}") };
    assert_eq!(summary.last.epoch, 2);
    assert!(result(&out) == before);
    let checkpoints = fs::read_dir(out.join("checkpoints")).expect("checkpoints");
    assert_eq!(checkpoints.count(), 2);
}

#[test]
fn another_configuration_is_refused_by_its_key() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("run");
    go(&config(&[]), &out, &mut BreakAfter(2)).expect("trained");
    let refused = |sets: &[&str]| {
        let error = go(&config(sets), &out, &mut ()).expect_err("another configuration");
        assert_eq!(error.exit_code(), 2);
        error.line()
    };
    assert!(refused(&["optimizer.lr=0.2"]).starts_with("optimizer.lr: the run in "));
    assert!(refused(&["seed=3"]).contains("has 0, got 3"));
    go(&config(&["data.workers=0"]), &out, &mut ()).expect("trained");
}

/// Counts the checkpoints that could not be read.
#[derive(Default)]
struct Lost(Vec<String>);

impl Watch for Lost {
    fn checkpoint_lost(&mut self, error: &Error) {
        self.0.push(error.line());
    }
}

#[test]
fn a_damaged_checkpoint_gives_way_to_the_one_before() {
    let folder = tempfile::tempdir().expect("a folder");
    let expected = result(&uninterrupted(&folder, &[]));
    for file in ["model.safetensors", "optimizer.bpk", "progress.toml"] {
        let out = folder.path().join(file);
        go(&config(&["train.checkpoint_steps=2"]), &out, &mut BreakAfter(5)).expect("trained");
        let damaged = out.join("checkpoints/epoch-0000-step-000005").join(file);
        let bytes = fs::read(&damaged).expect("a checkpoint");
        fs::write(&damaged, &bytes[..bytes.len() / 2]).expect("written");
        let mut lost = Lost::default();
        go(&config(&[]), &out, &mut lost).expect("trained");
        assert_eq!(lost.0.len(), 1, "{file}: {:?}", lost.0);
        assert!(result(&out) == expected, "{file}");
    }
}

fn start(out: &Path, sets: &[&str]) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cobasis"));
    command.arg("train").arg("--out").arg(out);
    for set in SETS.iter().chain(sets) {
        command.args(["--set", set]);
    }
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the program runs")
}

fn finish(child: Child) -> Output {
    child.wait_with_output().expect("the program ends")
}

/// Waits until the run has a checkpoint that it did not have.
fn wait_for_checkpoint(out: &Path, child: &mut Child) {
    let names = || -> Vec<PathBuf> {
        let entries = fs::read_dir(out.join("checkpoints")).into_iter().flatten().flatten();
        let paths = entries.map(|entry| entry.path());
        paths.filter(|path| !path.to_string_lossy().ends_with(".tmp")).collect()
    };
    let before = names();
    let deadline = Instant::now() + Duration::from_secs(120);
    while names().iter().all(|name| before.contains(name)) {
        assert!(Instant::now() < deadline, "no checkpoint in two minutes");
        if child.try_wait().expect("a process").is_some() {
            return;
        }
        sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_process_killed_again_and_again_loses_nothing_that_was_saved() {
    let folder = tempfile::tempdir().expect("a folder");
    let sets = ["train.checkpoint_steps=1"];
    let expected = result(&uninterrupted(&folder, &sets));
    let out = folder.path().join("killed");
    for pause in [0, 3, 10, 30] {
        let mut child = start(&out, &sets);
        wait_for_checkpoint(&out, &mut child);
        sleep(Duration::from_millis(pause));
        child.kill().expect("killed");
        finish(child);
    }
    let output = finish(start(&out, &sets));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(result(&out) == expected);
    let left = fs::read_dir(&out).expect("a run").flatten();
    let left = left.filter(|entry| entry.file_name().to_string_lossy().ends_with(".tmp"));
    assert_eq!(left.count(), 0);
}

#[cfg(unix)]
#[test]
fn a_signal_ends_the_step_saves_and_says_how_to_go_on() {
    let folder = tempfile::tempdir().expect("a folder");
    let sets = ["train.checkpoint_steps=1"];
    let expected = result(&uninterrupted(&folder, &sets));
    let out = folder.path().join("signalled");
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let mut child = start(&out, &sets);
        wait_for_checkpoint(&out, &mut child);
        let arguments = [format!("-{signal}"), child.id().to_string()];
        assert!(Command::new("kill").args(arguments).status().expect("kill").success());
        let output = finish(child);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(output.status.code(), Some(code), "{signal}: {text}");
        assert!(text.contains("everything is saved. To resume:\ncobasis train --out "), "{text}");
    }
    let output = finish(start(&out, &sets));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(String::from_utf8_lossy(&output.stdout).contains("resuming in epoch 1 after step "));
    assert!(result(&out) == expected);
}
