//! Precision as a function of recall.

use super::matching::{Judged, JudgedDetection};
use super::{MAX_DETECTIONS, RECALLS, THRESHOLDS, mean};

/// How detections of a class are, over all images.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Curve {
    /// Things that were to be found.
    pub(super) objects: usize,
    /// Precision at each recall, for each threshold.
    pub(super) precision: [[f64; RECALLS]; THRESHOLDS],
    /// Share of the things found, for each number of detections and threshold.
    recall: [[f64; THRESHOLDS]; 3],
}

impl Curve {
    /// The curve of a class's images in their order; none where nothing was to be found.
    pub(super) fn of(images: &[Judged]) -> Option<Self> {
        let objects: usize = images.iter().map(|image| image.objects).sum();
        if objects == 0 {
            return None;
        }
        let recall = MAX_DETECTIONS.map(|most| {
            let first = |image: &'_ Judged| image.detections.len().min(most);
            let counted = || images.iter().flat_map(|image| &image.detections[..first(image)]);
            std::array::from_fn(|bit| {
                let right = counted().filter(|detection| is_right(detection, bit)).count();
                right as f64 / objects as f64
            })
        });
        let mut all: Vec<JudgedDetection> =
            images.iter().flat_map(|image| &image.detections).copied().collect();
        // Stable: of equal scores those of the first image go first.
        all.sort_by(|a, b| b.score.partial_cmp(&a.score).expect("finite scores"));
        let precision = std::array::from_fn(|bit| precision(&all, bit, objects));
        Some(Self { objects, precision, recall })
    }

    /// Average precision at threshold `bit`.
    pub(super) fn precision_at(&self, bit: usize) -> f64 {
        self.precision[bit].iter().sum::<f64>() / RECALLS as f64
    }

    /// Average precision over all thresholds.
    pub(super) fn mean_precision(&self) -> f64 {
        mean((0..THRESHOLDS).map(|bit| self.precision_at(bit))).unwrap_or_default()
    }

    /// Recall over all thresholds, with a number of detections, an index.
    pub(super) fn mean_recall(&self, most: usize) -> f64 {
        mean(self.recall[most]).unwrap_or_default()
    }
}

/// Whether a detection took something that was to be found, at threshold `bit`.
fn is_right(detection: &JudgedDetection, bit: usize) -> bool {
    detection.matched & !detection.ignored & (1 << bit) != 0
}

/// Precision at each recall, of detections in descending order of scores.
fn precision(all: &[JudgedDetection], bit: usize, objects: usize) -> [f64; RECALLS] {
    let (mut recalls, mut precisions) =
        (Vec::with_capacity(all.len()), Vec::with_capacity(all.len()));
    let (mut right, mut wrong) = (0.0, 0.0);
    for detection in all {
        if is_right(detection, bit) {
            right += 1.0;
        } else if (detection.matched | detection.ignored) & (1 << bit) == 0 {
            wrong += 1.0;
        }
        recalls.push(right / objects as f64);
        precisions.push(right / (wrong + right + f64::EPSILON));
    }
    for index in (1..precisions.len()).rev() {
        precisions[index - 1] = f64::max(precisions[index - 1], precisions[index]);
    }
    std::array::from_fn(|number| {
        // As numpy's linspace has them: 0.7 is a little more than 7/10.
        let wanted = if number + 1 == RECALLS { 1.0 } else { number as f64 * 0.01 };
        let first = recalls.partition_point(|recall| *recall < wanted);
        precisions.get(first).copied().unwrap_or(0.0)
    })
}
