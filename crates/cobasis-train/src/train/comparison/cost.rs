//! What there is to compute, counted and not measured.

use std::path::Path;

use super::check;
use super::plan::{Plan, PlannedRow};
use super::results::{ComparisonResults, RunState};
use crate::config::{Config, DataConfig};
use crate::error::Error;
use crate::train::loaders::Loaders;
use crate::train::{Classification, Task};

/// Passes as large as the forward pass that a training step has: forward, and backward to inputs and to
/// weights.
const PASSES: u64 = 3;

/// What training a run takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunCost {
    /// Images of the training set.
    pub train_images: u64,
    /// Images that the steps of all epochs see, some of them many times.
    pub images: u64,
    /// Steps of all epochs.
    pub steps: u64,
    /// Multiply-adds of all steps: three forward passes for every image, and for every batch three times
    /// the computation of kernels from parameters.
    pub macs: u64,
}

/// What a comparison takes.
#[derive(Clone, Debug, PartialEq)]
pub struct ComparisonCost {
    /// That of each run of the plan, in its order.
    pub runs: Vec<RunCost>,
    /// Multiply-adds of all runs.
    pub macs: u64,
    /// Multiply-adds of the runs that are not done yet.
    pub left: u64,
    /// Multiply-adds a second of the runs that are finished, if there are any.
    pub rate: Option<f64>,
}

impl Plan {
    /// What the runs take, and the rate of those that are done in a directory.
    ///
    /// # Errors
    /// When a data set can't be read, a finished run is damaged, or a run of the plan is there with another
    /// configuration.
    pub fn cost(&self, out: Option<&Path>) -> Result<ComparisonCost, Error> {
        if let Some(out) = out {
            check(self, out)?;
        }
        let mut runs: Vec<Option<RunCost>> = vec![None; self.runs.len()];
        let mut known: Vec<(DataConfig, [usize; 3], Sizes)> = Vec::new();
        for row in &self.rows {
            let config = &row.config;
            let key =
                [config.train.batch, config.train.accumulate, config.train.max_steps.unwrap_or(0)];
            let same = known.iter().find(|(data, own, _)| *data == config.data && *own == key);
            let sizes = match same {
                Some((.., sizes)) => *sizes,
                None => {
                    let sizes = Sizes::of(config)?;
                    known.push((config.data.clone(), key, sizes));
                    sizes
                }
            };
            let cost = sizes.cost(row);
            row.runs.iter().for_each(|&run| runs[run] = Some(cost));
        }
        // Every run is that of a row.
        let runs: Vec<RunCost> = runs.into_iter().flatten().collect();
        let macs = runs.iter().map(|cost| cost.macs).sum();
        let (mut left, mut done, mut seconds) = (macs, 0u64, 0.0);
        if let Some(out) = out {
            let results = ComparisonResults::read(self, out)?;
            for ((_, state), cost) in results.runs.iter().zip(&runs) {
                match state {
                    RunState::Missing => {}
                    RunState::Diverged => left -= cost.macs,
                    RunState::Finished(summary) => {
                        left -= cost.macs;
                        done += cost.macs;
                        seconds += summary.seconds;
                    }
                }
            }
        }
        let rate = (done > 0 && seconds > 0.0).then(|| done as f64 / seconds);
        Ok(ComparisonCost { runs, macs, left, rate })
    }
}

/// How many images there are to train on, and how they are divided.
#[derive(Clone, Copy)]
struct Sizes {
    train_images: u64,
    /// Of an epoch.
    images: u64,
    steps: u64,
}

impl Sizes {
    fn of(config: &Config) -> Result<Self, Error> {
        let loaders = Loaders::new::<Classification>(config, Classification::load(config)?)?;
        let train_images = loaders.train.num_images() as u64;
        let steps = loaders.steps(config) as u64;
        let most = steps * (config.train.batch * config.train.accumulate) as u64;
        Ok(Self { train_images, images: train_images.min(most), steps })
    }

    fn cost(self, row: &PlannedRow) -> RunCost {
        let (epochs, counts) = (row.config.train.epochs as u64, row.training);
        let (images, steps) = (epochs * self.images, epochs * self.steps);
        let batches = steps * row.config.train.accumulate as u64;
        let macs = PASSES * (images * counts.macs + batches * counts.composition);
        RunCost { train_images: self.train_images, images, steps, macs }
    }
}

impl PlannedRow {
    /// Multiply-adds of a training step with full batches: three forward passes of each image, and three
    /// times the computation of kernels from parameters.
    pub fn train_macs_per_step(&self) -> u64 {
        let (train, counts) = (&self.config.train, self.training);
        let batches = train.accumulate as u64;
        PASSES * batches * (train.batch as u64 * counts.macs + counts.composition)
    }
}
