use super::*;
use crate::boxes::BoxKind;

fn truth(image: usize, xywh: [f64; 4]) -> Truth {
    let rect = Rect::from_xywh(xywh);
    let annotation = Annotation { rect, class: 0, kind: BoxKind::Object, area: rect.area() };
    Truth { image, annotation }
}

fn detection(image: usize, xywh: [f64; 4], score: f64) -> Detection {
    Detection { image, class: 0, rect: Rect::from_xywh(xywh), score }
}

/// A box of its own for every number.
fn place(number: usize) -> [f64; 4] {
    [number as f64 * 100.0, 0.0, 50.0, 50.0]
}

fn scores(truths: &[Truth], detections: &[Detection]) -> AveragePrecision {
    average_precision(3, 2, truths, detections).expect("finite")
}

/// The score where things `0..things` were to be found, and found in this order; others are mistakes.
fn ap(things: usize, found: &[usize]) -> f64 {
    let truths: Vec<_> = (0..things).map(|thing| truth(0, place(thing))).collect();
    let detection = |(at, &thing)| detection(0, place(thing), 1.0 - 0.01 * at as f64);
    let detections: Vec<_> = found.iter().enumerate().map(detection).collect();
    scores(&truths, &detections).ap.expect("something to find")
}

fn close(a: f64, b: f64) {
    assert!((a - b).abs() < 1e-12, "{a} {b}");
}

#[test]
fn scores_are_those_worked_out_by_hand() {
    close(ap(1, &[0]), 1.0);
    close(ap(2, &[0]), 51.0 / 101.0);
    close(ap(1, &[9, 0]), 0.5);
    close(ap(1, &[0, 9]), 1.0);
    // Right, a duplicate, right: 51 recalls at 1 and 50 at 2/3.
    close(ap(2, &[0, 0, 1]), (51.0 + 50.0 * 2.0 / 3.0) / 101.0);
    assert!((ap(2, &[0, 0, 1]) - 0.834983).abs() < 1e-6);
    assert!((ap(3, &[0, 9, 1]) - 0.554455).abs() < 1e-6);
    for (right, recalls) in [(1, 11.0), (3, 31.0), (7, 70.0)] {
        close(ap(10, &(0..right).collect::<Vec<_>>()), recalls / 101.0);
    }
    close(ap(1, &[]), 0.0);
}

#[test]
fn two_thirds_of_overlap_are_right_at_four_thresholds() {
    let judged =
        scores(&[truth(0, [0.0, 0.0, 10.0, 10.0])], &[detection(0, [0.0, 0.0, 10.0, 15.0], 0.5)]);
    close(judged.ap.expect("a score"), 0.4);
    close(judged.ap50.expect("a score"), 1.0);
    close(judged.ap75.expect("a score"), 0.0);
    close(judged.recall[0].expect("a score"), 0.4);
    // 100 square pixels are small.
    assert_eq!(judged.ap_by_area.map(|score| score.is_some()), [true, false, false]);
    let [first, second] = &judged.classes[..] else { panic!("two classes") };
    assert_eq!((first.objects, first.ap, first.precision.len()), (1, judged.ap, 10));
    assert_eq!((second.objects, second.ap, second.precision.len()), (0, None, 0));
}

#[test]
fn nothing_to_find_is_no_score() {
    let judged = scores(&[], &[detection(0, place(0), 0.5)]);
    assert_eq!(judged.stats(), [-1.0; 12]);
}

