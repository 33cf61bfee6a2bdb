//! How good detections are: COCO's average precision and average recall, as COCO's own program
//! (pycocotools) computes them.
//!
//! Of each image and class, the 100 detections of the highest scores count. Each, in their order, takes the
//! thing that it overlaps most, if by at least a threshold and if no other has taken it. Those that take one are
//! right, the others wrong; those that take a crowd or something else that is not counted are neither.
//! Over all images in the order of scores this gives precision as a function of recall, made
//! non-increasing, of which average precision is the mean at 101 recalls. The means over ten thresholds,
//! 0.50 to 0.95, and over classes are the scores.

mod curve;
mod matching;

use super::annotations::Annotation;
use super::rect::Rect;
use crate::error::DataError;
use curve::Curve;
use matching::{ImageOfClass, Judged, grouped};
pub use matching::{Outcome, outcomes};

/// Overlaps from which on a detection is right.
pub const THRESHOLDS: usize = 10;
/// Recalls at which precision is taken.
pub const RECALLS: usize = 101;
/// Detections of an image and a class that count, for the three average recalls; the last for all else.
pub const MAX_DETECTIONS: [usize; 3] = [1, 10, 100];

/// Square pixels from and to which things are of a range: all, small, medium, large; both ends included.
const AREAS: [[f64; 2]; 4] = [[0.0, 1e10], [0.0, 1024.0], [1024.0, 9216.0], [9216.0, 1e10]];

/// A box that was found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Detection {
    /// Which image it is in, an index.
    pub image: usize,
    /// Which class it is of, an index.
    pub class: u16,
    /// Where it is, pixels of the image.
    pub rect: Rect,
    /// How sure it is; any scale.
    pub score: f64,
}

/// A box that was to be found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Truth {
    /// Which image it is in, an index.
    pub image: usize,
    /// What is there.
    pub annotation: Annotation,
}

/// COCO's scores, all from 0 to 1. None where nothing was to be found, which COCO's program writes as -1.
#[derive(Debug, Clone, PartialEq)]
pub struct AveragePrecision {
    /// Mean over thresholds 0.50 to 0.95 and classes: COCO's main score.
    pub ap: Option<f64>,
    /// At the threshold 0.50.
    pub ap50: Option<f64>,
    /// At the threshold 0.75.
    pub ap75: Option<f64>,
    /// Of things of up to 32², up to 96², and of more square pixels.
    pub ap_by_area: [Option<f64>; 3],
    /// The most things found with 1, 10 and 100 detections for an image and class, as a share.
    pub recall: [Option<f64>; 3],
    /// With 100 detections, of things of up to 32², up to 96², and of more square pixels.
    pub recall_by_area: [Option<f64>; 3],
    /// Of each class, `[classes]`.
    pub classes: Vec<ClassPrecision>,
}

/// The scores of one class.
#[derive(Debug, Clone, PartialEq)]
pub struct ClassPrecision {
    /// Things that were to be found.
    pub objects: usize,
    /// Mean over thresholds 0.50 to 0.95.
    pub ap: Option<f64>,
    /// At the threshold 0.50.
    pub ap50: Option<f64>,
    /// At the threshold 0.75.
    pub ap75: Option<f64>,
    /// Share of the things that were found, with 100 detections for an image, mean over thresholds.
    pub recall: Option<f64>,
    /// Precision at recalls 0, 0.01 to 1 for thresholds 0.50, 0.55 to 0.95; empty where nothing was to
    /// be found.
    pub precision: Vec<[f64; RECALLS]>,
}

/// The thresholds, as numpy's `linspace(.5, .95, 10)` rounds them.
fn thresholds() -> [f64; THRESHOLDS] {
    let step = (0.95 - 0.5) / 9.0;
    std::array::from_fn(|i| if i == 9 { 0.95 } else { i as f64 * step + 0.5 })
}

