//! Runs that start from a file, with frozen parts, that become longer, and that end early.

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use burn::module::Module;
use burn::tensor::Device;
use cobasis_train::config::{Config, DIGITS};
use cobasis_train::run_dir::{Classifier, RunRecord, Summary};
use cobasis_train::train::{Classification, Outcome, StepReport, Watch, dry_run, run};
use cobasis_train::{DeviceName, Error};
use cobasis_zoo::cobasis::ortho::Gram;
use cobasis_zoo::registry::Entry;
use cobasis_zoo::spec::{Architecture, BlockKind, ResNetSpec};
use cobasis_zoo::{ModelConfig, ModelName, State, load, save};
use tempfile::TempDir;

const SMALL: [&str; 3] = ["train.epochs=2", "train.max_steps=4", "train.batch=16"];

/// The built-in configuration without its model, small, changed.
fn config(sets: &[&str]) -> Config {
    let text = DIGITS.replacen("model = \"digits/resnet14-s8u1\"\n", "", 1);
    let text = if sets.iter().any(|set| set.starts_with("init.from")) { &text } else { DIGITS };
    let sets: Vec<String> = SMALL.iter().chain(sets).map(|set| set.to_string()).collect();
    Config::parse_with("digits.toml", text, &sets).expect("a configuration")
}

/// Breaks a run off after some steps and batches of evaluation, counted together.
struct BreakAfter(usize);

