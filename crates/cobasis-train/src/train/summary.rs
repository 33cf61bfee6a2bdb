//! `summary.json`: what a run was and what came out.

use serde::Serialize;

use crate::run_dir::EpochMetrics;

/// A run in short.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// The model's name.
    pub model: String,
    /// The data set's name.
    pub dataset: String,
    /// Training images.
    pub train_images: usize,
    /// Images of the test set, which also chose the best epoch.
    pub test_images: usize,
    /// Trainable parameters, each shared tensor once.
    pub params: u64,
    /// The run's seed.
    pub seed: u64,
    /// The device's name.
    pub device: String,
    /// The version of cobasis.
    pub version: &'static str,
    /// The command line.
    pub command: String,
    /// Start of the run, seconds since 1970 (UTC).
    pub started_unix: u64,
    /// Wall time of the run, seconds.
    pub seconds: f64,
    /// The last epoch: the honest number.
    pub last: EpochSummary,
    /// The epoch with the highest top-1 accuracy on the test set, as papers of the field report
    /// it. It is chosen on the images that it is measured on, so it is optimistic.
    pub best_on_test: EpochSummary,
}

/// One epoch of a [`Summary`], accuracies in percent.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct EpochSummary {
    /// The epoch, counted from 1.
    pub epoch: usize,
    /// Mean cross entropy on the training images.
    pub train_cross_entropy: f64,
    /// Mean cross entropy on the test images.
    pub test_cross_entropy: f64,
    /// Top-1 accuracy on the test images.
    pub test_top1: f64,
    /// Top-5 accuracy on the test images.
    pub test_top5: f64,
}

impl From<&EpochMetrics> for EpochSummary {
    fn from(metrics: &EpochMetrics) -> Self {
        Self {
            epoch: metrics.epoch,
            train_cross_entropy: metrics.train_cross_entropy,
            test_cross_entropy: metrics.val_cross_entropy,
            test_top1: metrics.val_top1,
            test_top5: metrics.val_top5,
        }
    }
}
