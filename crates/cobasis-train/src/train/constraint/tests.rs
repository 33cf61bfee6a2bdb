use burn::tensor::Device;
use cobasis_zoo::ModelConfig;
use cobasis_zoo::cobasis::ortho::Gram;

use super::*;
use crate::config::Config;
use crate::data::{Augment, Batch, DatasetName, Loader, LoaderConfig, Source, Split};
use crate::train::{StepAt, Trainer};

fn model(name: &str) -> Model {
    ModelConfig::new(name.parse().expect("a name")).init(&Device::flex().autodiff())
}

fn config(text: &str) -> Config {
    let constraint = if text.contains("ortho.constraint") { "" } else { "ortho.constraint = 'qr'" };
    let text = format!("data.name = 'digits'\n{constraint}\n{text}");
    Config::from_table(&text.parse().expect("TOML")).expect("a configuration")
}

fn batches(batch_size: usize) -> Vec<Batch> {
    let source = Source::new(DatasetName::Digits, None, 8);
    let set = source.load(Split::Train).expect("digits");
    let (shuffle, augment, seed, workers) = (false, Augment::NONE, 0, 0);
    let config = LoaderConfig { batch_size, shuffle, augment, seed, workers };
    let loader = Loader::new(std::sync::Arc::new(set), config).expect("a loader");
    loader.epoch(1).map(|batch| batch.expect("readable images")).collect()
}

/// The largest deviation from orthonormal in any group of bases.
fn deviation(trainer: &Trainer) -> f64 {
    let bases = trainer.model().bases();
    let of_group = |ids: Vec<ParamId>| {
        let group = bases.iter().filter(|(_, basis)| ids.contains(&basis.weight.id));
        let group = group.map(|(_, basis)| basis.weight.val().inner()).collect();
        Gram::of(Tensor::cat(group, 0)).max_deviation()
    };
    joint_bases(trainer.model()).into_iter().map(of_group).fold(0.0, f64::max)
}

#[test]
fn bases_of_equal_shapes_are_joint_within_their_stage() {
    for (name, bases, joint) in [
        ("digits/resnet14", 0, 1),
        ("digits/resnet14-s4u1", 3, 1),
        ("digits/resnet14-s4u1-double", 6, 2),
        ("cifar100/mobilenet-v2-shared", 4, 1),
        // Two of a stage are of different shapes.
        ("cifar100/mobilenet-v2-shared++", 8, 1),
        // A kernel that is not to be orthonormal.
        ("digits/resnet14-tied", 0, 1),
    ] {
        let model = model(name);
        let groups = joint_bases(&model);
        let sizes: Vec<usize> = groups.iter().map(Vec::len).collect();
        assert_eq!(sizes, vec![joint; bases / joint], "{name}");
        let all: BTreeSet<ParamId> = groups.concat().into_iter().collect();
        let ids = model.bases().into_iter().map(|(_, basis)| basis.weight.id);
        assert!(bases == 0 || all == ids.collect(), "{name}");
    }
}

#[test]
fn bases_stay_orthonormal_for_200_steps_jointly() {
    let batches = batches(8);
    for (constraint, optimizer, nesterov) in [
        ("qr", "sgd", true),
        ("qr", "sgd", false),
        ("qr", "adamw", false),
        ("polar", "sgd", true),
        ("cayley", "sgd", true),
        ("cayley", "adamw", false),
        ("landing", "sgd", true),
        ("landing", "adamw", false),
        ("band", "sgd", true),
    ] {
        let lr = if optimizer == "sgd" { 0.1 } else { 0.01 };
        let config = config(&format!(
            "model = 'digits/resnet14-s4u1-double'\noptimizer.kind = '{optimizer}'\n\
             optimizer.nesterov = {nesterov}\northo.lambda = 0\northo.constraint = '{constraint}'"
        ));
        let name = ModelConfig::new(config.model_name().expect("a name"));
        let mut trainer: Trainer = Trainer::new(&config, &name, &Device::flex());
        let ids = joint_bases(trainer.model());
        // What inner products may be off by: of singular values within 0.1 of 1, and where a distance
        // of 0.5 of all entries together is kept.
        let allowed = match constraint {
            "band" => 0.21,
            "landing" => 0.5,
            _ => 0.0,
        };
        for step in 1..=200 {
            let at = StepAt { epoch: 1, step, lr, lambda: 0.0 };
            let batch = &batches[step % batches.len()];
            let report = trainer.step(std::slice::from_ref(batch), at).expect("a step");
            assert!(report.loss.is_finite());
            let off = deviation(&trainer);
            assert!(off <= allowed + 1e-5, "{constraint} {optimizer}: {off} after step {step}");
        }
        trainer.end_epoch(1, 200).expect("independent filters");
        let off = deviation(&trainer);
        assert!(constraint == "band" || off <= 1e-5, "{constraint} {optimizer}: {off} in the end");
        // Once more changes nothing.
        let state = trainer.model().state();
        trainer.end_epoch(1, 200).expect("independent filters");
        assert_eq!(trainer.model().state(), state, "{constraint}");
        assert_eq!(joint_bases(trainer.model()), ids);
    }
}

