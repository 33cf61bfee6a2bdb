//! The first two steps of a run, to see what it would cost.

use std::time::Instant;

use cobasis_zoo::ModelConfig;
use cobasis_zoo::cobasis::ParameterCount;

use burn::tensor::Device;

use crate::config::{Config, Moment};
use crate::data::Batch;
use crate::device::DeviceName;
use crate::error::Error;
use crate::machine::{free_memory, peak_memory};
use crate::train::loaders::Loaders;
use crate::train::run::{model, taught, teacher};
use crate::train::{StepAt, StepReport, Trainer};

/// Steps of a dry run: the first one also warms up, the second one is timed.
const STEPS: usize = 2;

/// Images of the two small batches that tell how much memory one more takes.
const PROBES: [usize; 2] = [2, 8];

/// Of the memory that is free, what a dry run takes at most.
const SHARE: f64 = 0.75;

/// What a dry run found out.
#[derive(Clone, Debug)]
pub struct DryRun {
    /// Trainable parameters, each shared tensor once.
    pub params: u64,
    /// Training images.
    pub train_images: usize,
    /// The shape of the batches that were tried.
    pub batch: [usize; 4],
    /// Images of a batch, as configured or as there are; more than were tried where the memory that
    /// is free would not do.
    pub batch_size: usize,
    /// Classes, the other dimension of the logits.
    pub classes: usize,
    /// The most memory that this process has had, where the system tells it; a graphics processor
    /// has more of its own.
    pub peak_bytes: Option<u64>,
    /// Steps of an epoch.
    pub steps: usize,
    /// The steps that were run, of one batch each.
    pub reports: Vec<StepReport>,
    /// Memory that a whole batch would take, in bytes, where smaller ones were tried.
    pub expected_bytes: Option<u64>,
    /// Wall time of a step, by that of the last batch, seconds.
    pub step_seconds: f64,
}

/// Runs the first two training steps and writes nothing. Where whole batches would not fit into the
/// memory that is free, smaller ones are tried.
///
/// # Errors
///
/// If the configuration, the data or the device can't be used.
pub fn dry_run(config: &Config, device: DeviceName) -> Result<DryRun, Error> {
    config.check()?;
    let loaders = Loaders::new(config)?;
    let (model, device) = (model(config, &loaders)?, device.open()?);
    let teacher = teacher(config, &model, &device)?;
    let mut batches = Vec::new();
    for batch in loaders.train.epoch(1).take(STEPS) {
        batches.push(batch?);
    }
    let batch_size = batches.first().map_or(0, |batch| batch.labels.len());
    let at = |steps| {
        let (steps_per_epoch, epochs) = (loaders.steps(config), config.train.epochs);
        let moment = Moment { epoch: 1, steps, steps_per_epoch, epochs };
        let lr = config.schedule.rate(config.optimizer.lr, moment);
        StepAt { epoch: 1, step: steps + 1, lr, lambda: config.train.lambda_at(moment) }
    };
    let mut expected_bytes = None;
    if let (Some(first), Some(free)) = (batches.first(), free_memory()) {
        let need = needed(config, &model, &device, first, at(0));
        if need.of(batch_size) > free as f64 * SHARE {
            expected_bytes = Some(need.of(batch_size) as u64);
            let fits = need.images(free as f64 * SHARE);
            batches.iter_mut().for_each(|batch| *batch = batch.first(fits));
        }
    }
    let mut trainer = taught(Trainer::new(config, &model, &device), teacher);
    let mut reports = Vec::new();
    let (mut batch, mut step_seconds) = ([0; 4], 0.0);
    for (steps, images) in batches.into_iter().enumerate() {
        batch = images.shape;
        let start = Instant::now();
        reports.push(trainer.step(&[images], at(steps)));
        let parts = batch_size as f64 / batch[0] as f64 * config.train.accumulate as f64;
        step_seconds = start.elapsed().as_secs_f64() * parts;
    }
    Ok(DryRun {
        classes: trainer.model().config.num_classes,
        peak_bytes: peak_memory(),
        params: ParameterCount::of(&trainer.model().network).trainable,
        train_images: loaders.train.num_images(),
        batch,
        batch_size,
        expected_bytes,
        steps: loaders.steps(config),
        reports,
        step_seconds,
    })
}

/// Memory of a step as a line through two measurements, in bytes.
struct Need {
    fixed: f64,
    per_image: f64,
}

impl Need {
    fn of(&self, images: usize) -> f64 {
        self.fixed + self.per_image * images as f64
    }

    /// The images that fit into so many bytes: one at least.
    fn images(&self, bytes: f64) -> usize {
        (((bytes - self.fixed) / self.per_image) as usize).max(1)
    }
}

/// What steps of two small batches tell.
fn needed(
    config: &Config,
    model: &ModelConfig,
    device: &Device,
    batch: &Batch,
    at: StepAt,
) -> Need {
    let mut trainer = Trainer::new(config, model, device);
    let [few, more] = PROBES.map(|images| {
        trainer.step(&[batch.first(images)], at);
        peak_memory().unwrap_or(0) as f64
    });
    let per_image = (more - few) / (PROBES[1] - PROBES[0]) as f64;
    Need { fixed: few - per_image * PROBES[0] as f64, per_image }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_is_what_was_needed_for_it() {
        let need = Need { fixed: 1e9, per_image: 5e7 };
        assert_eq!(need.of(256), 13.8e9);
        assert_eq!(need.images(need.of(64)), 64);
        assert_eq!(need.images(5e8), 1);
    }
}
