//! Transform of the products back to pixels.

use std::ops::Range;

use super::super::finish::Finish;
use super::super::{ConvShape, Epilogue};
use super::{PATCH, Spectrum, TILE, Tiles, points};
use crate::isa::{Simd, prefetch};

/// Transforms the products of some tiles and channels and stores the pixels.
///
/// # Safety
/// `y` must be valid for writing the output of `shape`, of which a pixel begins every `pixel_len`
/// values, these pixels and channels by nobody else.
#[inline(always)]
pub unsafe fn store<S: Simd>(
    s: S,
    shape: &ConvShape,
    (tiles, range): (&Tiles, Range<usize>),
    channels: Range<usize>,
    (from, spectrum): (&[f32], Spectrum),
    (y, pixel_len): (*mut f32, usize),
    epilogue: &Epilogue,
) {
    let [height, width] = shape.output();
    assert!(from.len() >= spectrum.len() && range.len() * spectrum.tile <= spectrum.layer);
    for (i, tile) in range.enumerate() {
        let (image, [top, left]) = tiles.place(tile);
        let [rows, columns] = [(height - top).min(TILE), (width - left).min(TILE)];
        let mut channel = channels.start;
        while channel < channels.end {
            let count = (channels.end - channel).min(S::LANES);
            let mut half = [[s.splat(0.0); PATCH]; TILE];
            // SAFETY: `from` was checked to hold all layers; the pixels are the caller's.
            unsafe {
                for k in 0..rows {
                    for j in 0..columns {
                        let pixel = (image * height + top + k) * width + left + j;
                        prefetch(y.wrapping_add(pixel * pixel_len + channel));
                    }
                }
                let from = from.as_ptr().add(i * spectrum.tile + channel - channels.start);
                for j in 0..PATCH {
                    let mut column = [s.splat(0.0); PATCH];
                    for k in 0..PATCH {
                        column[k] = s.load(from.add((k * PATCH + j) * spectrum.layer));
                    }
                    let column = points::output(s, column);
                    for k in 0..TILE {
                        half[k][j] = column[k];
                    }
                }
                if count == S::LANES && [rows, columns] == [TILE; 2] && epilogue.is_identity() {
                    for k in 0..TILE {
                        let row = points::output(s, half[k]);
                        let pixel = (image * height + top + k) * width + left;
                        let to = y.add(pixel * pixel_len + channel);
                        for j in 0..TILE {
                            s.store(to.add(j * pixel_len), row[j]);
                        }
                    }
                    channel += S::LANES;
                    continue;
                }
                let mut pixels = [[s.splat(0.0); TILE]; TILE];
                for k in 0..TILE {
                    pixels[k] = points::output(s, half[k]);
                }
                let finish = Finish::new(s, epilogue, channel, count);
                for (k, pixels) in pixels.iter().enumerate().take(rows) {
                    let row = (image * height + top + k) * width + left;
                    for (j, &pixel) in pixels.iter().enumerate().take(columns) {
                        let offset = (row + j) * pixel_len + channel;
                        finish.store(s, pixel, y, offset, count);
                    }
                }
            }
            channel += S::LANES;
        }
    }
}
