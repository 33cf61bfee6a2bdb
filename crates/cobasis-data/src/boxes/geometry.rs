//! Where an image and its boxes are in a picture.

use super::annotations::{Annotation, BoxKind};
use super::rect::Rect;

/// The smallest share of a box that must be seen in a picture; of less, nobody could tell what it is.
pub const MIN_SHARE: f64 = 0.2;
/// The shortest side that the seen part of a box must have, pixels of the picture.
pub const MIN_SIDE: f64 = 1.0;

/// How an image is put on a picture: mirrored, resized, moved, and cut. Rows go before columns.
///
/// A resized image has whole pixels, and so has its place, so that the pixels drawn and the boxes that
/// follow are moved by the very same numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placement {
    /// Height and width of the image, pixels, at least 1.
    pub image: [usize; 2],
    /// Whether it is mirrored top to bottom, and left to right.
    pub flip: [bool; 2],
    /// Height and width that it is resized to, pixels of the picture, at least 1.
    pub resized: [usize; 2],
    /// How far below and to the right of the picture's corner its corner is; below 0 for above and left.
    pub offset: [i64; 2],
    /// First row and column of the picture in which it is seen.
    pub from: [usize; 2],
    /// First row and column of the picture in which it is not seen any more.
    pub to: [usize; 2],
}

impl Placement {
    /// All of an image, as large as it fits into a picture of the size `input` and in its middle. Sizes
    /// are heights and widths.
    ///
    /// # Panics
    ///
    /// Where a side is 0.
    pub fn letterbox(image: [usize; 2], input: [usize; 2]) -> Self {
        let resized = Self::fitting(image, input, 1.0);
        let offset = [0, 1].map(|axis| ((input[axis] - resized[axis]) / 2).cast_signed() as i64);
        Self { image, flip: [false; 2], resized, offset, from: [0, 0], to: input }
    }

    /// The size of an image that is resized by `gain` times what makes it fit into `input`.
    ///
    /// # Panics
    ///
    /// Where a side is 0.
    pub(super) fn fitting(image: [usize; 2], input: [usize; 2], gain: f64) -> [usize; 2] {
        assert!(image.iter().chain(&input).all(|side| *side > 0), "{image:?} in {input:?}");
        let scale = |axis: usize| input[axis] as f64 / image[axis] as f64;
        let scale = gain * scale(0).min(scale(1));
        image.map(|side| ((side as f64 * scale).round() as usize).max(1))
    }

    /// Where a box of the image is in the picture, seen or not.
    pub fn rect(&self, rect: &Rect) -> Rect {
        self.corners(rect, |axis, at| {
            let at = at * self.scale(axis);
            let at = if self.flip[axis] { self.resized[axis] as f64 - at } else { at };
            at + self.offset[axis] as f64
        })
    }

    /// Where a box of the picture is in the image: what undoes [`rect`](Self::rect), up to rounding in the
    /// last digits. It may lie beside the image.
    pub fn back(&self, rect: &Rect) -> Rect {
        self.corners(rect, |axis, at| {
            let at = at - self.offset[axis] as f64;
            let at = if self.flip[axis] { self.resized[axis] as f64 - at } else { at };
            at / self.scale(axis)
        })
    }

    /// What of an annotation is seen in the picture, its box cut where it ends. Nothing where a side
    /// of the seen part is shorter than [`MIN_SIDE`], or, unless it is a crowd, less than [`MIN_SHARE`] of the box
    /// is seen.
    pub fn see(&self, annotation: &Annotation) -> Option<Annotation> {
        let whole = self.rect(&annotation.rect);
        seen(annotation, whole, [self.from, self.to], self.scale(0) * self.scale(1))
    }

    /// Left, top, width and height of the picture of this size in pixels of the image, which is not
    /// mirrored.
    pub(crate) fn window(&self, input: [usize; 2]) -> [f64; 4] {
        let [height, width] = input.map(|side| side as f64);
        self.back(&Rect::from_xywh([0.0, 0.0, width, height])).xywh()
    }

    /// Pixels of the picture for one of the image.
    fn scale(&self, axis: usize) -> f64 {
        self.resized[axis] as f64 / self.image[axis] as f64
    }

    /// A box whose edges are moved, those of an axis by a function of the axis.
    fn corners(&self, rect: &Rect, edge: impl Fn(usize, f64) -> f64) -> Rect {
        let [left, top, right, bottom] = rect.corners();
        let (x, y) = ([edge(1, left), edge(1, right)], [edge(0, top), edge(0, bottom)]);
        let ordered = |[a, b]: [f64; 2]| [a.min(b), a.max(b)];
        let ([left, right], [top, bottom]) = (ordered(x), ordered(y));
        Rect::from_corners([left, top, right, bottom])
    }
}

