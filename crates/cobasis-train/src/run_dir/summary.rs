//! `summary.json`: what a run was and what came out.

use serde::{Deserialize, Serialize};

use super::{EpochMetrics, InitRecord, Provenance, TaskSummary};
use crate::config::{Protocol, WeightDecayScale};
use crate::metrics::{Column, Columns, Measure, Scores, TOP1};

/// A run in short.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Summary {
    /// The model's name.
    pub model: String,
    /// The data set's name.
    pub dataset: String,
    /// Which images chose the best epoch: `paper` or `train/val`.
    pub split: Protocol,
    /// Images trained on.
    pub train_images: usize,
    /// Training images held out, which chose the best epoch; absent where the test set did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub val_images: Option<usize>,
    /// Images of the test set.
    pub test_images: usize,
    /// Trainable parameters, each shared tensor once.
    pub params: u64,
    /// What the weight decay of compressed parameters is multiplied by: in words, as the configuration
    /// has it, and as a number.
    #[serde(default = "unscaled")]
    pub weight_decay_scale: WeightDecayScale,
    /// That number.
    #[serde(default = "one")]
    pub weight_decay_factor: f64,
    /// The parameters that inference needs, where training needs more: of layers whose ranks training
    /// found, those that are left. Absent where it needs all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inference_params: Option<u64>,
    /// The multiply-accumulates for an image of that model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inference_macs: Option<u64>,
    /// The run's seed.
    pub seed: u64,
    /// The model file that it started from; absent where weights were drawn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub init: Option<InitRecord>,
    /// The device's name.
    pub device: String,
    /// The version of cobasis.
    pub version: String,
    /// The command line.
    pub command: String,
    /// Start of the run (UTC).
    pub started: String,
    /// Start of the run, seconds since 1970 (UTC).
    pub started_unix: u64,
    /// Wall time of the run, seconds.
    pub seconds: f64,
    /// What it was made with.
    #[serde(flatten)]
    pub provenance: Provenance,
    /// Why it ended before its last epoch; absent where it did not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped_early: Option<EarlyStop>,
    /// The last epoch: chosen before anything was measured.
    pub last: EpochSummary,
    /// The best epoch on the test set, as papers of the field report
    /// it: that of the highest top-1 accuracy, of a detector the highest average precision. It is chosen on the images that it is measured on, so it is optimistic.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub best_on_test: Option<EpochSummary>,
    /// The best epoch on the validation images; its test numbers were
    /// chosen by nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub best_on_val: Option<EpochSummary>,
    /// Further tasks, where there are some: then the best epoch is that of the highest mean over all tasks.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tasks: Vec<TaskSummary>,
}

/// That of runs from before there was a choice.
fn unscaled() -> WeightDecayScale {
    WeightDecayScale::None
}

/// That of runs from before there was a choice.
fn one() -> f64 {
    1.0
}

/// Why a run ended before its last epoch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EarlyStop {
    /// The epoch after which it ended.
    pub epoch: usize,
    /// The epochs that it was to have.
    pub epochs: usize,
    /// Epochs without a better result on the validation images after which it was to end.
    pub patience: usize,
    /// The same in words.
    pub reason: String,
}

impl EarlyStop {
    /// That of a run that waited `patience` epochs for a better result.
    pub(crate) fn new<S: Scores>(epoch: usize, epochs: usize, patience: usize) -> Self {
        let judged = S::JUDGED_BY.label;
        let s = if patience == 1 { "" } else { "s" };
        let reason = format!("no better {judged} on the validation images for {patience} epoch{s}");
        Self { epoch, epochs, patience, reason }
    }
}

/// One epoch of a [`Summary`], as named numbers: `train_…` losses of the training images; the losses of
/// the images that chose the best epoch and what they chose it by, `val_…`, where those are not the test
/// images; and losses and scores of the test images, `test_…`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EpochSummary {
    /// The epoch, counted from 1.
    pub epoch: usize,
    /// The numbers.
    #[serde(flatten)]
    pub columns: Columns,
}

impl EpochSummary {
    /// An epoch that was judged by the test set itself.
    pub(crate) fn on_test<S: Scores>(metrics: &EpochMetrics) -> Self {
        let mut columns = losses::<S>("train", metrics);
        for Column { name, value } in metrics.columns.iter() {
            if let Some(measure) = name.strip_prefix("val_") {
                columns.push(format!("test_{measure}"), *value);
            }
        }
        Self { epoch: metrics.epoch, columns }
    }

    /// An epoch that was judged by validation images, and its model on the test set.
    pub(crate) fn on_both<S: Scores>(metrics: &EpochMetrics, test: &S) -> Self {
        let mut columns = losses::<S>("train", metrics);
        columns.append(losses::<S>("val", metrics));
        let judged = format!("val_{}", S::JUDGED_BY.name);
        columns.push(judged.clone(), metrics.value(&judged));
        columns.extend("test", test.losses());
        columns.extend("test", test.scores());
        Self { epoch: metrics.epoch, columns }
    }

    /// The number of this name, which is none where there is no such column.
    pub fn value(&self, name: &str) -> f64 {
        self.columns.get(name).unwrap_or(f64::NAN)
    }

    /// What runs are judged by, of the test images: top-1 accuracy where nothing else is there.
    pub fn judged_by(&self) -> Measure {
        self.columns.judged_by("test").unwrap_or(TOP1)
    }

    /// That on the test images.
    pub fn judged(&self) -> f64 {
        self.value(&format!("test_{}", self.judged_by().name))
    }
}

/// The losses of a task on some images.
fn losses<S: Scores>(images: &str, metrics: &EpochMetrics) -> Columns {
    let mut columns = Columns::default();
    for (measure, _) in S::default().losses() {
        let name = format!("{images}_{}", measure.name);
        let value = metrics.value(&name);
        columns.push(name, value);
    }
    columns
}

impl Summary {
    /// The parameters of the model that came out, as models are compared: those that inference needs.
    pub fn result_params(&self) -> u64 {
        self.inference_params.unwrap_or(self.params)
    }

    /// The best epoch, by whatever chose it.
    pub fn best(&self) -> &EpochSummary {
        self.best_on_val.as_ref().or(self.best_on_test.as_ref()).unwrap_or(&self.last)
    }
}
