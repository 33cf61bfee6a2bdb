//! Boxes in images, from what a detector says of their pictures.
//!
//! A detector gives a row for each picture, `[points, 5 + classes]`: the box of each point, x and y of two
//! corners in pixels of the picture, then the logits of the box's quality and of each class.

mod find;
mod fitted;

use cobasis_data::boxes::{Detection, Placement, Rect, suppress};

pub use find::{FindConfig, Found, find_with};
pub use fitted::{FittedBoxes, fitted_boxes, pictures};

/// Numbers of a point before those of the classes.
const BOX: usize = 5;
/// Detections of an image that are kept, the best: as many as COCO's scores count.
const MOST: usize = 100;
/// The best candidates that are compared with each other, so that a network that finds something everywhere
/// takes no minutes.
const CANDIDATES: usize = 3000;

/// Which of the boxes that a detector says are told.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Suppression {
    /// Scores above this are told, 0 to 1.
    pub confidence: f64,
    /// Of boxes of a class that overlap by more than this (intersection over union), only the best.
    pub nms: f64,
}

/// The usual settings for scores (YOLOX).
impl Default for Suppression {
    fn default() -> Self {
        Self { confidence: 0.01, nms: 0.65 }
    }
}

/// The things that a detector with so many classes finds in an image, the highest scores first, at most 100,
/// in pixels of the image, of which each is a part. `row` is what it says of the picture, `input` the
/// height and width of that, on which all of the image is ([`Placement::letterbox`]), and `image_size` those
/// of the image. Their [`image`](Detection::image) is 0.
///
/// A point stands for every class whose score, the product of the sigmoids of quality and class, is above
/// the settings' confidence. What is no number is left out; [`is_finite`] tells.
///
/// # Panics
///
/// Where a side of the picture or of the image is 0, and where the row is not of points with so many classes.
pub fn detections(
    row: &[f32],
    classes: usize,
    input: [usize; 2],
    image_size: [usize; 2],
    Suppression { confidence, nms }: Suppression,
) -> Vec<Detection> {
    let placement = Placement::letterbox(image_size, input);
    let [height, width] = image_size.map(|side| side as f64);
    let image = Rect::from_xywh([0.0, 0.0, width, height]);
    let mut found: Vec<Detection> = Vec::new();
    assert!(row.len().is_multiple_of(BOX + classes), "{} numbers, {classes} classes", row.len());
    for point in row.chunks_exact(BOX + classes) {
        let (place, quality) = (&point[..4], sigmoid(point[4]));
        let mut rect = None;
        for (class, &logit) in (0..).zip(&point[BOX..]) {
            let score = quality * sigmoid(logit);
            if score.is_nan() || score <= confidence {
                continue;
            }
            let on_image = || {
                let corners = [0, 1, 2, 3].map(|edge| f64::from(place[edge]));
                let rect = Rect::from_corners(corners);
                let is_box = rect.is_finite() && rect.width > 0.0 && rect.height > 0.0;
                if is_box { placement.back(&rect).clipped(&image) } else { None }
            };
            if let Some(rect) = *rect.get_or_insert_with(on_image) {
                found.push(Detection { image: 0, class, rect, score });
            }
        }
    }
    // Stable, so that of equal scores the first point's stay.
    found.sort_by(|a, b| b.score.total_cmp(&a.score));
    found.truncate(CANDIDATES);
    suppress(&found, nms).into_iter().take(MOST).map(|index| found[index]).collect()
}

/// Whether all that a detector says are numbers to compute with.
pub fn is_finite(row: &[f32]) -> bool {
    row.iter().all(|number| number.is_finite())
}

fn sigmoid(logit: f32) -> f64 {
    1.0 / (1.0 + (-f64::from(logit)).exp())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The logit of a probability.
    fn logit(probability: f64) -> f32 {
        (probability / (1.0 - probability)).ln() as f32
    }

    /// A point's numbers, of a quality of almost 1.
    fn point(corners: [f32; 4], classes: &[f64]) -> Vec<f32> {
        let logits = classes.iter().map(|&probability| logit(probability));
        corners.into_iter().chain([40.0]).chain(logits).collect()
    }

    /// What is found in an image of 480×640 by a network that sees 256×320: half as large, 8 pixels
    /// down.
    fn found(points: &[Vec<f32>]) -> Vec<(u16, [f64; 4], f64)> {
        let row = points.concat();
        let two = (points[0].len() - BOX, [256, 320], [480, 640]);
        let rounded = |detection: Detection| {
            let score = (1e4 * detection.score).round() / 1e4;
            (detection.class, detection.rect.corners(), score)
        };
        let settings = Suppression { confidence: 0.1, nms: 0.65 };
        detections(&row, two.0, two.1, two.2, settings).into_iter().map(rounded).collect()
    }

    #[test]
    fn the_letterbox_is_undone_and_edges_are_cut() {
        let inside = point([5.0, 18.0, 55.0, 118.0], &[0.75, 0.05]);
        assert_eq!(found(&[inside]), [(0, [10.0, 20.0, 110.0, 220.0], 0.75)]);
        let beyond = point([-10.0, 0.0, 20.0, 400.0], &[0.05, 0.5]);
        assert_eq!(found(&[beyond]), [(1, [0.0, 0.0, 40.0, 480.0], 0.5)]);
        // In the grey above the image, and boxes that are none.
        for corners in [[5.0, 0.0, 55.0, 8.0], [9.0, 9.0, 9.0, 99.0], [30.0, 30.0, 20.0, 40.0]] {
            assert_eq!(found(&[point(corners, &[0.9, 0.9])]), []);
        }
    }

    #[test]
    fn of_boxes_of_a_class_that_overlap_the_best_is_told() {
        let boxes = [
            point([20.0, 20.0, 40.0, 40.0], &[0.8, 0.3]),
            point([21.0, 20.0, 41.0, 40.0], &[0.9, 0.2]),
            point([60.0, 20.0, 80.0, 40.0], &[0.7, 0.1]),
        ];
        let told: Vec<_> = found(&boxes).iter().map(|&(class, _, score)| (class, score)).collect();
        // As much as the confidence is not more.
        assert_eq!(told, [(0, 0.9), (0, 0.7), (1, 0.3)]);
    }

    #[test]
    fn scores_are_products() {
        let mut point = point([20.0, 20.0, 40.0, 40.0], &[0.8]);
        point[4] = logit(0.5);
        assert_eq!(found(&[point])[0].2, 0.4);
    }

    #[test]
    fn what_is_no_number_is_left_out_and_told() {
        let good = point([20.0, 20.0, 40.0, 40.0], &[0.8]);
        for place in 0..6 {
            for wrong in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
                let mut point = good.clone();
                point[place] = wrong;
                assert!(!is_finite(&point) && is_finite(&good));
                assert!(found(&[point, good.clone()]).len() <= 2);
            }
        }
    }

    #[test]
    fn no_more_are_told_than_scores_count() {
        let one = |index: u16| {
            let (x, y) = (f32::from(index % 20) * 12.0, 20.0 + f32::from(index / 20) * 12.0);
            point([x, y, x + 10.0, y + 10.0], &[0.2 + 0.002 * f64::from(index)])
        };
        let told = found(&(0..300).map(one).collect::<Vec<_>>());
        assert_eq!((told.len(), told[0].2), (100, 0.798));
        assert!(told.windows(2).all(|two| two[0].2 >= two[1].2));
    }
}
