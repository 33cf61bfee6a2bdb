//! The input gradient as convolutions of the output gradient, one for each position of an input
//! pixel within the stride.

use rayon::prelude::*;

use super::ConvShape;
use super::placement::Placement;
use super::window::Window;

/// The input pixels at one position within the stride.
#[derive(Debug)]
pub struct Phase {
    /// The output gradients that the pixels receive from.
    pub window: Window,
    /// Where the pixels lie.
    pub placement: Placement,
    /// The tap of the kernel for each tap of the window.
    pub taps: Vec<usize>,
}

impl Phase {
    fn new(shape: &ConvShape, phase: [usize; 2]) -> Self {
        let first = [0, 1].map(|i| (phase[i] + shape.padding[i]) % shape.stride[i]);
        let count =
            [0, 1].map(|i| shape.kernel[i].saturating_sub(first[i]).div_ceil(shape.stride[i]));
        let mut window = Window {
            batch: shape.batch,
            size: shape.output(),
            channels: shape.channels_out,
            positions: [0, 1].map(|i| (shape.size[i] - phase[i]).div_ceil(shape.stride[i])),
            stride: [1, 1],
            taps: count,
            start: [0, 1].map(|i| {
                let last = (phase[i] + shape.padding[i] - first[i]) / shape.stride[i];
                last as isize + 1 - count[i] as isize
            }),
            copied: false,
        };
        if !count.contains(&0) {
            window = window.copied_if_needed();
        }
        let Placement { strides: [image, line, pixel], .. } =
            Placement::pixels(shape.size, shape.channels_in);
        let placement = Placement {
            start: phase[0] * line + phase[1] * pixel,
            strides: [image, shape.stride[0] * line, shape.stride[1] * pixel],
        };
        // The last tap of the kernel reaches the first output.
        let tap = |i: usize, nth: usize| first[i] + nth * shape.stride[i];
        let places = (0..count[0]).rev().flat_map(|y| (0..count[1]).rev().map(move |x| (y, x)));
        let taps = places.map(|(y, x)| tap(0, y) * shape.kernel[1] + tap(1, x)).collect();
        Self { window, placement, taps }
    }

    /// Fills pixels that receive nothing with zeros.
    pub fn clear(&self, channels: usize, dx: &mut [f32]) {
        let Placement { start, strides: [image, line, column] } = self.placement;
        let [height, width] = self.window.positions;
        dx.par_chunks_mut(image).for_each(|image| {
            for y in 0..height {
                for x in 0..width {
                    image[start + y * line + x * column..][..channels].fill(0.0);
                }
            }
        });
    }
}

/// The phases of the input pixels.
pub fn phases(shape: &ConvShape) -> impl Iterator<Item = Phase> {
    let [rows, columns] = [0, 1].map(|i| shape.stride[i].min(shape.size[i]));
    (0..rows)
        .flat_map(move |y| (0..columns).map(move |x| [y, x]))
        .map(move |phase| Phase::new(shape, phase))
}
