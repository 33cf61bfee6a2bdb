//! The epochs of a run, from wherever it stands to its end, with checkpoints on the way.

use std::fs;
use std::ops::ControlFlow;
use std::time::Instant;

use burn::tensor::Device;
use cobasis_zoo::cobasis::Cost;
use cobasis_zoo::files::{FileError, load, to_bytes};

use crate::config::Config;
use crate::data::{Batch, DataError};
use crate::error::Error;
use crate::metrics::Scores;
use crate::run_dir::{
    EpochMetrics, RunDir, RunDirError, gradient_flow_csv, metrics_csv, tasks_csv, write_events,
};
use crate::train::checkpoint::judged_files;
use crate::train::joint::{TaskLoaders, best_name, check_files, judge_tasks, last_name, published};
use crate::train::loaders::Loaders;
use crate::train::progress::Partial;
use crate::train::ranks::{Ranks, check_model, judge_together};
use crate::train::{Progress, StepAt, TargetOf, Task, Trainer, Watch, checkpoint};

/// The model of the best epoch.
const BEST: &str = "best.safetensors";

/// A run on its way.
pub(crate) struct Fit<'a, T: Task> {
    config: &'a Config,
    loaders: &'a Loaders<TargetOf<T>>,
    /// The images of further tasks.
    tasks: &'a TaskLoaders,
    directory: &'a RunDir,
    ranks: &'a Ranks,
    trainer: Trainer<T>,
    pub(crate) progress: Progress<T::Score>,
    /// Since when the progress does not know how long the run has taken.
    since: Instant,
    /// Whether the progress is that of the last checkpoint.
    saved: bool,
    /// Seconds that this process's steps have spent on messages to and from other ranks.
    pub(crate) exchange: f64,
}

impl<'a, T: Task> Fit<'a, T> {
    /// A run that `trainer` and `progress` say how far it has come; time counts from `since`.
    pub(crate) fn new(
        config: &'a Config,
        (loaders, tasks): (&'a Loaders<TargetOf<T>>, &'a TaskLoaders),
        (directory, ranks): (&'a RunDir, &'a Ranks),
        trainer: Trainer<T>,
        progress: Progress<T::Score>,
        since: Instant,
    ) -> Self {
        let (saved, exchange) = (false, 0.0);
        Self { config, loaders, tasks, directory, ranks, trainer, progress, since, saved, exchange }
    }

    /// Trains to the end of the last epoch, or until the watch breaks off; then what was done is
    /// saved.
    pub(crate) fn run(
        &mut self,
        watch: &mut impl Watch<T::Score>,
    ) -> Result<ControlFlow<()>, Error> {
        if let (Some(last), 0) = (self.progress.history.last(), self.progress.steps) {
            // The process may have ended after the checkpoint and before these were written.
            let epoch = last.epoch;
            self.saved = true;
            self.publish(epoch)?;
        }
        self.restore_best(watch)?;
        while !self.is_done() {
            let Some(metrics) = self.epoch(watch)? else {
                self.save()?;
                return Ok(ControlFlow::Break(()));
            };
            let is_best = self.progress.would_be_best(&metrics);
            self.progress.end_epoch(metrics.clone());
            self.saved = false;
            self.save()?;
            self.publish(metrics.epoch)?;
            watch.epoch(&metrics, is_best);
            self.progress.joint.of_epoch(metrics.epoch).for_each(|row| watch.task_epoch(row));
        }
        Ok(ControlFlow::Continue(()))
    }

    /// What inference costs of a model that was cut; `None` where that is all.
    pub(crate) fn inference_cost(&self) -> Option<Cost> {
        let model = self.trainer.judged();
        let cost = || model.inference_cost(model.config.image()).total();
        model.config.name.weight_limit().map(|_| cost())
    }

    /// Whether no epoch is to follow.
    fn is_done(&self) -> bool {
        let train = &self.config.train;
        self.progress.epoch() > train.epochs || self.progress.has_waited(train.patience)
    }

