//! Which points FCOS trains on which objects, from where they are (Tian et al., 2019).

use cobasis_zoo::Point;

use super::assigned::{Object, Positive, inside};

/// A level finds objects whose farthest edge is at most so many strides from a point, the coarsest one
/// all that are farther away than the others' limit.
const REACH: f64 = 8.0;

/// Points for the objects of an image, in the order of the points.
///
/// A point gets an object if it is inside of it, less than 1.5 strides from its middle, right or left, and
/// up or down, and if the farthest of the four edges is as far away as its level is made for: up to 8
/// strides, and more than 8 strides of the level before; 64 pixels part the strides 8 and 16. The coarsest
/// level has no upper limit. Of several objects, it gets the one with the smallest area, the first one of
/// equal ones. Objects that no point qualifies for, such as some smaller than a stride, get none.
pub fn assign(points: &[Point], objects: &[Object]) -> Vec<Positive> {
    let ranges = ranges(points);
    let positive = |(number, (point, &[above, up_to])): (usize, (&Point, &[f64; 2]))| {
        let qualifies = |object: &Object| {
            let sides = object.sides(point);
            let farthest = sides.into_iter().fold(0.0, f64::max);
            let in_range = farthest > above && farthest <= up_to;
            inside(&sides) && in_range && object.has_near_centre(point)
        };
        let fitting = objects.iter().enumerate().filter(|(_, object)| qualifies(object));
        let (object, smallest) = fitting.min_by(|a, b| a.1.area().total_cmp(&b.1.area()))?;
        let quality = centreness(&smallest.sides(point));
        Some(Positive { point: number, object, quality })
    };
    points.iter().zip(&ranges).enumerate().filter_map(positive).collect()
}

/// How near a point is to the middle of a box: 1 there, and 0 on the edges. `sides` are its distances from
/// left, upper, right and lower edge.
pub fn centreness(&[left, top, right, bottom]: &[f64; 4]) -> f64 {
    let evenness = |a: f64, b: f64| a.min(b) / a.max(b);
    (evenness(left, right) * evenness(top, bottom)).sqrt()
}

/// For each point, how far the farthest edge of its object is: more than the first, up to the second.
fn ranges(points: &[Point]) -> Vec<[f64; 2]> {
    let mut strides: Vec<f64> = points.iter().map(|point| f64::from(point.stride)).collect();
    // Level by level: few are left to sort.
    strides.dedup();
    strides.sort_by(f64::total_cmp);
    strides.dedup();
    let range = |point: &Point| {
        let level = strides.partition_point(|&stride| stride < f64::from(point.stride));
        let above = level.checked_sub(1).map_or(0.0, |finer| REACH * strides[finer]);
        let last = level + 1 == strides.len();
        [above, if last { f64::INFINITY } else { REACH * strides[level] }]
    };
    points.iter().map(range).collect()
}

#[cfg(test)]
mod tests;
