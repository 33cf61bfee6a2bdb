//! Pooling on slices in channels-last order.

use pulp::NullaryFnOnce;
use rayon::prelude::*;

use crate::positions::positions;
use crate::vectorised::vectorised;

/// Windows that move over maps of `[batch, height, width, channels]`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Windows {
    pub(crate) dims: [usize; 4],
    pub(crate) size: [usize; 2],
    pub(crate) stride: [usize; 2],
    pub(crate) padding: [usize; 2],
}

impl Windows {
    /// `[batch, out_height, out_width, channels]`
    pub(crate) fn output(&self) -> [usize; 4] {
        let [batch, height, width, channels] = self.dims;
        let side = |axis: usize, length: usize| {
            positions(length, [self.padding[axis]; 2], self.size[axis], self.stride[axis])
        };
        [batch, side(0, height), side(1, width), channels]
    }

    /// Numbers of an image before and after pooling.
    fn image(&self) -> [usize; 2] {
        [self.dims, self.output()].map(|[_, height, width, channels]| height * width * channels)
    }

    /// Calls `job` with each pixel of the output, each pixel of the input in its window, and which
    /// one of the window that is, all as numbers of pixels.
    #[inline(always)]
    fn each(&self, mut job: impl FnMut(usize, usize, usize)) {
        let [_, height, width, _] = self.dims;
        let [_, out_height, out_width, _] = self.output();
        for pixel in 0..out_height * out_width {
            let [top, left] =
                [pixel / out_width * self.stride[0], pixel % out_width * self.stride[1]];
            for row in 0..self.size[0] {
                for column in 0..self.size[1] {
                    let [y, x] = [top + row, left + column];
                    let [y, x] = [y.wrapping_sub(self.padding[0]), x.wrapping_sub(self.padding[1])];
                    if y < height && x < width {
                        job(pixel, y * width + x, row * self.size[1] + column);
                    }
                }
            }
        }
    }
}

/// Writes the maximum of each window to `y`, and which one of the window it is to `chosen`: the
/// first of equal ones.
pub(crate) fn maximum(windows: &Windows, x: &[f32], y: &mut [f32], chosen: &mut [u32]) {
    let [before, after] = windows.image();
    let images = y.par_chunks_mut(after).zip(chosen.par_chunks_mut(after));
    images.zip(x.par_chunks(before)).for_each(|((y, chosen), x)| {
        vectorised(Maximum { windows, x, y, chosen });
    });
}

struct Maximum<'a> {
    windows: &'a Windows,
    x: &'a [f32],
    y: &'a mut [f32],
    chosen: &'a mut [u32],
}

impl NullaryFnOnce for Maximum<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self { windows, x, y, chosen } = self;
        let channels = windows.dims[3];
        y.fill(f32::NEG_INFINITY);
        windows.each(|output, input, which| {
            let at = output * channels..(output + 1) * channels;
            let best = y[at.clone()].iter_mut().zip(&mut chosen[at]);
            for ((best, chosen), &x) in best.zip(&x[input * channels..(input + 1) * channels]) {
                // What is no number wins.
                let wins = x > *best || x.is_nan();
                *best = if wins { x } else { *best };
                *chosen = if wins { which as u32 } else { *chosen };
            }
        });
    }
}

/// Writes the gradient of what [`maximum`] was given to `dx`.
pub(crate) fn maximum_backward(windows: &Windows, dy: &[f32], chosen: &[u32], dx: &mut [f32]) {
    let channels = windows.dims[3];
    backward(windows, dy, dx, |dy, dx, at, input, which| {
        let chosen = &chosen[at];
        for channel in 0..channels {
            let dy = if chosen[channel] == which as u32 { dy[channel] } else { 0.0 };
            dx[input + channel] += dy;
        }
    });
}

/// Writes the mean of each window to `y`; padding counts as zeros.
pub(crate) fn average(windows: &Windows, x: &[f32], y: &mut [f32]) {
    let [before, after] = windows.image();
    let share = 1.0 / (windows.size[0] * windows.size[1]) as f32;
    let channels = windows.dims[3];
    y.par_chunks_mut(after).zip(x.par_chunks(before)).for_each(|(y, x)| {
        y.fill(0.0);
        windows.each(|output, input, _| {
            let y = &mut y[output * channels..(output + 1) * channels];
            let x = &x[input * channels..(input + 1) * channels];
            y.iter_mut().zip(x).for_each(|(y, x)| *y += x * share);
        });
    });
}

/// Writes the gradient of what [`average`] was given to `dx`.
pub(crate) fn average_backward(windows: &Windows, dy: &[f32], dx: &mut [f32]) {
    let channels = windows.dims[3];
    let share = 1.0 / (windows.size[0] * windows.size[1]) as f32;
    backward(windows, dy, dx, |dy, dx, _, input, _| {
        let dx = &mut dx[input..input + channels];
        dx.iter_mut().zip(dy).for_each(|(dx, dy)| *dx += dy * share);
    });
}

/// Calls `job` for each pixel of the output and each pixel of its window with the gradient of the
/// one, the gradients of an image, where the output's numbers are in all images, where the input's
/// are in its image, and which one of the window it is.
fn backward(
    windows: &Windows,
    dy: &[f32],
    dx: &mut [f32],
    job: impl Fn(&[f32], &mut [f32], std::ops::Range<usize>, usize, usize) + Sync,
) {
    let [before, after] = windows.image();
    let channels = windows.dims[3];
    dx.par_chunks_mut(before).enumerate().for_each(|(image, dx)| {
        dx.fill(0.0);
        windows.each(|output, input, which| {
            let start = image * after + output * channels;
            let at = start..start + channels;
            job(&dy[at.clone()], dx, at, input * channels, which);
        });
    });
}
