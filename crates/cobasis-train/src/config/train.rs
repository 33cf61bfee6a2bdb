//! `[train]`: how long, how many images at a time, and the loss.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::data::Protocol;
use super::error::{ConfigError, count, share_below_1};
use super::freeze::Freeze;
use crate::device::DeviceName;

/// Epochs, batch size, loss and checkpoints.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TrainConfig {
    /// Number of epochs, at least 1.
    pub epochs: usize,
    /// Early stopping: number of epochs without a better result on the validation images (top-1
    /// accuracy; AP with task = "detect") after which training ends, at least 1; needs `data.split = "train/val"`; absent = all epochs.
    pub patience: Option<usize>,
    /// What training leaves as it is: "bases" (the shared filters), "backbone" (all but the
    /// classifier), or paths as in model files, with * for any text, such as ["stem", "stages.0.*"].
    /// Frozen batch norms use and keep their running statistics.
    pub freeze: Freeze,
    /// Batch size, at least 1.
    pub batch: usize,
    /// Gradient accumulation: number of batches whose gradients are averaged for one optimizer
    /// step, at least 1. Batch norms see each batch apart; running statistics are those of the first.
    pub accumulate: usize,
    /// Devices that compute the batches of a step in turn, such as ["wgpu:0", "wgpu:1"], in the place of
    /// `--device`; of one kind, and as many as divide `train.accumulate`. They affect speed, not the result but for
    /// rounding on graphics processors. Under mpirun each process takes one of them, by its place on its machine.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub devices: Vec<DeviceName>,
    /// Batch size of evaluation, at least 1; affects speed and memory, not the result.
    pub eval_batch: usize,
    /// Label smoothing, at least 0 and below 1.
    pub label_smoothing: f64,
    /// Dropout probability before the classifier, at least 0 and below 1; the authors use 0.2 in
    /// MobileNetV2s for ImageNet.
    pub dropout: f64,
    /// EMA: decay of the exponential moving average of the weights, below 1; 0 = off. If set, the
    /// averaged weights are evaluated after every epoch and saved as last and best model.
    pub ema: f64,
    /// Maximum steps per epoch (for smoke tests), at least 1; absent = no limit.
    pub max_steps: Option<usize>,
    /// Number of steps between checkpoints within an epoch, at least 1; absent = only after each
    /// epoch.
    pub checkpoint_steps: Option<usize>,
    /// Whether to record the mean and maximum gradients of the shared filters for every epoch, the
    /// task's and the penalty's apart, and how orthonormal the filters are, in `gradient_flow.csv`.
    pub gradient_flow: bool,
    /// Whether the metrics are written for TensorBoard, too, in
    /// `events.out.tfevents.cobasis`.
    pub tensorboard: bool,
}

impl Default for TrainConfig {
    fn default() -> Self {
        Self {
            epochs: 300,
            patience: None,
            freeze: Freeze::default(),
            batch: 256,
            accumulate: 1,
            devices: Vec::new(),
            eval_batch: 256,
            label_smoothing: 0.0,
            dropout: 0.0,
            ema: 0.0,
            max_steps: None,
            checkpoint_steps: None,
            gradient_flow: false,
            tensorboard: false,
        }
    }
}

impl TrainConfig {
    pub(super) fn full() -> Self {
        let one = Some(1);
        let freeze = Freeze(vec!["bases".to_owned()]);
        let devices = vec![DeviceName::Flex];
        let (max_steps, checkpoint_steps) = (one, one);
        Self { patience: one, freeze, devices, max_steps, checkpoint_steps, ..Self::default() }
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        count("train.epochs", self.epochs, "at least 1")?;
        if let Some(epochs) = self.patience {
            count("train.patience", epochs, "at least 1 epoch; leave it out for all epochs")?;
        }
        self.freeze.check()?;
        count("train.batch", self.batch, "at least 1 image")?;
        count("train.accumulate", self.accumulate, "at least 1 batch")?;
        if let Some(other) = self.devices.iter().find(|one| one.kind() != self.devices[0].kind()) {
            let problem =
                format!("expected devices of one kind, got {} and {other}", self.devices[0]);
            return Err(ConfigError::at("train.devices", problem));
        }
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

    /// Checks how the keys fit to the images that judge epochs.
    pub(super) fn check_together(&self, split: Protocol) -> Result<(), ConfigError> {
        match (self.patience, split) {
            (Some(_), Protocol::Paper) => {
                let problem = "needs validation images: data.split = \"train/val\"; the test images \
                               must not decide when training ends";
                Err(ConfigError::at("train.patience", problem))
            }
            _ => Ok(()),
        }
    }
}
