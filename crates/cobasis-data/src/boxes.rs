//! Boxes around the things in images: files that tell of them, pictures that they follow, and how good
//! found ones are.
//!
//! Places are in pixels of an image, right and down from its upper left corner, at the edges of pixels:
//! a box around the first pixel of an image is `[0, 0, 1, 1]`.

mod annotations;
mod average_precision;
mod check;
mod coco;
mod coco_results;
mod draw;
mod findings;
mod geometry;
mod hsv;
mod nms;
mod paint;
mod picture;
mod rect;
mod target;
#[cfg(test)]
mod testing;
mod voc;
mod xml;

pub use annotations::{Annotated, AnnotatedImage, Annotation, BoxClass, BoxKind};
pub use average_precision::{
    AveragePrecision, ClassPrecision, Detection, MAX_DETECTIONS, Outcome, RECALLS, THRESHOLDS,
    Truth, average_precision, outcomes,
};
pub use coco::{coco_json, read_coco};
pub use coco_results::{is_results, read_results, results_json};
pub use draw::{class_colour, draw, png};
pub use findings::{Finding, Findings};
pub use geometry::{MIN_SHARE, MIN_SIDE, Placement};
pub use hsv::HsvChange;
pub use nms::suppress;
pub(super) use paint::paint;
pub use picture::{BoxAugment, FILL};
pub use rect::Rect;
pub use target::Boxes;
pub use voc::read_voc;
