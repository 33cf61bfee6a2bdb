//! SimOTA: which points YOLOX trains on which objects, from what they found (Ge et al., 2021).

use std::cmp::Ordering;

use cobasis_zoo::Point;

use super::assigned::{Object, Positive};

/// At most so many overlaps tell how many points an object gets.
const OVERLAPS: usize = 10;
/// Weight of the overlap against the classes.
const OVERLAP_WEIGHT: f64 = 3.0;
/// Added to the cost of a point away from the middle of the object: more than anything else comes to.
const AWAY: f64 = 1e6;

/// A point that may get an object.
struct Candidate {
    point: usize,
    corners: [f64; 4],
    /// Cost of each class: the binary cross entropy of the scores of all classes if it is that one.
    class_costs: Vec<f64>,
}

/// What a candidate has to do with an object.
#[derive(Clone, Copy)]
struct Pair {
    iou: f64,
    cost: f64,
}

/// Points for the objects of an image, of which `found` has left, upper, right and lower edge, the logit of
/// objectness and the logits of the classes, point by point. In the order of the points.
///
/// - Candidates are the points less than 1.5 strides from the middle of some object, right or left, and up
///   or down.
/// - An object asks for as many points as the sum of its 10 greatest IoUs with boxes of candidates says,
///   rounded down, at least 1. It asks for those of the lowest cost, the first ones of equal ones.
/// - The cost is the cross entropy of the scores `√(class · objectness)` of all classes, less 3 times the
///   logarithm of the IoU, and a million where the point is not near the middle of this object.
/// - A point that several objects ask for goes to the object for which its cost is lowest of all objects,
///   as in the authors' program, the first one of equal ones.
///
/// An object that others take all points from, or that has no candidate, gets none.
pub fn assign(points: &[Point], found: &[f32], objects: &[Object]) -> Vec<Positive> {
    let near = |point: &Point| objects.iter().any(|object| object.has_near_centre(point));
    let columns = found.len() / points.len().max(1);
    let rows = points.iter().zip(found.chunks_exact(columns.max(1))).enumerate();
    let candidates: Vec<Candidate> = rows
        .filter(|(_, (point, _))| near(point))
        .map(|(number, (_, row))| Candidate::new(number, row))
        .collect();
    let pairs: Vec<Vec<Pair>> = objects
        .iter()
        .map(|object| candidates.iter().map(|one| Pair::new(object, one, points)).collect())
        .collect();

    let mut asked: Vec<Vec<usize>> = vec![Vec::new(); candidates.len()];
    for (object, pairs) in pairs.iter().enumerate() {
        let count = wanted(pairs.iter().map(|pair| pair.iou).collect()).min(pairs.len());
        let cheaper =
            |&a: &usize, &b: &usize| pairs[a].cost.total_cmp(&pairs[b].cost).then(a.cmp(&b));
        for candidate in first((0..pairs.len()).collect(), count, cheaper) {
            asked[candidate].push(object);
        }
    }
    let cheapest = |candidate: usize| {
        let costs = pairs.iter().map(|pairs| pairs[candidate].cost).enumerate();
        costs.min_by(|a, b| a.1.total_cmp(&b.1)).map(|(object, _)| object)
    };
    let positive = |(candidate, objects): (usize, &Vec<usize>)| {
        let object = match objects[..] {
            [] => return None,
            [object] => object,
            _ => cheapest(candidate)?,
        };
        let quality = pairs[object][candidate].iou;
        Some(Positive { point: candidates[candidate].point, object, quality })
    };
    asked.iter().enumerate().filter_map(positive).collect()
}

/// How many points an object asks for that has these IoUs with the candidates' boxes.
fn wanted(ious: Vec<f64>) -> usize {
    let mut greatest = first(ious, OVERLAPS, |a, b| b.total_cmp(a));
    greatest.sort_by(|a, b| b.total_cmp(a));
    // What is no number becomes 0.
    (greatest.iter().sum::<f64>() as usize).max(1)
}

/// The first so many of some values in this order, themselves in any.
fn first<T>(mut values: Vec<T>, count: usize, order: impl Fn(&T, &T) -> Ordering) -> Vec<T> {
    if (1..values.len()).contains(&count) {
        values.select_nth_unstable_by(count - 1, order);
    }
    values.truncate(count);
    values
}

impl Candidate {
    fn new(point: usize, row: &[f32]) -> Self {
        let numbers: Vec<f64> = row.iter().map(|&number| f64::from(number)).collect();
        let (corners, logits) = numbers.split_at(4);
        let objectness = log_sigmoid(logits[0]);
        // Logarithms of the score and of what is left of 1, no less than PyTorch's loss takes them.
        let logs = logits[1..].iter().map(|&class| {
            let log = (objectness + log_sigmoid(class)) / 2.0;
            [log.max(-100.0), (-log.exp()).ln_1p().max(-100.0)]
        });
        let logs: Vec<[f64; 2]> = logs.collect();
        let none: f64 = logs.iter().map(|[_, no]| -no).sum();
        let class_costs = logs.iter().map(|[yes, no]| none + no - yes).collect();
        let corners = [corners[0], corners[1], corners[2], corners[3]];
        Self { point, corners, class_costs }
    }
}

impl Pair {
    fn new(object: &Object, candidate: &Candidate, points: &[Point]) -> Self {
        let iou = object.iou(candidate.corners);
        let away = !object.has_near_centre(&points[candidate.point]);
        let cost = candidate.class_costs[object.class] - OVERLAP_WEIGHT * (iou + 1e-8).ln()
            + if away { AWAY } else { 0.0 };
        Self { iou, cost }
    }
}

/// The logarithm of the logistic function.
fn log_sigmoid(x: f64) -> f64 {
    x.min(0.0) - (-x.abs()).exp().ln_1p()
}

#[cfg(test)]
mod tests;
