//! Mixup (Zhang et al. 2018) and cutmix (Yun et al. 2019): images of a batch mixed with others of
//! it, and their labels alike.

use burn::tensor::Tensor;

use crate::config::AugmentConfig;
use crate::data::SplitMix64;

/// Keeps the draws for mixing apart from all others.
const DOMAIN: u64 = 0x6d69_7869_6e67_0000;

/// How a batch is mixed with itself in reverse order.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Mix {
    /// Every image keeps this share and gets the rest from its partner.
    Whole(f64),
    /// Every image gets a box from its partner.
    Box {
        /// Its rows.
        rows: std::ops::Range<usize>,
        /// Its columns.
        columns: std::ops::Range<usize>,
        /// The share of the image that is kept.
        kept: f64,
    },
}

impl Mix {
    /// The mix of a batch of images of `[height, width]`, drawn from the seed and the batch's place
    /// in the run; `None` where none is asked for.
    pub(crate) fn draw(
        config: &AugmentConfig,
        [height, width]: [usize; 2],
        key: [u64; 4],
    ) -> Option<Self> {
        let [seed, epoch, step, batch] = key;
        let mut rng = SplitMix64::keyed(&[DOMAIN, seed, epoch, step, batch]);
        let either = rng.below(2) == 0;
        if config.mixup > 0.0 && (config.cutmix == 0.0 || either) {
            return Some(Self::Whole(beta(config.mixup, &mut rng)));
        }
        if config.cutmix == 0.0 {
            return None;
        }
        let side = (1.0 - beta(config.cutmix, &mut rng)).sqrt();
        let mut range = |length: usize| {
            let half = (length as f64 * side / 2.0) as usize;
            let centre = rng.below(length as u64) as usize;
            centre.saturating_sub(half)..(centre + half).min(length)
        };
        let (rows, columns) = (range(height), range(width));
        // Where the box was cut at the border, the share follows.
        let kept = 1.0 - (rows.len() * columns.len()) as f64 / (height * width) as f64;
        Some(Self::Box { rows, columns, kept })
    }

    /// The share of its own label that an image keeps.
    pub(crate) fn kept(&self) -> f64 {
        match *self {
            Self::Whole(kept) | Self::Box { kept, .. } => kept,
        }
    }

    /// Mixes images of shape `[batch, channels, height, width]`: image `i` with image `batch - 1 -
    /// i`.
    pub(crate) fn apply(&self, images: Tensor<4>) -> Tensor<4> {
        let partners = images.clone().flip([0]);
        match self {
            Self::Whole(kept) => images.mul_scalar(*kept) + partners.mul_scalar(1.0 - kept),
            Self::Box { rows, columns, .. } if rows.is_empty() || columns.is_empty() => images,
            Self::Box { rows, columns, .. } => {
                let [batch, channels, _, _] = images.dims();
                let ranges = [0..batch, 0..channels, rows.clone(), columns.clone()];
                images.slice_assign(ranges.clone(), partners.slice(ranges))
            }
        }
    }
}

/// A number from the beta distribution with both shapes `shape` (Jöhnk 1964).
fn beta(shape: f64, rng: &mut SplitMix64) -> f64 {
    loop {
        let (x, y) = (rng.unit().powf(1.0 / shape), rng.unit().powf(1.0 / shape));
        if x + y <= 1.0 && x + y > 0.0 {
            return x / (x + y);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tensors::host;
    use burn::tensor::Device;

    fn config(mixup: f64, cutmix: f64) -> AugmentConfig {
        AugmentConfig { mixup, cutmix, ..AugmentConfig::default() }
    }

    fn draws(config: &AugmentConfig) -> Vec<Mix> {
        let draw = |step| Mix::draw(config, [8, 6], [1, 2, step, 0]).expect("a mix");
        (0..4000).map(draw).collect()
    }

    #[test]
    fn the_beta_distribution_has_its_mean_and_variance() {
        for shape in [0.2, 1.0, 4.0] {
            let kept: Vec<f64> = draws(&config(shape, 0.0)).iter().map(Mix::kept).collect();
            let mean = kept.iter().sum::<f64>() / 4000.0;
            let variance = kept.iter().map(|k| (k - 0.5).powi(2)).sum::<f64>() / 4000.0;
            // The mean's standard deviation is at most 0.0067.
            assert!((mean - 0.5).abs() < 0.034, "{shape}: {mean}");
            let expected = 1.0 / (4.0 * (2.0 * shape + 1.0));
            assert!((variance / expected - 1.0).abs() < 0.15, "{shape}: {variance} {expected}");
        }
    }

    #[test]
    fn boxes_lie_in_the_image_and_either_kind_is_as_likely() {
        assert_eq!(Mix::draw(&config(0.0, 0.0), [8, 6], [0; 4]), None);
        let mixes = draws(&config(1.0, 1.0));
        let boxes = mixes.iter().filter(|mix| matches!(mix, Mix::Box { .. })).count();
        // 2000 expected, standard deviation 32.
        assert!((1840..=2160).contains(&boxes), "{boxes}");
        for mix in mixes {
            if let Mix::Box { rows, columns, kept } = mix {
                assert!(rows.end <= 8 && columns.end <= 6);
                let area = (rows.len() * columns.len()) as f64;
                assert!((kept - (1.0 - area / 48.0)).abs() < 1e-12);
            }
        }
    }

    #[test]
    fn images_are_mixed_with_their_partners() {
        let device = Device::flex();
        let images = Tensor::<4>::from_floats([[[[1.0, 2.0]]], [[[3.0, 5.0]]]], &device);
        let mixed = host(Mix::Whole(0.75).apply(images.clone()));
        assert_eq!(mixed, [1.5, 2.75, 2.5, 4.25]);
        let patch = Mix::Box { rows: 0..1, columns: 1..2, kept: 0.5 };
        assert_eq!(host(patch.apply(images)), [1.0, 5.0, 3.0, 2.0]);
    }
}
