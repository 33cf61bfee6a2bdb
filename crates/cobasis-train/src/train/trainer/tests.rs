use std::sync::Arc;

use burn::module::Module;

use super::*;
use crate::config::Config;
use crate::data::{Augment, DatasetName, Loader, LoaderConfig, Source, Split};
use crate::tensors::{host, images};
use crate::train::targets::distillation;

const AT: StepAt = StepAt { epoch: 1, step: 1, lr: 0.1, lambda: 10.0 };

fn config(text: &str) -> Config {
    let text = format!("model = 'digits/resnet14-s4u1'\ndata.name = 'digits'\n{text}");
    Config::from_table(&text.parse().expect("TOML")).expect("a configuration")
}

fn trainer(config: &Config) -> Trainer {
    let model = ModelConfig::new(config.model_name().expect("a name"));
    Trainer::new(config, &model, &Device::flex())
}

fn batches(batch_size: usize, count: usize) -> Vec<Batch> {
    let source = Source::new(DatasetName::Digits, None, 8);
    let set = source.load(Split::Train).expect("digits");
    let (shuffle, augment, seed, workers) = (false, Augment::NONE, 0, 0);
    let config = LoaderConfig { batch_size, shuffle, augment, seed, workers };
    let loader = Loader::new(Arc::new(set), config).expect("a loader");
    loader.epoch(1).take(count).map(|batch| batch.expect("readable images")).collect()
}

/// How far the first step moves the weights and biases of the classifier, which batch norms do
/// not reach.
fn moved(config: &Config, batches: &[Batch]) -> (Vec<f32>, StepReport) {
    let mut trainer = trainer(config);
    let head = |trainer: &Trainer| {
        let state = trainer.model().state();
        state["head.bias"].iter::<f32>().collect::<Vec<_>>()
    };
    let before = head(&trainer);
    let report = trainer.step(batches, AT).expect("a step");
    let after = head(&trainer).into_iter().zip(before);
    (after.map(|(after, before)| after - before).collect(), report)
}

#[test]
fn accumulated_gradients_are_the_mean_over_the_images() {
    let config = config("");
    let parts = batches(8, 2);
    let short = parts[1].first(4);
    let (a, report_a) = moved(&config, &parts[..1]);
    let (b, report_b) = moved(&config, std::slice::from_ref(&short));
    let (both, report) = moved(&config, &[parts[0].clone(), short]);
    for ((a, b), both) in a.iter().zip(&b).zip(both) {
        // Weight decay is the same in all three.
        assert!(((8.0 * a + 4.0 * b) / 12.0 - both).abs() < 1e-6, "{a} {b} {both}");
    }
    let loss = (8.0 * report_a.loss + 4.0 * report_b.loss) / 12.0;
    assert!((report.loss - loss).abs() < 1e-6);
    assert_eq!(report.score.images, 12);
}

#[test]
fn running_statistics_are_those_of_the_first_batch() {
    let (config, batches) = (config(""), batches(16, 3));
    let statistics = |batches: &[Batch]| {
        let mut trainer = trainer(&config);
        trainer.step(batches, AT).expect("a step");
        let state = trainer.model().valid().state();
        let running = state.into_iter().filter(|(path, _)| path.contains(".running_"));
        running
            .map(|(path, data)| (path, data.iter::<f32>().collect()))
            .collect::<Vec<(_, Vec<_>)>>()
    };
    let first = statistics(&batches[..1]);
    assert!(!first.is_empty());
    assert_eq!(statistics(&batches), first);
    assert_ne!(statistics(&batches[1..]), first);
}

#[test]
fn devices_come_to_what_accumulation_does_to_the_last_bit() {
    let batches = batches(16, 3);
    for recipe in [
        "",
        "train.dropout = 0.5\naugment.mixup = 1.0\ntrain.ema = 0.9\ntrain.gradient_flow = true",
    ] {
        let config = config(recipe);
        let trained = |devices: usize| {
            let mut trainer = trainer(&config).with_devices(&vec![Device::flex(); devices - 1]);
            for step in 1..=3 {
                let report = trainer.step(&batches, StepAt { step, ..AT }).expect("a step");
                assert!(report.loss.is_finite());
            }
            let models = [trainer.model().valid().state(), trainer.judged().valid().state()];
            (models, trainer.basis_gradients().to_vec())
        };
        let alone = trained(1);
        for devices in [2, 3, 4] {
            assert!(trained(devices) == alone, "{devices} devices, {recipe}");
        }
    }
}

