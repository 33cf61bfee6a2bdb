//! Which detections of an image take which things.

use super::{Detection, MAX_DETECTIONS, THRESHOLDS, Truth};
use crate::boxes::annotations::{Annotation, BoxKind};

/// What is in an image and was found in it, of one class.
#[derive(Debug, Default)]
pub(super) struct ImageOfClass {
    pub(super) truths: Vec<Annotation>,
    /// Those that count, in descending order of scores.
    pub(super) detections: Vec<Detection>,
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
    /// Leaves the detections that count, in their order, and computes overlaps.
    pub(super) fn sort(&mut self) {
        // Stable, like COCO's: of equal scores the first stays the first.
        self.detections.sort_by(|a, b| b.score.partial_cmp(&a.score).expect("finite scores"));
        self.detections.truncate(MAX_DETECTIONS[2]);
        let overlaps = |detection: &Detection| {
            let overlap = |truth: &Annotation| match truth.kind {
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
        let objects = self.truths.iter().filter(|truth| counts(truth)).count();
        // What counts is tried first.
        let ignored: Vec<bool> = self.truths.iter().map(|truth| !counts(truth)).collect();
        let mut order: Vec<usize> = (0..self.truths.len()).collect();
        order.sort_by_key(|&truth| ignored[truth]);

        let judged = |detection: &Detection| JudgedDetection {
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

    /// Which thing each detection takes; those that are ignored are last in `order`.
    fn take(&self, threshold: f64, order: &[usize], ignored: &[bool]) -> Vec<Option<usize>> {
        let mut is_taken = vec![false; self.truths.len()];
        let mut take = |overlaps: &Vec<f64>| {
            let (mut most, mut best) = (threshold.min(1.0 - 1e-10), None);
            for &truth in order {
                if is_taken[truth] && self.truths[truth].kind != BoxKind::Crowd {
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

/// What became of each detection at one threshold, things of all sizes: what pages and pictures show of
/// mistakes. Detections and things may be of several images and classes; the indices in the outcomes are those of
/// `truths`. Unlike in scores, there is no limit to the number of detections.
///
/// # Panics
///
/// Where a score is NaN.
pub fn outcomes(truths: &[Truth], detections: &[Detection], threshold: f64) -> Vec<Outcome> {
    let mut order: Vec<usize> = (0..detections.len()).collect();
    let score = |index: &usize| detections[*index].score;
    order.sort_by(|a, b| score(b).partial_cmp(&score(a)).expect("scores are numbers"));
    let mut outcomes = vec![Outcome::Wrong; detections.len()];
    let mut is_taken = vec![false; truths.len()];
    for index in order {
        let Detection { image, class, rect, .. } = &detections[index];
        let mut best: Option<(bool, f64, usize)> = None;
        for (number, Truth { image: of, annotation }) in truths.iter().enumerate() {
            let kind = annotation.kind;
            if of != image || annotation.class != *class {
                continue;
            }
            if is_taken[number] && kind != BoxKind::Crowd {
                continue;
            }
            let overlap = match kind {
                BoxKind::Crowd => rect.share_in(&annotation.rect),
                BoxKind::Object | BoxKind::Difficult => rect.iou(&annotation.rect),
            };
            let rank = (kind == BoxKind::Object, overlap, number);
            if overlap >= threshold.min(1.0 - 1e-10)
                && best.is_none_or(|(object, most, _)| (rank.0, overlap) >= (object, most))
            {
                best = Some(rank);
            }
        }
        if let Some((object, _, number)) = best {
            is_taken[number] = true;
            outcomes[index] =
                if object { Outcome::Right(number) } else { Outcome::Ignored(number) };
        }
    }
    outcomes
}
