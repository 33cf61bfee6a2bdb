use super::*;
use crate::data::boxes::Rect;

fn annotation(corners: [f64; 4], class: u16, kind: BoxKind) -> Annotation {
    let rect = Rect::from_corners(corners);
    Annotation { rect, class, kind, area: rect.area() }
}

#[test]
fn only_objects_ask_for_points_and_what_is_in_others_does_not_count() {
    let points = [4.0, 12.0, 20.0, 28.0].map(|x| Point { x, y: 4.0, stride: 8.0 });
    let boxes = vec![
        annotation([0.0, 0.0, 16.0, 8.0], 5, BoxKind::Crowd),
        annotation([2.0, 1.0, 6.0, 7.0], 2, BoxKind::Object),
        annotation([24.0, 0.0, 32.0, 8.0], 1, BoxKind::Difficult),
        // The point is on its edge.
        annotation([20.0, 0.0, 22.0, 8.0], 1, BoxKind::Difficult),
    ];
    let empty = Boxes { size: [8, 32], boxes: Vec::new() };
    let images = [empty.clone(), Boxes { size: [8, 32], boxes }, empty];
    let assigned = Assigned::new(&points, &images, |image, objects| {
        assert_eq!(objects.len(), usize::from(image == 1));
        let positive = |object| Positive { point: 0, object, quality: 0.5 };
        (0..objects.len()).map(positive).collect()
    });
    let expected = Assigned {
        places: vec![4],
        corners: vec![2.0, 1.0, 6.0, 7.0],
        classes: vec![2],
        qualities: vec![0.5],
        strides: vec![8.0],
        ignored: vec![5, 7],
    };
    assert_eq!(assigned, expected);
}

#[test]
fn overlaps_are_those_worked_out_by_hand() {
    let object = Object { corners: [0.0, 0.0, 2.0, 2.0], class: 0 };
    assert_eq!(object.iou([1.0, 1.0, 3.0, 3.0]), 1.0 / 7.0);
    assert_eq!([object.iou([2.0, 0.0, 3.0, 1.0]), object.iou(object.corners)], [0.0, 1.0]);
    assert_eq!(object.iou([1.0, 1.0, 1.0, 1.0]), 0.0);
}
