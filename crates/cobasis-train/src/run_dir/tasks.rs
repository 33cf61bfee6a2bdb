//! `tasks.csv` and the tasks of a summary: what further tasks of a run came to.

use serde::{Deserialize, Serialize};

use super::{EpochMetrics, EpochSummary, metrics_csv};
use crate::config::Protocol;

/// What one epoch came to for a further task, as named numbers: those of [`EpochMetrics`] that are a task's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TaskEpoch {
    /// The task's name.
    pub task: String,
    /// The epoch and the numbers. `train_loss` is what was minimised for the task, before its weight.
    pub metrics: EpochMetrics,
}

/// A further task of a finished run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TaskSummary {
    /// The task's name.
    pub name: String,
    /// What it has of its own beside a classifier.
    pub adapter: String,
    /// The weight of its loss.
    pub weight: f64,
    /// The data set's name.
    pub dataset: String,
    /// Which images judged its epochs: `paper` or `train/val`.
    pub split: Protocol,
    /// Images trained on.
    pub train_images: usize,
    /// Training images held out; absent where the test set judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub val_images: Option<usize>,
    /// Images of the test set.
    pub test_images: usize,
    /// Trainable parameters that are the task's own.
    pub params: u64,
    /// The last epoch.
    pub last: EpochSummary,
    /// The run's best epoch, by the mean over all tasks, where the task's test images were among those that chose
    /// it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub best_on_test: Option<EpochSummary>,
    /// The run's best epoch, where the task's validation images were; its test images chose nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub best_on_val: Option<EpochSummary>,
}

impl TaskSummary {
    /// The run's best epoch, by whatever chose it.
    pub fn best(&self) -> &EpochSummary {
        self.best_on_val.as_ref().or(self.best_on_test.as_ref()).unwrap_or(&self.last)
    }
}

/// The file's text: a header, and a row for each epoch and task, in this order.
pub(crate) fn tasks_csv(epochs: &[TaskEpoch]) -> String {
    let metrics: Vec<EpochMetrics> = epochs.iter().map(|row| row.metrics.clone()).collect();
    let tasks = std::iter::once("task").chain(epochs.iter().map(|row| row.task.as_str()));
    let text = metrics_csv(&metrics);
    let with_task = |(line, task): (&str, &str)| match line.split_once(',') {
        Some((epoch, rest)) => format!("{epoch},{task},{rest}\n"),
        None => format!("{line},{task}\n"),
    };
    text.lines().zip(tasks).map(with_task).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_has_its_epoch_and_task_first() {
        let row = |epoch, task: &str, top1: f64| {
            let mut metrics = EpochMetrics { epoch, ..EpochMetrics::default() };
            metrics.columns.push("train_loss", 0.5);
            metrics.columns.push("val_top1", top1);
            TaskEpoch { task: task.to_string(), metrics }
        };
        let text = tasks_csv(&[row(1, "a", 50.0), row(1, "b", 100.0 / 3.0), row(2, "a", 51.0)]);
        let expected = "epoch,task,train_loss,val_top1\n1,a,0.5,50.0\n1,b,0.5,33.333333333333336\n\
                        2,a,0.5,51.0\n";
        assert_eq!(text, expected);
    }
}
