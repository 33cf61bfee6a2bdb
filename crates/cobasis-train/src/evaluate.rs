//! Losses and accuracies of a model on a data set.

use std::ops::ControlFlow;
use std::time::Instant;

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use cobasis_zoo::Model;
use serde::{Deserialize, Serialize};

use crate::data::{Batch, DataError, Loader};
use crate::metrics::{CROSS_ENTROPY, Measure, Scores, TOP1, TOP5};
use crate::tensors::{host, images};

mod confusion;
mod detection_score;

pub use confusion::{ClassScore, Confusion, Mistake, predicted};
pub use detection_score::DetectionScore;

/// Sums over the images that were scored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// Images scored.
    pub images: usize,
    /// Images whose class has the highest logit.
    pub top1: usize,
    /// Images whose class is among the five highest logits.
    pub top5: usize,
    /// Sum of the cross entropies, in nats.
    pub cross_entropy: f64,
}

/// The result of an evaluation.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Evaluation {
    /// The sums that it was made from.
    #[serde(skip)]
    pub score: Score,
    /// Images evaluated.
    pub images: usize,
    /// Images whose class came first.
    pub correct: usize,
    /// Images whose class came first, in percent.
    pub top1: f64,
    /// Images whose class came among the first five, in percent.
    pub top5: f64,
    /// Mean cross entropy per image, in nats.
    pub loss: f64,
    /// Wall time, in seconds.
    pub seconds: f64,
    /// Images per second of wall time.
    pub images_per_second: f64,
    /// The confusion matrix.
    pub confusion: Confusion,
}

impl Score {
    /// Adds a batch of logits, `[labels.len(), classes]` row-major.
    ///
    /// Where logits are equal, the lower class comes first. A row with a logit that is no number
    /// counts as wrong and makes the cross entropy no number.
    pub fn add(&mut self, logits: &[f32], labels: &[u16]) {
        let classes = logits.len() / labels.len().max(1);
        for (row, &label) in logits.chunks_exact(classes.max(1)).zip(labels) {
            let label = usize::from(label);
            let own = row[label];
            let ahead = row.iter().enumerate().filter(|&(class, &logit)| {
                let behind = logit < own || (logit == own && class > label);
                class != label && !behind
            });
            let ahead = ahead.count();
            self.images += 1;
            self.top1 += usize::from(ahead < 1);
            self.top5 += usize::from(ahead < 5);
            let max = f64::from(row.iter().copied().fold(f32::NEG_INFINITY, f32::max));
            let sum: f64 = row.iter().map(|&logit| (f64::from(logit) - max).exp()).sum();
            self.cross_entropy += sum.ln() + (max - f64::from(own));
        }
    }

    /// Images whose class came first, in percent.
    pub fn top1_percent(&self) -> f64 {
        100.0 * self.per_image(self.top1 as f64)
    }

    /// Images whose class came among the first five, in percent.
    pub fn top5_percent(&self) -> f64 {
        100.0 * self.per_image(self.top5 as f64)
    }

    /// Mean cross entropy per image, in nats.
    pub fn mean_cross_entropy(&self) -> f64 {
        self.per_image(self.cross_entropy)
    }

    fn per_image(&self, sum: f64) -> f64 {
        sum / self.images.max(1) as f64
    }
}

impl Scores for Score {
    type Target = u16;

    const JUDGED_BY: Measure = TOP1;

    fn add(&mut self, output: &[f32], targets: &[u16]) {
        Self::add(self, output, targets);
    }

    fn images(&self) -> usize {
        self.images
    }

    fn losses(&self) -> Vec<(Measure, f64)> {
        vec![(CROSS_ENTROPY, self.mean_cross_entropy())]
    }

    fn scores(&self) -> Vec<(Measure, f64)> {
        vec![(TOP1, self.top1_percent()), (TOP5, self.top5_percent())]
    }
}

impl std::ops::AddAssign for Score {
    fn add_assign(&mut self, other: Self) {
        self.images += other.images;
        self.top1 += other.top1;
        self.top5 += other.top5;
        self.cross_entropy += other.cross_entropy;
    }
}

/// A batch that was just evaluated.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a, T = u16> {
    /// The images.
    pub batch: &'a Batch<T>,
    /// What was said of them, `[batch, …]` row-major: logits of classes, unless told otherwise.
    pub logits: &'a [f32],
    /// All images that are done.
    pub images: usize,
}

impl<T> Seen<'_, T> {
    /// Where the images of the batch stand in their set, those that could not be read last: the order in which a
    /// score has them that leaves out none.
    pub fn places(&self) -> impl Iterator<Item = usize> {
        let unread = self.batch.unreadable.iter().map(|one| one.index);
        self.batch.indices.iter().copied().chain(unread)
    }
}

