//! What training minimises: cross entropy + λ × orthonormality penalty.

use burn::nn::loss::{CrossEntropyLoss, CrossEntropyLossConfig};
use burn::tensor::{Device, Tensor};
use cobasis_zoo::Model;
use cobasis_zoo::cobasis::ortho::{Counted, Penalty};

use crate::config::{OrthoConfig, PenaltyScope};
use crate::train::targets::{Targets, soft_cross_entropy};

/// The loss of a training step.
#[derive(Clone, Debug)]
pub struct Objective {
    penalty: Option<Penalty>,
    counted: Counted,
    cross_entropy: CrossEntropyLoss,
}

/// The parts of a loss, each of shape `[1]` and part of the graph.
#[derive(Clone, Debug)]
pub struct Losses {
    /// Mean cross entropy of the batch.
    pub cross_entropy: Tensor<1>,
    /// The penalty before λ; `None` for a model that shares nothing, and where none is asked for.
    pub penalty: Option<Tensor<1>>,
}

impl Objective {
    /// The objective that a configuration asks for a model.
    pub fn new(config: &OrthoConfig, model: &Model, device: &Device) -> Self {
        let counted = match config.scope {
            PenaltyScope::Auto => model.config.name.entry().penalty,
            PenaltyScope::Shared => Counted::Shared,
            PenaltyScope::SharedUnique => Counted::SharedAndUnique,
        };
        Self { penalty: config.penalty.0, ..Self::with(counted, device) }
    }

    /// The objective of the paper, with the given scope of its penalty.
    pub fn with(counted: Counted, device: &Device) -> Self {
        let penalty = Some(Penalty::Mean);
        Self { penalty, counted, cross_entropy: CrossEntropyLossConfig::new().init(device) }
    }

    /// The losses of a batch with logits of shape `[batch, classes]`. What a penalty draws, it
    /// draws from `key`.
    pub fn losses(&self, model: &Model, logits: Tensor<2>, targets: Targets, key: u64) -> Losses {
        let cross_entropy = match targets {
            Targets::Labels(labels) => self.cross_entropy.forward(logits, labels),
            Targets::Shares(shares) => soft_cross_entropy(logits, shares),
        };
        let penalty = self.penalty.and_then(|it| it.of(&model.families(), self.counted, key));
        Losses { cross_entropy, penalty }
    }
}

impl Losses {
    /// Cross entropy + λ × penalty.
    pub fn total(&self, lambda: f64) -> Tensor<1> {
        match &self.penalty {
            Some(penalty) if lambda != 0.0 => {
                self.cross_entropy.clone() + penalty.clone().mul_scalar(lambda)
            }
            _ => self.cross_entropy.clone(),
        }
    }
}
