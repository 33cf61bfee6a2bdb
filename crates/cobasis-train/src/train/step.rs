//! Where a training step stands, and what it came to.

use crate::config::{Config, Moment};
use crate::evaluate::Score;

/// Where a step stands in a run, and what the schedules say there.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepAt {
    /// The epoch, counted from 1.
    pub epoch: usize,
    /// The step of the epoch, counted from 1.
    pub step: usize,
    /// The learning rate.
    pub lr: f64,
    /// The weight of the penalty.
    pub lambda: f64,
}

impl StepAt {
    /// The step that follows `steps` steps of an epoch with so many, as the configuration's
    /// schedules have it.
    pub fn scheduled(config: &Config, epoch: usize, steps: usize, steps_per_epoch: usize) -> Self {
        let Config { train, ortho, optimizer, schedule, .. } = config;
        let moment = Moment { epoch, steps, steps_per_epoch, epochs: train.epochs };
        let (lr, lambda) = (schedule.rate(optimizer.lr, moment), ortho.lambda_at(moment));
        Self { epoch, step: steps + 1, lr, lambda }
    }
}

/// What a training step came to. Sums, so that unequal batches average right.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepReport<S = Score> {
    /// The step of the epoch, counted from 1.
    pub step: usize,
    /// The score before the step against the images' own targets.
    pub score: S,
    /// The penalty before the step, without λ; 0 for a model that shares nothing.
    pub penalty: f64,
    /// The loss that the step made smaller: a mean over the images.
    pub loss: f64,
    /// The learning rate.
    pub lr: f64,
}