/// Evaluates a model on every image of a loader, with running statistics; see [`over`].
///
/// # Errors
///
/// Those of [`over`].
///
/// # Panics
///
/// As [`over`].
pub fn evaluate(
    model: &Model,
    loader: &Loader,
    visit: impl FnMut(Seen<'_>) -> ControlFlow<()>,
) -> Result<Option<Evaluation>, DataError> {
    let model = model.valid();
    let device = model.devices().into_iter().next().unwrap_or_default();
    over(|images| model.forward(images), &device, loader, visit)
}

/// Evaluates what gives logits, `[batch, classes]`, for images on the device,
/// `[batch, channels, height, width]`, on every image of a loader. `visit` sees each batch and may
/// break off; then there is no result.
///
/// # Errors
///
/// Where none of the images of a batch can be read. Others that can't are left out, but by scores that count
/// them ([`Scores::add_unread`]).
///
/// # Panics
///
/// Where there are not as many logits as the images have classes; [`fitted`](crate::classes::fitted)
/// sees to it before.
pub fn over(
    forward: impl Fn(Tensor<4>) -> Tensor<2>,
    device: &Device,
    loader: &Loader,
    mut visit: impl FnMut(Seen<'_>) -> ControlFlow<()>,
) -> Result<Option<Evaluation>, DataError> {
    let start = Instant::now();
    let mut confusion = Confusion::new(loader.set().num_classes());
    let score = score_from(Score::default(), forward, device, loader, |seen| {
        confusion.add(seen.logits, &seen.batch.labels);
        visit(seen)
    })?;
    let seconds = start.elapsed().as_secs_f64();
    Ok(score.map(|score| Evaluation {
        score,
        images: score.images,
        correct: score.top1,
        top1: score.top1_percent(),
        top5: score.top5_percent(),
        loss: score.mean_cross_entropy(),
        seconds,
        images_per_second: score.images as f64 / seconds,
        confusion,
    }))
}

/// The scores of a model of any task over every image of a loader, with running statistics.
/// `after_batch` is told how many images are done and may break off; then there is no result.
///
/// # Errors
///
/// Those of [`over`].
pub fn judge<S: Scores>(
    model: &Model,
    loader: &Loader<S::Target>,
    after_batch: impl FnMut(usize) -> ControlFlow<()>,
) -> Result<Option<S>, DataError> {
    judge_from(S::of(loader.set().info()), model, loader, after_batch)
}

/// The same, added to a score that knows how it is to be judged.
///
/// # Errors
///
/// Those of [`over`].
pub fn judge_from<S: Scores>(
    score: S,
    model: &Model,
    loader: &Loader<S::Target>,
    mut after_batch: impl FnMut(usize) -> ControlFlow<()>,
) -> Result<Option<S>, DataError> {
    let model = model.valid();
    let device = model.devices().into_iter().next().unwrap_or_default();
    let forward = |images| model.forward(images);
    score_from(score, forward, &device, loader, |seen| after_batch(seen.images))
}

/// The scores of any task over every image of a loader, added to a score that knows how it is to be
/// judged, from what gives `[batch, …]` for images on the device; as [`over`] otherwise. Images are
/// judged by the targets of the loader's set.
///
/// # Errors
///
/// Those of [`over`].
pub fn score_from<S: Scores>(
    mut score: S,
    forward: impl Fn(Tensor<4>) -> Tensor<2>,
    device: &Device,
    loader: &Loader<S::Target>,
    mut visit: impl FnMut(Seen<'_, S::Target>) -> ControlFlow<()>,
) -> Result<Option<S>, DataError> {
    for batch in loader.epoch(0) {
        let batch = &batch?;
        let logits = &host(forward(images(batch, device)));
        let target = |index: usize| loader.set().target(index).clone();
        let targets: Vec<_> = batch.indices.iter().map(|&index| target(index)).collect();
        score.add(logits, &targets);
        let unread: Vec<_> = batch.unreadable.iter().map(|one| target(one.index)).collect();
        score.add_unread(&unread);
        if visit(Seen { batch, logits, images: score.images() }).is_break() {
            return Ok(None);
        }
    }
    Ok(Some(score))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn score(logits: &[f32], labels: &[u16]) -> Score {
        let mut score = Score::default();
        score.add(logits, labels);
        score
    }

    #[test]
    fn the_highest_logit_is_right_and_the_fifth_is_among_five() {
        let row = [5.0, 4.0, 3.0, 2.0, 1.0, 0.0];
        let count = |label| {
            let score = score(&row, &[label]);
            (score.top1, score.top5)
        };
        assert_eq!([0, 1, 4, 5].map(count), [(1, 1), (0, 1), (0, 1), (0, 0)]);
    }

    #[test]
    fn equal_logits_favour_the_lower_class() {
        assert_eq!(score(&[1.0, 1.0, 1.0, 1.0], &[0, 1]).top1, 1);
        assert_eq!(score(&[0.0; 7], &[4]).top5, 1);
        assert_eq!(score(&[0.0; 7], &[5]).top5, 0);
    }

    #[test]
    fn the_cross_entropy_is_exact_for_large_logits() {
        let score = score(&[1e5, 1e5 - 1.0], &[1]);
        let expected = (1.0 + (-1.0f64).exp()).ln() + 1.0;
        assert!((score.mean_cross_entropy() - expected).abs() < 1e-12);
    }

    #[test]
    fn what_is_no_number_is_not_right() {
        for row in [[f32::NAN, 0.0], [0.0, f32::NAN], [f32::NAN, f32::NAN]] {
            let score = score(&row, &[0]);
            assert_eq!(score.top1, 0, "{row:?}");
            assert!(score.cross_entropy.is_nan());
        }
    }
}
