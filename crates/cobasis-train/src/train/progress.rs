//! How far a run has come: everything of it that is not a tensor.

use serde::{Deserialize, Serialize};

use crate::evaluate::Score;
use crate::metrics::Scores;
use crate::run_dir::{EpochMetrics, InitRecord};
use crate::train::{DataIdentity, GradientFlow, JointProgress, StepReport};

/// How far a run has come.
///
/// Nothing random is among it: order and augmentation of the images are functions of seed, epoch
/// and number.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Progress<S = Score> {
    /// Start of the run, seconds since 1970 (UTC).
    pub started_unix: u64,
    /// Wall time that the run has taken before this process, seconds.
    pub seconds: f64,
    /// Steps of the epoch at hand that are done.
    pub steps: usize,
    /// Epochs at the start that are not the result: their models have filters that are to be cut. The
    /// configuration says how many.
    #[serde(skip)]
    pub before_cut: usize,
    /// What those steps came to.
    pub partial: Partial<S>,
    /// The epochs that are done.
    pub history: Vec<EpochMetrics>,
    /// The gradients of the bases, where they are asked for.
    #[serde(default)]
    pub gradient_flow: GradientFlow,
    /// What further tasks came to, where there are some.
    #[serde(default, skip_serializing_if = "JointProgress::is_empty")]
    pub joint: JointProgress,
    /// Which images the run is about; a checkpoint of an earlier version does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<DataIdentity>,
    /// The model file that the run started from; `None` where its weights were drawn.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub init: Option<InitRecord>,
}

/// What the steps of an epoch that is not done came to, as sums.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Partial<S = Score> {
    /// Scores of the batches.
    pub score: S,
    /// Penalties of the steps, each times the images of its step.
    pub penalties: f64,
    /// Losses of the steps, each times the images of its step.
    pub losses: f64,
    /// Wall time, seconds.
    pub seconds: f64,
}

impl<S: Scores> Progress<S> {
    /// A run that starts now.
    pub fn new(started_unix: u64) -> Self {
        let partial = Partial::default();
        let (history, gradient_flow) = (Vec::new(), GradientFlow::default());
        let (data, init) = (None, None);
        Self {
            started_unix,
            seconds: 0.0,
            steps: 0,
            before_cut: 0,
            partial,
            history,
            gradient_flow,
            joint: JointProgress::default(),
            data,
            init,
        }
    }

    /// A run whose result is not from so many epochs at its start.
    pub(crate) fn with_before_cut(self, before_cut: usize) -> Self {
        Self { before_cut, ..self }
    }

    /// A run about these images.
    pub fn with_data(self, data: DataIdentity) -> Self {
        Self { data: Some(data), ..self }
    }

    /// A run that starts from this file.
    pub(crate) fn with_init(self, init: Option<InitRecord>) -> Self {
        Self { init, ..self }
    }

    /// Whether so many epochs have brought no better result on the validation images.
    pub(crate) fn has_waited(&self, patience: Option<usize>) -> bool {
        let since = self.best().map_or(0, |best| self.history.len() - best.epoch);
        patience.is_some_and(|patience| since >= patience)
    }

    /// The epoch at hand, counted from 1.
    pub fn epoch(&self) -> usize {
        self.history.len() + 1
    }

    /// The first of the epochs with the best result on the validation images, of those that can be the
    /// result.
    pub fn best(&self) -> Option<&EpochMetrics> {
        self.history.iter().skip(self.before_cut).reduce(|best, metrics| {
            match self.is_better(metrics, best) {
                true => metrics,
                false => best,
            }
        })
    }

    /// Whether an epoch, which is not among those that are done, is the best one so far.
    pub(crate) fn would_be_best(&self, metrics: &EpochMetrics) -> bool {
        metrics.epoch > self.before_cut
            && self.best().is_none_or(|best| self.is_better(metrics, best))
    }

