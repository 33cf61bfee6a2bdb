use std::collections::BTreeMap;

use burn::tensor::Device;
use cobasis_zoo::{Model, ModelConfig, State};

use super::tasks::adapted;
use super::*;
use crate::config::Config;
use crate::data::Batch;
use crate::train::{Classification, StepAt, Task, Trainer, loaders::Loaders};

const AT: StepAt = StepAt { epoch: 1, step: 1, lr: 0.1, lambda: 0.0 };
const TASKS: &str = "[[tasks]]\nname = 'a'\nadapter = 'unique'\nweight = 0.5\ndata.name = 'digits'\n\
                     [[tasks]]\nname = 'b'\nweight = 2\ndata.name = 'digits'\n";

fn config(recipe: &str, tasks: &str) -> Config {
    let text = format!(
        "model = 'digits/resnet14-s4u1'\ndata.name = 'digits'\ndata.pad = 1\ntrain.batch = 32\n\
         data.workers = 0\northo.scope = 'shared+unique'\n{recipe}\n{tasks}"
    );
    Config::from_table(&text.parse().expect("TOML")).expect("a configuration")
}

fn model(config: &Config) -> Model {
    let name = config.model_name().expect("a name");
    ModelConfig::new(name).with_seed(3).init(&Device::flex().autodiff())
}

/// A trainer of all tasks, and a batch of the main task and of each of the others.
fn joint(config: &Config) -> (Trainer, Batch, Vec<Batch>) {
    let model = model(config);
    let loaders = TaskLoaders::load(config).expect("images");
    let further = Joint::new(config, &loaders, &model).expect("tasks");
    let trainer = Trainer::with_model(config, model, Device::flex().autodiff()).with_joint(further);
    let data = Classification::load(config).expect("images");
    let main = Loaders::new::<Classification>(config, data).expect("images");
    let batch = main.train.epoch(1).next().expect("a batch").expect("readable");
    (trainer, batch, loaders.batches_from(0).next().expect("batches"))
}

/// The model of each task: the main one, then the others.
fn models(trainer: &Trainer) -> Vec<Model> {
    let joint = trainer.joint.as_ref().expect("tasks");
    let further = joint.tasks.iter().map(|task| adapted(trainer.model(), &task.own));
    std::iter::once(trainer.model().clone()).chain(further).collect()
}

fn is_own(path: &str) -> bool {
    path.starts_with("head.") || path.starts_with("adapter.")
}

/// What every number of a model has moved by.
fn moved(before: &State, after: &State) -> BTreeMap<String, Vec<f64>> {
    let differences = |path: &String| {
        let [before, after] = [before, after].map(|state| state[path].iter::<f32>());
        before.zip(after).map(|(before, after)| f64::from(after) - f64::from(before)).collect()
    };
    before.keys().map(|path| (path.clone(), differences(path))).collect()
}

/// The same after a step of one task alone that moves everything.
fn moved_alone(
    config: &Config,
    model: &Model,
    batch: &Batch,
    lambda: f64,
) -> BTreeMap<String, Vec<f64>> {
    // Batch norms of copies share their statistics, and so would be moved by every step.
    let copy = model.config.init_from(model.state(), &Device::flex().autodiff());
    let copy = copy.expect("its own tensors");
    let (copy, _) = self::model(config).with_task(copy.into_task()).expect("the same network");
    let before = copy.state();
    let mut trainer: Trainer = Trainer::with_model(config, copy, Device::flex().autodiff());
    trainer.step(std::slice::from_ref(batch), StepAt { lambda, ..AT }).expect("a step");
    moved(&before, &trainer.model().state())
}

#[test]
fn the_network_gets_the_weighted_sum_of_the_gradients_and_a_task_its_own() {
    // Without momentum and decay, what a number moves by is its gradient.
    let recipe = "optimizer.momentum = 0\noptimizer.weight_decay = 0";
    for lambda in [0.0, 10.0] {
        let config = config(recipe, TASKS);
        let (mut trainer, batch, further) = joint(&config);
        let before = models(&trainer);
        let states: Vec<State> = before.iter().map(Model::state).collect();
        let alone = |index: usize, batch: &Batch, lambda| {
            moved_alone(&config, &before[index], batch, lambda)
        };
        // The penalty is the main task's, and reaches what is a task's own.
        let main = alone(0, &batch, lambda);
        let plain = [alone(1, &further[0], 0.0), alone(2, &further[1], 0.0)];
        let penalised = [alone(1, &further[0], lambda), alone(2, &further[1], lambda)];
        let weights = [0.5, 2.0];

        let at = StepAt { lambda, ..AT };
        let report = trainer.step_with(&[batch], &further, at).expect("a step");
        let after: Vec<State> = models(&trainer).iter().map(Model::state).collect();
        let check = |path: &str, got: &[f64], expected: &[f64]| {
            let largest = expected.iter().fold(0.0f64, |largest, number| largest.max(number.abs()));
            for (got, expected) in got.iter().zip(expected) {
                let off = (got - expected).abs();
                assert!(off <= 1e-6 + 1e-4 * largest, "{path}, {lambda}: {got} {expected}");
            }
        };
        let mut shared = 0;
        for (path, got) in moved(&states[0], &after[0]) {
            let mut expected = main[&path].clone();
            if !is_own(&path) {
                for (weight, of_task) in weights.iter().zip(&plain) {
                    let sum = expected.iter_mut().zip(&of_task[&path]);
                    sum.for_each(|(sum, number)| *sum += weight * number);
                    shared += usize::from(of_task[&path].iter().any(|number| *number != 0.0));
                }
            }
            check(&path, &got, &expected);
        }
        assert!(shared > 20, "{shared}");
        for (index, weight) in weights.iter().enumerate() {
            let got = moved(&states[index + 1], &after[index + 1]);
            for (path, got) in got.iter().filter(|(path, _)| is_own(path)) {
                let weight = if path.contains(".running_") { 1.0 } else { *weight };
                let expected: Vec<f64> =
                    penalised[index][path].iter().map(|number| weight * number).collect();
                check(path, got, &expected);
                assert!(expected.iter().any(|number| *number != 0.0), "{path}");
            }
        }
        let reports = trainer.joint.as_ref().expect("tasks").reports();
        let own = report.score.mean_cross_entropy() + lambda * report.penalty;
        let total = own + 0.5 * reports[0].loss + 2.0 * reports[1].loss;
        assert!((report.loss - total).abs() < 1e-6, "{} {total}", report.loss);
        assert_eq!(reports[0].loss > reports[0].score.mean_cross_entropy(), lambda > 0.0);
        assert_eq!(reports[1].loss, reports[1].score.mean_cross_entropy());
    }
}

