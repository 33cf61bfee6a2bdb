//! Transforms of images to values per layer, tile and channel.

use std::ops::Range;

use super::points;
use super::{LAYERS, PATCH, Spectrum, TILE, Tiles};
use crate::isa::Simd;

/// Images `[batch, height, width, channels]` cut into tiles.
#[derive(Clone, Copy)]
pub struct Images<'a> {
    /// The values.
    pub values: &'a [f32],
    /// Height and width.
    pub size: [usize; 2],
    /// Channels.
    pub channels: usize,
    /// Zeros above and to the left.
    pub padding: [usize; 2],
    /// The tiles.
    pub tiles: Tiles,
    /// As many zeros as channels, filled up to whole vectors.
    pub zeros: &'a [f32],
}

impl Images<'_> {
    /// Where the `N` x `N` pixels of a tile lie; those outside the image are the zeros.
    #[inline(always)]
    fn pixels<const N: usize>(&self, tile: usize) -> [[*const f32; N]; N] {
        let [height, width] = self.size;
        let (image, [top, left]) = self.tiles.place(tile);
        let image = &self.values[image * height * width * self.channels..];
        let mut pixels = [[self.zeros.as_ptr(); N]; N];
        for (i, row) in pixels.iter_mut().enumerate() {
            let y = (top + i).wrapping_sub(self.padding[0]);
            if y >= height {
                continue;
            }
            for (j, pixel) in row.iter_mut().enumerate() {
                let x = (left + j).wrapping_sub(self.padding[1]);
                if x < width {
                    *pixel = image[(y * width + x) * self.channels..].as_ptr();
                }
            }
        }
        pixels
    }
}

/// Loads a vector of channels, the last of which may be short.
///
/// # Safety
/// `from` must be valid for reading `count` values, at most a vector.
#[inline(always)]
unsafe fn load<S: Simd>(s: S, from: *const f32, count: usize) -> S::V {
    // SAFETY: the caller's.
    unsafe { if count < S::LANES { s.load_first(from, count) } else { s.load(from) } }
}

macro_rules! transform {
    ($(#[$doc:meta])* $name:ident, $n:expr, $points:path) => {
        $(#[$doc])*
        #[inline(always)]
        pub fn $name<S: Simd>(
            s: S,
            images: &Images,
            tiles: Range<usize>,
            to: &mut [f32],
            spectrum: Spectrum,
        ) {
            assert!(to.len() >= (LAYERS - 1) * spectrum.layer + tiles.len() * spectrum.tile);
            for (i, tile) in tiles.enumerate() {
                let pixels: [[*const f32; $n]; $n] = images.pixels(tile);
                let mut channel = 0;
                while channel < images.channels {
                    let count = (images.channels - channel).min(S::LANES);
                    let mut columns = [[s.splat(0.0); $n]; PATCH];
                    // SAFETY: a pixel has all channels, the zeros too; `to` was checked to hold
                    // all layers of all tiles.
                    unsafe {
                        for j in 0..$n {
                            let mut column = [s.splat(0.0); $n];
                            for k in 0..$n {
                                column[k] = load(s, pixels[k][j].add(channel), count);
                            }
                            let column = $points(s, column);
                            for k in 0..PATCH {
                                columns[k][j] = column[k];
                            }
                        }
                        let mut to = to.as_mut_ptr().add(i * spectrum.tile + channel);
                        for k in 0..PATCH {
                            let row = $points(s, columns[k]);
                            for value in row {
                                s.store(to, value);
                                to = to.wrapping_add(spectrum.layer);
                            }
                        }
                    }
                    channel += S::LANES;
                }
            }
        }
    };
}

transform! {
    /// Transforms the patches of inputs that the tiles read.
    patches, PATCH, points::data
}
transform! {
    /// Transforms the tiles of output gradients.
    gradients, TILE, points::gradient
}
