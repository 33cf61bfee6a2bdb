//! `[train]`: how long, how many images at a time, and the loss.

use serde::{Deserialize, Serialize};

use super::error::{ConfigError, expect};
use crate::choice::choices;

choices! {
    /// Which filters the orthonormality penalty counts.
    PenaltyScope {
        /// As the authors' objective for the model: CIFAR-10 counts the unique filters too.
        Auto = "auto",
        /// The shared filters of each stage only.
        Shared = "shared",
        /// The shared filters and, against them and among themselves, the unique ones.
        SharedUnique = "shared+unique",
    }
}

/// How long to train, how many images at a time, and the loss.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrainConfig {
    /// Passes over the training images, at least 1.
    pub epochs: usize,
    /// Images of a training step, at least 1.
    pub batch: usize,
    /// Images of a validation step, at least 1; changes speed and memory, not the result.
    pub eval_batch: usize,
    /// Weight of the orthonormality penalty in the loss, at least 0.
    pub lambda: f64,
    /// Which filters the penalty counts.
    pub penalty: PenaltyScope,
    /// Steps after which every epoch is cut short (smoke tests), at least 1; absent = never.
    pub max_steps: Option<usize>,
    /// Steps after which a checkpoint is written within an epoch too, at least 1; absent = only
    /// after every epoch.
    pub checkpoint_steps: Option<usize>,
}

impl Default for TrainConfig {
    fn default() -> Self {
        Self {
            epochs: 300,
            batch: 256,
            eval_batch: 256,
            lambda: 10.0,
            penalty: PenaltyScope::Auto,
            max_steps: None,
            checkpoint_steps: None,
        }
    }
}

impl TrainConfig {
    pub(super) fn full() -> Self {
        Self { max_steps: Some(1), checkpoint_steps: Some(1), ..Self::default() }
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        expect("train.epochs", self.epochs, self.epochs >= 1, "at least 1")?;
        expect("train.batch", self.batch, self.batch >= 1, "at least 1 image")?;
        expect("train.eval_batch", self.eval_batch, self.eval_batch >= 1, "at least 1 image")?;
        let lambda_fits = self.lambda.is_finite() && self.lambda >= 0.0;
        expect("train.lambda", self.lambda, lambda_fits, "a number of at least 0")?;
        if let Some(steps) = self.max_steps {
            expect("train.max_steps", steps, steps >= 1, "at least 1; leave it out for no limit")?;
        }
        if let Some(steps) = self.checkpoint_steps {
            let expected = "at least 1; leave it out for checkpoints after epochs only";
            expect("train.checkpoint_steps", steps, steps >= 1, expected)?;
        }
        Ok(())
    }
}
