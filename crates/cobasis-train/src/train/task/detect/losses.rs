//! What is minimised of boxes, qualities and classes, element by element.
//!
//! Boxes are `[n, 4]`: left, upper, right and lower edge in pixels. All of it can be derived, and keeps
//! the type of its numbers.

use burn::tensor::Tensor;
use burn::tensor::activation::{log_sigmoid, sigmoid};

/// How much what is there counts in the [focal loss](focal); what is not counts the rest of 1.
const ALPHA: f64 = 0.25;

/// Shared area by the area of both together, `[n, 1]`.
///
/// The areas together must not be 0.
pub fn iou(a: Tensor<2>, b: Tensor<2>) -> Tensor<2> {
    let (shared, both) = shared_and_both(a, b);
    shared / both
}

/// Generalised IoU (Rezatofighi et al., 2019), `[n, 1]`: IoU minus the share of the smallest box around
/// both that is in neither. Greater than -1, and 1 for equal boxes.
///
/// The areas together must not be 0.
pub fn giou(a: Tensor<2>, b: Tensor<2>) -> Tensor<2> {
    let around = product(max(corner(&a, 1), corner(&b, 1)) - min(corner(&a, 0), corner(&b, 0)));
    let (shared, both) = shared_and_both(a, b);
    shared / both.clone() - (around.clone() - both) / around
}

/// YOLOX's loss of boxes, `1 - IoU²`, `[n, 1]`.
pub fn iou_loss(found: Tensor<2>, wanted: Tensor<2>) -> Tensor<2> {
    iou(found, wanted).square().neg().add_scalar(1.0)
}

/// FCOS's loss of boxes, `1 - GIoU`, `[n, 1]`.
pub fn giou_loss(found: Tensor<2>, wanted: Tensor<2>) -> Tensor<2> {
    giou(found, wanted).neg().add_scalar(1.0)
}

/// How far boxes are from others in the numbers that YOLOX's head gives for them, before decoding,
/// `[n, 4]`: of centres by stride, and of logarithms of sides. `strides` is `[n, 1]`.
///
/// A side below a ten thousandth of the stride counts as that: rounded to nothing, it would have no
/// logarithm.
pub fn raw_l1(found: Tensor<2>, wanted: Tensor<2>, strides: Tensor<2>) -> Tensor<2> {
    let raw = |boxes: Tensor<2>| {
        let (start, end) = (corner(&boxes, 0), corner(&boxes, 1));
        let centre = (start.clone() + end.clone()).mul_scalar(0.5) / strides.clone();
        let sides = (end - start) / strides.clone();
        Tensor::cat(vec![centre, sides.clamp_min(1e-4).log()], 1)
    };
    (raw(found) - raw(wanted)).abs()
}

/// Binary cross entropy of logits against shares from 0 to 1.
pub fn binary_cross_entropy<const D: usize>(logits: Tensor<D>, shares: Tensor<D>) -> Tensor<D> {
    // log(1 + eˣ) - share·x, whose first term neither overflows nor has a corner at 0.
    log_sigmoid(logits.clone().neg()).neg() - shares * logits
}

/// Focal loss (Lin et al., 2017) with α = 0.25 and γ = 2 of logits, of which each is of something that is
/// there, 1, or not, 0: `α (1 - p)² · -ln p`, `p` being the probability of what is the case and α that of
/// its side.
pub fn focal<const D: usize>(logits: Tensor<D>, there: Tensor<D>) -> Tensor<D> {
    let alpha = there.clone().mul_scalar(2.0 * ALPHA - 1.0).add_scalar(1.0 - ALPHA);
    let right = logits * there.mul_scalar(2.0).sub_scalar(1.0);
    sigmoid(right.clone().neg()).square() * log_sigmoid(right).neg() * alpha
}

/// The area that is in both, and the area that is in either, `[n, 1]` each.
fn shared_and_both(a: Tensor<2>, b: Tensor<2>) -> (Tensor<2>, Tensor<2>) {
    let sides = |boxes: &Tensor<2>| corner(boxes, 1) - corner(boxes, 0);
    let areas = product(sides(&a)) + product(sides(&b));
    let sides = min(corner(&a, 1), corner(&b, 1)) - max(corner(&a, 0), corner(&b, 0));
    let shared = product(sides.clamp_min(0.0));
    (shared.clone(), areas - shared)
}

/// The left upper corner, 0, or the right lower one, 1, `[n, 2]`.
fn corner(boxes: &Tensor<2>, number: usize) -> Tensor<2> {
    boxes.clone().narrow(1, 2 * number, 2)
}

/// The product of two columns, `[n, 1]`.
fn product(columns: Tensor<2>) -> Tensor<2> {
    columns.clone().narrow(1, 0, 1) * columns.narrow(1, 1, 1)
}

fn max(a: Tensor<2>, b: Tensor<2>) -> Tensor<2> {
    a.max_pair(b)
}

fn min(a: Tensor<2>, b: Tensor<2>) -> Tensor<2> {
    a.min_pair(b)
}

#[cfg(test)]
mod tests;