#[test]
fn decay_averages_and_clipping_are_for_tasks_too() {
    let step = |recipe: &str| {
        let (mut trainer, batch, further) = joint(&config(recipe, TASKS));
        let before = models(&trainer)[1].state();
        trainer.step_with(std::slice::from_ref(&batch), &further, AT).expect("a step");
        let first = models(&trainer)[1].state();
        trainer.step_with(&[batch], &further, StepAt { step: 2, ..AT }).expect("a step");
        let judged = trainer.joint.as_ref().expect("tasks").judged(0, trainer.judged()).state();
        (moved(&before, &first), models(&trainer)[1].state(), judged)
    };
    let own = |path: &&String| is_own(path) && !path.contains(".running_");
    let (plain, now, judged) = step("");
    assert_eq!(now, judged);
    let (clipped, ..) = step("optimizer.clip_norm = 0.01");
    for path in plain.keys().filter(own) {
        let size = |moved: &BTreeMap<String, Vec<f64>>| -> f64 {
            moved[path].iter().map(|number| number.abs()).sum()
        };
        assert!(size(&clipped) < size(&plain), "{path}");
    }
    let (.., now, judged) = step("train.ema = 0.9");
    assert!(now.keys().filter(own).all(|path| now[path] != judged[path]));
    // Norms alone are spared from decay; the filters of `a` are not.
    let decay = "optimizer.weight_decay = 10\noptimizer.lr = 0.1";
    let [all, spared] =
        ["true", "false"].map(|norms| step(&format!("{decay}\noptimizer.decay_norms = {norms}")).0);
    for path in all.keys().filter(own) {
        // Gains start at 1, so that decay moves them.
        if path.ends_with(".gamma") {
            assert_ne!(all[path], spared[path], "{path}");
        }
        if path.ends_with(".unique") || path == "head.weight" {
            assert_eq!(all[path], spared[path], "{path}");
        }
    }
}

#[test]
fn batches_are_a_function_of_the_step_over_the_ends_of_epochs() {
    let mut config = config("", TASKS);
    config.train.batch = 500;
    let loaders = TaskLoaders::load(&config).expect("images");
    assert_eq!(loaders.of(0).train.num_batches(), 3);
    let mut batches = loaders.batches_from(0);
    let all: Vec<Batch> = (0..8).map(|_| batches.next().expect("readable").remove(0)).collect();
    let sizes: Vec<usize> = all.iter().map(|batch| batch.labels.len()).collect();
    assert_eq!(sizes, [500, 500, 437, 500, 500, 437, 500, 500]);
    assert_ne!(all[0].indices, all[3].indices);
    for from in [1, 3, 5, 6] {
        let mut batches = loaders.batches_from(from);
        for expected in &all[from..] {
            let got = batches.next().expect("readable").remove(0);
            assert_eq!(
                (&got.indices, &got.images),
                (&expected.indices, &expected.images),
                "{from}"
            );
        }
    }
}

#[test]
fn what_cannot_be_had_is_refused_by_the_key_of_the_task() {
    let dense = Config { model: "digits/resnet14".into(), ..config("", TASKS) };
    let loaders = TaskLoaders::load(&dense).expect("images");
    let refused = Joint::new(&dense, &loaders, &model(&dense)).map(|_| ()).expect_err("no unique");
    assert!(refused.line().starts_with("tasks[0].adapter: "), "{}", refused.line());
    let coloured = ModelConfig::new(dense.model_name().expect("a name")).with_in_channels(3);
    let refused = loaders.check(&dense, &coloured, false).expect_err("grey images").line();
    assert!(refused.starts_with("tasks[0].data.name: the images of task \"a\" (digits) have 1 ch"));
}
