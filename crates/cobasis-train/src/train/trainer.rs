//! A model in training: steps and epochs.

use std::time::Instant;

use burn::optim::decay::WeightDecayConfig;
use burn::optim::momentum::MomentumConfig;
use burn::optim::{GradientsParams, ModuleOptimizer, SgdConfig};
use burn::tensor::Device;
use cobasis_zoo::{Model, ModelConfig};

use crate::config::{Config, OptimizerConfig};
use crate::data::{Batch, Loader};
use crate::error::Error;
use crate::evaluate::{Evaluation, Score, evaluate, host, images, labels};
use crate::run_dir::EpochMetrics;
use crate::train::{Objective, Watch};

/// A model, its optimizer and its objective.
pub struct Trainer {
    model: Model,
    optimizer: ModuleOptimizer,
    objective: Objective,
    device: Device,
}

/// What a training step came to. Sums, so that unequal batches average right.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepReport {
    /// The step of the epoch, counted from 1.
    pub step: usize,
    /// The batch's score before the step.
    pub score: Score,
    /// The penalty before the step, without λ; 0 for a model that shares nothing.
    pub penalty: f64,
    /// The learning rate.
    pub lr: f64,
}

impl Trainer {
    /// A new model on the device's autodiff side, with the initial weights of the seed.
    pub fn new(config: &Config, model: &ModelConfig, device: &Device) -> Self {
        let device = device.clone().autodiff();
        let model = model.clone().with_seed(config.seed).init(&device);
        Self::with_model(config, model, device)
    }

    /// Goes on from a given model, which must be on the autodiff device.
    pub fn with_model(config: &Config, model: Model, device: Device) -> Self {
        let objective = Objective::new(&config.train, &model, &device);
        Self { model, optimizer: optimizer(&config.optimizer), objective, device }
    }

    /// The model as it is now.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// One step of stochastic gradient descent on a batch.
    pub fn step(&mut self, batch: &Batch, step: usize, lr: f64) -> StepReport {
        let logits = self.model.forward(images(batch, &self.device));
        let labels_here = labels(&batch.labels, &self.device);
        let losses = self.objective.losses(&self.model, logits.clone(), labels_here);
        let gradients = GradientsParams::from_grads(losses.total.backward(), &self.model);
        self.model = self.optimizer.step(lr, self.model.clone(), gradients);
        let mut score = Score::default();
        score.add(&host(logits.detach()), &batch.labels);
        let penalty = losses.penalty.map_or(0.0, |penalty| host(penalty.detach())[0].into());
        StepReport { step, score, penalty, lr }
    }

    /// One epoch: all training batches (or the first `max_steps`), then the test set.
    ///
    /// # Errors
    ///
    /// If the loss is no longer a number, or images can't be read.
    pub fn epoch(
        &mut self,
        config: &Config,
        epoch: usize,
        train: &Loader,
        test: &Loader,
        watch: &mut impl Watch,
    ) -> Result<EpochMetrics, Error> {
        let start = Instant::now();
        let lr = config.schedule.rate(config.optimizer.lr, epoch);
        let mut total = Score::default();
        let mut penalties = 0.0;
        let steps = config.train.max_steps.unwrap_or(usize::MAX);
        for (index, batch) in train.epoch(epoch).take(steps).enumerate() {
            let report = self.step(&batch?, index + 1, lr);
            let loss = report.score.mean_cross_entropy() + self.objective.lambda() * report.penalty;
            if !loss.is_finite() {
                return Err(Error::Diverged { epoch, step: report.step, loss });
            }
            total += report.score;
            penalties += report.penalty * report.score.images as f64;
            watch.step(epoch, &report);
        }
        let train_seconds = start.elapsed().as_secs_f64();
        let Evaluation { loss, top1, top5, .. } =
            evaluate(&self.model, test, |images| watch.evaluated(images))?;
        let penalty = penalties / total.images.max(1) as f64;
        let cross_entropy = total.mean_cross_entropy();
        Ok(EpochMetrics {
            epoch,
            lr,
            train_cross_entropy: cross_entropy,
            train_penalty: penalty,
            train_loss: cross_entropy + self.objective.lambda() * penalty,
            train_top1: total.top1_percent(),
            train_top5: total.top5_percent(),
            val_cross_entropy: loss,
            val_top1: top1,
            val_top5: top5,
            seconds: start.elapsed().as_secs_f64(),
            images_per_second: total.images as f64 / train_seconds,
        })
    }
}

/// SGD as PyTorch has it: Burn's momentum dampens by 0.1 unless told otherwise.
fn optimizer(config: &OptimizerConfig) -> ModuleOptimizer {
    let momentum = (config.momentum > 0.0)
        .then(|| MomentumConfig::new().with_momentum(config.momentum).with_dampening(0.0));
    let decay =
        (config.weight_decay > 0.0).then(|| WeightDecayConfig::new(config.weight_decay as f32));
    SgdConfig::new().with_momentum(momentum).with_weight_decay(decay).init()
}