#[test]
fn a_teacher_shares_the_loss_with_the_labels() {
    let plain = config("distill.weight = 0.25\ndistill.temperature = 2.0");
    let batches = batches(8, 1);
    let alone = moved(&plain, &batches).1;
    let mut student = trainer(&plain);
    // A teacher that says what the student says teaches nothing; it is the student of before,
    // with the statistics of the batch replaced by running ones, so it says something else.
    let teacher = student.model().valid();
    let input = images(&batches[0], &Device::flex());
    let theirs = teacher.forward(input.clone());
    let ours = student.model().forward(images(&batches[0], &Device::flex().autodiff())).inner();
    let divergence = f64::from(host(distillation(ours, theirs, 2.0))[0]);
    student = student.with_teacher(teacher);
    let report = student.step(&batches, AT).expect("a step");
    let cross_entropy = alone.score.mean_cross_entropy();
    let expected = 0.75 * cross_entropy + 0.25 * divergence + 10.0 * alone.penalty;
    assert!((report.loss / expected - 1.0).abs() < 1e-6, "{} {expected}", report.loss);
}

#[test]
fn recipes_change_the_step_and_repeat_themselves() {
    let batches = batches(16, 1);
    let plain = moved(&config(""), &batches).0;
    for recipe in [
        "train.label_smoothing = 0.1",
        "train.dropout = 0.5",
        "augment.mixup = 1.0",
        "augment.cutmix = 1.0",
        "optimizer.clip_norm = 0.01",
        "optimizer.kind = 'adamw'",
    ] {
        let (changed, report) = moved(&config(recipe), &batches);
        assert!(changed != plain && report.loss.is_finite(), "{recipe}");
        assert_eq!(moved(&config(recipe), &batches).0, changed, "{recipe}");
    }
}

#[test]
fn the_tasks_gradient_is_that_of_a_step_without_a_penalty() {
    let batches = batches(8, 4);
    for (penalty, weight) in [("mean", 10.0), ("srip", 0.01), ("ocnn-rows", 0.01)] {
        let config = config(&format!("train.gradient_flow = true\northo.penalty = '{penalty}'"));
        let at = |lambda| {
            let mut trainer = trainer(&config);
            // Away from the start, which is orthonormal.
            trainer.step(&batches[..2], StepAt { lambda: weight, ..AT }).expect("a step");
            trainer.step(&batches[2..], StepAt { step: 2, lambda, ..AT }).expect("a step");
            trainer.basis_gradients().to_vec()
        };
        for (with, without) in at(weight).into_iter().zip(at(0.0)) {
            let parts = with.parts.expect("parts");
            let near = |got: f64, expected: f64| (got / expected - 1.0).abs() < 1e-3;
            assert!(near(parts.task_mean_abs, without.mean_abs), "{penalty}: {with:?} {without:?}");
            assert!(near(parts.task_max_abs, without.max_abs), "{penalty}: {with:?} {without:?}");
            assert!(parts.penalty_max_abs > 1e-4 && with.max_abs != without.max_abs, "{penalty}");
            let of_none = without.parts.expect("parts");
            assert_eq!((of_none.penalty_mean_abs, of_none.task_max_abs), (0.0, without.max_abs));
        }
    }
}

#[test]
fn the_average_is_what_is_judged() {
    let mut trainer = trainer(&config("train.ema = 0.9"));
    let batches = batches(16, 2);
    trainer.step(&batches[..1], AT).expect("a step");
    assert_eq!(trainer.judged().state(), trainer.model().state());
    trainer.step(&batches[1..], StepAt { step: 2, ..AT }).expect("a step");
    assert_ne!(trainer.judged().state(), trainer.model().state());
}
