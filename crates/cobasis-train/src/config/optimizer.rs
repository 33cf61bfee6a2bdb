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

/// How gradients change weights.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct OptimizerConfig {
    /// The rule of a step: sgd (with momentum, no dampening) or adamw.
    pub kind: OptimizerKind,
    /// Learning rate that the schedule starts from, above 0.
    pub lr: f64,
    /// Share of the last step's direction that sgd keeps, at least 0 and below 1.
    pub momentum: f64,
    /// Whether sgd looks ahead along the momentum, as Nesterov has it.
    pub nesterov: bool,
    /// Shares of the past that adamw keeps of the gradient and of its square, each at least 0 and
    /// below 1.
    pub betas: [f64; 2],
    /// What adamw adds to the root of the mean square, above 0.
    pub epsilon: f64,
    /// Weight decay, at least 0: L2 in the gradient for sgd, decoupled for adamw. On all parameters
    /// (norms, biases and bases too), as the authors have it, unless the next two keys say
    /// otherwise.
    pub weight_decay: f64,
    /// Whether weights and biases of norms, and biases of layers, decay too.
    pub decay_norms: bool,
    /// Weight decay of the shared bases, at least 0; absent = as the others.
    pub basis_weight_decay: Option<f64>,
    /// Length that the gradient of all parameters together is cut to, above 0; absent = not cut.
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
        let expected = "false without sgd's momentum";
        expect("optimizer.nesterov", self.nesterov, !without, expected)
    }
}
