//! Images with boxes around the things in them.

use std::path::PathBuf;

use super::average_precision::Truth;
use super::findings::Findings;
use super::rect::Rect;

/// What a box stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BoxKind {
    /// One thing, to be found.
    Object,
    /// One thing that nobody has to find, and that nobody is blamed for finding: `difficult` in Pascal
    /// VOC's files.
    Difficult,
    /// Many things, which nobody has to tell apart: `iscrowd` in COCO's files. Any number of detections
    /// may lie in it.
    Crowd,
}

/// A box around something in an image.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Annotation {
    /// Where it is, pixels of the image or of a picture of it. Both sides are greater than 0.
    pub rect: Rect,
    /// Which class it is of, an index of [`Annotated::classes`].
    pub class: u16,
    /// What it stands for.
    pub kind: BoxKind,
    /// Square pixels of the thing, which is the box's area where the file has no other. It tells small
    /// things from large ones in scores.
    pub area: f64,
}

/// An image of a set.
#[derive(Debug, Clone, PartialEq)]
pub struct AnnotatedImage {
    /// Its file.
    pub path: PathBuf,
    /// Its number in COCO's files; sets in other files count from 1.
    pub id: i64,
    /// Height and width in pixels, as the file of boxes has them.
    pub size: [usize; 2],
    /// What is known to be in it, in the file's order.
    pub boxes: Vec<Annotation>,
}

/// A class of things.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BoxClass {
    /// Its name.
    pub name: String,
    /// Its number in COCO's files, where numbers have gaps; sets in other files count from 1.
    pub id: i64,
}

/// Images with boxes: what [`read_coco`](super::read_coco) and [`read_voc`](super::read_voc) give.
///
/// Those two see to it that classes have different names and numbers, images different files and numbers,
/// and boxes a class, finite edges, and an area within their image but for half a pixel.
#[derive(Debug, Clone, PartialEq)]
pub struct Annotated {
    /// Where it was read from, for messages.
    pub name: String,
    /// The folder that all images lie below.
    pub folder: PathBuf,
    /// The classes, at most 65,535.
    pub classes: Vec<BoxClass>,
    /// The images; those of COCO's files by number, as COCO's program goes through them.
    pub images: Vec<AnnotatedImage>,
    /// What was left out or changed, and what stands for more than one thing.
    pub findings: Findings,
}

impl Annotated {
    /// What there is to find, image by image: what detections are judged by.
    pub fn truths(&self) -> Vec<Truth> {
        let of = |(image, known): (usize, &AnnotatedImage)| {
            let truth = move |&annotation: &Annotation| Truth { image, annotation };
            known.boxes.iter().map(truth).collect::<Vec<_>>()
        };
        self.images.iter().enumerate().flat_map(of).collect()
    }

    /// Boxes of all images, of every kind.
    pub fn num_boxes(&self) -> usize {
        self.images.iter().map(|image| image.boxes.len()).sum()
    }

    /// Boxes of each class that stand for one thing to be found, `[classes]`.
    pub fn objects_by_class(&self) -> Vec<usize> {
        let mut counts = vec![0; self.classes.len()];
        let boxes = self.images.iter().flat_map(|image| &image.boxes);
        for object in boxes.filter(|annotation| annotation.kind == BoxKind::Object) {
            counts[usize::from(object.class)] += 1;
        }
        counts
    }
}
