//! Watching a run from outside, and stopping it.

use std::ops::ControlFlow;
use std::path::Path;

use crate::data::ClassCount;
use crate::error::Error;
use crate::evaluate::Score;
use crate::run_dir::{EpochMetrics, TaskEpoch};
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
    /// Images that every epoch is judged by.
    pub val_images: usize,
    /// All epochs of the run.
    pub epochs: usize,
    /// Steps of an epoch.
    pub steps: usize,
    /// Epochs that are done, and steps of the next: above 0 where a run is resumed.
    pub done: (usize, usize),
    /// Where the run is written.
    pub directory: &'a Path,
    /// The classes and their training images, where they are folders; else none.
    pub classes: &'a [ClassCount],
}

/// Told what a run does, as it does it. Nothing needs to be done with it.
pub trait Watch<S = Score> {
    /// Before a run of several: its number, counted from 1, how many there are, and its name.
    fn next_run(&mut self, _number: usize, _of: usize, _name: &str) {}

    /// A run of several diverged; the others go on.
    fn run_failed(&mut self, _name: &str, _error: &Error) {}

    /// Before the first step.
    fn started(&mut self, _run: Started<'_>) {}

    /// A checkpoint can't be read; the one before it is tried.
    fn checkpoint_lost(&mut self, _error: &Error) {}

    /// A model of the run was lost or changed, and was made again from a checkpoint.
    fn made_again(&mut self, _file: &Path) {}

    /// After a training step. To break off saves a checkpoint and ends the run.
    fn step(&mut self, _epoch: usize, _step: &StepReport<S>) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    /// After a batch of an epoch's evaluation, with the images done. To break off is as for
    /// [`step`](Self::step).
    fn evaluated(&mut self, _images: usize) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    /// After an epoch, what it came to for a further task.
    fn task_epoch(&mut self, _row: &TaskEpoch) {}

    /// After an epoch, with the best result so far reached in it or not.
    fn epoch(&mut self, _metrics: &EpochMetrics, _is_best: bool) {}
}

/// Watches nothing.
impl<S> Watch<S> for () {}