    /// Whether the validation images say that an epoch is better than another: with further tasks, by the mean over
    /// all.
    fn is_better(&self, metrics: &EpochMetrics, than: &EpochMetrics) -> bool {
        let judged = |metrics: &EpochMetrics| {
            let main = metrics.value(&format!("val_{}", S::JUDGED_BY.name));
            self.joint.judged(main, metrics.epoch)
        };
        S::JUDGED_BY.is_better(judged(metrics), judged(than))
    }

    /// Takes in a step.
    pub(crate) fn step(&mut self, report: &StepReport<S>) {
        self.steps += 1;
        self.partial.score += report.score.clone();
        self.partial.penalties += report.penalty * report.score.images() as f64;
        self.partial.losses += report.loss * report.score.images() as f64;
    }

    /// Ends the epoch at hand.
    pub(crate) fn end_epoch(&mut self, metrics: EpochMetrics) {
        self.gradient_flow.end_epoch(metrics.epoch, self.steps);
        self.history.push(metrics);
        self.steps = 0;
        self.partial = Partial::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_top1(top1: &[f64]) -> Progress {
        let mut progress = Progress::new(7);
        for (index, &val_top1) in top1.iter().enumerate() {
            let epoch = index + 1;
            let mut metrics = EpochMetrics { epoch, ..EpochMetrics::default() };
            metrics.columns.push("val_top1", val_top1);
            progress.end_epoch(metrics);
        }
        progress
    }

    #[test]
    fn the_first_of_equals_is_the_best() {
        assert_eq!(with_top1(&[]).best(), None);
        let best = |top1: &[f64]| with_top1(top1).best().map(|best| best.epoch);
        assert_eq!(best(&[1.0, 3.0, 3.0, 2.0]), Some(2));
        assert_eq!(best(&[1.0, f64::NAN, 2.0]), Some(3));
    }

    #[test]
    fn patience_ends_after_epochs_that_are_no_better() {
        let waited = |top1: &[f64], patience| with_top1(top1).has_waited(patience);
        assert!(!waited(&[], Some(1)) && !waited(&[3.0], Some(1)));
        assert!(waited(&[3.0, 3.0], Some(1)) && !waited(&[3.0, 3.0], Some(2)));
        assert!(waited(&[1.0, 3.0, 2.0, 3.0], Some(2)) && !waited(&[3.0, 2.0, 1.0, 4.0], Some(2)));
        assert!(!waited(&[3.0, 2.0, 1.0, 0.0], None));
    }

    #[test]
    fn what_is_to_be_cut_is_neither_the_best_nor_waited_for() {
        let progress = |top1: &[f64]| with_top1(top1).with_before_cut(2);
        assert_eq!(progress(&[9.0, 8.0]).best(), None);
        assert!(!progress(&[9.0, 8.0]).has_waited(Some(1)));
        assert_eq!(progress(&[9.0, 8.0, 1.0, 1.0]).best().map(|best| best.epoch), Some(3));
        assert!(progress(&[9.0, 8.0, 1.0, 1.0]).has_waited(Some(1)));
        let next = |epoch, val_top1| {
            let mut metrics = EpochMetrics { epoch, ..EpochMetrics::default() };
            metrics.columns.push("val_top1", val_top1);
            metrics
        };
        assert!(!progress(&[]).would_be_best(&next(1, 9.0)));
        assert!(progress(&[9.0, 8.0]).would_be_best(&next(3, 1.0)));
        assert!(!progress(&[9.0, 8.0, 1.0]).would_be_best(&next(4, 1.0)));
    }

    #[test]
    fn it_comes_back_from_text_to_the_last_bit() {
        let mut progress = with_top1(&[100.0 / 3.0, f64::MIN_POSITIVE]);
        let score = Score { images: 3, top1: 1, top5: 2, cross_entropy: 0.1 + 0.2 };
        progress.step(&StepReport { step: 1, score, penalty: 1e-300, loss: 0.3, lr: 0.1 });
        let text = toml::to_string(&progress).unwrap();
        assert_eq!(toml::from_str::<Progress>(&text).unwrap(), progress);
    }
}