/// COCO's scores of detections in `images` images of `classes` classes.
///
/// Of equal scores, the detection of the image with the lower index, and in an image the one that comes
/// first, is taken first; of things overlapped equally, the last.
///
/// # Errors
///
/// [`DataError::Inconsistent`] where a detection or a thing is of no image or class, or has a box or score that
/// is not finite, as a diverged model gives.
pub fn average_precision(
    images: usize,
    classes: usize,
    truths: &[Truth],
    detections: &[Detection],
) -> Result<AveragePrecision, DataError> {
    let known = |image, class, rect: &Rect, what: &str, index| {
        if image >= images || usize::from(class) >= classes || !rect.is_finite() {
            let expected = format!("a finite box in one of {images} images and {classes} classes");
            let got = format!("{:?} in image {image}, class {class}", rect.xywh());
            return Err(wrong(format!("{what} {index}"), &expected, got));
        }
        Ok(())
    };
    for (index, Truth { image, annotation }) in truths.iter().enumerate() {
        known(*image, annotation.class, &annotation.rect, "thing", index)?;
    }
    for (index, detection) in detections.iter().enumerate() {
        let Detection { image, class, rect, score } = detection;
        known(*image, *class, rect, "detection", index)?;
        if !score.is_finite() {
            let got = score.to_string();
            return Err(wrong(format!("detection {index}"), "a finite score", got));
        }
    }
    let mut groups = grouped(truths, detections);
    groups.values_mut().for_each(|group| group.sort(MAX_DETECTIONS[2]));

    let thresholds = thresholds();
    let curves = |class: usize| {
        let labels = u16::try_from(class).ok().into_iter();
        let groups: Vec<&ImageOfClass> = labels
            .flat_map(|label| groups.range((label, 0)..=(label, usize::MAX)))
            .map(|(_, group)| group)
            .collect();
        AREAS.map(|area| {
            let judge = |group: &&ImageOfClass| group.judge(&thresholds, area);
            Curve::of(&groups.iter().map(judge).collect::<Vec<Judged>>())
        })
    };
    let curves: Vec<[Option<Curve>; 4]> = (0..classes).map(curves).collect();
    Ok(AveragePrecision::of(&curves))
}

/// The error that something to be judged is not as expected.
fn wrong(what: String, expected: &str, got: String) -> DataError {
    DataError::Inconsistent { set: "detections".into(), what, expected: expected.into(), got }
}

impl AveragePrecision {
    /// The scores of classes with curves for all areas and three ranges of them.
    fn of(curves: &[[Option<Curve>; 4]]) -> Self {
        // All classes that have things of a range of areas count alike.
        let over = |area: usize, of: &dyn Fn(&Curve) -> f64| {
            mean(curves.iter().filter_map(|areas| areas[area].as_ref()).map(of))
        };
        let ap = |area| over(area, &Curve::mean_precision);
        let recall = |area, most: usize| over(area, &move |curve| curve.mean_recall(most));
        Self {
            ap: ap(0),
            ap50: over(0, &|curve| curve.precision_at(0)),
            ap75: over(0, &|curve| curve.precision_at(5)),
            ap_by_area: [ap(1), ap(2), ap(3)],
            recall: [recall(0, 0), recall(0, 1), recall(0, 2)],
            recall_by_area: [recall(1, 2), recall(2, 2), recall(3, 2)],
            classes: curves.iter().map(|areas| ClassPrecision::of(areas[0].as_ref())).collect(),
        }
    }

    /// COCO's twelve numbers in the order of its program, -1 where nothing was to be found.
    pub fn stats(&self) -> [f64; 12] {
        let [s, m, l] = self.ap_by_area;
        let [one, ten, hundred] = self.recall;
        let [rs, rm, rl] = self.recall_by_area;
        [self.ap, self.ap50, self.ap75, s, m, l, one, ten, hundred, rs, rm, rl]
            .map(|score| score.unwrap_or(-1.0))
    }
}

impl ClassPrecision {
    fn of(curve: Option<&Curve>) -> Self {
        Self {
            objects: curve.map_or(0, |curve| curve.objects),
            ap: curve.map(Curve::mean_precision),
            ap50: curve.map(|curve| curve.precision_at(0)),
            ap75: curve.map(|curve| curve.precision_at(5)),
            recall: curve.map(|curve| curve.mean_recall(2)),
            precision: curve.map(|curve| curve.precision.to_vec()).unwrap_or_default(),
        }
    }
}

/// The mean of numbers, if there are any.
fn mean(numbers: impl IntoIterator<Item = f64>) -> Option<f64> {
    let (mut sum, mut count) = (0.0, 0);
    for number in numbers {
        sum += number;
        count += 1;
    }
    (count > 0).then(|| sum / f64::from(count))
}

#[cfg(test)]
mod tests;
