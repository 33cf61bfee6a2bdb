//! Another task than classification: how bright an image is. What it takes is all here.

use std::ops::{AddAssign, ControlFlow};
use std::sync::Arc;

use burn::tensor::{Device, Tensor, TensorData};
use cobasis_train::Error;
use cobasis_train::config::Config;
use cobasis_train::data::{
    Batch, DataError, Dataset, DatasetName, ImageSet, Loader, Source, Split, Target,
};
use cobasis_train::evaluate::judge;
use cobasis_train::metrics::{Better, Columns, Measure, Scores};
use cobasis_train::tensors::images;
use cobasis_train::train::{Recipe, StepAt, Task, Terms, Trainer};
use cobasis_zoo::{Model, ModelConfig};
use serde::{Deserialize, Serialize};

const SQUARED_ERROR: Measure = Measure {
    name: "squared_error",
    label: "squared error",
    unit: "",
    better: Better::Lower,
    digits: 4,
};

/// The mean of an image's pixels, of which white is 1.
#[derive(Clone, Debug, PartialEq)]
struct Brightness(f32);

impl Target for Brightness {}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Squares {
    images: usize,
    sum: f64,
}

impl AddAssign for Squares {
    fn add_assign(&mut self, other: Self) {
        self.images += other.images;
        self.sum += other.sum;
    }
}

impl Scores for Squares {
    type Target = Brightness;

    const JUDGED_BY: Measure = SQUARED_ERROR;

    fn add(&mut self, output: &[f32], targets: &[Brightness]) {
        for (row, target) in output.chunks_exact(output.len() / targets.len()).zip(targets) {
            self.images += 1;
            self.sum += f64::from(row[0] - target.0).powi(2);
        }
    }

    fn images(&self) -> usize {
        self.images
    }

    fn losses(&self) -> Vec<(Measure, f64)> {
        vec![(SQUARED_ERROR, self.sum / self.images.max(1) as f64)]
    }

    fn scores(&self) -> Vec<(Measure, f64)> {
        Vec::new()
    }
}

struct Regression {
    device: Device,
}

impl Task for Regression {
    type Score = Squares;

    fn new(_: &Recipe, device: &Device) -> Self {
        Self { device: device.clone() }
    }

    fn with_teacher(self, _: Model) -> Self {
        self
    }

    fn load(config: &Config) -> Result<Dataset<Brightness>, Error> {
        let source = config.source()?;
        let [train, test] = [set(&source, Split::Train)?, set(&source, Split::Test)?];
        Ok(Dataset { train, val: None, test })
    }

    fn terms(&self, model: &Model, batch: &Batch<Brightness>, _: [u64; 4]) -> Terms {
        let output = model.forward(images(batch, &self.device));
        let targets: Vec<f32> = batch.labels.iter().map(|target| target.0).collect();
        let shape = [targets.len(), 1];
        let targets = Tensor::from_data(TensorData::new(targets, shape), &self.device);
        let loss = (output.clone().narrow(1, 0, 1) - targets).powi_scalar(2).mean();
        Terms { output, loss, taught: None, plain: true }
    }
}

/// The digits, whose classes nobody asks for.
fn set(source: &Source, split: Split) -> Result<ImageSet<Brightness>, DataError> {
    let digits = source.load(split)?;
    let mut pixels = Vec::new();
    let mut targets = Vec::new();
    for index in 0..64 {
        let image = digits.image(index);
        let sum: f32 = image.iter().map(|&pixel| f32::from(pixel) / 16.0).sum();
        targets.push(Brightness(sum / image.len() as f32));
        pixels.extend_from_slice(image);
    }
    ImageSet::new(digits.info().clone(), pixels, targets)
}

#[test]
fn a_task_of_ones_own_is_trained_and_judged() {
    let device = Device::flex();
    let mut config = Config { model: "digits/resnet14".into(), ..Config::default() };
    config.data.name = DatasetName::Digits;
    let data = Regression::load(&config).expect("digits");
    let loader = Loader::in_order(Arc::new(data.train), 32, 0).expect("a loader");
    let model = ModelConfig::new("digits/resnet14-s4u1".parse().expect("a name"));
    let mut trainer: Trainer<Regression> = Trainer::new(Recipe::default(), &model, &device);
    let mut errors = Vec::new();
    for epoch in 1..=4 {
        let mut score = Squares::default();
        for (step, batch) in loader.epoch(epoch).enumerate() {
            let at = StepAt { epoch, step: step + 1, lr: 0.01, lambda: 1.0 };
            let report = trainer.step(&[batch.expect("readable")], at).expect("a step");
            assert!((report.loss - report.penalty - report.score.losses()[0].1).abs() < 1e-9);
            score += report.score;
        }
        errors.push(score.losses()[0].1);
    }
    assert!(Squares::JUDGED_BY.is_better(errors[3], errors[0] / 2.0), "{errors:?}");

    let go_on = |_| ControlFlow::Continue(());
    let judged: Option<Squares> = judge(trainer.judged(), &loader, go_on).expect("readable");
    let mut columns = Columns::default();
    columns.extend("val", judged.expect("nothing broke off").losses());
    assert!(columns.get("val_squared_error").is_some_and(f64::is_finite));
}
