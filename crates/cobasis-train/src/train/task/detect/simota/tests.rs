use super::*;

/// Points 8 pixels apart, `[columns, rows]` of them.
fn grid([columns, rows]: [usize; 2]) -> Vec<Point> {
    let point = |number: usize| {
        let [x, y] = [number % columns, number / columns].map(|at| 8.0 * at as f32 + 4.0);
        Point { x, y, stride: 8.0 }
    };
    (0..columns * rows).map(point).collect()
}

fn object(corners: [f64; 4], class: usize) -> Object {
    Object { corners, class }
}

/// What is found at points: a box each, with a logit of objectness and two of classes.
fn found(rows: impl IntoIterator<Item = ([f32; 4], [f32; 3])>) -> Vec<f32> {
    rows.into_iter().flat_map(|(corners, logits)| corners.into_iter().chain(logits)).collect()
}

#[test]
fn overlaps_tell_how_many_points_an_object_gets() {
    assert_eq!(wanted(vec![0.1, 0.9, 0.5, 0.8]), 2);
    assert_eq!(wanted(vec![0.0; 4]), 1);
    assert_eq!(wanted(vec![1.0; 12]), 10);
    assert_eq!(wanted(vec![]), 1);
    assert_eq!(wanted(vec![f64::NAN]), 1);
}

#[test]
fn candidates_are_less_than_one_and_a_half_strides_from_the_middle() {
    let points = grid([8, 8]);
    // The middle is a point: 3 × 3 points are near, of which all have found the object exactly.
    let exact = object([8.0, 8.0, 32.0, 32.0], 0);
    let rows = found(points.iter().map(|_| ([8.0, 8.0, 32.0, 32.0], [0.0; 3])));
    let near = assign(&points, &rows, &[exact]);
    let places: Vec<usize> = near.iter().map(|positive| positive.point).collect();
    assert_eq!(places, [9, 10, 11, 17, 18, 19, 25, 26, 27]);
    assert!(near.iter().all(|positive| positive.object == 0 && positive.quality == 1.0));
    // Half way between points, those 1.5 strides away are not near: 2 × 2 are left.
    let between = object([16.0, 16.0, 32.0, 32.0], 1);
    let rows = found(points.iter().map(|_| ([16.0, 16.0, 32.0, 32.0], [0.0; 3])));
    let places = assign(&points, &rows, &[between]).into_iter().map(|positive| positive.point);
    assert_eq!(places.collect::<Vec<_>>(), [18, 19, 26, 27]);
}

#[test]
fn an_object_asks_for_the_cheapest_points() {
    let points = grid([4, 4]);
    let wanted = object([4.0, 4.0, 20.0, 20.0], 1);
    // Nothing overlaps but at one point: one is asked for, that one.
    let mut rows = vec![([40.0, 40.0, 50.0, 50.0], [0.0; 3]); 16];
    rows[6] = ([4.0, 4.0, 12.0, 20.0], [0.0; 3]);
    let got = assign(&points, &found(rows.clone()), &[wanted]);
    assert_eq!(got, [Positive { point: 6, object: 0, quality: 0.5 }]);
    // Of equal ones the first; of unequal ones the one that is surer of the class.
    rows[6] = rows[5];
    assert_eq!(assign(&points, &found(rows.clone()), &[wanted])[0].point, 0);
    rows[9].1 = [0.0, 0.0, 3.0];
    rows[10].1 = [0.0, 3.0, 0.0];
    let got = assign(&points, &found(rows), &[wanted]);
    assert_eq!(got, [Positive { point: 9, object: 0, quality: 0.0 }]);
}

#[test]
fn the_cost_is_that_worked_out_by_hand() {
    // Scores √(0.5 · 0.5) = 0.5 and √(0.8 · 0.5).
    let candidate = Candidate::new(0, &[0.0, 0.0, 10.0, 15.0, 0.0, 0.0, 4f32.ln()]);
    let points = [Point { x: 4.0, y: 4.0, stride: 8.0 }];
    let other = 0.4f64.sqrt();
    let pair = Pair::new(&object([0.0, 0.0, 10.0, 10.0], 1), &candidate, &points);
    let expected = -other.ln() - 0.5f64.ln() - 3.0 * (2.0f64 / 3.0 + 1e-8).ln();
    assert!((pair.cost - expected).abs() < 1e-6 && (pair.iou - 2.0 / 3.0).abs() < 1e-12);
    // Not near the middle, and of the other class.
    let pair = Pair::new(&object([20.0, 0.0, 60.0, 10.0], 0), &candidate, &points);
    let expected = 1e6 - 0.5f64.ln() - (1.0 - other).ln() - 3.0 * 1e-8f64.ln();
    assert!((pair.cost - expected).abs() < 1e-5, "{} is not {expected}", pair.cost);
}

#[test]
fn a_point_that_is_asked_for_twice_goes_to_the_cheaper_object() {
    let points = grid([1, 1]);
    let row = found([([0.0, 0.0, 8.0, 8.0], [5.0, -5.0, 5.0])]);
    let [large, exact] = [object([0.0, 0.0, 12.0, 8.0], 1), object([0.0, 0.0, 8.0, 8.0], 1)];
    let other = object([0.0, 0.0, 8.0, 8.0], 0);
    let got = |objects: &[Object]| assign(&points, &row, objects)[0].object;
    assert_eq!(got(&[large, exact, other]), 1);
    assert_eq!(got(&[other, exact, exact]), 1);
    assert_eq!(got(&[exact, other, large]), 0);
}

#[test]
fn whatever_is_found_there_is_an_assignment() {
    let points = grid([4, 4]);
    assert_eq!(assign(&points, &found(points.iter().map(|_| ([0.0; 4], [0.0; 3]))), &[]), []);
    assert_eq!(assign(&[], &[], &[object([0.0, 0.0, 8.0, 8.0], 0)]), []);
    for number in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1e30] {
        let rows = found(points.iter().map(|_| ([number; 4], [number; 3])));
        let got = assign(&points, &rows, &[object([0.0, 0.0, 20.0, 20.0], 0)]);
        assert_eq!(got.len(), 1, "{number}");
    }
    // Beside the points.
    let rows = found(points.iter().map(|_| ([0.0; 4], [0.0; 3])));
    assert_eq!(assign(&points, &rows, &[object([90.0, 90.0, 95.0, 95.0], 0)]), []);
}
