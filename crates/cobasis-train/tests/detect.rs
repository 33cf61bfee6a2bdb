//! Runs of detectors: from files of boxes to a directory, broken off and gone on with, from other models.

use std::fs;
use std::ops::ControlFlow;
use std::path::Path;

use burn::tensor::Device;
use cobasis_train::config::Config;
use cobasis_train::data::Rgb;
use cobasis_train::data::boxes::png;
use cobasis_train::evaluate::DetectionScore;
use cobasis_train::run_dir::{Classifier, Summary};
use cobasis_train::train::{
    Detection, Outcome, SeedsOutcome, StepReport, Watch, dry_run, run, run_seeds, run_task,
};
use cobasis_train::{DeviceName, Error};
use cobasis_zoo::{State, load};
use tempfile::TempDir;

/// Folders of Pascal VOC with a bright square on each image, `n` to learn from and two for each of the others.
fn squares(n: usize) -> TempDir {
    let dir = tempfile::tempdir().expect("a folder");
    let at = |path: String| dir.path().join(path);
    for folder in ["Annotations", "ImageSets/Main", "JPEGImages"] {
        fs::create_dir_all(at(folder.to_string())).expect("made");
    }
    let lists = [("train", 0..n), ("val", n..n + 2), ("test", n + 2..n + 4)];
    for (list, numbers) in lists {
        let names: String = numbers.clone().map(|number| format!("{number}\n")).collect();
        fs::write(at(format!("ImageSets/Main/{list}.txt")), names).expect("written");
        for number in numbers {
            let (left, top, side) = (4 + 5 * number % 16, 3 + 7 * number % 14, 14);
            let (class, value) = if number % 2 == 0 { ("even", 240) } else { ("odd", 10) };
            let inside = |x: usize, y: usize| {
                (left..left + side).contains(&x) && (top..top + side).contains(&y)
            };
            let pixels = (0..40 * 40)
                .flat_map(|place| [if inside(place % 40, place / 40) { value } else { 120 }; 3]);
            let image = Rgb { width: 40, height: 40, pixels: pixels.collect() };
            fs::write(at(format!("JPEGImages/{number}.png")), png(&image)).expect("written");
            let text = format!(
                "<annotation><size><width>40</width><height>40</height></size><object><name>{class}\
                 </name><bndbox><xmin>{left}</xmin><ymin>{top}</ymin><xmax>{}</xmax><ymax>{}</ymax>\
                 </bndbox></object></annotation>",
                left + side,
                top + side
            );
            fs::write(at(format!("Annotations/{number}.xml")), text).expect("written");
        }
    }
    dir
}

fn config(data: &Path, more: &str) -> Config {
    let text = format!(
        "model = 'digits/resnet14'\ntask = 'detect'\n\
         data = {{ name = 'voc', dir = {data:?}, train = 'train', val = 'val', test = 'test', \
         split = 'train/val', workers = 0 }}\n\
         detect = {{ input = [32, 32], width = 8, head = 'shared', shared = 4, last_epochs = 1 }}\n\
         augment = {{ mosaic = 0.5, scale = [0.5, 1.5] }}\n\
         train = {{ epochs = 2, batch = 2, eval_batch = 2, ema = 0.5 }}\n\
         optimizer.lr = 0.001\nschedule.kind = 'constant'\n{more}"
    );
    let config = Config::from_table(&text.parse().expect("TOML")).expect("a configuration");
    config.check().expect("a configuration");
    config
}

/// Breaks off after so many steps.
struct BreakAfter(usize);

