//! What training minimises: the loss of the task + λ × orthonormality penalty.

use burn::nn::loss::{CrossEntropyLoss, CrossEntropyLossConfig};
use burn::tensor::{Device, Tensor};
use cobasis_zoo::Model;
use cobasis_zoo::cobasis::ortho::{Counted, Penalty};

use crate::config::{OrthoConfig, PenaltyScope};
use crate::train::targets::{Targets, cross_entropy};

/// The loss of a classifier's training step, as it is compared with other programs and devices.
#[derive(Clone, Debug)]
pub struct Objective {
    penalty: PenaltyTerm,
    cross_entropy: CrossEntropyLoss,
}

/// The penalty on a model's bases: its formula, if any, and the filters that it counts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PenaltyTerm {
    formula: Option<Penalty>,
    counted: Counted,
}

/// The parts of a loss, each of shape `[1]` and part of the graph.
#[derive(Clone, Debug)]
pub struct Losses {
    /// The loss of the task: mean cross entropy of the batch.
    pub cross_entropy: Tensor<1>,
    /// The penalty before λ; `None` for a model that shares nothing, and where none is asked for.
    pub penalty: Option<Tensor<1>>,
}

impl Objective {
    /// The objective of the paper, with the given scope of its penalty.
    pub fn with(counted: Counted, device: &Device) -> Self {
        let penalty = PenaltyTerm { formula: Some(Penalty::Mean), counted };
        Self { penalty, cross_entropy: CrossEntropyLossConfig::new().init(device) }
    }

    /// The losses of a batch with logits of shape `[batch, classes]`. What a penalty draws, it
    /// draws from `key`.
    pub fn losses(&self, model: &Model, logits: Tensor<2>, targets: Targets, key: u64) -> Losses {
        let cross_entropy = cross_entropy(&self.cross_entropy, logits, targets);
        Losses { cross_entropy, penalty: self.penalty.of(model, key) }
    }
}

impl PenaltyTerm {
    /// The penalty that a configuration asks for a model.
    pub(crate) fn new(config: &OrthoConfig, model: &Model) -> Self {
        let counted = match config.scope {
            PenaltyScope::Auto => model.config.name.entry().penalty,
            PenaltyScope::Shared => Counted::Shared,
            PenaltyScope::SharedUnique => Counted::SharedAndUnique,
        };
        Self { formula: config.penalty.0, counted }
    }

    /// Whether it counts unique filters beside shared ones.
    pub(crate) fn counts_unique(&self) -> bool {
        self.formula.is_some() && self.counted == Counted::SharedAndUnique
    }

    /// Its value, of shape `[1]`; `None` for a model that shares nothing, and where none is asked
    /// for. What it draws, it draws from `key`.
    pub(crate) fn of(&self, model: &Model, key: u64) -> Option<Tensor<1>> {
        self.formula?.of(&model.families(), self.counted, key)
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
