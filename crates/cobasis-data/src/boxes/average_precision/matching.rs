//! Which detections of an image take which things.

use std::collections::BTreeMap;

use super::{Detection, THRESHOLDS, Truth};
use crate::boxes::annotations::{Annotation, BoxKind};

/// What is in images and was found in them, by class and image.
pub(super) type Groups = BTreeMap<(u16, usize), ImageOfClass>;

/// What is in an image and was found in it, of one class, with its place in the lists of all.
#[derive(Debug, Default)]
pub(super) struct ImageOfClass {
    truths: Vec<(usize, Annotation)>,
    /// Those that count, in descending order of scores.
    detections: Vec<(usize, Detection)>,
    /// `[detections, truths]`.
    overlaps: Vec<Vec<f64>>,
}

/// What became of the detections of an image and class.
#[derive(Debug, Default)]
pub(super) struct Judged {
    pub(super) detections: Vec<JudgedDetection>,
    /// Things that were to be found.
    pub(super) objects: usize,
}

/// What became of a detection, a bit for each threshold.
#[derive(Debug, Clone, Copy)]
pub(super) struct JudgedDetection {
    pub(super) score: f64,
    /// Took something.
    pub(super) matched: u16,
    /// Does not count.
    pub(super) ignored: u16,
}

/// What became of a detection at one threshold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It took this thing, an index.
    Right(usize),
    /// It took something that nobody had to find, an index.
    Ignored(usize),
    /// It took nothing.
    Wrong,
}

impl ImageOfClass {
    /// Leaves the `most` best detections, in their order, and computes overlaps.
    pub(super) fn sort(&mut self, most: usize) {
        // Stable, like COCO's: of equal scores the first stays the first.
        self.detections
            .sort_by(|(_, a), (_, b)| b.score.partial_cmp(&a.score).expect("scores are numbers"));
        self.detections.truncate(most);
        let overlaps = |(_, detection): &(usize, Detection)| {
            let overlap = |(_, truth): &(usize, Annotation)| match truth.kind {
                BoxKind::Crowd => detection.rect.share_in(&truth.rect),
                BoxKind::Object | BoxKind::Difficult => detection.rect.iou(&truth.rect),
            };
            self.truths.iter().map(overlap).collect()
        };
        self.overlaps = self.detections.iter().map(overlaps).collect();
    }

    /// Judges the detections at all thresholds, of things whose areas are in a range.
    pub(super) fn judge(&self, thresholds: &[f64; THRESHOLDS], [low, high]: [f64; 2]) -> Judged {
        let within = |area: f64| (low..=high).contains(&area);
        let counts = |truth: &Annotation| truth.kind == BoxKind::Object && within(truth.area);
        let (order, ignored) = self.order(counts);
        let objects = ignored.iter().filter(|ignored| !**ignored).count();

        let judged = |(_, detection): &(usize, Detection)| JudgedDetection {
            score: detection.score,
            matched: 0,
            // Of those that take nothing, only those of the range count.
            ignored: if within(detection.rect.area()) { 0 } else { u16::MAX },
        };
        let mut detections: Vec<JudgedDetection> = self.detections.iter().map(judged).collect();
        for (bit, &threshold) in thresholds.iter().enumerate() {
            let taken = self.take(threshold, &order, &ignored);
            for (judged, taken) in detections.iter_mut().zip(taken) {
                let Some(truth) = taken else { continue };
                judged.matched |= 1 << bit;
                match ignored[truth] {
                    true => judged.ignored |= 1 << bit,
                    false => judged.ignored &= !(1 << bit),
                }
            }
        }
        Judged { detections, objects }
    }

    /// The things in the order in which they are tried, what counts first; and which of them don't count.
    fn order(&self, counts: impl Fn(&Annotation) -> bool) -> (Vec<usize>, Vec<bool>) {
        let ignored: Vec<bool> = self.truths.iter().map(|(_, truth)| !counts(truth)).collect();
        let mut order: Vec<usize> = (0..self.truths.len()).collect();
        order.sort_by_key(|&truth| ignored[truth]);
        (order, ignored)
    }

    /// Which thing each detection takes; those that are ignored are last in `order`.
    fn take(&self, threshold: f64, order: &[usize], ignored: &[bool]) -> Vec<Option<usize>> {
        let mut is_taken = vec![false; self.truths.len()];
        let mut take = |overlaps: &Vec<f64>| {
            let (mut most, mut best) = (threshold.min(1.0 - 1e-10), None);
            for &truth in order {
                if is_taken[truth] && self.truths[truth].1.kind != BoxKind::Crowd {
                    continue;
                }
                // What counts goes before what doesn't, however much that overlaps.
                if ignored[truth] && best.is_some_and(|best: usize| !ignored[best]) {
                    break;
                }
                if overlaps[truth] >= most {
                    (most, best) = (overlaps[truth], Some(truth));
                }
            }
            if let Some(best) = best {
                is_taken[best] = true;
            }
            best
        };
        self.overlaps.iter().map(&mut take).collect()
    }
}

/// What is in images and was found in them, by class and image.
pub(super) fn grouped(truths: &[Truth], detections: &[Detection]) -> Groups {
    let mut groups = Groups::new();
    for (index, Truth { image, annotation }) in truths.iter().enumerate() {
        let group = groups.entry((annotation.class, *image)).or_default();
        group.truths.push((index, *annotation));
    }
    for (index, detection) in detections.iter().enumerate() {
        let group = groups.entry((detection.class, detection.image)).or_default();
        group.detections.push((index, *detection));
    }
    groups
}

/// What became of each detection at one threshold, things of all sizes: what pages and pictures show of
/// mistakes. Detections and things may be of several images and classes; the indices in the outcomes are
/// those of `truths`. Unlike in scores, there is no limit to the number of detections.
///
/// # Panics
///
/// Where a score is NaN.
pub fn outcomes(truths: &[Truth], detections: &[Detection], threshold: f64) -> Vec<Outcome> {
    let mut outcomes = vec![Outcome::Wrong; detections.len()];
    for mut group in grouped(truths, detections).into_values() {
        group.sort(usize::MAX);
        let counts = |annotation: &Annotation| annotation.kind == BoxKind::Object;
        let (order, ignored) = group.order(counts);
        let taken = group.take(threshold, &order, &ignored);
        for (&(detection, _), taken) in group.detections.iter().zip(taken) {
            let Some(taken) = taken else { continue };
            let (truth, _) = group.truths[taken];
            outcomes[detection] = match ignored[taken] {
                true => Outcome::Ignored(truth),
                false => Outcome::Right(truth),
            };
        }
    }
    outcomes
}