impl Watch for BreakAfter {
    fn step(&mut self, _epoch: usize, _step: &StepReport) -> ControlFlow<()> {
        self.0 = self.0.saturating_sub(1);
        if self.0 == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

fn go(config: &Config, out: &Path, watch: &mut impl Watch) -> Result<Outcome, Error> {
    run(config, DeviceName::Flex, Some(out), "test", watch)
}

fn train(sets: &[&str], out: &Path) -> Summary {
    match go(&config(sets), out, &mut ()).unwrap_or_else(|error| panic!("{}", error.line())) {
        Outcome::Finished(summary) => *summary,
        interrupted => panic!("{interrupted:?}"),
    }
}

/// What is told of a run that can't be, by its user's fault.
fn refused(sets: &[&str], out: &Path) -> String {
    let error = go(&config(sets), out, &mut ()).expect_err("refused");
    assert_eq!(error.exit_code(), 2, "{}", error.line());
    error.line()
}

/// The metrics without times, and the models.
fn result(out: &Path) -> (Vec<String>, Vec<Vec<u8>>) {
    let text = fs::read_to_string(out.join("metrics.csv")).expect("metrics");
    let metrics = text.lines().map(|line| line.split(',').take(10).collect::<Vec<_>>().join(","));
    let models = ["last.safetensors", "best.safetensors"];
    (metrics.collect(), models.map(|name| fs::read(out.join(name)).expect("a model")).to_vec())
}

fn state(file: &Path) -> State {
    load(file, &Device::flex()).expect("a model").state()
}

/// The names of the tensors that differ.
fn changed(before: &State, after: &State) -> Vec<String> {
    before.keys().filter(|name| before[*name] != after[*name]).cloned().collect()
}

/// A trained model of the digits, and the text that starts from it.
fn trained(folder: &TempDir) -> (PathBuf, String) {
    let out = folder.path().join("trained");
    train(&["train.epochs=1"], &out);
    let file = out.join("best.safetensors");
    let from = format!("init.from={}", file.display());
    (file, from)
}

#[test]
fn a_frozen_backbone_stays_to_the_last_bit_after_a_break_too() {
    let folder = tempfile::tempdir().expect("a folder");
    let (file, from) = trained(&folder);
    let before = state(&file);
    for (number, recipe) in [
        &["optimizer.momentum=0.9", "optimizer.weight_decay=0.01"][..],
        &["optimizer.kind=adamw", "optimizer.lr=0.001", "optimizer.weight_decay=0.1"],
        &["train.ema=0.9", "optimizer.clip_norm=0.1", "train.gradient_flow=true"],
        &["ortho.constraint=qr", "train.checkpoint_steps=1"],
    ]
    .into_iter()
    .enumerate()
    {
        let out = |name: &str| folder.path().join(format!("{name}-{number}"));
        let sets = [&[&from, "train.freeze=backbone"], recipe].concat();
        let summary = train(&sets, &out("whole"));
        let init = summary.init.expect("a file");
        assert_eq!((init.classifier, init.sha256.len()), (Classifier::Kept, 64));
        let after = state(&out("whole").join("last.safetensors"));
        assert_eq!(changed(&before, &after), ["head.bias", "head.weight"], "{recipe:?}");
        let ended = go(&config(&sets), &out("broken"), &mut BreakAfter(6)).expect("trained");
        assert!(matches!(ended, Outcome::Interrupted { .. }), "{ended:?}");
        train(&sets, &out("broken"));
        assert_eq!(result(&out("whole")), result(&out("broken")), "{recipe:?}");
    }
}

#[test]
fn frozen_bases_and_stages_stay_and_the_rest_learns() {
    let folder = tempfile::tempdir().expect("a folder");
    let (file, from) = trained(&folder);
    let before = state(&file);
    let train_frozen = |name: &str, freeze: &str, more: &str| {
        let out = folder.path().join(name);
        train(&[&from, freeze, more], &out);
        changed(&before, &state(&out.join("last.safetensors")))
    };
    for (name, more) in [("bases", "seed=1"), ("bases-qr", "ortho.constraint=qr")] {
        let names = train_frozen(name, "train.freeze=bases", more);
        assert!(names.iter().all(|name| !name.contains(".bases.")), "{names:?}");
        assert_eq!(names.len() + 3, before.len(), "{names:?}");
    }
    let names = train_frozen("stages", "train.freeze=['stem', 'stages.0.*']", "train.ema=0.5");
    let still = |name: &String| name.starts_with("stem.") || name.starts_with("stages.0.");
    assert!(!names.iter().any(still) && names.iter().any(|name| name.contains("running")));
}

#[test]
fn what_can_not_be_frozen_is_told_before_there_is_a_directory() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("out");
    for (sets, said) in [
        (&["train.freeze=stage.0"][..], "fits \"stage.0\"; did you mean \"stages.0\""),
        (&["train.freeze=['head', 'encoder']"], "expected \"bases\", \"backbone\" or paths as"),
        (&["train.freeze=*"], "all of digits/resnet14-s8u1 is frozen, and nothing left to train"),
        (
            &[
                "model=digits/resnet14-s8u1-double",
                "ortho.constraint=qr",
                "train.freeze=stages.1.bases.0",
            ],
            "keeps stages.1.bases.0 and stages.1.bases.1 orthonormal to each other; freeze both",
        ),
    ] {
        let told = refused(sets, &out);
        assert!(told.starts_with("train.freeze: ") && told.contains(said), "{told}");
        assert!(!out.exists());
    }
}

#[test]
fn a_file_and_a_seed_make_a_run_and_other_classes_a_new_classifier() {
    let folder = tempfile::tempdir().expect("a folder");
    let device = Device::flex();
    let file = folder.path().join("four.safetensors");
    let name: ModelName = "digits/resnet14-s4u1".parse().expect("a name");
    let four = ModelConfig::new(name).with_num_classes(4).with_seed(9).init(&device);
    save(&four, &file).expect("written");
    let from = format!("init.from={}", file.display());
    let out = |name: &str| folder.path().join(name);
    let summary = train(&[&from, "seed=3"], &out("a"));
    let init = summary.init.expect("a file");
    assert_eq!(
        (summary.model.as_str(), init.classifier),
        ("digits/resnet14-s4u1", Classifier::New)
    );
    assert_eq!(
        (init.model.as_str(), init.file),
        (summary.model.as_str(), file.display().to_string())
    );
    let recorded = fs::read_to_string(out("a").join("init.json")).expect("a record");
    assert!(recorded.contains(&init.sha256) && recorded.contains("\"classifier\": \"new\""));
    train(&[&from, "seed=3"], &out("b"));
    assert_eq!(result(&out("a")), result(&out("b")));
    train(&[&from, "seed=4"], &out("c"));
    assert_ne!(result(&out("a")), result(&out("c")));

    // Before its first step it is the file's but for the classifier.
    let still = ["optimizer.lr=1e-30", "train.freeze=backbone"];
    train(&[&[from.as_str()], &still[..]].concat(), &out("d"));
    let (mut before, mut after) = (four.state(), state(&out("d").join("last.safetensors")));
    assert_eq!(after["head.weight"].shape().to_vec()[1], 10);
    for head in ["head.weight", "head.bias"] {
        before.remove(head).expect("a classifier");
        after.remove(head).expect("a classifier");
    }
    assert_eq!(before, after);
    assert_eq!(
        dry_run::<Classification>(&config(&[&from]), DeviceName::Flex).expect("two steps").classes,
        10
    );

    // A run that has begun needs the file no more.
    let ended = go(&config(&[&from, "seed=3"]), &out("e"), &mut BreakAfter(5)).expect("trained");
    assert!(matches!(ended, Outcome::Interrupted { .. }));
    fs::remove_file(&file).expect("removed");
    let resumed = train(&[&from, "seed=3"], &out("e"));
    assert_eq!(resumed.init.expect("a file").sha256, init.sha256);
    assert_eq!(result(&out("a")), result(&out("e")));
    let told = refused(&[&from], &out("f"));
    assert!(told.starts_with("init.from: ") && told.contains("four.safetensors: "), "{told}");
    assert!(!out("f").exists());
    // What is there in its place would seem to have the run's result.
    fs::write(&file, "another").expect("written");
    let told = refused(&[&from, "seed=3"], &out("e"));
    assert!(
        told.contains("has changed since the run in") && told.contains("another --out"),
        "{told}"
    );
}

#[test]
fn files_that_do_not_fit_are_told_in_a_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let device = Device::flex();
    let at = |name: &str| folder.path().join(name);
    let model = |name: &str| ModelConfig::new(name.parse().expect("a name"));
    save(&model("digits/resnet14").init(&device), at("dense")).expect("written");
    save(&model("cifar10/resnet20").init(&device), at("colours")).expect("written");
    let deployed = model("digits/resnet14").init(&device).deploy(&device);
    cobasis_zoo::files::save_deployed(&deployed, at("deployed")).expect("written");
    fs::write(at("text"), "no model\n").expect("written");
    fs::write(at("empty"), "").expect("written");
    fs::create_dir(at("folder")).expect("made");
    let mut broken = model("digits/resnet14").init(&device).state();
    let bias = broken["head.bias"].clone();
    let mut numbers: Vec<f32> = bias.iter::<f32>().collect();
    numbers[3] = f32::NAN;
    broken.insert("head.bias".into(), burn::tensor::TensorData::new(numbers, [10]));
    let broken = model("digits/resnet14").init_from(broken, &device).expect("a model");
    save(&broken, at("nan")).expect("written");
    for (file, more, said) in [
        (
            "dense",
            "model=digits/resnet14-s8u1",
            "holds digits/resnet14, and model is digits/resnet",
        ),
        ("dense", "sharing.norms=false", "expected true"),
        ("colours", "data.channels=1", "takes images of 3 channels; those of digits have 1"),
        ("deployed", "seed=1", "a deployed model, whose batch norms are permanently folded"),
        ("text", "seed=1", "neither a valid safetensors file nor a PyTorch checkpoint"),
        ("empty", "seed=1", "neither a valid safetensors file nor a PyTorch checkpoint"),
        ("folder", "seed=1", "directory"),
        ("none", "seed=1", "none: "),
        ("nan", "seed=1", "numbers that no network can use"),
        ("dense", "init.weights=ema", "a file of cobasis has no others than its own"),
    ] {
        let from = format!("init.from={}", at(file).display());
        let told = refused(&[&from, more], &at("out"));
        assert!(told.contains(said) && !at("out").exists(), "{file}: {told}");
    }
}

