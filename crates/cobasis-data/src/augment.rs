//! From stored bytes to network input: random crop, random flip, normalisation.

use std::borrow::Cow;
use std::ops::Range;

use super::decode::ImageError;
use super::files::Framing;
use super::geometry::{Geometry, Target};
use super::image_set::ImageSet;
use super::rng::SplitMix64;

/// Keeps the draws for images apart from the draws for the order of the images.
const DOMAIN: u64 = 0x6175_676d_656e_7400;
/// Keeps the draws for parts of images apart from the others.
const WINDOW_DOMAIN: u64 = 0x7769_6e64_6f77_0000;

/// Random changes to the images of a training set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Augment {
    /// Which part of an image is shown.
    pub crop: Crop,
    /// Whether half of the images are mirrored left to right. Not for digits: a mirrored 2 is none.
    pub flip: bool,
}

/// Which part of an image is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Crop {
    /// So many pixels of zeros are put around the image, and a window of the image's own size is
    /// cut out at a random place; 0 cuts nothing. The zeros are pixel values, inserted before
    /// normalisation.
    Padded(usize),
    /// A part of random area, shape and place, resized, as torchvision's `RandomResizedCrop` has
    /// it. For images in files only, since those in memory have one size already.
    Resized,
}

/// What, beside the image's index, decides the random draws for an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AugmentKey {
    /// The run's seed.
    pub seed: u64,
    /// The epoch, from 0.
    pub epoch: u64,
}

impl Augment {
    /// No change: normalisation only, as for evaluation.
    pub const NONE: Self = Self { crop: Crop::Padded(0), flip: false };

    /// The pixels of image `index` of `set`, cropped and flipped, `[channels, height, width]`, and
    /// how. The random draws are a pure function of `key` and `index`; a change of one setting
    /// leaves the draws for the other as they are.
    ///
    /// # Errors
    ///
    /// Where the image is in a file, and the file gives none.
    ///
    /// # Panics
    ///
    /// Where `index` is not below `set.len()`.
    pub(crate) fn cut<'a, T: Target>(
        &self,
        set: &'a ImageSet<T>,
        index: usize,
        key: AugmentKey,
    ) -> Result<(Cow<'a, [u8]>, Geometry), ImageError> {
        let framing = match self.crop {
            Crop::Padded(_) => Framing::Centre,
            Crop::Resized => {
                let key = [WINDOW_DOMAIN, key.seed, key.epoch, index as u64];
                Framing::Random(SplitMix64::keyed(&key))
            }
        };
        let (pixels, part) = set.pixels(index, framing)?;
        let (change, shape) = (self.draw(index, key), set.shape());
        let pixels = if change.is_none() { pixels } else { change.cut(&pixels, shape).into() };
        Ok((pixels, part.then(change.geometry(shape))))
    }

    /// Draws the change for image `index`.
    fn draw(&self, index: usize, key: AugmentKey) -> Change {
        let mut rng = SplitMix64::keyed(&[DOMAIN, key.seed, key.epoch, index as u64]);
        let pad = match self.crop {
            Crop::Padded(pad) => pad,
            Crop::Resized => 0,
        };
        let places = (pad as u64).saturating_mul(2).saturating_add(1);
        let mut shift = || (rng.below(places) as usize).cast_signed() - pad.cast_signed();
        let (down, right) = (shift(), shift());
        Change { down, right, flip: (rng.next_u64() & 1 == 1) && self.flip }
    }
}

/// One outcome of the draws.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Change {
    /// Rows by which the window lies below the image; negative for above.
    down: isize,
    /// Columns by which the window lies to the right of the image; negative for left.
    right: isize,
    /// Whether the window is mirrored left to right after it was cut.
    flip: bool,
}

impl Change {
    /// Whether it leaves images as they are.
    fn is_none(self) -> bool {
        self == Self { down: 0, right: 0, flip: false }
    }

    /// What it does to places.
    fn geometry(self, [_, height, width]: [usize; 3]) -> Geometry {
        let window = [self.right as f64, self.down as f64, width as f64, height as f64];
        Geometry { window, flip: self.flip, ..Geometry::whole([height, width]) }
    }

    /// An image of this shape, changed; what lies outside of it is black.
    fn cut(self, image: &[u8], [_, height, width]: [usize; 3]) -> Vec<u8> {
        // Where the window lies over the image, in the window's and in the image's columns.
        let mut to = overlap(width, self.right);
        let from = overlap(width, self.right.saturating_neg());
        if self.flip {
            to = width - to.end..width - to.start;
        }
        let to_rows = overlap(height, self.down);

        let mut cut = vec![0; image.len()];
        let plane = height * width;
        for (out, image) in cut.chunks_exact_mut(plane).zip(image.chunks_exact(plane)) {
            for (y, out) in out.chunks_exact_mut(width).enumerate() {
                if !to_rows.contains(&y) {
                    continue;
                }
                let row = y.wrapping_add_signed(self.down) * width;
                let row = &image[row + from.start..row + from.end];
                out[to.clone()].copy_from_slice(row);
                if self.flip {
                    out[to.clone()].reverse();
                }
            }
        }
        cut
    }
}

