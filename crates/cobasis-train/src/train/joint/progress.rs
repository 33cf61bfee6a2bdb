//! How far further tasks have come: everything of it that is not a tensor.

use serde::{Deserialize, Serialize};

use super::TaskReport;
use crate::evaluate::Score;
use crate::metrics::Scores;
use crate::run_dir::{EpochMetrics, TaskEpoch};

/// What further tasks came to.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct JointProgress {
    /// The steps of the epoch at hand that are done, task by task.
    #[serde(default)]
    pub partial: Vec<TaskPartial>,
    /// The epochs that are done, task by task.
    #[serde(default)]
    pub epochs: Vec<TaskEpoch>,
}

/// What the steps of an epoch that is not done came to for a task, as sums.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct TaskPartial {
    /// Scores of the batches.
    pub score: Score,
    /// Losses of the steps, each times the images of its step.
    pub losses: f64,
}

impl JointProgress {
    /// Whether there are no further tasks, or nothing is done.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Takes in a step.
    pub(crate) fn step(&mut self, reports: &[TaskReport]) {
        self.partial.resize(reports.len(), TaskPartial::default());
        for (partial, report) in self.partial.iter_mut().zip(reports) {
            partial.score += report.score;
            partial.losses += report.loss * report.score.images as f64;
        }
    }

    /// Ends the epoch at hand, with what it came to.
    pub(crate) fn end_epoch(&mut self, epochs: Vec<TaskEpoch>) {
        self.epochs.extend(epochs);
        self.partial = Vec::new();
    }

    /// What an epoch came to, task by task.
    pub(crate) fn of_epoch(&self, epoch: usize) -> impl Iterator<Item = &TaskEpoch> {
        self.epochs.iter().filter(move |row| row.metrics.epoch == epoch)
    }

    /// What an epoch of a run is judged by: the mean over the main task, which has come to this much, and all others.
    pub(crate) fn judged(&self, main: f64, epoch: usize) -> f64 {
        let judged = format!("val_{}", Score::JUDGED_BY.name);
        let further = self.of_epoch(epoch).map(|row| row.metrics.value(&judged));
        let (mut sum, mut count) = (main, 1.0);
        for value in further {
            sum += value;
            count += 1.0;
        }
        sum / count
    }

    /// Puts the numbers into the order of the files, which those read from a checkpoint have lost.
    pub(crate) fn sort(&mut self) {
        self.epochs.iter_mut().for_each(|row| row.sort());
    }
}

impl TaskEpoch {
    /// What an epoch came to for a task.
    pub(crate) fn new(epoch: usize, task: &str, train: &TaskPartial, val: &Score) -> Self {
        let images = train.score.images.max(1) as f64;
        let mut metrics = EpochMetrics { epoch, ..EpochMetrics::default() };
        let columns = &mut metrics.columns;
        columns.extend("train", train.score.losses());
        columns.extend("train", [(crate::metrics::LOSS, train.losses / images)]);
        columns.extend("train", train.score.scores());
        columns.extend("val", val.losses());
        columns.extend("val", val.scores());
        Self { task: task.to_string(), metrics }
    }

    fn sort(&mut self) {
        let like = Self::new(0, "", &TaskPartial::default(), &Score::default());
        self.metrics.columns.sort_like(&like.metrics.columns);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(epoch: usize, task: &str, top1: usize) -> TaskEpoch {
        let score = Score { images: 3, top1, top5: 3, cross_entropy: 0.1 + 0.2 };
        TaskEpoch::new(epoch, task, &TaskPartial { score, losses: 0.7 }, &score)
    }

    #[test]
    fn an_epoch_is_judged_by_the_mean_over_all_tasks() {
        let mut progress = JointProgress::default();
        assert_eq!(progress.judged(70.0, 1), 70.0);
        progress.end_epoch(vec![row(1, "a", 3), row(1, "b", 0)]);
        progress.end_epoch(vec![row(2, "a", 0), row(2, "b", 0)]);
        assert_eq!([1, 2].map(|epoch| progress.judged(50.0, epoch)), [50.0, 50.0 / 3.0]);
    }

    #[test]
    fn it_comes_back_from_text_to_the_last_bit() {
        let mut progress = JointProgress::default();
        progress.end_epoch(vec![row(1, "a", 1)]);
        let score = Score { images: 2, top1: 1, top5: 2, cross_entropy: 1e-300 };
        progress.step(&[TaskReport { score, loss: 0.3 }]);
        let text = toml::to_string(&progress).unwrap();
        let mut read: JointProgress = toml::from_str(&text).unwrap();
        read.sort();
        assert_eq!(read, progress);
    }
}