#[test]
fn a_network_of_ones_own_goes_on_without_its_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let spec = ResNetSpec::new(BlockKind::Basic, [2, 2]).with_width(4);
    let entry = Entry::new("mine/net", Architecture::ResNet(spec), 10, [1, 8, 8]);
    let name = ModelName::own(entry).and_then(|dense| dense.with_sharing("s2u1")).expect("a name");
    let file = folder.path().join("own");
    save(&ModelConfig::new(name).init(&Device::flex()), &file).expect("written");
    let from = format!("init.from={}", file.display());
    let out = folder.path().join("out");
    let ended = go(&config(&[&from]), &out, &mut BreakAfter(5)).expect("trained");
    assert!(matches!(ended, Outcome::Interrupted { .. }));
    fs::remove_file(&file).expect("removed");
    assert_eq!(train(&[&from], &out).model, "mine/net-s2u1");
    let record = RunRecord::read(&out).expect("a run");
    assert_eq!(record.config.source().expect("images").view.size, 8);
}

#[test]
fn a_start_that_is_not_orthonormal_is_made_so_for_a_constraint() {
    let folder = tempfile::tempdir().expect("a folder");
    let device = Device::flex();
    let config = ModelConfig::new("digits/resnet14-s4u1".parse().expect("a name"));
    let mut tensors = config.init(&device).state();
    for (name, data) in &mut tensors {
        if name.contains(".bases.") {
            let numbers = data.iter::<f32>().map(|number| 1.5 * number).collect::<Vec<_>>();
            *data = burn::tensor::TensorData::new(numbers, data.shape().to_vec());
        }
    }
    let file = folder.path().join("long");
    save(&config.init_from(tensors, &device).expect("a model"), &file).expect("written");
    let from = format!("init.from={}", file.display());
    let out = folder.path().join("out");
    // Nothing moves in training, where filters would be made orthonormal too seldom.
    let still = ["ortho.constraint=qr", "ortho.every=100", "optimizer.lr=1e-30"];
    train(&[&[from.as_str()], &still[..]].concat(), &out);
    let model = load(out.join("last.safetensors"), &device).expect("a model").valid();
    for (path, basis) in model.bases() {
        let deviation = Gram::of(basis.weight.val()).max_deviation();
        assert!(deviation < 1e-4, "{path}: {deviation}");
    }
}

