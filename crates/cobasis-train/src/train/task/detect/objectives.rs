//! What is minimised of a batch: YOLOX's losses, and FCOS's.
//!
//! Each is a sum over the points of all images, divided by how many of them stand for objects, at least 1.

use burn::tensor::{Int, Tensor, TensorData};
use cobasis_zoo::Point;

use super::assigned::Assigned;
use super::losses::{binary_cross_entropy, focal, giou_loss, iou_loss, raw_l1};
use super::{fcos, simota};
use crate::data::boxes::Boxes;
use crate::tensors::host;

/// Weight of the boxes in YOLOX's loss.
const BOX_WEIGHT: f64 = 5.0;
/// Where the logit of the quality is, after the corners of the box.
const QUALITY: usize = 4;
/// Where the logits of the classes begin.
const CLASSES: usize = 5;

/// What YOLOX minimises. `found` is `[images · points, 5 + classes]`, image by image: left, upper, right and
/// lower edge, the logit of objectness, and those of the classes.
///
/// The points are assigned by [`simota`]. Those of objects are trained on the object's box, `5 (1 - IoU²)`,
/// and on its class, the cross entropy against the IoU; all, but for ignored ones, on whether they are of
/// an object. `with_l1` adds [`raw_l1`] of the boxes.
pub fn yolox_loss(
    found: Tensor<2>,
    points: &[Point],
    images: &[Boxes],
    with_l1: bool,
) -> Tensor<1> {
    let [_, columns] = found.dims();
    let on_host = host(found.clone().detach());
    let of_image = points.len() * columns;
    let assigned = Assigned::new(points, images, |image, objects| {
        simota::assign(points, &on_host[image * of_image..][..of_image], objects)
    });
    let (objects, counted) = (assigned.objects(&found), assigned.counted(&found));
    let objectness = found.clone().narrow(1, QUALITY, 1);
    let sum = (binary_cross_entropy(objectness, objects) * counted).sum();
    let Some(positives) = Positives::of(&assigned, found) else { return sum };
    let Positives { boxes, classes, wanted, one_hot, qualities, strides, .. } = positives;
    let of_classes = binary_cross_entropy(classes, one_hot * qualities).sum();
    let of_boxes = iou_loss(boxes.clone(), wanted.clone()).sum().mul_scalar(BOX_WEIGHT);
    let sum = sum + of_classes + of_boxes;
    let sum = if with_l1 { sum + raw_l1(boxes, wanted, strides).sum() } else { sum };
    sum.div_scalar(assigned.places.len() as f64)
}

/// What FCOS minimises. `found` is as for [`yolox_loss`], with the logit of centreness for that of objectness.
///
/// The points are assigned by [`fcos`]. The classes of all points, but for ignored ones, are trained by the
/// focal loss; those of objects on their centreness too, and on the object's box, `1 - GIoU`, a mean
/// weighted by the centreness that they should have.
pub fn fcos_loss(found: Tensor<2>, points: &[Point], images: &[Boxes]) -> Tensor<1> {
    let assigned = Assigned::new(points, images, |_, objects| fcos::assign(points, objects));
    let (there, counted) = (assigned.classes_there(&found), assigned.counted(&found));
    let [_, columns] = found.dims();
    let classes = found.clone().narrow(1, CLASSES, columns - CLASSES);
    let sum = (focal(classes, there) * counted).sum();
    let Some(positives) = Positives::of(&assigned, found) else { return sum };
    let Positives { boxes, quality, wanted, qualities, .. } = positives;
    let of_centreness = binary_cross_entropy(quality, qualities.clone()).sum();
    let weights: f64 = assigned.qualities.iter().map(|&quality| f64::from(quality)).sum();
    let of_boxes = (giou_loss(boxes, wanted) * qualities).sum().div_scalar(weights);
    (sum + of_centreness).div_scalar(assigned.places.len() as f64) + of_boxes
}

/// What points of objects found, and what they should have: a row for each.
struct Positives {
    /// `[n, 4]`.
    boxes: Tensor<2>,
    /// The logits of the quality, `[n, 1]`.
    quality: Tensor<2>,
    /// The logits of the classes, `[n, classes]`.
    classes: Tensor<2>,
    /// The boxes of the objects, `[n, 4]`.
    wanted: Tensor<2>,
    /// Their classes, `[n, classes]`.
    one_hot: Tensor<2>,
    /// `[n, 1]`.
    qualities: Tensor<2>,
    /// Pixels, `[n, 1]`.
    strides: Tensor<2>,
}

impl Positives {
    /// Of a batch in which something is assigned.
    fn of(assigned: &Assigned, found: Tensor<2>) -> Option<Self> {
        let count = assigned.places.len();
        if count == 0 {
            return None;
        }
        let ([_, columns], device) = (found.dims(), found.device());
        let rows = |values: Vec<f32>| {
            let shape = [count, values.len() / count];
            Tensor::<2>::from_data(TensorData::new(values, shape), &device)
        };
        let places: Vec<i32> = assigned.places.iter().map(|&place| place as i32).collect();
        let places = Tensor::<1, Int>::from_data(TensorData::new(places, [count]), &device);
        let found = found.select(0, places);
        let mut one_hot = vec![0.0; count * (columns - CLASSES)];
        for (row, &class) in one_hot.chunks_exact_mut(columns - CLASSES).zip(&assigned.classes) {
            row[class] = 1.0;
        }
        Some(Self {
            boxes: found.clone().narrow(1, 0, QUALITY),
            quality: found.clone().narrow(1, QUALITY, 1),
            classes: found.narrow(1, CLASSES, columns - CLASSES),
            wanted: rows(assigned.corners.clone()),
            one_hot: rows(one_hot),
            qualities: rows(assigned.qualities.clone()),
            strides: rows(assigned.strides.clone()),
        })
    }
}

impl Assigned {
    /// Which points stand for objects, 1 or 0, `[images · points, 1]`.
    fn objects(&self, like: &Tensor<2>) -> Tensor<2> {
        column(like, 0.0, &self.places, 1.0)
    }

    /// Which points count, 1, and which are ignored, 0, `[images · points, 1]`.
    fn counted(&self, like: &Tensor<2>) -> Tensor<2> {
        column(like, 1.0, &self.ignored, 0.0)
    }

    /// Which points stand for which class, 1 or 0, `[images · points, classes]`.
    fn classes_there(&self, like: &Tensor<2>) -> Tensor<2> {
        let [rows, columns] = like.dims();
        let classes = columns - CLASSES;
        let mut values = vec![0.0f32; rows * classes];
        for (place, class) in self.places.iter().zip(&self.classes) {
            values[place * classes + class] = 1.0;
        }
        Tensor::from_data(TensorData::new(values, [rows, classes]), &like.device())
    }
}

/// A number for each row of a tensor, `[rows, 1]`, but another one at some places.
fn column(like: &Tensor<2>, number: f32, places: &[usize], other: f32) -> Tensor<2> {
    let [rows, _] = like.dims();
    let mut values = vec![number; rows];
    places.iter().for_each(|&place| values[place] = other);
    Tensor::from_data(TensorData::new(values, [rows, 1]), &like.device())
}

#[cfg(test)]
mod tests;
