//! `[optimizer]`: stochastic gradient descent.

use serde::{Deserialize, Serialize};

use super::error::{ConfigError, expect};

/// Stochastic gradient descent with momentum, no dampening, no Nesterov.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OptimizerConfig {
    /// Learning rate of the first epoch, above 0.
    pub lr: f64,
    /// Share of the last step's direction that is kept, at least 0 and below 1.
    pub momentum: f64,
    /// L2 weight decay, at least 0, on all parameters (norms, biases and bases too) as the
    /// authors do.
    pub weight_decay: f64,
}

impl Default for OptimizerConfig {
    fn default() -> Self {
        Self { lr: 0.1, momentum: 0.9, weight_decay: 5e-4 }
    }
}

impl OptimizerConfig {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let Self { lr, momentum, weight_decay } = *self;
        expect("optimizer.lr", lr, lr.is_finite() && lr > 0.0, "a number above 0")?;
        let momentum_fits = (0.0..1.0).contains(&momentum);
        expect("optimizer.momentum", momentum, momentum_fits, "at least 0 and below 1")?;
        let decay_fits = weight_decay.is_finite() && weight_decay >= 0.0;
        expect("optimizer.weight_decay", weight_decay, decay_fits, "a number of at least 0")
    }
}
