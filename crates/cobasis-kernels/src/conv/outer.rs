//! Sums of outer products, the heart of the filter gradients.

use crate::isa::Simd;

use super::rows::by_rows;

/// Vectors, one per step: run after run of steps, each `stride` values apart.
#[derive(Clone, Copy)]
pub struct Steps<'a> {
    /// Where offsets count from.
    pub base: *const f32,
    /// Offset of the first vector of each run.
    pub runs: &'a [usize],
    /// Offset added to each run.
    pub shift: usize,
    /// Values from step to step.
    pub stride: usize,
    /// Values from one pair of vectors to the next; columns only.
    pub pair: usize,
}

/// The matrix `[rows, width]` that is added to.
#[derive(Clone, Copy)]
pub struct Sums {
    /// First value.
    pub base: *mut f32,
    /// Rows.
    pub rows: usize,
    /// Values in a row, a multiple of the vector's.
    pub width: usize,
    /// Whether the sums start from zero, not from the values there.
    pub fresh: bool,
}

/// Adds the products of `a` (rows) and `b` (columns) of all steps, `count` in each run.
///
/// # Safety
/// `a` must be readable for `rows` values, `b` for `width` values at every step, `sums` writable by
/// nobody else.
#[inline(always)]
pub unsafe fn accumulate<S: Simd>(s: S, a: Steps, b: Steps, count: usize, sums: Sums) {
    let parts = sums.rows.div_ceil(S::ROWS);
    let mut column = 0;
    while column < sums.width {
        let pair = column + 2 * S::LANES <= sums.width;
        for part in 0..parts {
            let (start, end) = (part * sums.rows / parts, (part + 1) * sums.rows / parts);
            let a = Steps { shift: a.shift + start, ..a };
            let b = Steps { shift: b.shift + column / (2 * S::LANES) * b.pair, ..b };
            // SAFETY: the caller's, for a part of the rows and columns.
            unsafe {
                let part = Sums {
                    base: sums.base.add(start * sums.width + column),
                    rows: end - start,
                    ..sums
                };
                if pair {
                    any_rows::<S, 2>(s, a, b, count, part);
                } else {
                    any_rows::<S, 1>(s, a, b, count, part);
                }
            }
        }
        column += if pair { 2 } else { 1 } * S::LANES;
    }
}

/// Calls the tile compiled for this number of rows.
///
/// # Safety
/// As for [`accumulate`].
#[inline(always)]
unsafe fn any_rows<S: Simd, const NV: usize>(s: S, a: Steps, b: Steps, count: usize, sums: Sums) {
    by_rows!(sums.rows, tile, S, NV, (s, a, b, count, sums))
}

/// `MR` rows times `NV` vectors of columns, held in registers.
///
/// # Safety
/// As for [`accumulate`].
#[inline(always)]
unsafe fn tile<S: Simd, const MR: usize, const NV: usize>(
    s: S,
    a: Steps,
    b: Steps,
    count: usize,
    target: Sums,
) {
    // SAFETY: the caller's.
    unsafe {
        let mut sums = [[s.splat(0.0); NV]; MR];
        if !target.fresh {
            for r in 0..MR {
                for v in 0..NV {
                    sums[r][v] = s.load(target.base.add(r * target.width + v * S::LANES));
                }
            }
        }
        for (&run_a, &run_b) in a.runs.iter().zip(b.runs) {
            let mut pa = a.base.add(run_a + a.shift);
            let mut pb = b.base.add(run_b + b.shift);
            for _ in 0..count {
                let mut column = [s.splat(0.0); NV];
                for v in 0..NV {
                    column[v] = s.load(pb.add(v * S::LANES));
                }
                for r in 0..MR {
                    let row = s.splat(*pa.add(r));
                    for v in 0..NV {
                        sums[r][v] = s.fma(row, column[v], sums[r][v]);
                    }
                }
                pa = pa.wrapping_add(a.stride);
                pb = pb.wrapping_add(b.stride);
            }
        }
        for r in 0..MR {
            for v in 0..NV {
                s.store(target.base.add(r * target.width + v * S::LANES), sums[r][v]);
            }
        }
    }
}
