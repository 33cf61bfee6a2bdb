//! Winograd convolution F(4x4, 3x3): 36 multiplications for 16 outputs where the direct one takes
//! 144, as 36 matrix products over the channels.
//!
//! The points are 0, 5/8, -5/8, 3/2, -3/2 and infinity. Of the symmetric points with small
//! numerators they gave the least error: twice the direct convolution's, against four times with
//! the usual 1 and 2. Their powers have short binary fractions, so the transforms' constants are
//! exact.

mod data;
mod filter;
#[cfg(feature = "gradients")]
mod filter_gradient;
mod forward;
mod output;
mod points;

pub use filter::{Weight, few_tiles};
#[cfg(feature = "gradients")]
pub use filter_gradient::backward_filter;
pub use forward::{forward, workspace};

use super::ConvShape;

/// Outputs of a tile down and across.
const TILE: usize = 4;
/// Inputs of a tile down and across.
const PATCH: usize = 6;
/// Matrix products.
const LAYERS: usize = PATCH * PATCH;

/// Whether the algorithm computes this shape.
pub fn fits(shape: &ConvShape) -> bool {
    shape.kernel == [3, 3]
        && shape.stride == [1, 1]
        && shape.groups == 1
        && shape.padding.iter().all(|&p| p <= 2)
}

/// Whether there are at least so many tiles, and so little of them lies outside the image that
/// multiplications are halved at least.
pub fn gains(shape: &ConvShape, least: usize) -> bool {
    let [height, width] = shape.output();
    let tiles = Tiles::new(shape.batch, [height, width]);
    let direct = shape.batch * height * width * 9;
    tiles.count >= least && direct >= 2 * LAYERS * tiles.count
}

/// Overwrites `dx` with the gradient with respect to the input: a convolution of the output
/// gradient. The [transposed](Weight::transposed) weight comes in parts of so many filters each.
#[cfg(feature = "gradients")]
pub fn backward_input(shape: &ConvShape, weight: &[(usize, &Weight)], dy: &[f32], dx: &mut [f32]) {
    let shape = ConvShape {
        size: shape.output(),
        channels_in: shape.channels_out,
        channels_out: shape.channels_in,
        padding: shape.padding.map(|p| 2 - p),
        ..*shape
    };
    forward(&shape, dy, weight, (dx, shape.channels_out), &super::Epilogue::default());
}

/// The tiles of a batch of images.
#[derive(Debug, Clone, Copy)]
struct Tiles {
    /// Tiles down and across an image.
    grid: [usize; 2],
    /// Tiles in the batch.
    count: usize,
}

impl Tiles {
    fn new(batch: usize, outputs: [usize; 2]) -> Self {
        let grid = outputs.map(|n| n.div_ceil(TILE));
        Self { grid, count: batch * grid[0] * grid[1] }
    }

    /// Image, and first output down and across, of a tile.
    fn place(&self, tile: usize) -> (usize, [usize; 2]) {
        let per_image = self.grid[0] * self.grid[1];
        let within = tile % per_image;
        (tile / per_image, [within / self.grid[1] * TILE, within % self.grid[1] * TILE])
    }
}

/// A value per layer, tile and channel: `[layer, panel, tile, channel]`, channels filled up to whole
/// vectors.
#[derive(Debug, Clone, Copy)]
struct Spectrum {
    /// Values from tile to tile.
    tile: usize,
    /// Channels in a panel, and values from panel to panel.
    width: usize,
    panel: usize,
    /// Values from layer to layer.
    layer: usize,
}

impl Spectrum {
    /// One panel of all channels.
    fn new(tiles: usize, channels: usize, lanes: usize) -> Self {
        Self::of(tiles, channels, channels.next_multiple_of(lanes))
    }

    /// One panel of all channels, tiles an odd number of cache lines apart: a few channels of many
    /// tiles then share the first-level cache well.
    fn spread(tiles: usize, channels: usize) -> Self {
        Self::of(tiles, channels, (channels.div_ceil(16) | 1) * 16)
    }

    /// Panels two vectors wide.
    fn panels(tiles: usize, channels: usize, lanes: usize) -> Self {
        Self::of(tiles, channels, channels.next_multiple_of(lanes).min(2 * lanes))
    }

    fn of(tiles: usize, channels: usize, width: usize) -> Self {
        let panel = (tiles * width).next_multiple_of(16);
        // An odd number of cache lines, lest the layers of a tile compete for the same few sets.
        let layer = ((channels.div_ceil(width) * panel / 16) | 1) * 16;
        Self { tile: width, width, panel, layer }
    }

    fn len(&self) -> usize {
        LAYERS * self.layer
    }

    /// Offset of a channel.
    fn channel(&self, channel: usize) -> usize {
        channel / self.width * self.panel + channel % self.width
    }
}
