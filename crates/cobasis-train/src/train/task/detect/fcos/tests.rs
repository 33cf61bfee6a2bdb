use super::*;

/// The points of strides 8 and 16 of a picture of 64 by 64 pixels.
fn points() -> Vec<Point> {
    let level = |stride: usize| {
        let count = 64 / stride;
        (0..count * count).map(move |number| {
            let at = |index: usize| (index as f32 + 0.5) * stride as f32;
            Point { x: at(number % count), y: at(number / count), stride: stride as f32 }
        })
    };
    level(8).chain(level(16)).collect()
}

fn object(corners: [f64; 4]) -> Object {
    Object { corners, class: 0 }
}

fn places(positives: &[Positive]) -> Vec<usize> {
    positives.iter().map(|positive| positive.point).collect()
}

#[test]
fn centreness_is_that_worked_out_by_hand() {
    let got = centreness(&[1.0, 2.0, 3.0, 2.0]);
    assert!((got - 0.577350).abs() < 1e-6, "{got}");
    assert_eq!(centreness(&[2.0, 3.0, 2.0, 3.0]), 1.0);
}

#[test]
fn points_are_inside_and_near_the_middle() {
    // Around the point (20, 20): 3 × 3 are near, one is inside.
    let small = object([15.0, 15.0, 25.0, 25.0]);
    let got = assign(&points(), &[small]);
    assert_eq!(got, [Positive { point: 18, object: 0, quality: 1.0 }]);
    let larger = object([4.5, 8.0, 35.5, 32.0]);
    assert_eq!(places(&assign(&points(), &[larger])), [9, 10, 11, 17, 18, 19, 25, 26, 27]);
    // Exactly on an edge is not inside, nor exactly 1.5 strides away near.
    let edge = object([4.0, 4.0, 28.0, 28.0]);
    assert_eq!(places(&assign(&points(), &[edge])), [9, 10, 17, 18]);
    // Between points.
    assert_eq!(assign(&points(), &[object([13.0, 13.0, 19.0, 19.0])]), []);
}

#[test]
fn levels_are_for_distances() {
    assert_eq!(ranges(&points())[0], [0.0, 64.0]);
    assert_eq!(ranges(&points())[64], [64.0, f64::INFINITY]);
    let three = [8.0, 16.0, 32.0].map(|stride| Point { x: 4.0, y: 4.0, stride });
    assert_eq!(ranges(&three), [[0.0, 64.0], [64.0, 128.0], [128.0, f64::INFINITY]]);
    assert_eq!(ranges(&three[1..2]), [[0.0, f64::INFINITY]]);
    // From the point (36, 36) 64 pixels to the right edge; from the others near it more or less.
    let wide = object([-28.0, 0.0, 100.0, 64.0]);
    let got = assign(&points(), &[wide]);
    assert_eq!(places(&got), [28, 36, 69, 70, 71, 73, 74, 75]);
}

#[test]
fn the_smallest_object_gets_the_point() {
    let [large, small] = [object([0.0, 0.0, 40.0, 40.0]), object([10.0, 10.0, 30.0, 30.0])];
    let of = |objects: &[Object]| {
        let got = assign(&points(), objects);
        got.iter().find(|positive| positive.point == 18).map(|positive| positive.object)
    };
    assert_eq!(of(&[large, small]), Some(1));
    assert_eq!(of(&[small, large]), Some(0));
    assert_eq!(of(&[large, small, small]), Some(1));
    assert_eq!(assign(&points(), &[]), []);
    assert_eq!(assign(&[], &[small]), []);
}
