//! Transforms of images to values per layer, tile and channel.

use std::ops::Range;

use super::points;
use super::{PATCH, Spectrum, TILE, Tiles};
use crate::isa::{Simd, prefetch};

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

/// A line of pixels; one outside the image reads the same zeros for every pixel.
#[derive(Clone, Copy)]
struct Line {
    start: *const f32,
    stride: usize,
}

impl Images<'_> {
    /// The `N` lines of pixels that the tiles of a row of tiles read.
    #[inline(always)]
    fn lines<const N: usize>(&self, image: usize, top: usize) -> [Line; N] {
        let [height, width] = self.size;
        let mut lines = [Line { start: self.zeros.as_ptr(), stride: 0 }; N];
        for (i, line) in lines.iter_mut().enumerate() {
            let y = (top + i).wrapping_sub(self.padding[0]);
            if y < height {
                let start = (image * height + y) * width * self.channels;
                *line = Line { start: self.values[start..].as_ptr(), stride: self.channels };
            }
        }
        lines
    }
}

/// A one-dimensional transform of `N` pixels to the values at the points.
pub trait Transform<const N: usize> {
    /// Transforms a vector of channels.
    fn apply<S: Simd>(s: S, pixels: [S::V; N]) -> [S::V; PATCH];
}

/// The transform of the patches of inputs that tiles read.
pub struct Patches;

impl Transform<PATCH> for Patches {
    #[inline(always)]
    fn apply<S: Simd>(s: S, pixels: [S::V; PATCH]) -> [S::V; PATCH] {
        points::data(s, pixels)
    }
}

/// The transform of tiles of output gradients.
pub struct Gradients;

impl Transform<TILE> for Gradients {
    #[inline(always)]
    fn apply<S: Simd>(s: S, pixels: [S::V; TILE]) -> [S::V; PATCH] {
        points::gradient(s, pixels)
    }
}

/// Transforms a range of tiles, the first of which is written at `to`.
///
/// # Safety
/// `to` must be valid for writing these tiles of each layer, by nobody else.
#[inline(always)]
pub unsafe fn transform<S: Simd, T: Transform<N>, const N: usize>(
    s: S,
    images: &Images,
    tiles: Range<usize>,
    to: *mut f32,
    spectrum: Spectrum,
) {
    let across = images.tiles.grid[1];
    let whole = images.channels / S::LANES * S::LANES;
    let mut tile = tiles.start;
    while tile < tiles.end {
        let (image, [top, left]) = images.tiles.place(tile);
        let count = (across - left / TILE).min(tiles.end - tile);
        let lines = images.lines::<N>(image, top);
        // Columns of pixels that lie outside the image are left of 0 or, wrapped, far right of it.
        let left = left.wrapping_sub(images.padding[1]);
        let width = images.size[1];
        // SAFETY: lines hold all channels of `width` pixels; the target is the caller's.
        unsafe {
            let to = to.add((tile - tiles.start) * spectrum.tile);
            let mut channel = 0;
            while channel < whole {
                let to = to.add(spectrum.channel(channel));
                strip::<S, T, N, true>(s, (&lines, channel, 0), (left, width, count), to, spectrum);
                channel += S::LANES;
            }
            if whole < images.channels {
                let to = to.add(spectrum.channel(channel));
                let rest = images.channels - whole;
                let from = (&lines, channel, rest);
                strip::<S, T, N, false>(s, from, (left, width, count), to, spectrum);
            }
        }
        tile += count;
    }
}

/// Transforms one vector of channels, whole or the first `rest`, of tiles side by side.
///
/// Tiles that overlap share the transformed columns of pixels.
///
/// # Safety
/// As for [`transform`].
#[inline(always)]
unsafe fn strip<S: Simd, T: Transform<N>, const N: usize, const WHOLE: bool>(
    s: S,
    (lines, channel, rest): (&[Line; N], usize, usize),
    (left, width, count): (usize, usize, usize),
    mut to: *mut f32,
    spectrum: Spectrum,
) {
    let mut columns = [[s.splat(0.0); N]; PATCH];
    // SAFETY: the caller's.
    unsafe {
        for i in 0..count {
            let kept = if i == 0 { 0 } else { N - TILE };
            for k in 0..PATCH {
                for j in 0..N - TILE {
                    columns[k][j] = columns[k][j + TILE];
                }
            }
            for j in kept..N {
                let x = left.wrapping_add(i * TILE + j);
                let mut column = [s.splat(0.0); N];
                if x < width {
                    for k in 0..N {
                        let from = lines[k].start.add(x * lines[k].stride + channel);
                        column[k] = if WHOLE { s.load(from) } else { s.load_first(from, rest) };
                    }
                    for line in &lines[N - TILE..] {
                        // The same pixel of the next row of tiles.
                        let next = (x + TILE * width) * line.stride + channel;
                        prefetch(line.start.wrapping_add(next));
                    }
                }
                let column = T::apply(s, column);
                for k in 0..PATCH {
                    columns[k][j] = column[k];
                }
            }
            let mut layer = to;
            for k in 0..PATCH {
                let row = T::apply(s, columns[k]);
                for j in 0..PATCH {
                    s.store(layer, row[j]);
                    layer = layer.wrapping_add(spectrum.layer);
                }
            }
            to = to.wrapping_add(spectrum.tile);
        }
    }
}
