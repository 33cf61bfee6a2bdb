//! What a model takes images for that have no label.

use std::cmp::Ordering;
use std::sync::Arc;

use burn::tensor::{Device, Tensor};
use serde::Serialize;

use crate::data::{Augment, AugmentKey, Batch, ImageSet, Prefetch, Target};
use crate::tensors::{host, images};

/// Finished batches that may wait per worker.
const QUEUE: usize = 1;

/// How images are fed to a model, and how much of its answer is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PredictConfig {
    /// Images at a time, at least 1; memory holds a few such batches, however many there are.
    pub batch: usize,
    /// Threads that decode images ahead; 0 = none.
    pub workers: usize,
    /// Classes that are told for each image, the most probable first.
    pub top: usize,
}

/// What a model takes an image for.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Prediction {
    /// The image's file.
    pub file: String,
    /// The most probable classes, the most probable first; of equal ones, the lower.
    pub top: Vec<Guess>,
}

/// A class that an image may be of.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Guess {
    /// The class, as labels count.
    pub class: usize,
    /// Its name, where it is known.
    pub name: Option<String>,
    /// Its share of the softmax of the logits, 0 to 1.
    pub probability: f64,
}

/// An image that can't be read.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Skipped {
    /// The image's file.
    pub file: String,
    /// What is wrong with it.
    pub problem: String,
}

/// What became of the images of a batch.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Predictions {
    /// Those that could be read, in their order.
    pub predictions: Vec<Prediction>,
    /// Those that could not, in their order.
    pub skipped: Vec<Skipped>,
}

/// Predicts the classes of all images of a set, batch by batch, with what gives logits, `[batch,
/// classes]`, for images on the device, `[batch, channels, height, width]`. `names` are those of the
/// classes, or none.
pub fn predict_with(
    forward: impl Fn(Tensor<4>) -> Tensor<2>,
    device: &Device,
    set: &Arc<ImageSet<()>>,
    names: &[String],
    config: PredictConfig,
    mut after_batch: impl FnMut(Predictions),
) {
    let PredictConfig { batch: size, workers, top } = config;
    for batch in batches(set, size, workers) {
        let mut predictions = Vec::new();
        if !batch.indices.is_empty() {
            let logits = forward(images(&batch, device));
            let classes = logits.dims()[1];
            let logits = host(logits);
            let rows = logits.chunks_exact(classes).zip(&batch.indices);
            predictions.extend(rows.map(|(row, &index)| Prediction {
                file: set.describe(index),
                top: guesses(row, names, top),
            }));
        }
        let skipped = batch.unreadable.into_iter();
        let skipped = skipped
            .map(|image| Skipped { file: set.describe(image.index), problem: image.problem });
        after_batch(Predictions { predictions, skipped: skipped.collect() });
    }
}

/// All images of a set as they are, so many at a time, in their order; `workers` threads decode ahead.
/// Images that can't be read are told in their batch.
pub(crate) fn batches<T: Target>(
    set: &Arc<ImageSet<T>>,
    size: usize,
    workers: usize,
) -> Prefetch<Batch<T>> {
    let of = Arc::clone(set);
    let key = AugmentKey { seed: 0, epoch: 0 };
    let batch = move |number: usize| {
        let start = number * size;
        let indices: Vec<usize> = (start..of.len().min(start + size)).collect();
        Batch::new(&of, &indices, Augment::NONE, key)
    };
    Prefetch::new(0..set.len().div_ceil(size), workers, QUEUE, batch)
}

/// The `top` most probable classes by these logits.
fn guesses(logits: &[f32], names: &[String], top: usize) -> Vec<Guess> {
    let max = f64::from(logits.iter().copied().fold(f32::NEG_INFINITY, f32::max));
    let weight = |logit: f32| (f64::from(logit) - max).exp();
    let sum: f64 = logits.iter().map(|&logit| weight(logit)).sum();
    let mut classes: Vec<usize> = (0..logits.len()).collect();
    // What is no number comes last; equal ones stay in their order.
    let key = |class: usize| if logits[class].is_nan() { f32::NEG_INFINITY } else { logits[class] };
    classes.sort_by(|&a, &b| key(b).partial_cmp(&key(a)).unwrap_or(Ordering::Equal));
    classes.truncate(top);
    let guess = |class: usize| Guess {
        class,
        name: names.get(class).cloned(),
        probability: weight(logits[class]) / sum,
    };
    classes.into_iter().map(guess).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_logits_come_first_and_equal_ones_in_order() {
        let names = ["a", "b", "c"].map(String::from);
        let top = guesses(&[0.0, 2.0f32.ln(), 0.0], &names, 2);
        let classes: Vec<_> =
            top.iter().map(|guess| (guess.class, guess.name.as_deref())).collect();
        assert_eq!(classes, [(1, Some("b")), (0, Some("a"))]);
        assert!(
            (top[0].probability - 0.5).abs() < 1e-7 && (top[1].probability - 0.25).abs() < 1e-7
        );
        assert_eq!(
            guesses(&[1e5, 0.0], &[], 9)[0],
            Guess { class: 0, name: None, probability: 1.0 }
        );
    }
}