    /// The rest of an epoch: its training batches, then the validation images; `None` if the watch
    /// broke off.
    fn epoch(&mut self, watch: &mut impl Watch<T::Score>) -> Result<Option<EpochMetrics>, Error> {
        let (config, epoch) = (self.config, self.progress.epoch());
        let started = (Instant::now(), self.progress.partial.seconds);
        let seconds = || started.1 + started.0.elapsed().as_secs_f64();
        let accumulate = config.train.accumulate;
        let done = self.progress.steps;
        let (rank, ranks) = (self.ranks.rank(), self.ranks.count());
        let mut batches = self.loaders.train.epoch_share(epoch, done * accumulate + rank, ranks);
        let steps = self.loaders.steps(config);
        let mut further = self.tasks.batches_from((epoch - 1) * steps + done);
        for step in done..steps {
            let group: Result<Vec<Batch<TargetOf<T>>>, DataError> =
                batches.by_ref().take(accumulate / ranks).collect();
            let group = group?;
            // Nothing could be kept of what follows.
            self.directory.check()?;
            let (further, at) = (further.next()?, self.at(step));
            let before = self.ranks.seconds();
            let report = self.trainer.step_together(self.ranks, &group, &further, at)?;
            self.exchange += self.ranks.seconds() - before;
            if !report.loss.is_finite() {
                return Err(Error::Diverged { epoch, step: report.step, loss: report.loss });
            }
            self.progress.step(&report);
            self.progress.gradient_flow.step(self.trainer.basis_gradients());
            if let Some(joint) = &self.trainer.joint {
                self.progress.joint.step(joint.reports());
            }
            self.progress.partial.seconds = seconds();
            self.saved = false;
            if self.ranks.any(watch.step(epoch, &report).is_break())? {
                return Ok(None);
            }
            if config.train.checkpoint_steps.is_some_and(|every| report.step.is_multiple_of(every))
            {
                self.save()?;
            }
        }
        let Partial { score: total, penalties, losses, .. } = self.progress.partial.clone();
        let images = total.images().max(1) as f64;
        let train_seconds = seconds();
        self.trainer.end_epoch(epoch, self.progress.steps)?;
        check_model(self.ranks, self.trainer.judged(), &format!("after epoch {epoch}"))?;
        let (model, loader) = (self.trainer.judged(), &self.loaders.val);
        let score = T::score(config, loader.set().info());
        let evaluated = |images| watch.evaluated(images);
        let val = judge_together(self.ranks, score, model, loader, evaluated)?;
        let Some(val) = val else {
            return Ok(None);
        };
        if !val.is_finite() {
            return Err(Error::NotFinite { epoch, images: "validation" });
        }
        if let Some(joint) = &self.trainer.joint {
            let (base, progress) = (self.trainer.judged(), &self.progress.joint);
            let done = (progress, epoch);
            let rows = judge_tasks(config, self.ranks, (joint, base), self.tasks, done, watch)?;
            let Some(rows) = rows else {
                return Ok(None);
            };
            self.progress.joint.end_epoch(rows);
        }
        let lr = self.at(self.progress.steps.saturating_sub(1)).lr;
        let means = [penalties / images, losses / images];
        let times = [seconds(), images / train_seconds];
        Ok(Some(EpochMetrics::new(epoch, lr, [&total, &val], means, times)))
    }

    /// The step that follows `steps` steps of the epoch at hand.
    fn at(&self, steps: usize) -> StepAt {
        let of = self.loaders.steps(self.config);
        StepAt::scheduled(self.config, self.progress.epoch(), steps, of)
    }

    /// Writes a checkpoint, unless the last one is of this moment.
    fn save(&mut self) -> Result<(), Error> {
        self.progress.seconds += self.since.elapsed().as_secs_f64();
        self.since = Instant::now();
        if !self.saved && self.ranks.leads() {
            let checkpoints = self.directory.checkpoints();
            checkpoint::write(&checkpoints, self.config, &self.trainer, &self.progress)?;
        }
        self.saved = true;
        Ok(())
    }

    /// Writes what is made from the checkpoint of the epoch that was just done.
    fn publish(&self, epoch: usize) -> Result<(), Error> {
        if !self.ranks.leads() {
            return Ok(());
        }
        let history = &self.progress.history;
        self.directory.write_atomic("metrics.csv", metrics_csv(history).as_bytes())?;
        if !self.config.tasks.is_empty() {
            let text = tasks_csv(&self.progress.joint.epochs);
            self.directory.write_atomic("tasks.csv", text.as_bytes())?;
        }
        if self.config.train.gradient_flow {
            let text = gradient_flow_csv(&self.progress.gradient_flow.epochs);
            self.directory.write_atomic("gradient_flow.csv", text.as_bytes())?;
        }
        if self.config.train.tensorboard {
            let steps = self.loaders.steps(self.config);
            write_events(self.directory.path(), history, self.progress.started_unix, steps)?;
        }
        let model = to_bytes(self.trainer.judged());
        let tasks = self.published()?;
        let is_best = self.progress.best().is_some_and(|best| best.epoch == epoch);
        self.directory.write_atomic("last.safetensors", &model)?;
        for (task, bytes) in &tasks {
            self.directory.write_atomic(&last_name(task), bytes)?;
        }
        if is_best {
            self.directory.write_atomic(BEST, &model)?;
        }
        for (task, bytes) in tasks.iter().filter(|_| is_best) {
            self.directory.write_atomic(&best_name(task), bytes)?;
        }
        Ok(())
    }

    /// The files of further tasks, on the model that is judged and kept.
    fn published(&self) -> Result<Vec<(String, Vec<u8>)>, Error> {
        let Some(joint) = &self.trainer.joint else {
            return Ok(Vec::new());
        };
        let path = self.directory.path();
        Ok(published(joint, self.trainer.judged())
            .map_err(|problem| FileError::new(path, problem))?)
    }

    /// Sees to it that the best model of the epochs before is there, and as it was.
    fn restore_best(&self, watch: &mut impl Watch<T::Score>) -> Result<(), Error> {
        let Some(best) = self.progress.best().filter(|_| self.ranks.leads()) else {
            return Ok(());
        };
        let checkpoint = self.directory.checkpoints().path(best.epoch, 0);
        for (name, bytes) in judged_files(&checkpoint, self.config, BEST, best_name) {
            let path = self.directory.path().join(&name);
            if fs::read(&path).ok().as_ref() != Some(&bytes) {
                self.directory.write_atomic(&name, &bytes)?;
                watch.made_again(&path);
            }
        }
        Ok(())
    }

    /// Whether the best model is there, which runs of before keep no checkpoint of.
    pub(crate) fn check_best(&self) -> Result<(), Error> {
        let path = self.directory.path().join(BEST);
        let there = load(&path, &Device::flex());
        match (there, self.progress.best()) {
            (Ok(model), best) if model.config.name.to_string() == self.config.model => {
                let epoch = best.map_or(0, |best| best.epoch);
                Ok(check_files(self.config, self.directory.path(), epoch)?)
            }
            (_, None) => Ok(()),
            (_, Some(best)) => Err(RunDirError::BestLost { path, epoch: best.epoch }.into()),
        }
    }
}
