//! Changes that come after crop and flip: a set of operations like RandAugment's, then random
//! erasing.

use super::augment::AugmentKey;
use super::image_op::ImageOp;
use super::rng::SplitMix64;

/// Keeps the draws of these changes apart from all others.
const DOMAIN: u64 = 0x7374_726f_6e67_0000;
/// Steps of the scale of magnitudes.
const MAGNITUDES: f64 = 30.0;
/// Areas of an erased box, as shares of the image, and its shapes, as height to width: those of
/// Zhong et al. (2020) and torchvision.
const ERASED_AREA: (f64, f64) = (0.02, 0.33);
const ERASED_SHAPE: (f64, f64) = (0.3, 3.3);
/// Boxes that are tried before an image is left as it is.
const TRIES: usize = 10;

/// Changes to training images that come after crop and flip.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct StrongAugment {
    /// Operations drawn for every image, each as likely; 0 = none.
    pub ops: usize,
    /// Their strength, 0 to 30.
    pub magnitude: usize,
    /// Share of the images that lose a box: it takes the mean colour.
    pub erase: f64,
}

impl StrongAugment {
    /// The draws for image `index`, a function of `key` and the index.
    pub(crate) fn rng(key: AugmentKey, index: usize) -> SplitMix64 {
        SplitMix64::keyed(&[DOMAIN, key.seed, key.epoch, index as u64])
    }

    /// Changes an image of this shape, whose white is 255.
    pub(crate) fn operate(&self, image: &mut [u8], shape: [usize; 3], rng: &mut SplitMix64) {
        let [_, size @ ..] = shape;
        for _ in 0..self.ops {
            let op = ImageOp::ALL[rng.below(ImageOp::ALL.len() as u64) as usize];
            let sign = if rng.below(2) == 0 { 1.0 } else { -1.0 };
            op.apply(image, shape, strength(op, self.magnitude, sign, size));
        }
    }

    /// Lets a normalised image of this shape lose a box, if it is to.
    pub(crate) fn erase(&self, image: &mut [f32], shape: [usize; 3], rng: &mut SplitMix64) {
        if rng.unit() < self.erase {
            erase(shape, rng, image);
        }
    }
}

/// The strength of an operation at a magnitude of 0 to 30, by torchvision's RandAugment.
fn strength(op: ImageOp, magnitude: usize, sign: f64, [height, width]: [usize; 2]) -> f64 {
    let share = magnitude as f64 / MAGNITUDES;
    match op {
        ImageOp::ShearX | ImageOp::ShearY => sign * 0.3 * share,
        ImageOp::TranslateX => sign * share * width as f64 * 150.0 / 331.0,
        ImageOp::TranslateY => sign * share * height as f64 * 150.0 / 331.0,
        ImageOp::Rotate => sign * 30.0 * share,
        ImageOp::Brightness | ImageOp::Color | ImageOp::Contrast | ImageOp::Sharpness => {
            sign * 0.9 * share
        }
        ImageOp::Posterize => 8.0 - (4.0 * share).round_ties_even(),
        ImageOp::Solarize => 255.0 * (1.0 - share),
        ImageOp::Identity | ImageOp::AutoContrast | ImageOp::Equalize => 0.0,
    }
}

/// Sets a random box to the mean colour, which is 0 after normalisation.
fn erase([_, height, width]: [usize; 3], rng: &mut SplitMix64, image: &mut [f32]) {
    let between = |(low, high): (f64, f64), unit: f64| low + (high - low) * unit;
    for _ in 0..TRIES {
        let area = between(ERASED_AREA, rng.unit()) * (height * width) as f64;
        let shape = between((ERASED_SHAPE.0.ln(), ERASED_SHAPE.1.ln()), rng.unit()).exp();
        let side = |length: f64| length.sqrt().round() as usize;
        let (box_height, box_width) = (side(area * shape), side(area / shape));
        if box_height >= height || box_width >= width {
            continue;
        }
        let top = rng.below((height - box_height) as u64 + 1) as usize;
        let left = rng.below((width - box_width) as u64 + 1) as usize;
        for plane in image.chunks_exact_mut(height * width) {
            for row in plane.chunks_exact_mut(width).skip(top).take(box_height) {
                row[left..left + box_width].fill(0.0);
            }
        }
        return;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: AugmentKey = AugmentKey { seed: 1, epoch: 2 };

    const SHAPE: [usize; 3] = [3, 16, 16];

    fn image() -> Vec<u8> {
        (0..768).map(|i| (i * 37 % 90 + 130) as u8).collect()
    }

    #[test]
    fn operations_of_no_magnitude_change_little() {
        let strong = StrongAugment { ops: 1, magnitude: 0, erase: 0.0 };
        let changed = |seed| {
            let mut image = image();
            strong.operate(&mut image, SHAPE, &mut SplitMix64::new(seed));
            image
        };
        // At magnitude 0 all operations but inverting above 255 and stretching change nothing, and
        // an image of 256 pixels is not equalised.
        let kept = (0..200).filter(|&seed| changed(seed) == image()).count();
        assert!((170..200).contains(&kept), "{kept}");
    }

    #[test]
    fn so_many_images_lose_a_box_of_so_much() {
        let strong = StrongAugment { erase: 0.25, ..StrongAugment::default() };
        let lost = (0..2000).map(|index| {
            let mut image = vec![1.0; 768];
            strong.erase(&mut image, SHAPE, &mut StrongAugment::rng(KEY, index));
            image[..256].iter().filter(|value| **value == 0.0).count()
        });
        let erased: Vec<usize> = lost.filter(|area| *area > 0).collect();
        // 500 expected, standard deviation 19.
        assert!((400..=600).contains(&erased.len()), "{}", erased.len());
        // 2 to 33 % of 256 pixels, and what rounding both sides adds.
        assert!(erased.iter().all(|area| (2..=100).contains(area)), "{erased:?}");
    }

    #[test]
    fn strengths_are_torchvisions() {
        for (op, magnitude, expected) in [
            (ImageOp::ShearX, 9, -0.09),
            (ImageOp::TranslateY, 15, -7.2508),
            (ImageOp::Rotate, 30, -30.0),
            (ImageOp::Contrast, 1, -0.03),
            (ImageOp::Posterize, 9, 7.0),
            (ImageOp::Posterize, 30, 4.0),
            (ImageOp::Solarize, 9, 178.5),
        ] {
            let got = strength(op, magnitude, -1.0, [32, 32]);
            assert!((got - expected).abs() < 1e-4, "{op} {magnitude}: {got}");
        }
    }
}
