//! Losses and gradients of random outputs and boxes are those of PyTorch. Without it the test says so and
//! passes, unless `COBASIS_REQUIRE` has `torch`.

use std::cell::RefCell;
use std::fs;
use std::path::Path;
use std::process::Command;

use burn::tensor::Device;
use serde::{Deserialize, Serialize};

use super::super::assigned::{Object, Positive};
use super::*;
use crate::data::SplitMix64;
use crate::data::boxes::{Annotation, BoxKind, Rect};

/// Left, upper, right and lower edge, class, and whether it is to be found.
type Thing = (f64, f64, f64, f64, u16, bool);

#[derive(Clone, Serialize)]
struct Case {
    losses: &'static str,
    l1: bool,
    points: Vec<[f32; 3]>,
    images: Vec<Vec<Thing>>,
    found: Vec<f32>,
}

#[derive(Deserialize)]
struct Theirs {
    loss: f64,
    gradient: Vec<f64>,
    positives: Vec<[usize; 3]>,
}

/// The points of a picture of this height and width at the first of the strides 8, 16 and 32.
fn points([height, width]: [usize; 2], levels: usize) -> Vec<Point> {
    let level = |stride: usize| {
        let (rows, columns) = (height / stride, width / stride);
        (0..rows * columns).map(move |number| {
            let at = |index: usize| (index as f32 + 0.5) * stride as f32;
            Point { x: at(number % columns), y: at(number / columns), stride: stride as f32 }
        })
    };
    [8, 16, 32].into_iter().take(levels).flat_map(level).collect()
}

/// A box in a picture: small ones, large ones, and some below a stride.
fn annotation(size: [usize; 2], classes: usize, rng: &mut SplitMix64) -> Annotation {
    let largest = [5.0, 24.0, 60.0, 120.0][rng.below(4) as usize];
    let [height, width] = size.map(|side| (1.0 + largest * rng.unit()).min(side as f64 - 1.0));
    let left = rng.unit() * (size[1] as f64 - width);
    let top = rng.unit() * (size[0] as f64 - height);
    // As in single precision, in which all edges come to the losses.
    let rect = [left, top, left + width, top + height].map(|edge| f64::from(edge as f32));
    let rect = Rect::from_corners(rect);
    let kind = [BoxKind::Crowd, BoxKind::Difficult].get(rng.below(12) as usize).copied();
    let class = rng.below(classes as u64) as u16;
    Annotation { rect, class, kind: kind.unwrap_or(BoxKind::Object), area: rect.area() }
}

/// What a model says of an image: at most points a box of the image, or nearly.
fn found(points: &[Point], known: &[Annotation], classes: usize, rng: &mut SplitMix64) -> Vec<f32> {
    let mut all = Vec::new();
    for point in points {
        let mut side = || f64::from(point.stride) * 4.0 * rng.unit() + 0.5;
        let (x, y) = (f64::from(point.x), f64::from(point.y));
        let mut corners = [x - side(), y - side(), x + side(), y + side()];
        let near =
            |one: &&Annotation| Object::from(*one).sides(point).into_iter().all(|side| side > -8.0);
        let near: Vec<&Annotation> = known.iter().filter(near).collect();
        if !near.is_empty() && rng.below(4) > 0 {
            let chosen = near[rng.below(near.len() as u64) as usize].rect;
            let shift = 0.2 * rng.unit();
            corners = chosen.corners();
            for (number, edge) in corners.iter_mut().enumerate() {
                let side = [chosen.width, chosen.height][number % 2];
                *edge += shift * side * (rng.unit() - 0.5);
            }
        }
        all.extend(corners.map(|edge| edge as f32));
        all.extend((0..=classes).map(|_| (8.0 * rng.unit() - 5.0) as f32));
    }
    all
}

/// Random images, of which some have no boxes.
fn case(number: u64) -> (Case, Vec<Boxes>) {
    let mut rng = SplitMix64::new(number);
    let size = [[96, 128], [64, 64], [128, 160]][number as usize % 3];
    let levels = 1 + (number as usize / 2 + 1) % 3;
    let (points, classes) = (points(size, levels), [3, 1, 5][number as usize / 3 % 3]);
    // In one of the cases no image has any.
    let most = [12, 3, 25, 0][number as usize % 4];
    let images: Vec<Boxes> = (0..1 + number as usize % 4)
        .map(|_| {
            let count = if rng.below(4) == 0 { 0 } else { rng.below(most + 1) };
            let boxes = (0..count).map(|_| annotation(size, classes, &mut rng)).collect();
            Boxes { size, boxes }
        })
        .collect();
    let rows = images.iter().flat_map(|image| found(&points, &image.boxes, classes, &mut rng));
    let found = rows.collect();
    let told = |one: &Annotation| {
        let [left, top, right, bottom] = one.rect.corners();
        (left, top, right, bottom, one.class, one.kind == BoxKind::Object)
    };
    let case = Case {
        losses: "yolox",
        l1: false,
        points: points.iter().map(|point| [point.x, point.y, point.stride]).collect(),
        images: images.iter().map(|image| image.boxes.iter().map(told).collect()).collect(),
        found,
    };
    (case, images)
}

