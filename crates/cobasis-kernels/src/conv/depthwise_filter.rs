//! Filter gradient of the depthwise convolution.

use std::ops::Range;

use rayon::prelude::*;

use super::ConvShape;
use super::depthwise::within;
use super::window::Window;
use crate::isa::{self, Simd};
use crate::scratch;

/// Overwrites `dw` with the gradient with respect to the weight.
pub fn backward_filter(shape: &ConvShape, x: &[f32], dy: &[f32], dw: &mut [f32]) {
    // The number of parts does not depend on the threads, and so neither do the results.
    const PARTS: usize = 8;
    let window = Window::forward(shape);
    let lines = window.lines();
    let parts = PARTS.min(lines);
    let area = shape.kernel[0] * shape.kernel[1];
    let width = shape.channels_in.next_multiple_of(isa::lanes());
    let len = area * width;
    let mut sums = scratch::take(parts * len);
    sums.par_chunks_mut(len).enumerate().for_each(|(part, sums)| {
        sums.fill(0.0);
        let lines = part * lines / parts..(part + 1) * lines / parts;
        isa::dispatch(FilterPart { window: &window, x, dy, lines, sums, width });
    });
    for (i, dw) in dw.iter_mut().enumerate() {
        let at = i % area * width + i / area;
        *dw = (0..parts).map(|part| sums[part * len + at]).sum();
    }
}

/// The filter gradient of some lines, as `[tap, width]`.
struct FilterPart<'a> {
    window: &'a Window,
    x: &'a [f32],
    dy: &'a [f32],
    lines: Range<usize>,
    sums: &'a mut [f32],
    width: usize,
}

impl isa::Task for FilterPart<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, s: S) {
        let window = self.window;
        let [height, width] = window.size;
        for line in self.lines.clone() {
            let (image, row) = (line / window.positions[0], line % window.positions[0]);
            let rows = within(row, window.stride[0], window.start[0], window.taps[0], height);
            for y in rows {
                let input = (row * window.stride[0] + y) as isize + window.start[0];
                let input = (image * height + input as usize) * width;
                for x in 0..window.taps[1] {
                    // Positions whose tap lies within the line.
                    let shift = x as isize + window.start[1];
                    let stride = window.stride[1];
                    let first = ((-shift).max(0) as usize).div_ceil(stride);
                    let pixels = (width as isize - shift).max(0) as usize;
                    let end = pixels.div_ceil(stride).min(window.positions[1]);
                    if first >= end {
                        continue;
                    }
                    let from = input + ((first * stride) as isize + shift) as usize;
                    let gradient = line * window.positions[1] + first;
                    let tap = y * window.taps[1] + x;
                    self.add(s, tap, (from, gradient), end - first);
                }
            }
        }
    }
}

impl FilterPart<'_> {
    /// Adds the products of `count` pixels and gradients side by side to the sums of a tap.
    #[inline(always)]
    fn add<S: Simd>(&mut self, s: S, tap: usize, (x, dy): (usize, usize), count: usize) {
        // Sums apart hide the latency of the additions.
        const APART: usize = 4;
        let channels = self.window.channels;
        let step = self.window.stride[1] * channels;
        let pixels = &self.x[x * channels..][..(count - 1) * step + channels];
        let gradients = &self.dy[dy * channels..][..count * channels];
        let target = &mut self.sums[tap * self.width..][..self.width];
        let mut channel = 0;
        while channel < channels {
            let width = (channels - channel).min(S::LANES);
            let mut sums = [s.splat(0.0); APART];
            // SAFETY: the slices were cut to the values read; sums are whole vectors.
            unsafe {
                let to = target.as_mut_ptr().add(channel);
                sums[0] = s.load(to);
                let mut pixel = pixels.as_ptr().add(channel);
                let mut gradient = gradients.as_ptr().add(channel);
                if width == S::LANES {
                    for _ in 0..count / APART {
                        for i in 0..APART {
                            let pixel = s.load(pixel.add(i * step));
                            sums[i] = s.fma(pixel, s.load(gradient.add(i * channels)), sums[i]);
                        }
                        pixel = pixel.wrapping_add(APART * step);
                        gradient = gradient.wrapping_add(APART * channels);
                    }
                }
                let left = if width == S::LANES { count % APART } else { count };
                for _ in 0..left {
                    let values = s.load_first(pixel, width);
                    sums[0] = s.fma(values, s.load_first(gradient, width), sums[0]);
                    pixel = pixel.wrapping_add(step);
                    gradient = gradient.wrapping_add(channels);
                }
                s.store(to, s.add(s.add(sums[0], sums[1]), s.add(sums[2], sums[3])));
            }
            channel += S::LANES;
        }
    }
}
