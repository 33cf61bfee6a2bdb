//! What training minimises: cross entropy + λ × orthonormality penalty.

use burn::nn::loss::{CrossEntropyLoss, CrossEntropyLossConfig};
use burn::tensor::{Device, Int, Tensor};
use cobasis_zoo::Model;
use cobasis_zoo::cobasis::ortho::Counted;

use crate::config::{PenaltyScope, TrainConfig};

/// The loss of a training step.
#[derive(Clone, Debug)]
pub struct Objective {
    lambda: f64,
    counted: Counted,
    cross_entropy: CrossEntropyLoss,
}

/// The parts of a loss, each of shape `[1]` and part of the graph.
#[derive(Clone, Debug)]
pub struct Losses {
    /// Mean cross entropy of the batch.
    pub cross_entropy: Tensor<1>,
    /// The penalty before λ; `None` for a model that shares nothing.
    pub penalty: Option<Tensor<1>>,
    /// Cross entropy + λ × penalty.
    pub total: Tensor<1>,
}

impl Objective {
    /// The objective that a configuration asks for a model.
    pub fn new(config: &TrainConfig, model: &Model, device: &Device) -> Self {
        let counted = match config.penalty {
            PenaltyScope::Auto => model.config.name.entry().penalty.into(),
            PenaltyScope::Shared => Counted::Shared,
            PenaltyScope::SharedUnique => Counted::SharedAndUnique,
        };
        Self::with(config.lambda, counted, device)
    }

    /// The objective with the given weight and scope of the penalty.
    pub fn with(lambda: f64, counted: Counted, device: &Device) -> Self {
        Self { lambda, counted, cross_entropy: CrossEntropyLossConfig::new().init(device) }
    }

    /// The weight of the penalty.
    pub fn lambda(&self) -> f64 {
        self.lambda
    }

    /// The losses of a batch.
    ///
    /// # Shapes
    ///
    /// - `logits`: `[batch, classes]`
    /// - `labels`: `[batch]`
    pub fn losses(&self, model: &Model, logits: Tensor<2>, labels: Tensor<1, Int>) -> Losses {
        let cross_entropy = self.cross_entropy.forward(logits, labels);
        let penalty = model.penalty(self.counted);
        let total = match &penalty {
            Some(penalty) if self.lambda != 0.0 => {
                cross_entropy.clone() + penalty.clone().mul_scalar(self.lambda)
            }
            _ => cross_entropy.clone(),
        };
        Losses { cross_entropy, penalty, total }
    }
}
