//! Where an image went when it became the picture that the network gets.

/// Which part of an image a picture shows, and how.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Geometry {
    /// Height and width of the image, in its pixels.
    pub image: [usize; 2],
    /// Left, top, width and height of the part, in pixels of the image; it may reach beyond.
    pub window: [f64; 4],
    /// Whether the part was mirrored left to right after it was cut.
    pub flip: bool,
    /// Height and width of the picture, in its pixels.
    pub size: [usize; 2],
}

/// What is known of an image, which a change of the image may change.
///
/// Operations like RandAugment's that move pixels, such as rotations, are not told: they are for
/// targets that have no place in the image.
pub trait Target: Clone + std::fmt::Debug + PartialEq + Send + Sync + 'static {
    /// Follows the image into a picture. What has no place in the image stays as it is.
    fn follow(&mut self, _to: &Geometry) {}

    /// Height and width of the image that it is known of, pixels, where it tells places in it: what makes an image of
    /// another size an unreadable one.
    fn size(&self) -> Option<[usize; 2]> {
        None
    }

    /// The class that it is, where it is one.
    fn class(&self) -> Option<u16> {
        None
    }

    /// Tells what else of it is part of the data, for [`ImageSet::fingerprint`](crate::ImageSet::fingerprint).
    fn tell(&self, _to: &mut dyn FnMut(&[u8])) {}

    /// What is wrong with it in a set of so many classes: what was expected, and what it is.
    fn problem(&self, _classes: usize) -> Option<[String; 2]> {
        None
    }
}

/// The class of an image.
impl Target for u16 {
    fn class(&self) -> Option<u16> {
        Some(*self)
    }

    fn problem(&self, classes: usize) -> Option<[String; 2]> {
        let known = usize::from(*self) < classes;
        (!known).then(|| [format!("below {classes}"), self.to_string()])
    }
}

/// Nothing is known of an image.
impl Target for () {}

/// Nothing is known of an image but, once it is a picture, where it went.
impl Target for Option<Geometry> {
    fn follow(&mut self, to: &Geometry) {
        *self = Some(*to);
    }
}

impl Geometry {
    /// A picture that shows all of an image as it is.
    pub fn whole(size @ [height, width]: [usize; 2]) -> Self {
        Self { image: size, window: [0.0, 0.0, width as f64, height as f64], flip: false, size }
    }

    /// The way of an image through two pictures: this one, which is not mirrored, and one of it.
    pub(crate) fn then(self, next: Self) -> Self {
        let [left, top, width, height] = self.window;
        let [rows, columns] = self.size.map(|pixels| pixels as f64);
        let (wide, tall) = (width / columns, height / rows);
        let [x, y, w, h] = next.window;
        let window = [left + x * wide, top + y * tall, w * wide, h * tall];
        Self { image: self.image, window, ..next }
    }

    /// Where a point of the image, right and down from its corner, is in the picture.
    pub fn point(&self, [x, y]: [f64; 2]) -> [f64; 2] {
        let [left, top, width, height] = self.window;
        let [rows, columns] = self.size.map(|pixels| pixels as f64);
        let (x, y) = ((x - left) / width * columns, (y - top) / height * rows);
        [if self.flip { columns - x } else { x }, y]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_go_with_their_pixels() {
        let whole = Geometry::whole([6, 8]);
        assert_eq!(whole.point([3.5, 2.0]), [3.5, 2.0]);
        // The window lies a pixel to the right of the image and two above.
        let moved = Geometry { window: [1.0, -2.0, 8.0, 6.0], ..whole };
        assert_eq!(moved.point([3.0, 0.0]), [2.0, 2.0]);
        assert_eq!(Geometry { flip: true, ..moved }.point([3.0, 0.0]), [6.0, 2.0]);
    }

    #[test]
    fn a_picture_of_a_picture_shows_a_part_of_the_part() {
        let half = Geometry {
            image: [60, 30],
            window: [10.0, 20.0, 16.0, 32.0],
            flip: false,
            size: [8, 8],
        };
        let moved =
            Geometry { window: [1.0, 0.0, 8.0, 8.0], flip: true, ..Geometry::whole([8, 8]) };
        let both = half.then(moved);
        assert_eq!((both.window, both.image), ([12.0, 20.0, 16.0, 32.0], [60, 30]));
        for point in [[12.0, 20.0], [17.0, 51.0]] {
            assert_eq!(both.point(point), moved.point(half.point(point)));
        }
    }

    #[test]
    fn labels_stand_for_classes() {
        assert_eq!(9u16.problem(10), None);
        assert_eq!(10u16.problem(10), Some(["below 10".to_string(), "10".to_string()]));
    }
}
