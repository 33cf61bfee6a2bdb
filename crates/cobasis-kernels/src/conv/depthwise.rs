//! Depthwise convolution: one filter per channel, vectors along the channels.

use std::ops::Range;

use super::finish::{self, Finish};
#[cfg(feature = "gradients")]
use super::phase::phases;
use super::placement::Placement;
use super::stencil::{self, Stencil, TAPS};
use super::window::Window;
use super::{ConvShape, Epilogue};
use crate::isa::{self, Simd};
use crate::parallel;
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

    /// A channel of the first tap.
    pub fn tap(&self, channel: usize) -> *const f32 {
        self.taps[channel..].as_ptr()
    }
}

/// Computes `y = act(scale * conv(x, weight) + bias + residual)`.
///
/// `pixel` is the number of values from a pixel of `y` to the next.
pub fn forward(
    shape: &ConvShape,
    x: &[f32],
    weight: &Weight,
    (y, pixel): (&mut [f32], usize),
    epilogue: &Epilogue,
) {
    apply(&Window::forward(shape), x, weight, Placement::output(shape, pixel), y, epilogue);
}

/// Overwrites `dx` with the gradient with respect to the input.
#[cfg(feature = "gradients")]
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
    parallel::tasks(window.lines(), |line| {
        isa::dispatch(Line { window, source, weight, placement, line, target, epilogue });
    });
}

/// Taps of position `at` that lie within `size`.
#[inline(always)]
pub fn within(at: usize, stride: usize, start: isize, taps: usize, size: usize) -> Range<usize> {
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
                let plain = window.taps == [TAPS; 2] && count == TOGETHER;
                if plain && window.stride[1] == 1 {
                    self.stencils::<S, 1>(s, from, rows.clone(), to);
                } else if plain && window.stride[1] == 2 {
                    self.stencils::<S, 2>(s, from, rows.clone(), to);
                } else if count == TOGETHER {
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

    /// Positions side by side that read all of 3 taps across.
    ///
    /// # Safety
    /// The taps must lie in the source for positions that read from `from` on.
    #[inline(always)]
    unsafe fn stencils<S: Simd, const STRIDE: usize>(
        &self,
        s: S,
        from: *const f32,
        rows: Range<usize>,
        to: usize,
    ) {
        let channels = self.window.channels;
        let mut positions = [to; TOGETHER];
        for i in 0..TOGETHER {
            positions[i] += i * self.placement.strides[2];
        }
        let mut channel = 0;
        while channel < channels {
            let count = (channels - channel).min(S::LANES);
            let stencil = Stencil {
                from: from.wrapping_add(channel),
                pixel: channels,
                line: self.window.size[1] * channels,
                taps: self.weight.tap(channel),
                tap: channels,
            };
            // SAFETY: the caller's.
            unsafe {
                let rows = rows.clone();
                let (channels, target) = ((channel, count), (self.target.0, positions));
                if count == S::LANES {
                    let sums = stencil::sums::<S, TOGETHER, STRIDE, true>(s, stencil, rows, count);
                    finish::store::<_, _, true>(s, self.epilogue, channels, sums, target);
                } else {
                    let sums = stencil::sums::<S, TOGETHER, STRIDE, false>(s, stencil, rows, count);
                    finish::store::<_, _, false>(s, self.epilogue, channels, sums, target);
                }
            }
            channel += S::LANES;
        }
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
