//! Matrix products with the left matrix read row by row from wherever it lies, the right one
//! packed: the heart of the direct and the Winograd convolution.

use crate::isa::{Simd, prefetch};

use super::Epilogue;
use super::finish::{self, Finish};
use super::panels::Block;
use super::rows::by_rows;

/// Left matrix: a [`Run`] of row `r` is the values at `base + rows[r] + taps[t] + 0..len`, tap after
/// tap.
#[derive(Clone, Copy)]
pub struct Left<'a> {
    /// Where offsets count from.
    pub base: *const f32,
    /// Offset of each row.
    pub rows: &'a [usize],
}

/// Values of every row of the left matrix, and the rows of the right one that they meet.
#[derive(Clone, Copy)]
pub struct Run<'a> {
    /// Offset of each tap's values within a row.
    pub taps: &'a [usize],
    /// Values of a tap.
    pub len: usize,
    /// The block's rows of the right matrix, packed as in [`super::panels::Panels`].
    pub right: &'a [f32],
}

impl Run<'_> {
    fn depth(&self) -> usize {
        self.taps.len() * self.len
    }
}

/// Where the product goes: row `r` to `base + rows[r]`, finished by the epilogue.
#[derive(Clone, Copy)]
pub struct Target<'a> {
    /// Where offsets count from; the residual's too.
    pub base: *mut f32,
    /// Offset of each row.
    pub rows: &'a [usize],
    /// Added to columns to give channels; may wrap.
    pub channel: usize,
    /// Whether rows have room for whole vectors.
    pub padded: bool,
    /// Whether they are in a cache that is near.
    pub near: bool,
    /// What is done to the values.
    pub epilogue: &'a Epilogue<'a>,
}

/// Writes the product of both matrices, the sum over all runs, for the columns of a block.
///
/// # Safety
/// All rows of `left` and of `target` must lie in memory that is valid for reading and writing,
/// and nobody else may touch the columns written.
#[inline(always)]
pub unsafe fn multiply<S: Simd>(s: S, left: Left, runs: &[Run], block: Block, target: Target) {
    assert!(runs.iter().all(|run| run.right.len() >= run.depth() * block.width));
    let count = left.rows.len();
    let parts = count.div_ceil(S::ROWS);
    let columns = if target.padded { block.width } else { block.columns };
    for part in 0..parts {
        // Even parts: 16 rows are 8 + 8, not 12 + 4.
        let (start, end) = (part * count / parts, (part + 1) * count / parts);
        let left = Left { rows: &left.rows[start..end], ..left };
        let target = Target { rows: &target.rows[start..end], ..target };
        // SAFETY: the caller's, for a part of the rows.
        unsafe {
            if block.vectors == 0 {
                dots(s, left, runs, block.first..block.first + columns, target);
            } else if block.vectors == 1 {
                any_rows::<S, 1>(s, left, runs, block.first, columns, target);
            } else {
                any_rows::<S, 2>(s, left, runs, block.first, columns, target);
            }
        }
    }
}

/// Calls the tile compiled for this number of rows.
///
/// # Safety
/// As for [`multiply`].
#[cfg_attr(not(target_family = "wasm"), inline(always))]
unsafe fn any_rows<S: Simd, const NV: usize>(
    s: S,
    left: Left,
    runs: &[Run],
    first: usize,
    columns: usize,
    target: Target,
) {
    by_rows!(left.rows.len(), tile, S, NV, (s, left, runs, first, columns, target))
}

