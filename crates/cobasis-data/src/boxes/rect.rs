//! An upright rectangle.

/// An upright rectangle in pixels.
///
/// It is kept as COCO's files have it, by its corner and its sides, so that overlaps are those that
/// COCO's own program computes from the same file, to the last bit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rect {
    /// Distance of the left edge from the image's.
    pub left: f64,
    /// Distance of the upper edge from the image's.
    pub top: f64,
    /// Length from left to right.
    pub width: f64,
    /// Length from top to bottom.
    pub height: f64,
}

impl Rect {
    /// The rectangle with this left, upper, right and lower edge.
    pub fn from_corners([left, top, right, bottom]: [f64; 4]) -> Self {
        Self { left, top, width: right - left, height: bottom - top }
    }

    /// The rectangle with this left and upper edge, width and height, as COCO writes boxes.
    pub fn from_xywh([left, top, width, height]: [f64; 4]) -> Self {
        Self { left, top, width, height }
    }

    /// Left, upper, right and lower edge.
    pub fn corners(&self) -> [f64; 4] {
        [self.left, self.top, self.right(), self.bottom()]
    }

    /// Left and upper edge, width and height.
    pub fn xywh(&self) -> [f64; 4] {
        [self.left, self.top, self.width, self.height]
    }

    /// Distance of the right edge from the image's left one.
    pub fn right(&self) -> f64 {
        self.left + self.width
    }

    /// Distance of the lower edge from the image's upper one.
    pub fn bottom(&self) -> f64 {
        self.top + self.height
    }

    /// Square pixels.
    pub fn area(&self) -> f64 {
        self.width * self.height
    }

    /// Whether all edges are numbers that can be computed with.
    pub fn is_finite(&self) -> bool {
        self.xywh().iter().chain(&self.corners()).all(|edge| edge.is_finite())
    }

    /// Square pixels that are in both; 0 where they only touch.
    pub fn shared_area(&self, other: &Self) -> f64 {
        let width = self.right().min(other.right()) - self.left.max(other.left);
        let height = self.bottom().min(other.bottom()) - self.top.max(other.top);
        if width <= 0.0 || height <= 0.0 { 0.0 } else { width * height }
    }

    /// Shared area by the area of both together; 0 where they share none.
    pub fn iou(&self, other: &Self) -> f64 {
        match self.shared_area(other) {
            0.0 => 0.0,
            shared => shared / (self.area() + other.area() - shared),
        }
    }

    /// Which share of this one lies in `other`, 0 to 1: what counts between a detection and a crowd.
    pub fn share_in(&self, other: &Self) -> f64 {
        match self.shared_area(other) {
            0.0 => 0.0,
            shared => shared / self.area(),
        }
    }

    /// The part of it in `other`, or nothing where they share no area.
    pub fn clipped(&self, other: &Self) -> Option<Self> {
        (self.shared_area(other) > 0.0).then(|| {
            let [left, top, right, bottom] = self.corners();
            let [l, t, r, b] = other.corners();
            Self::from_corners([left.max(l), top.max(t), right.min(r), bottom.min(b)])
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn iou(a: [f64; 4], b: [f64; 4]) -> f64 {
        Rect::from_corners(a).iou(&Rect::from_corners(b))
    }

    #[test]
    fn overlaps_are_those_worked_out_by_hand() {
        assert_eq!(iou([0.0, 0.0, 2.0, 2.0], [1.0, 1.0, 3.0, 3.0]), 1.0 / 7.0);
        assert_eq!(iou([0.0, 0.0, 10.0, 10.0], [0.0, 0.0, 10.0, 15.0]), 2.0 / 3.0);
        assert_eq!(iou([0.0, 0.0, 1.0, 1.0], [1.0, 0.0, 2.0, 1.0]), 0.0);
        assert_eq!(iou([0.0, 0.0, 1.0, 1.0], [0.5, 0.5, 0.5, 0.5]), 0.0);
        let part = Rect::from_xywh([2.0, 2.0, 4.0, 4.0]);
        assert_eq!(part.share_in(&Rect::from_xywh([0.0, 0.0, 4.0, 100.0])), 0.5);
    }

    #[test]
    fn a_part_ends_where_both_end() {
        let image = Rect::from_xywh([0.0, 0.0, 8.0, 6.0]);
        let part = Rect::from_corners([-1.0, 2.0, 9.0, 7.0]).clipped(&image);
        assert_eq!(part.map(|part| part.corners()), Some([0.0, 2.0, 8.0, 6.0]));
        assert_eq!(Rect::from_corners([8.0, 0.0, 9.0, 1.0]).clipped(&image), None);
    }
}
