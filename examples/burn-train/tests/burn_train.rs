//! What burn-train makes of a model: it learns, its checkpoints hold each basis once, and a run goes on
//! from them.

use std::path::Path;

use burn::module::Module;
use burn::store::ModuleRecord;
use burn::tensor::Device;
use burn::train::LearnerSummary;
use cobasis_with_burn_train::{Plan, Trainee, train};
use cobasis_zoo::{Model, ModelConfig, load};

const PLAN: Plan = Plan { model: "digits/resnet14-s8u1", seed: 1, images: 640, epochs: 1 };

fn fresh() -> Model {
    let name = PLAN.model.parse().expect("a name");
    ModelConfig::new(name).with_seed(9).init(&Device::flex())
}

#[test]
fn a_run_learns_and_goes_on_from_its_checkpoint() {
    let folder = tempfile::tempdir().expect("a folder");
    let first = train(folder.path(), PLAN).expect("an epoch");
    let checkpoint = folder.path().join("checkpoint/model-1.bpk");

    // Each basis once, and all there is to the model.
    let record = ModuleRecord::load(&checkpoint).expect("a checkpoint");
    assert_eq!(record.len(), first.tensors().len());
    let read = Trainee { model: fresh() }.try_load_file(&checkpoint).expect("the same tensors");
    assert_eq!(read.model.state(), first.state());

    // Nothing is left to do: what comes back was read, not drawn from the other seed.
    let again = train(folder.path(), Plan { seed: 2, ..PLAN }).expect("a checkpoint");
    assert_eq!(again.state(), first.state());

    let second = train(folder.path(), Plan { seed: 2, epochs: 3, ..PLAN }).expect("two epochs");
    assert_ne!(second.state(), first.state());
    let penalty: f32 = second.penalty().expect("shared filters").into_scalar();
    assert!(penalty < 1e-2, "bases stay orthonormal: {penalty}");
    let accuracies = accuracies(folder.path());
    assert!(
        accuracies.len() == 3 && accuracies[2] > 75.0 && accuracies[2] > accuracies[0],
        "{accuracies:?}"
    );

    // Our file holds the same, and how the images are prepared.
    let ours = load(folder.path().join("model.safetensors"), &Device::flex()).expect("a model");
    assert_eq!(ours.state(), second.state());
    let preparation = ours.config.preparation.expect("a preparation");
    assert_eq!((preparation.dataset.as_str(), preparation.size), ("digits", 8));
}

#[test]
fn burns_files_hold_each_basis_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("model.bpk");
    let model = ModelConfig::new(PLAN.model.parse().expect("a name")).init(&Device::flex());
    model.clone().save_file(&file).expect("written");
    let record = ModuleRecord::load(&file).expect("a record");
    assert_eq!(record.len(), model.tensors().len());
    assert_eq!(fresh().load_file(&file).state(), model.state());
}

/// The accuracies in validation that burn-train logged, in per cent, by epoch.
fn accuracies(folder: &Path) -> Vec<f64> {
    let summary = LearnerSummary::new(folder, &["Accuracy"]).expect("logs");
    summary.metrics.valid[0].entries.iter().map(|entry| entry.value).collect()
}
