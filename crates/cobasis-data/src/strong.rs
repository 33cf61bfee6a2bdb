//! Changes that come after crop and flip: a set of operations like RandAugment's, then random
//! erasing.

use super::augment::AugmentKey;
use super::batch::Batch;
use super::image_op::ImageOp;
use super::image_set::SetInfo;
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
    /// Changes the images of a batch; the draws are a function of `key` and an image's index.
    pub(crate) fn apply(&self, info: &SetInfo, key: AugmentKey, batch: &mut Batch) {
        if self.ops == 0 && self.erase == 0.0 {
            return;
        }
        let images = batch.images.chunks_exact_mut(info.image_len());
        for (image, &index) in images.zip(&batch.indices) {
            let mut rng = SplitMix64::keyed(&[DOMAIN, key.seed, key.epoch, index as u64]);
            self.operate(info, &mut rng, image);
            if rng.unit() < self.erase {
                erase(info.shape, &mut rng, image);
            }
        }
    }

    /// Takes the image back to bytes, changes these, and normalises them again.
    fn operate(&self, info: &SetInfo, rng: &mut SplitMix64, image: &mut [f32]) {
        if self.ops == 0 {
            return;
        }
        let [_, height, width] = info.shape;
        let constants = || info.mean.iter().zip(&info.std);
        let planes = image.chunks_exact(height * width).zip(constants());
        let bytes = planes.flat_map(|(plane, (mean, std))| {
            plane.iter().map(move |value| ((value * std + mean) * 255.0).round() as u8)
        });
        let mut bytes: Vec<u8> = bytes.collect();
        for _ in 0..self.ops {
            let op = ImageOp::ALL[rng.below(ImageOp::ALL.len() as u64) as usize];
            let sign = if rng.below(2) == 0 { 1.0 } else { -1.0 };
            op.apply(&mut bytes, info.shape, strength(op, self.magnitude, sign, [height, width]));
        }
        let planes = image.chunks_exact_mut(height * width).zip(bytes.chunks_exact(height * width));
        for ((plane, bytes), (mean, std)) in planes.zip(constants()) {
            for (value, &byte) in plane.iter_mut().zip(bytes) {
                *value = (f32::from(byte) / 255.0 - mean) / std;
            }
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

    fn info() -> SetInfo {
        SetInfo {
            name: "toy".into(),
            classes: vec!["all".into()],
            shape: [3, 16, 16],
            mean: vec![0.5, 0.4, 0.3],
            std: vec![0.25, 0.2, 0.3],
            max_value: 255,
        }
    }

    /// Images of bytes, normalised, none of which is 0 afterwards.
    fn batch(indices: Vec<usize>) -> Batch {
        let info = info();
        let value = |i: usize| {
            let channel = i / 256 % 3;
            ((i * 37 % 90 + 130) as f32 / 255.0 - info.mean[channel]) / info.std[channel]
        };
        let images = (0..indices.len() * 768).map(|i| value(i % 768)).collect();
        let (labels, shape) = (vec![0; indices.len()], [indices.len(), 3, 16, 16]);
        Batch { images, labels, indices, shape, unreadable: Vec::new() }
    }

    fn changed(strong: StrongAugment, indices: Vec<usize>) -> Vec<f32> {
        let mut batch = batch(indices);
        strong.apply(&info(), KEY, &mut batch);
        batch.images
    }

    #[test]
    fn nothing_is_changed_unless_asked_for() {
        let none = changed(StrongAugment::default(), vec![3, 4]);
        assert_eq!(none, batch(vec![3, 4]).images);
    }

    #[test]
    fn an_image_goes_to_bytes_and_back() {
        let (info, before) = (info(), batch(vec![0]).images);
        let distance = |seed| {
            let strong = StrongAugment { ops: 1, magnitude: 0, erase: 0.0 };
            let mut image = before.clone();
            strong.operate(&info, &mut SplitMix64::new(seed), &mut image);
            image.iter().zip(&before).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
        };
        // At magnitude 0 all operations but inverting above 255 and stretching change nothing, and
        // an image of 256 pixels is not equalised.
        let kept = (0..200).filter(|&seed| distance(seed) < 1e-5).count();
        assert!((170..200).contains(&kept), "{kept}");
    }

    #[test]
    fn draws_depend_on_the_image_not_on_its_place() {
        let strong = StrongAugment { ops: 2, magnitude: 15, erase: 0.5 };
        let both = changed(strong, vec![7, 8]);
        assert_eq!(both[768..], changed(strong, vec![8]));
        assert_ne!(both[..768], both[768..]);
        let epoch = AugmentKey { epoch: 3, ..KEY };
        let mut other = batch(vec![7, 8]);
        strong.apply(&info(), epoch, &mut other);
        assert_ne!(other.images, both);
    }

    #[test]
    fn so_many_images_lose_a_box_of_so_much() {
        let strong = StrongAugment { erase: 0.25, ..StrongAugment::default() };
        let images = changed(strong, (0..2000).collect());
        let areas: Vec<usize> = images
            .chunks_exact(768)
            .map(|image| image[..256].iter().filter(|value| **value == 0.0).count())
            .collect();
        let erased: Vec<usize> = areas.into_iter().filter(|area| *area > 0).collect();
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