#[test]
fn a_longer_run_is_the_run_that_was_longer_from_the_start() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = |name: &str| folder.path().join(name);
    for (number, recipe) in [
        &["schedule.milestones=[1,3]"][..],
        &["schedule.kind=constant", "data.split=train/val", "train.ema=0.5"],
    ]
    .into_iter()
    .enumerate()
    {
        let out = |name: &str| out(&format!("{name}-{number}"));
        let of = |epochs: &'static str| [&[epochs], recipe].concat();
        train(&of("train.epochs=4"), &out("long"));
        train(&of("train.epochs=2"), &out("short"));
        // Broken off on its way, when it has no result.
        let longer = config(&of("train.epochs=4"));
        let ended = go(&longer, &out("short"), &mut BreakAfter(3)).expect("trained");
        assert!(matches!(ended, Outcome::Interrupted { .. }), "{ended:?}");
        assert!(!RunRecord::is_finished(&out("short")));
        let summary = train(&of("train.epochs=4"), &out("short"));
        assert_eq!(result(&out("long")), result(&out("short")));
        assert_eq!(RunRecord::read(&out("short")).expect("a run").history.len(), 4);
        assert_eq!(summary.stopped_early, None);
        let told = refused(&of("train.epochs=3"), &out("short"));
        assert!(told.contains("train.epochs: the run in") && told.contains("not fewer"), "{told}");
    }
    // Nothing to go on from: the result stays.
    let kept = out("short-0");
    fs::rename(kept.join("checkpoints"), out("gone")).expect("moved");
    let told = refused(&["schedule.milestones=[1,3]", "train.epochs=6"], &kept);
    assert!(told.contains("no checkpoint to go on from"), "{told}");
    assert_eq!(RunRecord::read(&kept).expect("a run").history.len(), 4);

    train(&["schedule.kind=cosine"], &out("cosine"));
    let before = fs::read(out("cosine").join("summary.json")).expect("a summary");
    let told = refused(&["schedule.kind=cosine", "train.epochs=3"], &out("cosine"));
    assert!(told.contains("with schedule.kind = \"cosine\", the learning rate"), "{told}");
    assert_eq!(fs::read(out("cosine").join("summary.json")).expect("a summary"), before);
}

#[test]
fn patience_ends_a_run_at_the_same_epoch_however_often_it_is_broken_off() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = |name: &str| folder.path().join(name);
    // Nothing moves, so the first epoch stays the best.
    let still =
        ["data.split=train/val", "optimizer.lr=1e-30", "train.freeze=backbone", "ortho.lambda=0"];
    let sets = |more: &[&'static str]| [&still[..], more].concat();
    let patient = sets(&["train.epochs=9", "train.patience=2"]);
    let summary = train(&patient, &out("a"));
    let stop = summary.stopped_early.expect("an early end");
    assert_eq!((stop.epoch, stop.epochs, stop.patience, summary.last.epoch), (3, 9, 2, 3));
    assert_eq!(stop.reason, "no better top-1 on the validation images for 2 epochs");
    assert_eq!(RunRecord::read(&out("a")).expect("a run").history.len(), 3);
    for _ in 0..2 {
        let ended = go(&config(&patient), &out("b"), &mut BreakAfter(5)).expect("trained");
        assert!(matches!(ended, Outcome::Interrupted { .. }), "{ended:?}");
    }
    train(&patient, &out("b"));
    assert_eq!(result(&out("a")), result(&out("b")));
    // More epochs change nothing, more patience does.
    let longer = train(&sets(&["train.epochs=20", "train.patience=2"]), &out("a"));
    assert_eq!(longer.stopped_early.map(|stop| (stop.epoch, stop.epochs)), Some((3, 20)));
    let longer = train(&sets(&["train.epochs=20", "train.patience=3"]), &out("a"));
    assert_eq!(longer.stopped_early.map(|stop| stop.epoch), Some(4));
    let told = refused(&sets(&["train.epochs=20", "train.patience=1"]), &out("a"));
    assert!(told.contains("train.patience: the run in"), "{told}");
    let all = train(&sets(&["train.epochs=20"]), &out("a"));
    assert_eq!((all.stopped_early, all.last.epoch), (None, 20));
}