#[test]
fn crowds_and_difficult_things_absorb() {
    let mut crowd = truth(0, [0.0, 0.0, 100.0, 100.0]);
    crowd.annotation.kind = BoxKind::Crowd;
    let object = truth(0, [500.0, 0.0, 50.0, 50.0]);
    let right = detection(0, [500.0, 0.0, 50.0, 50.0], 0.1);
    let inside = |score| detection(0, [10.0, 10.0, 20.0, 20.0], score);
    // Any number of detections within a crowd.
    let judged = scores(&[crowd, object], &[inside(0.9), inside(0.8), right]);
    close(judged.ap.expect("a score"), 1.0);
    // Of something difficult only the first, and by the usual overlap.
    let mut difficult = truth(0, [10.0, 10.0, 20.0, 20.0]);
    difficult.annotation.kind = BoxKind::Difficult;
    close(scores(&[difficult, object], &[inside(0.9), right]).ap.expect("a score"), 1.0);
    let judged = scores(&[difficult, object], &[inside(0.9), inside(0.8), right]);
    close(judged.ap.expect("a score"), 0.5);
}

#[test]
fn sizes_beside_the_range_do_not_count() {
    // A large thing, and a wrong detection of a small size: not the large ones' mistake.
    let large = truth(0, [0.0, 0.0, 100.0, 100.0]);
    let found = detection(0, [0.0, 0.0, 100.0, 100.0], 0.5);
    let wrong = detection(0, [300.0, 0.0, 10.0, 10.0], 0.9);
    let judged = scores(&[large], &[wrong, found]);
    close(judged.ap.expect("a score"), 0.5);
    close(judged.ap_by_area[2].expect("a score"), 1.0);
    assert_eq!(judged.ap_by_area[..2], [None, None]);
}

#[test]
fn recall_knows_how_many_detections_counted() {
    let truths: Vec<_> = (0..20).map(|thing| truth(0, place(thing))).collect();
    let found = |thing: usize| detection(0, place(thing), 1.0 - 0.01 * thing as f64);
    let judged = scores(&truths, &(0..20).map(found).collect::<Vec<_>>());
    for (recall, expected) in judged.recall.into_iter().zip([0.05, 0.5, 1.0]) {
        close(recall.expect("a score"), expected);
    }
    // Of 101 detections the last does not count.
    let mut detections = vec![detection(0, place(50), 0.9); 100];
    detections.push(detection(0, place(0), 0.8));
    close(scores(&truths[..1], &detections).recall[2].expect("a score"), 0.0);
}

#[test]
fn equal_scores_are_taken_in_order() {
    let truths = [truth(0, place(0)), truth(1, place(0))];
    let right = |image| detection(image, place(0), 0.5);
    let wrong = detection(2, place(0), 0.5);
    // The wrong one's image is the last, wherever it stands in the list.
    close(scores(&truths, &[wrong, right(0), right(1)]).ap.expect("a score"), 1.0);
}

#[test]
fn what_cannot_be_judged_is_refused() {
    let refusal = |detection| {
        average_precision(3, 2, &[], &[detection]).expect_err("must be refused").to_string()
    };
    let said = refusal(detection(3, place(0), 0.5));
    let expected = "detections: detection 0: expected a finite box in one of 3 images and 2 classes, \
                    got [0.0, 0.0, 50.0, 50.0] in image 3, class 0";
    assert_eq!(said, expected);
    let said = refusal(detection(0, place(0), f64::NAN));
    assert_eq!(said, "detections: detection 0: expected a finite score, got NaN");
    assert!(refusal(detection(0, [0.0, f64::NAN, 1.0, 1.0], 0.5)).contains("a finite box"));
}

#[test]
fn outcomes_name_what_was_taken() {
    let mut crowd = truth(0, [0.0, 0.0, 100.0, 100.0]);
    crowd.annotation.kind = BoxKind::Crowd;
    let truths = [crowd, truth(0, [10.0, 10.0, 20.0, 20.0]), truth(1, place(0))];
    let inside = |score| detection(0, [10.0, 10.0, 20.0, 20.0], score);
    let detections = [inside(0.3), inside(0.9), detection(1, place(1), 0.5), inside(0.1)];
    let expected = [Outcome::Ignored(0), Outcome::Right(1), Outcome::Wrong, Outcome::Ignored(0)];
    assert_eq!(outcomes(&truths, &detections, 0.5), expected);
}
