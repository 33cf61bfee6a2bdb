//! Where a convolution's values go.

use super::ConvShape;
use super::window::Window;

/// Where the values of a window's positions go.
#[derive(Debug, Clone, Copy)]
pub struct Placement {
    /// Offset of the first position.
    pub start: usize,
    /// Values from image to image, line to line and position to position.
    pub strides: [usize; 3],
}

impl Placement {
    /// Pixels `[batch, height, width, channels]` one after the other.
    pub(super) fn pixels([height, width]: [usize; 2], channels: usize) -> Self {
        Self { start: 0, strides: [height * width * channels, width * channels, channels] }
    }

    /// The output of a convolution, with so many values from pixel to pixel.
    pub fn output(shape: &ConvShape, pixel: usize) -> Self {
        Self::pixels(shape.output(), pixel)
    }

    /// Offset of the first position of a line.
    pub fn offset(&self, window: &Window, line: usize) -> usize {
        let height = window.positions[0];
        self.start + line / height * self.strides[0] + line % height * self.strides[1]
    }
}
