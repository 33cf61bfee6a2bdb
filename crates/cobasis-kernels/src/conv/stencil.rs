//! A 3×3 filter of each channel at positions side by side, which share what they read.

use std::ops::Range;

use crate::isa::Simd;

/// Taps down and across.
pub const TAPS: usize = 3;

/// Pixels of a line that are held at most: those of 4 positions with a stride of 2.
const PIXELS: usize = 9;

/// Pixels and filters in memory.
#[derive(Clone, Copy)]
pub struct Stencil {
    /// The pixel under the first tap of the first position, and one channel of it.
    pub from: *const f32,
    /// Values from a pixel to the next one, and from a line of pixels to the next one.
    pub pixel: usize,
    pub line: usize,
    /// The same channel of the first tap, and values from tap to tap.
    pub taps: *const f32,
    pub tap: usize,
}

/// The sums of `N` positions, `STRIDE` pixels apart, over these lines of taps, for a vector of channels,
/// all of them or the first `count`.
///
/// # Safety
/// `count` channels of all taps and of the pixels under them must be readable, with `WHOLE` a vector of
/// them.
#[inline(always)]
pub unsafe fn sums<S: Simd, const N: usize, const STRIDE: usize, const WHOLE: bool>(
    s: S,
    stencil: Stencil,
    lines: Range<usize>,
    count: usize,
) -> [S::V; N] {
    let mut sums = [s.splat(0.0); N];
    // SAFETY: the caller's.
    unsafe {
        let load = |from: *const f32| match WHOLE {
            true => s.load(from),
            false => s.load_first(from, count),
        };
        for line in lines {
            let taps = stencil.taps.add(line * TAPS * stencil.tap);
            let mut weights = [s.splat(0.0); TAPS];
            for x in 0..TAPS {
                weights[x] = load(taps.add(x * stencil.tap));
            }
            let from = stencil.from.wrapping_add(line * stencil.line);
            let mut pixels = [s.splat(0.0); PIXELS];
            for x in 0..PIXELS {
                if x < (N - 1) * STRIDE + TAPS {
                    pixels[x] = load(from.wrapping_add(x * stencil.pixel));
                }
            }
            for x in 0..TAPS {
                for i in 0..N {
                    sums[i] = s.fma(pixels[i * STRIDE + x], weights[x], sums[i]);
                }
            }
        }
    }
    sums
}
