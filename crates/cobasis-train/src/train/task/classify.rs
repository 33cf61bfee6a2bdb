//! Classification: one class for each image.

use std::sync::Arc;

use burn::nn::loss::{CrossEntropyLoss, CrossEntropyLossConfig};
use burn::tensor::{Device, Tensor};
use cobasis_zoo::Model;

use super::{Task, Terms};
use crate::config::{AugmentConfig, Config, DistillConfig};
use crate::data::{Batch, DataError, Dataset, ImageSet, Loader, LoaderConfig, StrongAugment};
use crate::error::Error;
use crate::evaluate::Score;
use crate::tensors::images;
use crate::train::Recipe;
use crate::train::dropout::dropout;
use crate::train::mix::Mix;
use crate::train::targets::{Targets, cross_entropy, distillation};

/// One class for each image: the cross entropy of logits against labels, which may be smoothed and
/// mixed, with a share of a teacher's opinion.
pub struct Classification {
    label_smoothing: f64,
    dropout: f64,
    augment: AugmentConfig,
    distill: DistillConfig,
    cross_entropy: CrossEntropyLoss,
    teacher: Option<Model>,
    device: Device,
}

impl Task for Classification {
    type Score = Score;

    fn new(recipe: &Recipe, device: &Device) -> Self {
        Self {
            label_smoothing: recipe.label_smoothing,
            dropout: recipe.dropout,
            augment: recipe.augment.clone(),
            distill: recipe.distill.clone(),
            cross_entropy: CrossEntropyLossConfig::new().init(device),
            teacher: None,
            device: device.clone(),
        }
    }

    fn with_teacher(self, teacher: Model) -> Self {
        Self { teacher: Some(teacher), ..self }
    }

    fn load(config: &Config) -> Result<Dataset, Error> {
        Ok(Dataset::load(&config.source()?)?)
    }

    fn loader(
        set: Arc<ImageSet>,
        loader: LoaderConfig,
        config: &Config,
    ) -> Result<Loader, DataError> {
        Ok(Loader::new(set, loader)?.with_strong(StrongAugment {
            ops: config.augment.rand_ops,
            magnitude: config.augment.rand_magnitude,
            erase: config.augment.erase,
        }))
    }

    fn terms(&self, model: &Model, batch: &Batch, key: [u64; 4]) -> Terms {
        let [_, _, height, width] = batch.shape;
        let mix = Mix::draw(&self.augment, [height, width], key);
        let input = images(batch, &self.device);
        let input = match &mix {
            Some(mix) => mix.apply(input),
            None => input,
        };
        let pooled = model.pooled(input.clone());
        let logits = model.classify(dropout(pooled, self.dropout, key));
        let (classes, smoothing) = (logits.dims()[1], self.label_smoothing);
        let targets = Targets::new(&batch.labels, classes, smoothing, mix.as_ref(), &self.device);
        let plain = matches!(targets, Targets::Labels(_)) && self.teacher.is_none();
        let loss = cross_entropy(&self.cross_entropy, logits.clone(), targets);
        let taught = self.taught(&loss, &logits, input);
        Terms { output: logits, loss, taught, plain }
    }
}

impl Classification {
    /// What the teacher adds to the loss, where there is a teacher.
    fn taught(&self, loss: &Tensor<1>, logits: &Tensor<2>, input: Tensor<4>) -> Option<Tensor<1>> {
        let teacher = self.teacher.as_ref()?;
        let DistillConfig { temperature, weight, .. } = self.distill;
        let theirs = Tensor::from_inner(teacher.forward(input.inner()));
        let divergence = distillation(logits.clone(), theirs, temperature);
        Some((divergence - loss.clone()).mul_scalar(weight))
    }
}
