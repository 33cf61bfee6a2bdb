//! `[optimizer]`: how gradients change weights.

use cobasis_data::choice::choices;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::error::{ConfigError, above_0, at_least_0, expect, share_below_1};

choices! {
    /// The rule of a step.
    OptimizerKind {
        /// Stochastic gradient descent with momentum, no dampening.
        Sgd = "sgd",
        /// Adam with decoupled weight decay (Loshchilov and Hutter 2019).
        AdamW = "adamw",
    }
}

choices! {
    /// What the weight decay of compressed parameters is multiplied by.
    WeightDecayScale {
        /// Nothing: all parameters decay alike.
        None = "none",
        /// The parameters of the network for each one of its dense parent.
        Ratio = "ratio",
    }
}

/// Optimizer, learning rate, weight decay and gradient clipping.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct OptimizerConfig {
    /// Optimizer: sgd (with momentum, no dampening) or adamw.
    pub kind: OptimizerKind,
    /// Initial learning rate (the schedule starts from it), above 0.
    pub lr: f64,
    /// SGD momentum, at least 0 and below 1.
    pub momentum: f64,
    /// Nesterov momentum for sgd.
    pub nesterov: bool,
    /// AdamW betas: decay rates of the running averages of the gradient and of its square, each at
    /// least 0 and below 1.
    pub betas: [f64; 2],
    /// AdamW epsilon, added to the denominator, above 0.
    pub epsilon: f64,
    /// Weight decay, at least 0: added to the gradient for sgd (L2), decoupled for adamw. Applied
    /// to all parameters, including batch norms, biases and bases, as the authors do, unless
    /// `basis_weight_decay` or `decay_norms` is set.
    pub weight_decay: f64,
    /// Whether weight decay also applies to batch norm parameters and to biases.
    pub decay_norms: bool,
    /// Weight decay of the shared bases, at least 0; absent = `weight_decay`.
    pub basis_weight_decay: Option<f64>,
    /// What the weight decay of compressed parameters (the shared filters, and the layers that a
    /// sharing method has put in the place of dense convolutions) is multiplied by: none = nothing;
    /// ratio = the parameters of the network for each one of its dense parent.
    pub weight_decay_scale: WeightDecayScale,
    /// Gradient clipping: maximum global gradient norm, above 0; absent = no clipping.
    pub clip_norm: Option<f64>,
}

impl Default for OptimizerConfig {
    fn default() -> Self {
        Self {
            kind: OptimizerKind::Sgd,
            lr: 0.1,
            momentum: 0.9,
            nesterov: false,
            betas: [0.9, 0.999],
            epsilon: 1e-8,
            weight_decay: 5e-4,
            decay_norms: true,
            basis_weight_decay: None,
            weight_decay_scale: WeightDecayScale::None,
            clip_norm: None,
        }
    }
}

impl OptimizerConfig {
    pub(super) fn full() -> Self {
        Self { basis_weight_decay: Some(0.0), clip_norm: Some(1.0), ..Self::default() }
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        above_0("optimizer.lr", self.lr)?;
        share_below_1("optimizer.momentum", self.momentum)?;
        share_below_1("optimizer.betas[0]", self.betas[0])?;
        share_below_1("optimizer.betas[1]", self.betas[1])?;
        above_0("optimizer.epsilon", self.epsilon)?;
        at_least_0("optimizer.weight_decay", self.weight_decay)?;
        if let Some(decay) = self.basis_weight_decay {
            at_least_0("optimizer.basis_weight_decay", decay)?;
        }
        if let Some(norm) = self.clip_norm {
            above_0("optimizer.clip_norm", norm)?;
        }
        Ok(())
    }

    /// Checks how the keys fit together.
    pub(super) fn check_together(&self) -> Result<(), ConfigError> {
        let without = self.nesterov && (self.kind != OptimizerKind::Sgd || self.momentum == 0.0);
        let expected = "false unless sgd has momentum";
        expect("optimizer.nesterov", self.nesterov, !without, expected)
    }
}