impl Watch<DetectionScore> for BreakAfter {
    fn step(&mut self, _: usize, _: &StepReport<DetectionScore>) -> ControlFlow<()> {
        self.0 -= 1;
        if self.0 == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

fn go(config: &Config, out: &Path) -> Summary {
    let outcome = run_task::<Detection>(config, DeviceName::Flex, Some(out), "test", &mut ());
    match outcome.expect("a run") {
        Outcome::Finished(summary) => *summary,
        Outcome::Interrupted { .. } => panic!("interrupted by nobody"),
    }
}

fn refused(config: &Config, out: &Path) -> String {
    let outcome = run_task::<Detection>(config, DeviceName::Flex, Some(out), "test", &mut ());
    let error: Error = outcome.expect_err("must be refused");
    assert_eq!(error.exit_code(), 2, "{error}");
    error.line()
}

#[test]
fn a_run_that_is_broken_off_ends_as_one_that_is_not() {
    let (data, out) = (squares(6), tempfile::tempdir().expect("a folder"));
    let config = config(data.path(), "");
    let [whole, broken] = ["whole", "broken"].map(|name| out.path().join(name));
    let summary = go(&config, &whole);
    assert!((0.0..=1.0).contains(&summary.last.value("test_ap")), "{summary:?}");
    assert!((0.0..=1.0).contains(&summary.best().value("val_ap")), "{summary:?}");
    assert_eq!((summary.train_images, summary.val_images, summary.test_images), (6, Some(2), 2));
    for steps in [2, 2] {
        let mut watch = BreakAfter(steps);
        let outcome =
            run_task::<Detection>(&config, DeviceName::Flex, Some(&broken), "test", &mut watch);
        assert!(matches!(outcome, Ok(Outcome::Interrupted { .. })));
    }
    let again = go(&config, &broken);
    assert_eq!((again.last, again.best_on_val), (summary.last, summary.best_on_val));
    for file in ["last.safetensors", "best.safetensors", "data.json"] {
        let [a, b] = [&whole, &broken].map(|run| fs::read(run.join(file)).expect(file));
        assert!(a == b, "{file}");
    }
    // It can't become longer, because the last epochs are others then.
    let mut longer = config.clone();
    longer.train.epochs = 3;
    let line = refused(&longer, &whole);
    assert!(line.contains("with detect.last_epochs = \"1\""), "{line}");
    let mut other = config.clone();
    other.detect.nms = 0.5;
    assert!(refused(&other, &whole).starts_with("detect.nms: the run in "));
}

#[test]
fn a_classifier_becomes_a_detector_and_a_detector_goes_on() {
    let (data, out) = (squares(4), tempfile::tempdir().expect("a folder"));
    let at = |name: &str| out.path().join(name);
    // A classifier of images of three channels.
    let classes = out.path().join("classes");
    for (number, class) in ["even", "odd"].iter().enumerate() {
        for split in ["train", "val"] {
            let folder = classes.join(split).join(class);
            fs::create_dir_all(&folder).expect("made");
            let image = Rgb { width: 16, height: 16, pixels: vec![40 * number as u8; 768] };
            fs::write(folder.join("1.png"), png(&image)).expect("written");
        }
    }
    let text = format!(
        "model = 'digits/resnet14'\ndata = {{ name = 'folder', dir = {classes:?}, size = 16 }}\n\
         train = {{ epochs = 1, batch = 2 }}"
    );
    let classifier = Config::from_table(&text.parse().expect("TOML")).expect("a configuration");
    run(&classifier, DeviceName::Flex, Some(&at("classifier")), "test", &mut ()).expect("a run");
    let from = |name: &str| format!("init.from = {:?}\n", at(name).join("last.safetensors"));

    let head = |summary: Summary| summary.init.expect("a file").classifier;
    let started = config(data.path(), &from("classifier"));
    assert_eq!(head(go(&started, &at("detector"))), Classifier::New);
    // The same kind of detector for the same classes: at a rate of next to nothing, the same model.
    let mut go_on = config(data.path(), &from("detector"));
    (go_on.train.ema, go_on.optimizer.lr) = (0.0, 1e-30);
    assert_eq!(head(go(&go_on, &at("on"))), Classifier::Kept);
    let [before, after] = ["detector", "on"].map(|name| weights(&at(name)));
    assert!(before.keys().eq(after.keys()));
    assert_stays(&after, &before);
    // Another kind of detector has a new head on the same network.
    let mut wider = go_on.clone();
    wider.detect.width = 16;
    assert_eq!(head(go(&wider, &at("wider"))), Classifier::New);
    let [before, mut after] = ["detector", "wider"].map(|name| weights(&at(name)));
    after.retain(|name, _| !name.starts_with("head."));
    assert!(after.len() > 10);
    assert_stays(&after, &before);
    // A detector is no classifier.
    let mut back = classifier.clone();
    back.init.from = Some(at("detector").join("last.safetensors"));
    let error = run(&back, DeviceName::Flex, Some(&at("back")), "test", &mut ()).expect_err("none");
    assert!(
        error.line().contains("holds a detector, and task is \"classify\""),
        "{}",
        error.line()
    );
    assert_eq!(error.exit_code(), 2);
}

/// The trained numbers of a run's last model, by name.
fn weights(run: &Path) -> State {
    let mut state = load(run.join("last.safetensors"), &Device::flex()).expect("a model").state();
    state.retain(|name, _| !name.contains("running_"));
    state
}

/// Numbers that a rate of next to nothing has moved, of which zeros become as little.
fn assert_stays(after: &State, before: &State) {
    for (name, tensor) in after {
        let pairs = tensor.iter::<f32>().zip(before[name].iter::<f32>());
        let farthest = pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(farthest < 1e-20, "{name} moved by {farthest}");
    }
}

#[test]
fn frozen_networks_stay_and_dry_runs_and_seeds_are_for_detectors_too() {
    let (data, out) = (squares(4), tempfile::tempdir().expect("a folder"));
    let mut config = config(data.path(), "");
    config.train.epochs = 1;
    let dry = dry_run::<Detection>(&config, DeviceName::Flex).expect("two steps");
    assert_eq!((dry.classes, dry.outputs % 7), (2, 0));
    assert!(dry.reports.iter().all(|step| step.loss.is_finite() && step.loss > 0.0));
    let seeds =
        run_seeds::<Detection>(&config, &[1, 2], DeviceName::Flex, out.path(), "test", &mut ());
    let Ok(SeedsOutcome::Finished(summary)) = seeds else { panic!("two runs") };
    assert_eq!((summary.results.measure.name, summary.results.last.n), ("ap", 2));
    let text = fs::read_to_string(out.path().join("seeds.json")).expect("a file");
    assert!(text.contains("\"last_test_ap\"") && text.contains("\"best_test_ap\""), "{text}");

    let trained = out.path().join("seed-1");
    config.init.from = Some(trained.join("last.safetensors"));
    config.train.freeze.0.push("backbone".into());
    config.train.ema = 0.0;
    let frozen = out.path().join("frozen");
    go(&config, &frozen);
    let [before, after] = [&trained, &frozen].map(|run| weights(run));
    for (name, tensor) in &before {
        assert!(name.starts_with("head.") || after[name] == *tensor, "{name}");
    }
    assert!(before != after, "the head learns");
}
