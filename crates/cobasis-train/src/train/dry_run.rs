//! The first two steps of a run, to see what it would cost.

use std::time::Instant;

use crate::config::Config;
use crate::data::Batch;
use crate::device::DeviceName;
use crate::error::Error;
use crate::evaluate::Score;
use crate::machine::{Free, free_memory, peak_during, peak_memory};
use crate::train::joint::{Joint, TaskLoaders};
use crate::train::loaders::Loaders;
use crate::train::run::{maps, model_of};
use crate::train::start::{resolved, start};
use crate::train::teacher::{taught, teacher};
use crate::train::{StepAt, StepReport, TargetOf, Task, Trainer};

/// Steps of a dry run: the first one also warms up, the second one is timed.
const STEPS: usize = 2;

/// Images of the two small batches that tell how much memory one more takes.
const PROBES: [usize; 2] = [2, 8];

/// Of the memory that is free, what a dry run takes at most.
const SHARE: f64 = 0.75;

/// What a dry run found out.
#[derive(Clone, Debug)]
pub struct DryRun<S = Score> {
    /// The model's name.
    pub model: String,
    /// Trainable parameters, each shared tensor once.
    pub params: u64,
    /// Training images.
    pub train_images: usize,
    /// The shape of the batches that were tried.
    pub batch: [usize; 4],
    /// Images of a batch, as configured or as there are; more than were tried where the memory that
    /// is free would not do.
    pub batch_size: usize,
    /// Classes.
    pub classes: usize,
    /// Numbers that the model says of an image: a logit for each class, or boxes with theirs.
    pub outputs: usize,
    /// The most memory that this process has had, where the system tells it; a graphics processor
    /// has more of its own.
    pub peak_bytes: Option<u64>,
    /// Steps of an epoch.
    pub steps: usize,
    /// The steps that were run, of one batch each.
    pub reports: Vec<StepReport<S>>,
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
pub fn dry_run<T: Task>(config: &Config, device: DeviceName) -> Result<DryRun<T::Score>, Error> {
    config.check()?;
    let (name, device) = (device, device.open()?);
    let (config, file) = resolved(config, None, &device)?;
    let config = &config;
    let loaders = Loaders::new::<T>(config, T::load(config)?)?;
    let set = loaders.train.set();
    let model = match &file {
        Some(file) => file.config_for(config, set)?,
        None => model_of(config, set)?,
    };
    if name.is_processor() {
        // Batches that do not fit are for this to tell of; a single image has to.
        maps(&model, &loaders).check_run(config, [1, 1])?;
    }
    let tasks = TaskLoaders::load(config)?;
    // As above, memory is told of.
    tasks.check(config, &model, false)?;
    let teacher = teacher(config, &model, &device)?;
    let (model, _) = start(config, file, set, &device)?;
    let mut batches = Vec::new();
    for batch in loaders.train.epoch(1).take(STEPS) {
        batches.push(batch?);
    }
    let mut further = tasks.batches_from(0);
    let mut further = (0..batches.len()).map(|_| further.next()).collect::<Result<Vec<_>, _>>()?;
    let outputs = match &model.config.detector {
        Some(_) => model.points(model.config.image()).len() * (5 + model.config.num_classes),
        None => model.config.num_classes,
    };
    let batch_size = batches.first().map_or(0, |batch| batch.labels.len());
    let at = |steps| StepAt::scheduled(config, 1, steps, loaders.steps(config));
    let trainer = || -> Result<Trainer<T>, Error> {
        let trainer = Trainer::with_model(config, model.clone(), device.clone().autodiff());
        let trainer = taught(trainer, teacher.clone());
        Ok(match config.tasks.is_empty() {
            true => trainer,
            false => trainer.with_joint(Joint::new(config, &tasks, &model)?),
        })
    };
    let need = match (batches.first(), further.first()) {
        (Some(first), Some(further)) => needed(trainer()?, (first, further), at(0))?,
        _ => None,
    };
    let mut expected_bytes = None;
    if let (Some(need), Some(Free { bytes: free, .. })) = (need, free_memory())
        && need.of(batch_size) > free as f64 * SHARE
    {
        expected_bytes = Some(need.of(batch_size) as u64);
        let fits = need.images(free as f64 * SHARE);
        batches.iter_mut().for_each(|batch| *batch = batch.first(fits));
        further.iter_mut().flatten().for_each(|batch| *batch = batch.first(fits));
    }
    let mut trainer = trainer()?;
    let mut reports = Vec::new();
    let (mut batch, mut step_seconds) = ([0; 4], 0.0);
    for (steps, (images, further)) in batches.into_iter().zip(&further).enumerate() {
        batch = images.shape;
        let start = Instant::now();
        reports.push(trainer.step_with(&[images], further, at(steps))?);
        let parts = batch_size as f64 / batch[0] as f64 * config.train.accumulate as f64;
        step_seconds = start.elapsed().as_secs_f64() * parts;
    }
    Ok(DryRun {
        model: config.model.clone(),
        classes: trainer.model().config.num_classes,
        outputs,
        peak_bytes: peak_memory(),
        params: trainer.model().parameters().trainable,
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
#[derive(Debug, PartialEq)]
struct Need {
    fixed: f64,
    per_image: f64,
}

impl Need {
    /// The line through two numbers of images with their bytes; `None` where more images took no
    /// more memory, which says nothing about still more.
    fn through(few: (usize, u64), more: (usize, u64)) -> Option<Self> {
        let per_image = (more.1 as f64 - few.1 as f64) / (more.0 as f64 - few.0 as f64);
        let fixed = few.1 as f64 - per_image * few.0 as f64;
        (per_image.is_finite() && per_image > 0.0).then_some(Self { fixed, per_image })
    }

    fn of(&self, images: usize) -> f64 {
        self.fixed + self.per_image * images as f64
    }

    /// The images that fit into so many bytes: one at least.
    fn images(&self, bytes: f64) -> usize {
        (((bytes - self.fixed) / self.per_image) as usize).max(1)
    }
}

/// What steps of two small batches tell; `None` where they or the system do not.
fn needed<T: Task>(
    mut trainer: Trainer<T>,
    (batch, further): (&Batch<TargetOf<T>>, &[Batch]),
    at: StepAt,
) -> Result<Option<Need>, Error> {
    let mut probe = |images| -> Result<_, Error> {
        let batch = batch.first(images);
        let further: Vec<Batch> = further.iter().map(|batch| batch.first(images)).collect();
        let one = std::slice::from_ref(&batch);
        let (step, bytes) = peak_during(|| trainer.step_with(one, &further, at));
        step?;
        Ok(bytes.map(|bytes| (batch.labels.len(), bytes)))
    };
    let (few, more) = (probe(PROBES[0])?, probe(PROBES[1])?);
    Ok(few.zip(more).and_then(|(few, more)| Need::through(few, more)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_through_two_batches_tells_of_others() {
        let need = Need::through((2, 700), (8, 1300)).expect("a line");
        assert_eq!(need, Need { fixed: 500.0, per_image: 100.0 });
        assert_eq!((need.of(64), need.images(2000.0), need.images(0.0)), (6900.0, 15, 1));
    }

    #[test]
    fn no_line_is_no_promise_that_everything_fits() {
        assert_eq!(Need::through((2, 700), (8, 700)), None);
        assert_eq!(Need::through((2, 700), (8, 600)), None);
        assert_eq!(Need::through((2, 700), (2, 900)), None);
    }
}