/// What of an annotation, whose box is `whole` in a picture, is seen between these first and last rows and
/// columns. A square pixel of the image is `scale` of the picture.
pub(super) fn seen(
    annotation: &Annotation,
    whole: Rect,
    window: [[usize; 2]; 2],
    scale: f64,
) -> Option<Annotation> {
    let [from, to] = window.map(|point| point.map(|side| side as f64));
    let rect = whole.clipped(&Rect::from_corners([from[1], from[0], to[1], to[0]]))?;
    let share = rect.area() / whole.area();
    let known = share >= MIN_SHARE || annotation.kind == BoxKind::Crowd;
    let area = annotation.area * scale * share;
    (known && rect.width >= MIN_SIDE && rect.height >= MIN_SIDE).then_some(Annotation {
        rect,
        area,
        ..*annotation
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn object(corners: [f64; 4]) -> Annotation {
        let rect = Rect::from_corners(corners);
        Annotation { rect, class: 3, kind: BoxKind::Object, area: rect.area() / 2.0 }
    }

    #[test]
    fn a_letterbox_is_centred_and_as_large_as_fits() {
        for (image, input, resized, offset) in [
            ([480, 640], [256, 320], [240, 320], [8, 0]),
            ([640, 480], [256, 320], [256, 192], [0, 64]),
            ([10, 10], [64, 96], [64, 64], [0, 16]),
            ([1, 10_000], [64, 96], [1, 96], [31, 0]),
            ([7, 9], [7, 9], [7, 9], [0, 0]),
        ] {
            let placement = Placement::letterbox(image, input);
            assert_eq!((placement.resized, placement.offset), (resized, offset), "{image:?}");
        }
        let window = Placement::letterbox([480, 640], [256, 320]).window([256, 320]);
        assert_eq!(window, [0.0, -16.0, 640.0, 512.0]);
    }

    #[test]
    fn boxes_follow_the_numbers_worked_out_by_hand() {
        let half = Placement::letterbox([480, 640], [256, 320]);
        let corners = |placement: Placement| {
            placement.rect(&Rect::from_corners([10.0, 20.0, 110.0, 220.0])).corners()
        };
        assert_eq!(corners(half), [5.0, 18.0, 55.0, 118.0]);
        let mirrored = Placement { flip: [false, true], ..half };
        assert_eq!(corners(mirrored), [265.0, 18.0, 315.0, 118.0]);
        let upside_down = Placement { flip: [true, false], ..half };
        assert_eq!(corners(upside_down), [5.0, 138.0, 55.0, 238.0]);
        let moved = Placement { offset: [-30, 7], ..half };
        assert_eq!(corners(moved), [12.0, -20.0, 62.0, 80.0]);
    }

    #[test]
    fn what_is_hardly_seen_is_dropped() {
        let tile = Placement {
            from: [0, 10],
            to: [20, 40],
            ..Placement::letterbox([100, 100], [100, 100])
        };
        let seen = |annotation: Annotation| tile.see(&annotation);
        let corner = seen(object([0.0, 10.0, 20.0, 30.0])).expect("a quarter");
        assert_eq!(corner.rect.corners(), [10.0, 10.0, 20.0, 20.0]);
        assert_eq!((corner.area, corner.class), (50.0, 3));
        // 18 of 100 square pixels.
        let little = object([8.2, 0.0, 10.2 + 0.0222, 50.0]);
        assert_eq!(seen(little), None);
        assert!(
            seen(Annotation { kind: BoxKind::Crowd, ..object([0.0, 0.0, 12.0, 50.0]) }).is_some()
        );
        // A fine line, and nothing.
        assert_eq!(seen(object([12.0, 5.0, 30.0, 5.9])), None);
        assert_eq!(seen(object([40.0, 0.0, 50.0, 10.0])), None);
    }

    proptest! {
        #[test]
        fn back_undoes(
            image in prop::array::uniform2(1usize..2000),
            input in prop::array::uniform2(1usize..700),
            flip: [bool; 2],
            offset in prop::array::uniform2(-500i64..500),
            corners in prop::array::uniform4(-100.0..2000.0),
        ) {
            let letterbox = Placement::letterbox(image, input);
            prop_assert!((0..2).all(|axis| letterbox.resized[axis] <= input[axis]));
            let placement = Placement { flip, offset, ..letterbox };
            let [left, top, width, height]: [f64; 4] = corners;
            let rect = Rect::from_xywh([left, top, width.abs(), height.abs()]);
            let again = placement.back(&placement.rect(&rect));
            for (a, b) in rect.corners().into_iter().zip(again.corners()) {
                prop_assert!((a - b).abs() < 1e-6 * (1.0 + a.abs()), "{rect:?} {again:?}");
            }
        }
    }
}