/// The part of `0..len` that stays in `0..len` when `shift` is added.
fn overlap(len: usize, shift: isize) -> Range<usize> {
    let outside = shift.unsigned_abs().min(len);
    if shift < 0 { outside..len } else { 0..len - outside }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::SetInfo;

    const KEY: AugmentKey = AugmentKey { seed: 3, epoch: 5 };

    /// `count` images of the given shape with all values up to 200 in turn.
    fn set(count: usize, shape: [usize; 3]) -> ImageSet {
        let info = SetInfo {
            name: "toy".into(),
            classes: vec!["all".into()],
            shape,
            mean: (0..shape[0]).map(|channel| 0.3 + 0.1 * channel as f32).collect(),
            std: (0..shape[0]).map(|channel| 0.2 + 0.1 * channel as f32).collect(),
            max_value: 200,
        };
        let pixels = (0..count * info.image_len()).map(|pixel| (pixel % 201) as u8).collect();
        ImageSet::new(info, pixels, vec![0; count]).expect("a valid set")
    }

    /// The definition, pixel by pixel: pad with zeros, cut, mirror.
    fn naive(set: &ImageSet, index: usize, change: Change) -> Vec<u8> {
        let [channels, height, width] = set.shape();
        let mut out = Vec::new();
        for c in 0..channels {
            for y in 0..height {
                for x in 0..width {
                    let x = if change.flip { width - 1 - x } else { x };
                    let (y, x) = (y as isize + change.down, x as isize + change.right);
                    let inside =
                        (0..height as isize).contains(&y) && (0..width as isize).contains(&x);
                    let at = (c * height) as isize * width as isize + y * width as isize + x;
                    out.push(if inside { set.image(index)[at as usize] } else { 0 });
                }
            }
        }
        out
    }

    #[test]
    fn every_place_and_both_sides_occur_about_as_often() {
        let augment = Augment { crop: Crop::Padded(1), flip: true };
        let mut counts = std::collections::BTreeMap::new();
        for index in 0..18_000 {
            let change = augment.draw(index, KEY);
            *counts.entry((change.down, change.right, change.flip)).or_insert(0) += 1;
        }
        assert_eq!(counts.len(), 18);
        // 1000 expected, standard deviation 31: five of them leave no room for chance.
        assert!(counts.values().all(|count| (845..=1155).contains(count)), "{counts:?}");
    }

    #[test]
    fn draws_depend_on_seed_epoch_and_index_only() {
        let augment = Augment { crop: Crop::Padded(1000), flip: true };
        let first = augment.draw(9, KEY);
        assert_eq!(first, augment.draw(9, KEY));
        assert_ne!(first, augment.draw(8, KEY));
        assert_ne!(first, augment.draw(9, AugmentKey { seed: 4, ..KEY }));
        assert_ne!(first, augment.draw(9, AugmentKey { epoch: 6, ..KEY }));
    }

    #[test]
    fn nothing_is_flipped_or_moved_unless_asked_for() {
        let both = Augment { crop: Crop::Padded(2), flip: true };
        for index in 0..100 {
            let change = both.draw(index, KEY);
            let only_crop = Augment { flip: false, ..both }.draw(index, KEY);
            assert_eq!(only_crop, Change { flip: false, ..change });
            let only_flip = Augment { crop: Crop::Padded(0), ..both }.draw(index, KEY);
            assert_eq!(only_flip, Change { down: 0, right: 0, ..change });
        }
    }

    proptest! {
        #[test]
        fn crop_and_flip_agree_with_the_definition(
            shape in prop::array::uniform3(1usize..7),
            down in -8isize..9,
            right in -8isize..9,
            flip: bool,
            index in 0usize..3,
        ) {
            let set = set(3, shape);
            let change = Change { down, right, flip };
            prop_assert_eq!(change.cut(set.image(index), set.shape()), naive(&set, index, change));
            // And so do places: each pixel of the picture is where its pixel of the image went.
            let [_, height, width] = set.shape();
            let places: Vec<u8> = (0..height * width).map(|place| place as u8 + 1).collect();
            let cut = change.cut(&places, [1, height, width]);
            for (at, place) in cut.iter().enumerate().filter(|(_, place)| **place > 0) {
                let centre = |at: usize| [(at % width) as f64 + 0.5, (at / width) as f64 + 0.5];
                let [x, y] = change.geometry(set.shape()).point(centre(usize::from(*place) - 1));
                let [right, down] = centre(at);
                prop_assert!((x - right).abs() < 1e-9 && (y - down).abs() < 1e-9);
            }
        }

        #[test]
        fn shifts_stay_within_the_padding(pad: usize, index: usize) {
            let pad = pad / 4;
            let change = Augment { crop: Crop::Padded(pad), flip: true }.draw(index, KEY);
            prop_assert!(change.down.unsigned_abs() <= pad && change.right.unsigned_abs() <= pad);
        }
    }
}
