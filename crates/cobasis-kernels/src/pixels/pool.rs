//! Pooling of maps.

use pulp::NullaryFnOnce;

use super::{Pixels, PixelsMut};
use crate::positions::positions;
use crate::vectorised::vectorised;

/// What is done to the pixels of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pooling {
    /// The largest number of each channel; what is no number wins.
    Maximum,
    /// The mean of each channel; what lies outside the maps counts as zeros.
    Mean,
}

/// Windows over maps of `input` height and width.
#[derive(Clone, Copy)]
struct Windows {
    pooling: Pooling,
    input: [usize; 2],
    output: [usize; 2],
    size: [usize; 2],
    stride: [usize; 2],
    padding: [usize; 2],
}

/// Pools windows of `size` pixels that move by `stride` over maps of `input` height and width, with
/// `padding` pixels around.
///
/// # Panics
///
/// If maps are smaller than a window, or sizes differ.
pub fn pool(
    pooling: Pooling,
    x: Pixels,
    input: [usize; 2],
    [size, stride, padding]: [[usize; 2]; 3],
    y: PixelsMut,
) {
    let side = |axis: usize| positions(input[axis], [padding[axis]; 2], size[axis], stride[axis]);
    let output = [side(0), side(1)];
    let [before, after] = [input, output].map(|[height, width]| height * width);
    assert_eq!(x.pixels() * after, y.pixels() * before, "pixels");
    assert_eq!(x.channels, y.channels, "channels");
    let windows = Windows { pooling, input, output, size, stride, padding };
    // A line at a time: of a single image there are enough for all threads.
    y.parts(output[1], |first, y| {
        vectorised(Line { windows, x, y, line: first / output[1] });
    });
}

struct Line<'a> {
    windows: Windows,
    x: Pixels<'a>,
    y: PixelsMut<'a>,
    line: usize,
}

impl NullaryFnOnce for Line<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self { windows, x, mut y, line } = self;
        let Windows { pooling, input: [height, width], output, size, stride, padding } = windows;
        let (image, row) = (line / output[0], line % output[0]);
        let share = 1.0 / (size[0] * size[1]) as f32;
        for (column, y) in y.each().enumerate() {
            y.fill(if pooling == Pooling::Maximum { f32::NEG_INFINITY } else { 0.0 });
            for down in 0..size[0] {
                let row = (row * stride[0] + down).wrapping_sub(padding[0]);
                for across in 0..size[1] {
                    let column = (column * stride[1] + across).wrapping_sub(padding[1]);
                    if row >= height || column >= width {
                        continue;
                    }
                    let numbers = y.iter_mut().zip(x.at((image * height + row) * width + column));
                    match pooling {
                        Pooling::Maximum => numbers.for_each(|(y, &x)| {
                            *y = if x > *y || x.is_nan() { x } else { *y };
                        }),
                        Pooling::Mean => numbers.for_each(|(y, &x)| *y += x * share),
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_look_at_their_pixels() {
        // Two images of 3 × 4 pixels and two channels, the second the negative of the first.
        let x: Vec<f32> = (0..24).flat_map(|pixel| [pixel as f32, -(pixel as f32)]).collect();
        let x = Pixels::new(&x, 24, 2, 2);
        let mut y = vec![0.0; 2 * 2 * 2 * 3];
        let windows = [[3, 3], [2, 2], [1, 1]];
        pool(Pooling::Maximum, x, [3, 4], windows, PixelsMut::new(&mut y, 8, 2, 3));
        let first: Vec<f32> = y.iter().step_by(3).copied().collect();
        assert_eq!(first, [5.0, 7.0, 9.0, 11.0, 17.0, 19.0, 21.0, 23.0]);
        let second: Vec<f32> = y.iter().skip(1).step_by(3).copied().collect();
        assert_eq!(second, [0.0, -1.0, -4.0, -5.0, -12.0, -13.0, -16.0, -17.0]);
        let mut y = vec![0.0; 16];
        pool(Pooling::Mean, x, [3, 4], windows, PixelsMut::new(&mut y, 8, 2, 2));
        assert!((y[0] - (0.0 + 1.0 + 4.0 + 5.0) / 9.0).abs() < 1e-6);
    }
}
