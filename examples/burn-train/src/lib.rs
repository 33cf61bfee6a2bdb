//! A model of `cobasis-zoo`, trained on handwritten digits by Burn's own loop, `burn-train`: with its
//! metrics, its checkpoints, and resumed from them.

use std::error::Error;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use burn::data::dataloader::batcher::Batcher;
use burn::data::dataloader::{DataLoader, DataLoaderBuilder};
use burn::data::dataset::InMemDataset;
use burn::module::Module;
use burn::nn::loss::CrossEntropyLossConfig;
use burn::optim::SgdConfig;
use burn::optim::lr_scheduler::constant::ConstantLr;
use burn::optim::momentum::MomentumConfig;
use burn::tensor::{Device, Int, Tensor, TensorData};
use burn::train::metric::{AccuracyMetric, LossMetric};
use burn::train::{
    ClassificationOutput, InferenceStep, Learner, SupervisedTraining, TrainOutput, TrainStep,
};
use cobasis_data::{Augment, AugmentKey, Batch, DatasetName, ImageSet, Source, Split};
use cobasis_zoo::{Model, ModelConfig, Preparation};

/// λ, the weight of the penalty: the paper's.
const LAMBDA: f64 = 10.0;
const BATCH: usize = 32;

// ANCHOR: trainee
/// The model in training. Burn's traits can't be written for a type of another crate, so that it needs
/// one around it.
#[derive(Module, Debug)]
pub struct Trainee {
    /// The model.
    pub model: Model,
}

impl Trainee {
    fn classify(&self, batch: Digits) -> ClassificationOutput {
        let logits = self.model.forward(batch.images);
        let cross_entropy = CrossEntropyLossConfig::new().init(&logits.device());
        let loss = cross_entropy.forward(logits.clone(), batch.labels.clone());
        ClassificationOutput::new(loss, logits, batch.labels)
    }
}

impl TrainStep for Trainee {
    type Input = Digits;
    type Output = ClassificationOutput;

    /// The penalty is part of what is minimised, not of the output, so that the metric "Loss" is the
    /// cross entropy in training as in validation.
    fn step(&self, batch: Digits) -> TrainOutput<ClassificationOutput> {
        let output = self.classify(batch);
        let mut loss = output.loss.clone();
        if let Some(penalty) = self.model.penalty() {
            loss = loss + penalty * LAMBDA;
        }
        TrainOutput::new(self, loss.backward(), output)
    }
}

impl InferenceStep for Trainee {
    type Input = Digits;
    type Output = ClassificationOutput;

    fn step(&self, batch: Digits) -> ClassificationOutput {
        self.classify(batch)
    }
}
// ANCHOR_END: trainee

/// Some digits.
#[derive(Clone, Debug)]
pub struct Digits {
    /// `[batch, 1, 8, 8]`, normalised.
    pub images: Tensor<4>,
    /// `[batch]`
    pub labels: Tensor<1, Int>,
}

/// Makes batches of the images of a set, which are told by their numbers.
struct Batches(Arc<ImageSet>);

impl Batcher<usize, Digits> for Batches {
    fn batch(&self, items: Vec<usize>, device: &Device) -> Digits {
        let batch = Batch::new(&self.0, &items, Augment::NONE, AugmentKey { seed: 0, epoch: 0 });
        let labels: Vec<i32> = batch.labels.iter().map(|&label| label.into()).collect();
        let count = labels.len();
        Digits {
            images: Tensor::from_data(TensorData::new(batch.images, batch.shape), device),
            labels: Tensor::from_data(TensorData::new(labels, [count]), device),
        }
    }
}

/// What is trained, and for how long.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// A model for digits.
    pub model: &'static str,
    /// What initial weights are drawn from.
    pub seed: u64,
    /// How many images of the training split are used, and of the other a quarter of that.
    pub images: usize,
    /// When to stop.
    pub epochs: usize,
}

/// Trains as planned, or goes on with what `directory` has a checkpoint of. Metrics, checkpoints and the
/// model, as `model.safetensors`, are left there.
///
/// # Errors
///
/// If there is no such model, or files can't be read or written.
pub fn train(directory: &Path, plan: Plan) -> Result<Model, Box<dyn Error>> {
    let device = Device::flex().autodiff();
    let source = Source::new(DatasetName::Digits, None, 8);
    let [train, test] = [Split::Train, Split::Test].map(|split| source.load(split));
    let (train, test) = (Arc::new(train?), Arc::new(test?));
    let config = ModelConfig::new(plan.model.parse()?).with_seed(plan.seed);
    let config = config.with_preparation(preparation(&train));

    let metrics = (AccuracyMetric::new(), LossMetric::new());
    let [train, test] = [(train, plan.images), (test, plan.images / 4)].map(loader);
    let mut training = SupervisedTraining::new(directory, train, test)
        .metrics(metrics)
        .with_default_checkpointers()
        .with_application_logger(None)
        .num_epochs(plan.epochs)
        .summary();
    if let Some(epoch) = last_checkpoint(directory) {
        training = training.checkpoint(epoch);
    }
    // Burn's default dampening is 0.1; the paper's is PyTorch's, none.
    let momentum = MomentumConfig::new().with_momentum(0.9).with_dampening(0.0);
    let optimizer = SgdConfig::new().with_momentum(Some(momentum)).init();
    let trainee = Trainee { model: config.init(&device) };
    let result = training.launch(Learner::new(trainee, optimizer, ConstantLr::new(0.05)));
    if let Some(error) = result.error {
        return Err(error.into());
    }
    let model = result.model.model;
    cobasis_zoo::save(&model, directory.join("model.safetensors"))?;
    Ok(model)
}

/// Batches of the first images of a set, in a new order in every epoch.
fn loader((set, images): (Arc<ImageSet>, usize)) -> Arc<dyn DataLoader<Digits>> {
    let numbers: Vec<usize> = (0..set.len().min(images)).collect();
    let loader = DataLoaderBuilder::new(Batches(set)).batch_size(BATCH).shuffle(1);
    loader.build(InMemDataset::new(numbers))
}

/// What the model's file says of its images, for `cobasis predict`.
fn preparation(set: &ImageSet) -> Preparation {
    let info = set.info().clone();
    let [_, size, _] = info.shape;
    Preparation {
        dataset: info.name,
        classes: info.classes,
        size,
        resize: size,
        mean: info.mean,
        std: info.std,
    }
}

/// The last epoch that there is a checkpoint of.
fn last_checkpoint(directory: &Path) -> Option<usize> {
    let files = fs::read_dir(directory.join("checkpoint")).ok()?.flatten();
    let epochs = files.filter_map(|file| {
        let name = file.file_name().into_string().ok()?;
        name.strip_prefix("model-")?.strip_suffix(".bpk")?.parse().ok()
    });
    epochs.max()
}
