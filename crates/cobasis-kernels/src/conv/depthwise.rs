//! Depthwise convolution: one filter per channel, vectors along the channels.

use std::ops::Range;

use rayon::prelude::*;

use super::phase::{Placement, phases};
use super::tile::Finish;
use super::window::Window;
use super::{ConvShape, Epilogue};
use crate::isa::{self, Simd};
use crate::scratch::{self, Scratch};
use crate::shared::Shared;

/// Positions computed together, which share the loads of the weights.
const TOGETHER: usize = 4;

/// Whether the algorithm computes this shape.
pub fn fits(shape: &ConvShape) -> bool {
    shape.groups == shape.channels_in && shape.channels_out == shape.channels_in
}

/// A weight in the order `[tap, channel]`.
#[derive(Debug, Clone)]
pub struct Weight {
    taps: Scratch,
}

impl Weight {
    /// Reorders `[channels, 1, kernel height, kernel width]`.
    pub fn new(shape: &ConvShape, weight: &[f32]) -> Self {
        let taps: Vec<usize> = (0..shape.kernel[0] * shape.kernel[1]).collect();
        Self::gather(shape, weight, &taps)
    }

    /// The taps of each channel in the order given.
    fn gather(shape: &ConvShape, weight: &[f32], order: &[usize]) -> Self {
        let (area, channels) = (shape.kernel[0] * shape.kernel[1], shape.channels_in);
        let mut taps = scratch::take(order.len() * channels);
        for (to, tap) in taps.chunks_exact_mut(channels).zip(order) {
            for (to, filter) in to.iter_mut().zip(weight.chunks_exact(area)) {
                *to = filter[*tap];
            }
        }
        Self { taps }
    }
}

/// Computes `y = act(scale * conv(x, weight) + bias + residual)`.
pub fn forward(shape: &ConvShape, x: &[f32], weight: &Weight, y: &mut [f32], epilogue: &Epilogue) {
    apply(&Window::forward(shape), x, weight, Placement::output(shape), y, epilogue);
}

/// Overwrites `dx` with the gradient with respect to the input.
pub fn backward_input(shape: &ConvShape, weight: &[f32], dy: &[f32], dx: &mut [f32]) {
    for phase in phases(shape) {
        if phase.window.taps.contains(&0) {
            phase.clear(shape.channels_in, dx);
            continue;
        }
        let weight = Weight::gather(shape, weight, &phase.taps);
        apply(&phase.window, dy, &weight, phase.placement, dx, &Epilogue::default());
    }
}

fn apply(
    window: &Window,
    source: &[f32],
    weight: &Weight,
    placement: Placement,
    y: &mut [f32],
    epilogue: &Epilogue,
) {
    let target = Shared(y.as_mut_ptr());
    (0..window.lines()).into_par_iter().for_each(|line| {
        isa::dispatch(Line { window, source, weight, placement, line, target, epilogue });
    });
}

/// Taps of position `at` that lie within `size`.
#[inline(always)]
fn within(at: usize, stride: usize, start: isize, taps: usize, size: usize) -> Range<usize> {
    let first = (at * stride) as isize + start;
    let from = (-first).clamp(0, taps as isize) as usize;
    let to = (size as isize - first).clamp(from as isize, taps as isize) as usize;
    from..to
}

/// One line of positions.
struct Line<'a> {
    window: &'a Window,
    source: &'a [f32],
    weight: &'a Weight,
    placement: Placement,
    line: usize,
    target: Shared,
    epilogue: &'a Epilogue<'a>,
}

impl isa::Task for Line<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let window = self.window;
        let [height, width] = window.size;
        let channels = window.channels;
        let (image, row) = (self.line / window.positions[0], self.line % window.positions[0]);
        let rows = within(row, window.stride[0], window.start[0], window.taps[0], height);
        let first = (image * height * width) as isize
            + ((row * window.stride[0]) as isize + window.start[0]) * width as isize
            + window.start[1];
        let mut column = 0;
        while column < window.positions[1] {
            let mut taps = self.columns(column);
            let last = (column + TOGETHER - 1).min(window.positions[1] - 1);
            let all = 0..window.taps[1];
            let count = if last - column == TOGETHER - 1 && taps == all && self.columns(last) == all
            {
                TOGETHER
            } else {
                1
            };
            if rows.is_empty() {
                taps = 0..0;
            }
            let from = (first + (column * window.stride[1]) as isize) * channels as isize;
            let to = self.placement.offset(window, self.line) + column * self.placement.strides[2];
            // SAFETY: only taps within the source are read; the slices were checked against the
            // sizes, and lines are written by one task each.
            unsafe {
                let from = self.source.as_ptr().wrapping_offset(from);
                if count == TOGETHER {
                    self.positions::<S, TOGETHER>(s, from, (rows.clone(), taps), to);
                } else {
                    self.positions::<S, 1>(s, from, (rows.clone(), taps), to);
                }
            }
            column += count;
        }
    }
}

impl Line<'_> {
    #[inline(always)]
    fn columns(&self, column: usize) -> Range<usize> {
        let window = self.window;
        within(column, window.stride[1], window.start[1], window.taps[1], window.size[1])
    }

    /// `N` positions side by side that read the same taps.
    ///
    /// # Safety
    /// The taps must lie in the source for positions that read from `from` on.
    #[inline(always)]
    unsafe fn positions<S: Simd, const N: usize>(
        &self,
        s: S,
        from: *const f32,
        (rows, columns): (Range<usize>, Range<usize>),
        to: usize,
    ) {
        let window = self.window;
        let channels = window.channels;
        let step = window.stride[1] * channels;
        let mut channel = 0;
        while channel < channels {
            let count = (channels - channel).min(S::LANES);
            let mut sums = [s.splat(0.0); N];
            // SAFETY: the caller's.
            unsafe {
                for y in rows.clone() {
                    for x in columns.clone() {
                        let tap = (y * window.taps[1] + x) * channels + channel;
                        let pixel = (y * window.size[1] + x) * channels + channel;
                        let from = from.wrapping_add(pixel);
                        let weight = self.weight.taps.as_ptr().add(tap);
                        if count == S::LANES {
                            let weight = s.load(weight);
                            for i in 0..N {
                                sums[i] = s.fma(s.load(from.add(i * step)), weight, sums[i]);
                            }
                        } else {
                            let weight = s.load_first(weight, count);
                            for i in 0..N {
                                let pixel = s.load_first(from.add(i * step), count);
                                sums[i] = s.fma(pixel, weight, sums[i]);
                            }
                        }
                    }
                }
                let finish = Finish::new(s, self.epilogue, channel, count);
                for i in 0..N {
                    let to = to + i * self.placement.strides[2] + channel;
                    finish.store(s, sums[i], self.target.0, to, count);
                }
            }
            channel += S::LANES;
        }
    }
}

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
                    let end = (width as isize - shift).max(0) as usize;
                    let end = end.div_ceil(stride).min(window.positions[1]);
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
