//! A model in training, step by step.

use burn::optim::decay::WeightDecayConfig;
use burn::optim::momentum::MomentumConfig;
use burn::optim::{GradientsParams, ModuleOptimizer, SgdConfig};
use burn::tensor::Device;
use cobasis_zoo::{Model, ModelConfig};

use crate::config::{Config, OptimizerConfig};
use crate::data::Batch;
use crate::evaluate::{Score, host, images, labels};
use crate::train::Objective;

/// A model, its optimizer and its objective.
pub struct Trainer {
    model: Model,
    pub(crate) optimizer: ModuleOptimizer,
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

    /// The weight of the penalty.
    pub fn lambda(&self) -> f64 {
        self.objective.lambda()
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
}

/// SGD as PyTorch has it: Burn's momentum dampens by 0.1 unless told otherwise.
fn optimizer(config: &OptimizerConfig) -> ModuleOptimizer {
    let momentum = (config.momentum > 0.0)
        .then(|| MomentumConfig::new().with_momentum(config.momentum).with_dampening(0.0));
    let decay =
        (config.weight_decay > 0.0).then(|| WeightDecayConfig::new(config.weight_decay as f32));
    SgdConfig::new().with_momentum(momentum).with_weight_decay(decay).init()
}