/// Loss, gradient of the outputs, and which points stand for what.
fn ours(case: &Case, images: &[Boxes]) -> (f64, Vec<f64>, Vec<[usize; 3]>) {
    let device = Device::flex().autodiff();
    let of = |&[x, y, stride]: &[f32; 3]| Point { x, y, stride };
    let points: Vec<Point> = case.points.iter().map(of).collect();
    let rows = images.len() * points.len();
    let data = TensorData::new(case.found.clone(), [rows, case.found.len() / rows]);
    let found = Tensor::<2>::from_data(data, &device).require_grad();
    let loss = match case.losses {
        "yolox" => yolox_loss(found.clone(), &points, images, case.l1),
        _ => fcos_loss(found.clone(), &points, images),
    };
    let gradient = host(found.grad(&loss.backward()).expect("a gradient"));

    let all = RefCell::new(Vec::new());
    let of_image = case.found.len() / images.len();
    let _ = Assigned::new(&points, images, |image, objects| {
        let rows = &case.found[image * of_image..][..of_image];
        let positives = match case.losses {
            "yolox" => simota::assign(&points, rows, objects),
            _ => fcos::assign(&points, objects),
        };
        let told = |one: &Positive| [image, one.point, one.object];
        all.borrow_mut().extend(positives.iter().map(told));
        positives
    });
    let gradient = gradient.into_iter().map(f64::from).collect();
    (f64::from(host(loss)[0]), gradient, all.into_inner())
}

/// Whether Python has the package.
fn has_torch() -> bool {
    let python = Command::new("python3").args(["-c", "import torch"]).output();
    python.is_ok_and(|python| python.status.success())
}

#[test]
fn losses_and_gradients_are_pytorchs() {
    if !has_torch() {
        let required = std::env::var("COBASIS_REQUIRE").unwrap_or_default();
        let required = required.split(',').any(|name| name.trim() == "torch");
        assert!(!required, "COBASIS_REQUIRE has torch: python3 has none");
        eprintln!("skipped: python3 has no torch");
        return;
    }
    let mut cases = Vec::new();
    for number in 0..24 {
        let (case, images) = case(number);
        for (losses, l1) in [("yolox", false), ("yolox", true), ("fcos", false)] {
            cases.push((Case { losses, l1, ..case.clone() }, images.clone()));
        }
    }
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("cases.json");
    let told: Vec<&Case> = cases.iter().map(|(case, _)| case).collect();
    fs::write(&file, serde_json::to_vec(&told).expect("numbers")).expect("written");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/run_detection_losses.py");
    let python =
        Command::new("python3").arg("-B").arg(script).arg(file).output().expect("Python runs");
    assert!(python.status.success(), "{}", String::from_utf8_lossy(&python.stderr));
    let theirs: Vec<Theirs> = serde_json::from_slice(&python.stdout).expect("losses");
    assert_eq!(theirs.len(), cases.len());
    let mut with_positives = 0;
    for (number, ((case, images), theirs)) in cases.iter().zip(theirs).enumerate() {
        let what = format!("case {number}, {}", case.losses);
        let (loss, gradient, positives) = ours(case, images);
        assert_eq!(positives, theirs.positives, "{what}");
        with_positives += usize::from(positives.len() > 10);
        // Where all is ignored, it is 0.
        assert!(
            (loss - theirs.loss).abs() <= 1e-5 * theirs.loss,
            "{what}: loss {loss} is not {}",
            theirs.loss
        );
        assert_eq!(gradient.len(), theirs.gradient.len());
        let largest = theirs.gradient.iter().fold(0.0f64, |most, one| most.max(one.abs()));
        for (index, (got, expected)) in gradient.iter().zip(&theirs.gradient).enumerate() {
            let close = (got - expected).abs() <= 1e-5 * largest;
            assert!(close, "{what}: gradient {index} is {got}, not {expected}, of {largest}");
        }
    }
    assert!(with_positives > cases.len() / 2, "{with_positives} of {}", cases.len());
}

#[test]
fn images_without_boxes_only_teach_that_nothing_is_there() {
    let points = points([64, 64], 2);
    let empty = [Boxes { size: [64, 64], boxes: Vec::new() }];
    let logit = (0.01f64 / 0.99).ln();
    let row = [0.0, 0.0, 8.0, 8.0, logit as f32, logit as f32];
    let data = TensorData::new(row.repeat(points.len()), [points.len(), 6]);
    let found = Tensor::from_data(data, &Device::flex().autodiff());
    let of = |loss: Tensor<1>| f64::from(host(loss)[0]) / points.len() as f64;
    let none = -(0.99f64.ln());
    let got = of(yolox_loss(found.clone(), &points, &empty, true));
    assert!((got / none - 1.0).abs() < 1e-5, "{got}");
    let got = of(fcos_loss(found, &points, &empty));
    assert!((got / (0.75 * 1e-4 * none) - 1.0).abs() < 1e-5, "{got}");
}
