//! `[train]`: how long, how many images at a time, and the loss.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::error::{ConfigError, count, share_below_1};

/// How long to train, how many images at a time, and the loss.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TrainConfig {
    /// Passes over the training images, at least 1.
    pub epochs: usize,
    /// Images of a batch, at least 1.
    pub batch: usize,
    /// Batches whose mean gradient makes a step, at least 1.
    pub accumulate: usize,
    /// Images of a validation step, at least 1; changes speed and memory, not the result.
    pub eval_batch: usize,
    /// Share of the target that is spread over all classes, at least 0 and below 1.
    pub label_smoothing: f64,
    /// Share of the features before the classifier that is dropped, at least 0 and below 1; the
    /// authors drop 0.2 in MobileNetV2s for ImageNet.
    pub dropout: f64,
    /// Share of the past in the moving average of the weights, below 1; 0 = no average. With one,
    /// it is the average that is judged after every epoch and saved as last and best model.
    pub ema: f64,
    /// Steps after which every epoch is cut short (smoke tests), at least 1; absent = never.
    pub max_steps: Option<usize>,
    /// Steps after which a checkpoint is written within an epoch too, at least 1; absent = only
    /// after every epoch.
    pub checkpoint_steps: Option<usize>,
    /// Whether mean and maximum of the gradients of the shared filters are written down for every
    /// epoch, in `gradient_flow.csv`.
    pub gradient_flow: bool,
}

impl Default for TrainConfig {
    fn default() -> Self {
        Self {
            epochs: 300,
            batch: 256,
            accumulate: 1,
            eval_batch: 256,
            label_smoothing: 0.0,
            dropout: 0.0,
            ema: 0.0,
            max_steps: None,
            checkpoint_steps: None,
            gradient_flow: false,
        }
    }
}

impl TrainConfig {
    pub(super) fn full() -> Self {
        let one = Some(1);
        Self { max_steps: one, checkpoint_steps: one, ..Self::default() }
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        count("train.epochs", self.epochs, "at least 1")?;
        count("train.batch", self.batch, "at least 1 image")?;
        count("train.accumulate", self.accumulate, "at least 1 batch")?;
        count("train.eval_batch", self.eval_batch, "at least 1 image")?;
        share_below_1("train.label_smoothing", self.label_smoothing)?;
        share_below_1("train.dropout", self.dropout)?;
        share_below_1("train.ema", self.ema)?;
        if let Some(steps) = self.max_steps {
            count("train.max_steps", steps, "at least 1; leave it out for no limit")?;
        }
        if let Some(steps) = self.checkpoint_steps {
            let expected = "at least 1; leave it out for checkpoints after epochs only";
            count("train.checkpoint_steps", steps, expected)?;
        }
        Ok(())
    }
}