/// `MR` rows times `NV` vectors of columns, held in registers.
///
/// # Safety
/// As for [`multiply`].
#[inline(always)]
unsafe fn tile<S: Simd, const MR: usize, const NV: usize>(
    s: S,
    left: Left,
    runs: &[Run],
    first: usize,
    columns: usize,
    target: Target,
) {
    let mut sums = [[s.splat(0.0); NV]; MR];
    // SAFETY: the offsets are the caller's; the packed panel holds NV vectors per value of a row.
    unsafe {
        let mut rows = [left.base; MR];
        for r in 0..MR {
            rows[r] = left.base.add(left.rows[r]);
            if !target.near {
                for v in 0..NV {
                    let column = target.channel.wrapping_add(first + v * S::LANES);
                    prefetch(target.base.wrapping_add(target.rows[r].wrapping_add(column)));
                }
            }
        }
        for run in runs {
            let mut b = run.right.as_ptr();
            for &tap in run.taps {
                for k in tap..tap + run.len {
                    let mut column = [s.splat(0.0); NV];
                    for v in 0..NV {
                        column[v] = s.load(b.add(v * S::LANES));
                    }
                    for r in 0..MR {
                        let a = s.splat(*rows[r].add(k));
                        for v in 0..NV {
                            sums[r][v] = s.fma(a, column[v], sums[r][v]);
                        }
                    }
                    b = b.add(NV * S::LANES);
                }
            }
        }
        let first = target.channel.wrapping_add(first);
        if columns == NV * S::LANES {
            let rows = (target.base.cast_const(), target.rows);
            let sums = finish::whole(s, target.epilogue, first, sums, rows);
            for r in 0..MR {
                let row = target.base.add(target.rows[r] + first);
                for v in 0..NV {
                    s.store(row.add(v * S::LANES), sums[r][v]);
                }
            }
            return;
        }
        // The loop below is not unrolled; it reads a copy so that the sums can stay in registers.
        let mut copy = [[s.splat(0.0); NV]; MR];
        for r in 0..MR {
            for v in 0..NV {
                copy[r][v] = sums[r][v];
            }
        }
        for v in 0..NV {
            let channel = first + v * S::LANES;
            let count = (columns - v * S::LANES).min(S::LANES);
            let finish = Finish::new(s, target.epilogue, channel, count);
            for (row, sums) in target.rows.iter().zip(&copy) {
                finish.store(s, sums[v], target.base, row + channel, count);
            }
        }
    }
}

/// A few columns, each a dot product along the row: a vector of columns would be mostly empty.
///
/// # Safety
/// As for [`multiply`].
#[cfg_attr(not(target_family = "wasm"), inline(always))]
unsafe fn dots<S: Simd>(
    s: S,
    left: Left,
    runs: &[Run],
    columns: std::ops::Range<usize>,
    target: Target,
) {
    const MR: usize = 6;
    for (index, column) in columns.enumerate() {
        let mut start = 0;
        while start < left.rows.len() {
            // The last rows are computed again rather than in a loop of their own.
            let count = (left.rows.len() - start).min(MR);
            // SAFETY: the offsets are the caller's; `right` has a run's values for each column.
            unsafe {
                let mut rows = [left.base; MR];
                for r in 0..MR {
                    rows[r] = left.base.add(left.rows[start + r.min(count - 1)]);
                }
                let mut sums = [s.splat(0.0); MR];
                for run in runs {
                    let whole = run.len / S::LANES * S::LANES;
                    let mut b = run.right.as_ptr().add(index * run.depth());
                    for &tap in run.taps {
                        let mut k = 0;
                        while k < whole {
                            let weight = s.load(b.add(k));
                            for r in 0..MR {
                                sums[r] = s.fma(s.load(rows[r].add(tap + k)), weight, sums[r]);
                            }
                            k += S::LANES;
                        }
                        if whole < run.len {
                            let rest = run.len - whole;
                            let weight = s.load_first(b.add(k), rest);
                            for r in 0..MR {
                                let a = s.load_first(rows[r].add(tap + k), rest);
                                sums[r] = s.fma(a, weight, sums[r]);
                            }
                        }
                        b = b.add(run.len);
                    }
                }
                let channel = target.channel.wrapping_add(column);
                let finish = Finish::<S>::new(s, target.epilogue, channel, 1);
                for r in 0..count {
                    let value = s.splat(s.sum(sums[r]));
                    finish.store(s, value, target.base, target.rows[start + r] + channel, 1);
                }
            }
            start += count;
        }
    }
}
