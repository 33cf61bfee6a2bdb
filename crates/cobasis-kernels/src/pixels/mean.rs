//! The mean of each map, and what depends on means.

use pulp::NullaryFnOnce;

use super::{Pixels, PixelsMut, at_once};
use crate::parallel::chunks_mut;
use crate::vectorised::vectorised;

/// Channels that are added up together.
const TOGETHER: usize = 64;

/// Writes the mean of each channel of each image to `y`, `[images, channels]`. Sums are in 64 bits.
///
/// # Panics
///
/// If the pixels are not those of whole images with `area` pixels each, or sizes differ.
pub fn global_average(x: Pixels, area: usize, y: &mut [f32]) {
    let images = x.pixels() / area;
    assert_eq!((images * area, images * x.channels), (x.pixels(), y.len()), "means of images");
    chunks_mut(y, x.channels, |image, y| vectorised(Means { x, first: image * area, area, y }));
}

struct Means<'a> {
    x: Pixels<'a>,
    first: usize,
    area: usize,
    y: &'a mut [f32],
}

impl NullaryFnOnce for Means<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self { x, first, area, y } = self;
        for (part, y) in y.chunks_mut(TOGETHER).enumerate() {
            let mut sums = [0.0_f64; TOGETHER];
            for pixel in x.from(first).take(area) {
                let values = &pixel[part * TOGETHER..][..y.len()];
                sums.iter_mut().zip(values).for_each(|(sum, &x)| *sum += f64::from(x));
            }
            y.iter_mut().zip(sums).for_each(|(y, sum)| *y = (sum / area as f64) as f32);
        }
    }
}

/// Writes a weight between 0 and 1 for each channel of each image: the sigmoid of the sum, over its
/// neighbours and itself, of the filter times their means. Both are `[images, channels]`, and beyond the
/// first and the last channel are zeros.
///
/// # Panics
///
/// If sizes differ, or the filter has an even number of taps.
pub fn channel_weights(means: &[f32], channels: usize, filter: &[f32], weights: &mut [f32]) {
    assert_eq!((means.len(), filter.len() % 2), (weights.len(), 1), "means and taps");
    let before = filter.len() / 2;
    for (means, weights) in means.chunks_exact(channels).zip(weights.chunks_exact_mut(channels)) {
        for (channel, weight) in weights.iter_mut().enumerate() {
            let taps = filter.iter().enumerate();
            let products = taps.filter_map(|(tap, factor)| {
                let neighbour = (channel + tap).checked_sub(before)?;
                Some(factor * means.get(neighbour)?)
            });
            let logit: f32 = products.sum();
            *weight = 1.0 / (1.0 + (-logit).exp());
        }
    }
}

/// `y = weight · x`, with a weight for each channel of each image, `[images, channels]`.
///
/// # Panics
///
/// If the pixels are not those of whole images with `area` pixels each, or sizes differ.
pub fn scale_channels(x: Pixels, area: usize, weights: &[f32], y: PixelsMut) {
    let (pixels, channels) = (x.pixels(), x.channels);
    assert_eq!((y.pixels(), y.channels), (pixels, channels), "pixels and channels");
    assert_eq!(weights.len() * area, pixels * channels, "weights of channels");
    y.parts(at_once(channels), |first, y| {
        vectorised(Scaled { x, first, area, weights, y });
    });
}

struct Scaled<'a> {
    x: Pixels<'a>,
    first: usize,
    area: usize,
    weights: &'a [f32],
    y: PixelsMut<'a>,
}

impl NullaryFnOnce for Scaled<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self { x, first, area, weights, mut y } = self;
        for ((y, x), pixel) in y.each().zip(x.from(first)).zip(first..) {
            let weights = &weights[pixel / area * x.len()..][..x.len()];
            for ((y, &x), &weight) in y.iter_mut().zip(x).zip(weights) {
                *y = x * weight;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_is_scaled_by_what_its_neighbours_mean() {
        // Means 1, -2 and 0.5, in two images.
        let x = [0.0, -3.0, 0.5, 2.0, -1.0, 0.5].repeat(2);
        let (mut means, mut weights, mut y) = ([0.0; 6], [0.0; 6], [0.0; 12]);
        global_average(Pixels::new(&x, 4, 3, 3), 2, &mut means);
        assert_eq!(means, [1.0, -2.0, 0.5, 1.0, -2.0, 0.5]);
        channel_weights(&means, 3, &[1.0, 2.0, 4.0], &mut weights);
        scale_channels(Pixels::new(&x, 4, 3, 3), 2, &weights, PixelsMut::new(&mut y, 4, 3, 3));
        let logits: [f32; 3] = [2.0 - 8.0, 1.0 - 4.0 + 2.0, -2.0 + 1.0];
        for (index, (y, x)) in y.iter().zip(x).enumerate() {
            let expected = x / (1.0 + (-logits[index % 3]).exp());
            assert!((y - expected).abs() < 1e-6, "{y} is not {expected}");
        }
    }

    #[test]
    fn means_of_many_channels() {
        let x: Vec<f32> = (0..3 * 5 * 150).map(|index| (index % 150) as f32).collect();
        let mut means = vec![0.0; 3 * 150];
        global_average(Pixels::new(&x, 15, 150, 150), 5, &mut means);
        assert!(means.iter().enumerate().all(|(index, &mean)| mean == (index % 150) as f32));
    }
}
