//! Training curves: the first 200 steps of a network, as the authors' code takes them.

use std::collections::BTreeMap;
use std::path::Path;

use burn::tensor::Device;
use cobasis_data::{Augment, AugmentKey, Batch, DatasetName, ImageSet, Source, Split};
use cobasis_train::config::{Config, PenaltyScope};
use cobasis_train::train::{StepAt, Trainer};
use cobasis_zoo::pytorch::{self, PyTorchTensor};
use cobasis_zoo::{ModelConfig, ModelName};
use serde::Deserialize;

use crate::error::Error;
use crate::parity::check::{Check, Report, relative, worse};
use crate::parity::file_name;
use crate::parity::fill::fill;

/// What is compared of a curve, and the relative difference that is allowed.
const BOUNDS: [(&str, Measure, std::ops::Range<usize>, f64); 3] = [
    ("steps 1-3", Measure::EachStep, 0..3, 1e-4),
    ("steps 1-10", Measure::EachStep, 0..10, 2e-2),
    ("mean of 101-200", Measure::Mean, 100..200, 2e-2),
];
/// How often the authors' own drift, from one memory format to the other, a difference may be where
/// that is more than a bound.
const DRIFTS: f64 = 5.0;

/// How a part of a curve is compared.
#[derive(Clone, Copy)]
enum Measure {
    /// The largest relative difference of a step.
    EachStep,
    /// The relative difference of the means.
    Mean,
}

impl Measure {
    fn error(self, ours: &[f64], theirs: &[f64]) -> f64 {
        match self {
            Measure::EachStep => {
                let errors = ours.iter().zip(theirs).map(|(&a, &b)| relative(a, b));
                errors.fold(0.0, worse)
            }
            Measure::Mean => relative(ours.iter().sum(), theirs.iter().sum()),
        }
    }
}

/// A file of training curves on CIFAR-10.
#[derive(Clone, Debug, Deserialize)]
pub struct Curves {
    batch: usize,
    learning_rate: f64,
    momentum: f64,
    weight_decay: f64,
    lambda: f64,
    models: BTreeMap<String, Curve>,
}

#[derive(Clone, Debug, Deserialize)]
struct Curve {
    /// The mean cross entropy of each step's batch, before the step.
    cross_entropy: Vec<f64>,
    /// The same in the other memory format.
    #[serde(default)]
    cross_entropy_channels_last: Option<Vec<f64>>,
}

impl Curves {
    /// Reads a file of curves.
    ///
    /// # Errors
    ///
    /// If the text holds none.
    pub(crate) fn parse(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }

    /// Trains each network as its curve was made and compares the cross entropies. `after_step` is
    /// told of every step.
    ///
    /// # Errors
    ///
    /// If a network is not in the zoo, or CIFAR-10 is not in `data`.
    pub(crate) fn follow(
        &self,
        path: &Path,
        data: &Path,
        device: &Device,
        mut after_step: impl FnMut(&str, usize),
    ) -> Result<Vec<Report>, Error> {
        let set =
            Source::new(DatasetName::Cifar10, Some(data.to_path_buf()), 32).load(Split::Train)?;
        let file = file_name(path);
        let reports = self.models.iter().map(|(name, curve)| {
            let model: ModelName = name.parse()?;
            let steps = curve.cross_entropy.len();
            let ours = self.train(model, &set, steps, device, |step| after_step(name, step))?;
            let checks = BOUNDS.iter().filter(|(_, _, range, _)| range.end <= steps);
            let checks = checks.map(|(what, measure, range, bound)| {
                let theirs = &curve.cross_entropy[range.clone()];
                let other = curve.cross_entropy_channels_last.as_ref();
                let drift = other.and_then(|other| other.get(range.clone()));
                let drift = drift.map_or(0.0, |other| measure.error(other, theirs));
                let error = measure.error(&ours[range.clone()], theirs);
                Check::new(what, error, bound.max(DRIFTS * drift))
            });
            Ok(Report { file: file.clone(), model: name.clone(), checks: checks.collect() })
        });
        reports.collect()
    }

    fn train(
        &self,
        name: ModelName,
        set: &ImageSet,
        steps: usize,
        device: &Device,
        mut after_step: impl FnMut(usize),
    ) -> Result<Vec<f64>, Error> {
        let mut config = Config { model: name.to_string(), ..Config::default() };
        config.ortho.scope = PenaltyScope::SharedUnique;
        config.optimizer.momentum = self.momentum;
        config.optimizer.weight_decay = self.weight_decay;
        let device = device.clone().autodiff();
        let model = ModelConfig::new(name).as_authors();
        let tensors = pytorch::tensors(&model, &device);
        let tensors = tensors.expect("the authors have this model").into_iter();
        let fill = |PyTorchTensor { name, shape, .. }| {
            let data = fill(&name, &shape);
            (name, data)
        };
        let model = model.init_from_pytorch(tensors.map(fill).collect(), &device);
        // The names and shapes are the model's own.
        let Ok(model) = model else { unreachable!("a model has its own tensors") };
        let mut trainer: Trainer = Trainer::with_model(&config, model, device);
        let steps = (0..steps).map(|step| {
            let first = self.batch * step;
            let indices: Vec<usize> = (first..first + self.batch).map(|i| i % set.len()).collect();
            let key = AugmentKey { seed: 0, epoch: 0 };
            let batch = Batch::new(set, &indices, Augment::NONE, key);
            let (lr, lambda) = (self.learning_rate, self.lambda);
            let at = StepAt { epoch: 1, step: step + 1, lr, lambda };
            let report = trainer.step(&[batch], at)?;
            after_step(step + 1);
            Ok(report.score.mean_cross_entropy())
        });
        steps.collect()
    }
}
