//! What training minimises: the loss of the task + λ × orthonormality penalty.

use burn::nn::loss::{CrossEntropyLoss, CrossEntropyLossConfig};
use burn::tensor::{Device, Tensor};
use cobasis_zoo::Model;
use cobasis_zoo::cobasis::ortho::Counted;

use crate::config::PenaltyScope;
use crate::train::targets::{Targets, cross_entropy};

/// The loss of a classifier's training step, as it is compared with other programs and devices.
#[derive(Clone, Debug)]
pub struct Objective {
    counted: Counted,
    cross_entropy: CrossEntropyLoss,
}

/// The parts of a loss, each of shape `[1]` and part of the graph.
#[derive(Clone, Debug)]
pub struct Losses {
    /// The loss of the task: mean cross entropy of the batch.
    pub cross_entropy: Tensor<1>,
    /// The penalty before λ; `None` for a model that shares nothing.
    pub penalty: Option<Tensor<1>>,
}

impl Objective {
    /// The objective with the given scope of the penalty.
    pub fn with(counted: Counted, device: &Device) -> Self {
        Self { counted, cross_entropy: CrossEntropyLossConfig::new().init(device) }
    }

    /// The losses of a batch with logits of shape `[batch, classes]`.
    pub fn losses(&self, model: &Model, logits: Tensor<2>, targets: Targets) -> Losses {
        let cross_entropy = cross_entropy(&self.cross_entropy, logits, targets);
        Losses { cross_entropy, penalty: model.penalty(self.counted) }
    }
}

/// The filters that the penalty of a model counts, by the scope that a configuration names.
pub(crate) fn counted(scope: PenaltyScope, model: &Model) -> Counted {
    match scope {
        PenaltyScope::Auto => model.config.name.entry().penalty.into(),
        PenaltyScope::Shared => Counted::Shared,
        PenaltyScope::SharedUnique => Counted::SharedAndUnique,
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
