//! `summary.json`: what a run was and what came out.

use serde::{Deserialize, Serialize};

use super::{EpochMetrics, Provenance};
use crate::config::Protocol;
use crate::evaluate::Evaluation;

/// A run in short.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Summary {
    /// The model's name.
    pub model: String,
    /// The data set's name.
    pub dataset: String,
    /// Which images chose the best epoch: `paper` or `train/val`.
    pub split: Protocol,
    /// Images trained on.
    pub train_images: usize,
    /// Training images held out, which chose the best epoch; absent where the test set did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub val_images: Option<usize>,
    /// Images of the test set.
    pub test_images: usize,
    /// Trainable parameters, each shared tensor once.
    pub params: u64,
    /// The run's seed.
    pub seed: u64,
    /// The device's name.
    pub device: String,
    /// The version of cobasis.
    pub version: String,
    /// The command line.
    pub command: String,
    /// Start of the run (UTC).
    pub started: String,
    /// Start of the run, seconds since 1970 (UTC).
    pub started_unix: u64,
    /// Wall time of the run, seconds.
    pub seconds: f64,
    /// What it was made with.
    #[serde(flatten)]
    pub provenance: Provenance,
    /// The last epoch: chosen before anything was measured.
    pub last: EpochSummary,
    /// The epoch with the highest top-1 accuracy on the test set, as papers of the field report
    /// it. It is chosen on the images that it is measured on, so it is optimistic.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub best_on_test: Option<EpochSummary>,
    /// The epoch with the highest top-1 accuracy on the validation images; its test numbers were
    /// chosen by nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub best_on_val: Option<EpochSummary>,
}

/// One epoch of a [`Summary`], accuracies in percent.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct EpochSummary {
    /// The epoch, counted from 1.
    pub epoch: usize,
    /// Mean cross entropy on the training images.
    pub train_cross_entropy: f64,
    /// Mean cross entropy on the validation images, where there are any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub val_cross_entropy: Option<f64>,
    /// Top-1 accuracy on the validation images, where there are any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub val_top1: Option<f64>,
    /// Mean cross entropy on the test images.
    pub test_cross_entropy: f64,
    /// Top-1 accuracy on the test images.
    pub test_top1: f64,
    /// Top-5 accuracy on the test images.
    pub test_top5: f64,
}

impl EpochSummary {
    /// An epoch that was judged by the test set itself.
    pub(crate) fn on_test(metrics: &EpochMetrics) -> Self {
        Self {
            epoch: metrics.epoch,
            train_cross_entropy: metrics.train_cross_entropy,
            val_cross_entropy: None,
            val_top1: None,
            test_cross_entropy: metrics.val_cross_entropy,
            test_top1: metrics.val_top1,
            test_top5: metrics.val_top5,
        }
    }

    /// An epoch that was judged by validation images, and its model on the test set.
    pub(crate) fn on_both(metrics: &EpochMetrics, test: &Evaluation) -> Self {
        Self {
            val_cross_entropy: Some(metrics.val_cross_entropy),
            val_top1: Some(metrics.val_top1),
            test_cross_entropy: test.loss,
            test_top1: test.top1,
            test_top5: test.top5,
            ..Self::on_test(metrics)
        }
    }
}

impl Summary {
    /// The best epoch, by whatever chose it.
    pub fn best(&self) -> &EpochSummary {
        self.best_on_val.as_ref().or(self.best_on_test.as_ref()).unwrap_or(&self.last)
    }
}
