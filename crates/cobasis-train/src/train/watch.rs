//! Watching a run from outside.

use std::path::Path;

use crate::run_dir::EpochMetrics;
use crate::train::StepReport;

/// What a run is about to do.
#[derive(Clone, Copy, Debug)]
pub struct Started<'a> {
    /// The model's name.
    pub model: &'a str,
    /// Trainable parameters, each shared tensor once.
    pub params: u64,
    /// Training images.
    pub train_images: usize,
    /// Images of the test set.
    pub test_images: usize,
    /// Epochs to go.
    pub epochs: usize,
    /// Steps of an epoch.
    pub steps: usize,
    /// Where the run is written.
    pub directory: &'a Path,
}

/// Told what a run does, as it does it. Nothing needs to be done with it.
pub trait Watch {
    /// Before the first step.
    fn started(&mut self, _run: Started<'_>) {}

    /// After a training step.
    fn step(&mut self, _epoch: usize, _step: &StepReport) {}

    /// After a batch of an epoch's evaluation, with the images done.
    fn evaluated(&mut self, _images: usize) {}

    /// After an epoch, with the best top-1 accuracy so far reached in it or not.
    fn epoch(&mut self, _metrics: &EpochMetrics, _is_best: bool) {}
}

/// Watches nothing.
impl Watch for () {}
