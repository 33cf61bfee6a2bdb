//! From stored bytes to network input: random crop, random flip, normalisation.

use std::ops::Range;

use super::decode::ImageError;
use super::files::Framing;
use super::image_set::{ImageSet, SetInfo};
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

    /// Writes image `index` of `set`, augmented and normalised, to `out`, `[channels, height,
    /// width]`.
    ///
    /// The value `v` of a pixel of channel `c` becomes `(v / max_value - mean[c]) / std[c]`. The
    /// random draws are a pure function of `key` and `index`; a change of one setting leaves the
    /// draws for the other as they are.
    ///
    /// # Errors
    ///
    /// Where the image is in a file, and the file gives none.
    ///
    /// # Panics
    ///
    /// Where `index` is not below `set.len()`, or `out` is not as long as one image.
    pub fn apply(
        &self,
        set: &ImageSet,
        index: usize,
        key: AugmentKey,
        out: &mut [f32],
    ) -> Result<(), ImageError> {
        let framing = match self.crop {
            Crop::Padded(_) => Framing::Centre,
            Crop::Resized => {
                let key = [WINDOW_DOMAIN, key.seed, key.epoch, index as u64];
                Framing::Random(SplitMix64::keyed(&key))
            }
        };
        let pixels = set.pixels(index, framing)?;
        self.draw(index, key).write(set.info(), &pixels, out);
        Ok(())
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
    /// Writes an image of a set, changed and normalised, to `out`.
    fn write(self, info: &SetInfo, image: &[u8], out: &mut [f32]) {
        let [_, height, width] = info.shape;
        assert_eq!(out.len(), info.image_len(), "out must be as long as one image");

        // Where the window lies over the image, in the window's and in the image's columns.
        let mut to = overlap(width, self.right);
        let from = overlap(width, self.right.saturating_neg());
        if self.flip {
            to = width - to.end..width - to.start;
        }
        let to_rows = overlap(height, self.down);

        let plane = height * width;
        let planes = out.chunks_exact_mut(plane).zip(image.chunks_exact(plane));
        for ((out, image), (mean, std)) in planes.zip(info.mean.iter().zip(&info.std)) {
            // The division by the largest value and the normalisation in one product and one sum.
            let scale = 1.0 / (f32::from(info.max_value) * std);
            let offset = -mean / std;
            let normalise = |(out, &pixel): (&mut f32, &u8)| {
                *out = f32::from(pixel) * scale + offset;
            };
            for (y, out) in out.chunks_exact_mut(width).enumerate() {
                if !to_rows.contains(&y) {
                    out.fill(offset);
                    continue;
                }
                let row = y.wrapping_add_signed(self.down) * width;
                let row = &image[row + from.start..row + from.end];
                out[..to.start].fill(offset);
                out[to.end..].fill(offset);
                if self.flip {
                    out[to.clone()].iter_mut().zip(row.iter().rev()).for_each(normalise);
                } else {
                    out[to.clone()].iter_mut().zip(row).for_each(normalise);
                }
            }
        }
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

    /// The definition, pixel by pixel: pad with zeros, cut, mirror, divide, normalise.
    fn naive(set: &ImageSet, index: usize, change: Change) -> Vec<f32> {
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
                    let value = if inside { set.image(index)[at as usize] } else { 0 };
                    out.push((f32::from(value) / 200.0 - set.info().mean[c]) / set.info().std[c]);
                }
            }
        }
        out
    }

    fn distance(left: &[f32], right: &[f32]) -> f32 {
        assert_eq!(left.len(), right.len());
        left.iter().zip(right).map(|(l, r)| (l - r).abs()).fold(0.0, f32::max)
    }

    #[test]
    fn normalisation_gives_the_values_worked_out_by_hand() {
        let info = SetInfo {
            name: "toy".into(),
            classes: vec!["all".into()],
            shape: [2, 1, 2],
            mean: vec![0.5, 0.25],
            std: vec![0.25, 0.5],
            max_value: 16,
        };
        let set = ImageSet::new(info, vec![0, 16, 4, 12], vec![0]).expect("a valid set");
        let mut out = [f32::NAN; 4];
        Augment::NONE.apply(&set, 0, KEY, &mut out).expect("in memory");
        // (0 - 0.5) / 0.25, (1 - 0.5) / 0.25, (0.25 - 0.25) / 0.5, (0.75 - 0.25) / 0.5
        assert_eq!(out, [-2.0, 2.0, 0.0, 1.0]);
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
            let mut out = vec![f32::NAN; set.info().image_len()];
            change.write(set.info(), set.image(index), &mut out);
            prop_assert!(distance(&out, &naive(&set, index, change)) < 1e-6);
        }

        #[test]
        fn shifts_stay_within_the_padding(pad: usize, index: usize) {
            let pad = pad / 4;
            let change = Augment { crop: Crop::Padded(pad), flip: true }.draw(index, KEY);
            prop_assert!(change.down.unsigned_abs() <= pad && change.right.unsigned_abs() <= pad);
        }
    }
}