#[test]
fn the_momentum_follows_and_gradients_keep_flowing() {
    let config = config("model = 'digits/resnet14-s4u1-double'\noptimizer.weight_decay = 0.01");
    let name = ModelConfig::new(config.model_name().expect("a name"));
    let mut trainer: Trainer = Trainer::new(&config, &name, &Device::flex());
    let batches = batches(16);
    for step in 1..=3 {
        let at = StepAt { epoch: 1, step, lr: 0.1, lambda: 10.0 };
        trainer.step(&batches[step..=step], at).expect("a step");
    }
    let constrained = trainer.constrained.as_ref().expect("a constraint");
    let weights = constrained.bases(trainer.model());
    let record = trainer.optimizer.to_record();
    // Every parameter with a gradient has one momentum there, bases included.
    assert_eq!(record.len(), trainable(trainer.model()));
    for group in &constrained.groups {
        let rows = |tensors: Vec<Tensor<4>>| {
            let tensors = tensors.into_iter().map(|tensor| {
                let [filters, channels, height, width] = tensor.dims();
                tensor.reshape([filters, channels * height * width])
            });
            Tensor::cat(tensors.collect(), 0)
        };
        let x = rows(of_group(group, &weights));
        let v = rows(group.iter().map(|kept| kept.momentum.get().expect("stepped")).collect());
        let size = v.clone().abs().max().into_scalar::<f32>();
        assert!(size > 0.0);
        let products = v.matmul(x.transpose());
        let off = (products.clone() + products.transpose()).abs().max().into_scalar::<f32>();
        assert!(off < 1e-5 * size.max(1.0), "{off} of {size}");
    }
}

fn trainable(model: &Model) -> usize {
    model.tensors().iter().filter(|tensor| !tensor.path.contains("running_")).count()
}

#[test]
fn bases_go_back_every_few_steps_where_that_is_asked_for() {
    let config = config("model = 'digits/resnet14-s4u1'\northo.every = 2");
    let name = ModelConfig::new(config.model_name().expect("a name"));
    let mut trainer: Trainer = Trainer::new(&config, &name, &Device::flex());
    let batches = batches(16);
    for (step, near) in [(1, false), (2, true), (3, false), (4, true)] {
        let at = StepAt { epoch: 1, step, lr: 0.5, lambda: 0.0 };
        trainer.step(&batches[step..=step], at).expect("a step");
        assert_eq!(deviation(&trainer) <= 1e-5, near, "after step {step}: {}", deviation(&trainer));
    }
}

#[test]
fn a_step_that_leaves_no_filters_is_an_error_with_its_place() {
    let config = config("model = 'digits/resnet14-s4u1'\noptimizer.momentum = 0");
    let name = ModelConfig::new(config.model_name().expect("a name"));
    let mut trainer: Trainer = Trainer::new(&config, &name, &Device::flex());
    let at = StepAt { epoch: 3, step: 7, lr: f64::MAX, lambda: 0.0 };
    let error = trainer.step(&batches(8)[..1], at).expect_err("no finite weights");
    assert!(error.line().contains("epoch 3, step 7: the filters hold numbers that are not finite"));
    assert_eq!(error.exit_code(), 1);
}
