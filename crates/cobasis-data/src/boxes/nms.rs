//! Of boxes around the same thing only the best: non-maximum suppression.

use super::average_precision::Detection;

/// Which detections of one image stay, as indices, the highest scores first: each, unless one of its
/// class with a higher score stays and overlaps it by more than `threshold` (intersection over union).
/// Of equal scores the first counts as the higher.
///
/// # Panics
///
/// Where a score is NaN.
pub fn suppress(detections: &[Detection], threshold: f64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..detections.len()).collect();
    let score = |index: &usize| detections[*index].score;
    order.sort_by(|a, b| score(b).partial_cmp(&score(a)).expect("scores are numbers"));
    let mut kept: Vec<usize> = Vec::new();
    for index in order {
        let Detection { rect, class, .. } = &detections[index];
        let covers = |&other: &usize| {
            let other = &detections[other];
            other.class == *class && other.rect.iou(rect) > threshold
        };
        if !kept.iter().any(covers) {
            kept.push(index);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::boxes::Rect;

    fn detection(left: f64, score: f64, class: u16) -> Detection {
        let rect = Rect::from_corners([left, 0.0, left + 10.0, 10.0]);
        Detection { image: 0, class, rect, score }
    }

    #[test]
    fn the_best_of_those_that_overlap_stay() {
        let three = [detection(0.0, 0.9, 0), detection(1.0, 0.8, 0), detection(20.0, 0.7, 0)];
        assert_eq!(suppress(&three, 0.65), [0, 2]);
        assert_eq!(suppress(&three, 0.85), [0, 1, 2]);
        // As much as the threshold is not more.
        assert_eq!(suppress(&three, 9.0 / 11.0), [0, 1, 2]);
        assert!(suppress(&[], 0.5).is_empty());
    }

    #[test]
    fn only_what_stays_and_is_of_the_class_removes_others() {
        // The second goes with the first, so the third, which only the second overlaps, stays.
        let chain = [detection(10.0, 0.3, 0), detection(0.0, 0.9, 0), detection(5.0, 0.5, 0)];
        assert_eq!(suppress(&chain, 0.3), [1, 0]);
        let classes = [detection(0.0, 0.5, 0), detection(0.0, 0.5, 1), detection(0.0, 0.5, 0)];
        assert_eq!(suppress(&classes, 0.5), [0, 1]);
    }
}
