//! `[ranks]`: how training finds ranks.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::error::{ConfigError, above_0, at_least_0, count, share_below_1};

/// How training finds the ranks of factorised layers, in models whose names say how many weights may
/// be left in all of them together (`-hinge<WEIGHTS>`, `-alf<WEIGHTS>`); other models do not use these
/// keys.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RanksConfig {
    /// Hinge: weight of the group sparsity before the cut, at least 0: a step makes the norm of each column
    /// of a layer's coefficients smaller by this times the learning rate (soft threshold).
    pub lambda: f64,
    /// Hinge: number of steps from one soft threshold to the next, counted within an epoch, at least 1.
    pub every: usize,
    /// Fraction of the epochs after which the weakest filters are cut, at least 0 and below 1; the
    /// epochs after it train what is left. Only those can be the best epoch.
    pub cut: f64,
    /// ALF: learning rate of the autoencoders, above 0, throughout the run: plain SGD, without
    /// momentum and weight decay.
    pub autoencoder_lr: f64,
}

impl Default for RanksConfig {
    fn default() -> Self {
        Self { lambda: 2e-4, every: 1, cut: 0.6, autoencoder_lr: 1e-3 }
    }
}

impl RanksConfig {
    /// The epochs of so many that come before the cut; at least one comes after it.
    pub fn epochs_before_cut(&self, epochs: usize) -> usize {
        ((self.cut * epochs as f64) as usize).min(epochs.saturating_sub(1))
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        at_least_0("ranks.lambda", self.lambda)?;
        count("ranks.every", self.every, "at least 1 step")?;
        share_below_1("ranks.cut", self.cut)?;
        above_0("ranks.autoencoder_lr", self.autoencoder_lr)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_is_left_after_the_cut() {
        let cut =
            |cut, epochs| RanksConfig { cut, ..RanksConfig::default() }.epochs_before_cut(epochs);
        assert_eq!([cut(0.6, 300), cut(0.6, 2), cut(0.6, 1), cut(0.0, 9)], [180, 1, 0, 0]);
        assert_eq!([cut(0.999_999, 2_000_000), cut(0.99, 3)], [1_999_998, 2]);
    }
}
