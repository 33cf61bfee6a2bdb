//! How an image of a set becomes what the network gets: a part of it, cropped and flipped, changed as
//! bytes, normalised once.

use super::augment::{Augment, AugmentKey};
use super::decode::ImageError;
use super::geometry::{Geometry, Target};
use super::image_set::ImageSet;
use super::set_info::SetInfo;
use super::strong::StrongAugment;

/// What is done to each image of a batch.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Picture {
    pub(crate) augment: Augment,
    pub(crate) strong: StrongAugment,
    pub(crate) key: AugmentKey,
}

impl Picture {
    /// Writes image `index` of `set` to `out`, `[channels, height, width]`, and says where it went.
    ///
    /// The value `v` of a pixel of channel `c` becomes `(v / max_value - mean[c]) / std[c]`.
    ///
    /// # Errors
    ///
    /// Where the image is in a file, and the file gives none.
    ///
    /// # Panics
    ///
    /// Where `index` is not below `set.len()`, or `out` is not as long as one image.
    pub(crate) fn write<T: Target>(
        &self,
        set: &ImageSet<T>,
        index: usize,
        out: &mut [f32],
    ) -> Result<Geometry, ImageError> {
        let (info, mut rng) = (set.info(), StrongAugment::rng(self.key, index));
        assert_eq!(out.len(), info.image_len(), "out must be as long as one image");
        let (pixels, geometry) = self.augment.cut(set, index, self.key)?;
        if self.strong.ops == 0 {
            normalise(info, &pixels, out);
        } else {
            let mut bytes = full_range(&pixels, info.max_value);
            self.strong.operate(&mut bytes, info.shape, &mut rng);
            normalise_bytes(info, &bytes, out);
        }
        self.strong.erase(out, info.shape, &mut rng);
        Ok(geometry)
    }
}

/// The pixels on the scale where white is 255.
fn full_range(pixels: &[u8], white: u8) -> Vec<u8> {
    let white = u32::from(white);
    let scaled = |&pixel: &u8| (u32::from(pixel) * 2 * u32::from(u8::MAX) + white) / (2 * white);
    pixels.iter().map(|pixel| scaled(pixel) as u8).collect()
}

/// Normalises pixels of a set: the division by the largest value and the normalisation in one product
/// and one sum.
pub(crate) fn normalise(info: &SetInfo, pixels: &[u8], out: &mut [f32]) {
    planes(info, pixels, out, |mean, std| {
        let (scale, offset) = (1.0 / (f32::from(info.max_value) * std), -mean / std);
        move |pixel| f32::from(pixel) * scale + offset
    });
}

/// Normalises bytes whose white is 255. Step by step: other roundings than these would change runs.
fn normalise_bytes(info: &SetInfo, bytes: &[u8], out: &mut [f32]) {
    planes(info, bytes, out, |mean, std| move |byte| (f32::from(byte) / 255.0 - mean) / std);
}

/// Applies to each plane the function that its mean and standard deviation give.
fn planes<F: Fn(u8) -> f32>(
    info: &SetInfo,
    from: &[u8],
    to: &mut [f32],
    function: impl Fn(f32, f32) -> F,
) {
    let [_, height, width] = info.shape;
    let planes = to.chunks_exact_mut(height * width).zip(from.chunks_exact(height * width));
    for ((to, from), (&mean, &std)) in planes.zip(info.mean.iter().zip(&info.std)) {
        let function = function(mean, std);
        to.iter_mut().zip(from).for_each(|(to, &from)| *to = function(from));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Crop;

    const KEY: AugmentKey = AugmentKey { seed: 1, epoch: 2 };

    fn info(max_value: u8, shape: [usize; 3]) -> SetInfo {
        SetInfo {
            name: "toy".into(),
            classes: vec!["all".into()],
            shape,
            mean: vec![0.5, 0.25, 0.3][..shape[0]].to_vec(),
            std: vec![0.25, 0.5, 0.2][..shape[0]].to_vec(),
            max_value,
        }
    }

    fn picture(strong: StrongAugment) -> Picture {
        Picture { augment: Augment::NONE, strong, key: KEY }
    }

    /// Two images of bytes, none of which is 0 after normalisation.
    fn set() -> ImageSet {
        let pixels = (0..2 * 768).map(|i| (i % 768 * 37 % 90 + 140) as u8).collect();
        ImageSet::new(info(255, [3, 16, 16]), pixels, vec![0, 0]).expect("a set")
    }

    fn changed(picture: Picture, index: usize) -> Vec<f32> {
        let mut out = vec![f32::NAN; 768];
        picture.write(&set(), index, &mut out).expect("in memory");
        out
    }

    #[test]
    fn normalisation_gives_the_values_worked_out_by_hand() {
        let set = ImageSet::new(info(16, [2, 1, 2]), vec![0, 16, 4, 12], vec![0u16]);
        let mut out = [f32::NAN; 4];
        let picture = picture(StrongAugment::default());
        picture.write(&set.expect("a valid set"), 0, &mut out).expect("in memory");
        // (0 - 0.5) / 0.25, (1 - 0.5) / 0.25, (0.25 - 0.25) / 0.5, (0.75 - 0.25) / 0.5
        assert_eq!(out, [-2.0, 2.0, 0.0, 1.0]);
    }

    #[test]
    fn both_normalisations_are_one_but_for_rounding() {
        let info = info(255, [3, 1, 1]);
        for pixel in 0..=255 {
            let (mut a, mut b) = ([0.0; 3], [0.0; 3]);
            normalise(&info, &[pixel; 3], &mut a);
            normalise_bytes(&info, &[pixel; 3], &mut b);
            assert!(a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-5), "{a:?} {b:?}");
        }
        assert_eq!(full_range(&[0, 7, 255], 255), [0, 7, 255]);
        assert_eq!(full_range(&[0, 4, 8, 16], 16), [0, 64, 128, 255]);
    }

    #[test]
    fn draws_depend_on_seed_epoch_and_index_only() {
        let strong = StrongAugment { ops: 2, magnitude: 15, erase: 0.5 };
        let first = changed(picture(strong), 0);
        assert_eq!(first, changed(picture(strong), 0));
        assert_ne!(first, changed(picture(strong), 1));
        let key = AugmentKey { epoch: 3, ..KEY };
        assert_ne!(first, changed(Picture { key, ..picture(strong) }, 0));
        assert_ne!(first, changed(picture(StrongAugment::default()), 0));
    }

    #[test]
    fn where_the_image_went_is_told() {
        let augment = Augment { crop: Crop::Padded(4), flip: true };
        let picture = Picture { augment, ..picture(StrongAugment::default()) };
        let mut out = vec![0.0; 768];
        let geometries: Vec<Geometry> =
            (0..2).map(|index| picture.write(&set(), index, &mut out).expect("read")).collect();
        assert_ne!(geometries[0], geometries[1]);
        assert!(geometries.iter().all(|geometry| geometry.size == [16, 16]));
        assert!(geometries.iter().all(|geometry| geometry.window[2..] == [16.0, 16.0]));
    }
}
