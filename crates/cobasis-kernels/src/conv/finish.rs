//! The epilogue on vectors of channels.

use super::{Activation, Epilogue, Residual};
use crate::isa::Simd;

/// The epilogue of one vector of channels.
pub struct Finish<'a, S: Simd> {
    scale: Option<S::V>,
    bias: Option<S::V>,
    residual: Residual<'a>,
    activation: Activation,
}

impl<'a, S: Simd> Finish<'a, S> {
    /// Loads the factors and summands of `count` channels.
    #[inline(always)]
    pub fn new(s: S, epilogue: &'a Epilogue, channel: usize, count: usize) -> Self {
        let mut vectors = [None; 2];
        for (vector, values) in vectors.iter_mut().zip([epilogue.scale, epilogue.bias]) {
            if let Some(values) = values {
                let values = &values[channel..channel + count];
                // SAFETY: the slice has `count` values.
                *vector = Some(unsafe { s.load_first(values.as_ptr(), count) });
            }
        }
        let [scale, bias] = vectors;
        Self { scale, bias, residual: epilogue.residual, activation: epilogue.activation }
    }

    /// Finishes and stores `count` values at `base + offset`.
    ///
    /// # Safety
    /// `base + offset` must be valid for reading and writing `count` values.
    #[inline(always)]
    pub unsafe fn store(&self, s: S, mut value: S::V, base: *mut f32, offset: usize, count: usize) {
        match (self.scale, self.bias) {
            (Some(scale), Some(bias)) => value = s.fma(value, scale, bias),
            (Some(scale), None) => value = s.mul(value, scale),
            (None, Some(bias)) => value = s.add(value, bias),
            (None, None) => {}
        }
        // SAFETY: the slice has `count` values; the target is the caller's.
        unsafe {
            let residual = match self.residual {
                Residual::None => None,
                Residual::Values(values) => Some(values[offset..offset + count].as_ptr()),
                Residual::Output => Some(base.add(offset).cast_const()),
            };
            if let Some(residual) = residual {
                let residual = match count == S::LANES {
                    true => s.load(residual),
                    false => s.load_first(residual, count),
                };
                value = s.add(value, residual);
            }
            if self.activation != Activation::None {
                value = s.max(value, s.splat(0.0));
            }
            if self.activation == Activation::Relu6 {
                value = s.min(value, s.splat(6.0));
            }
            if count == S::LANES {
                s.store(base.add(offset), value);
            } else {
                s.store_first(base.add(offset), value, count);
            }
        }
    }
}

/// Finishes and stores vectors of channels from `channel` on, or the first `count` of the only vector: those
/// whose offsets from `base` are given.
///
/// # Safety
/// The vectors at `base` must be valid for reading and writing.
#[inline(always)]
pub unsafe fn store<S: Simd, const N: usize, const WHOLE: bool>(
    s: S,
    epilogue: &Epilogue,
    (channel, count): (usize, usize),
    sums: [S::V; N],
    (base, rows): (*mut f32, [usize; N]),
) {
    // SAFETY: the caller's.
    unsafe {
        if WHOLE {
            let mut vectors = [[s.splat(0.0)]; N];
            for i in 0..N {
                vectors[i][0] = sums[i];
            }
            let vectors = whole(s, epilogue, channel, vectors, (base.cast_const(), &rows));
            for i in 0..N {
                s.store(base.add(rows[i] + channel), vectors[i][0]);
            }
        } else {
            let finish = Finish::new(s, epilogue, channel, count);
            for i in 0..N {
                finish.store(s, sums[i], base, rows[i] + channel, count);
            }
        }
    }
}

/// Applies the epilogue to whole vectors of channels from `channel` on, held in registers: those of rows
/// whose offsets in the output, which begins at `base`, are given.
///
/// Each step is done to all before the next one, which keeps what it needs in few registers.
///
/// # Panics
/// If the epilogue has no numbers for these channels or rows.
///
/// # Safety
/// If the output is added, its vectors must be valid for reading.
#[inline(always)]
pub unsafe fn whole<S: Simd, const MR: usize, const NV: usize>(
    s: S,
    epilogue: &Epilogue,
    channel: usize,
    mut sums: [[S::V; NV]; MR],
    (base, rows): (*const f32, &[usize]),
) -> [[S::V; NV]; MR] {
    let vectors = |values: &[f32]| {
        let values = &values[channel..channel + NV * S::LANES];
        let mut vectors = [s.splat(0.0); NV];
        for v in 0..NV {
            // SAFETY: the slice has so many vectors.
            vectors[v] = unsafe { s.load(values.as_ptr().add(v * S::LANES)) };
        }
        vectors
    };
    match (epilogue.scale.map(vectors), epilogue.bias.map(vectors)) {
        (Some(scale), Some(bias)) => {
            for r in 0..MR {
                for v in 0..NV {
                    sums[r][v] = s.fma(sums[r][v], scale[v], bias[v]);
                }
            }
        }
        (Some(scale), None) => {
            for r in 0..MR {
                for v in 0..NV {
                    sums[r][v] = s.mul(sums[r][v], scale[v]);
                }
            }
        }
        (None, Some(bias)) => {
            for r in 0..MR {
                for v in 0..NV {
                    sums[r][v] = s.add(sums[r][v], bias[v]);
                }
            }
        }
        (None, None) => {}
    }
    if !matches!(epilogue.residual, Residual::None) {
        for r in 0..MR {
            let at = rows[r] + channel;
            let residual = match epilogue.residual {
                Residual::Values(values) => values[at..][..NV * S::LANES].as_ptr(),
                _ => base.wrapping_add(at),
            };
            for v in 0..NV {
                // SAFETY: the slice has so many vectors; those of the output are the caller's.
                let residual = unsafe { s.load(residual.add(v * S::LANES)) };
                sums[r][v] = s.add(sums[r][v], residual);
            }
        }
    }
    if epilogue.activation != Activation::None {
        for r in 0..MR {
            for v in 0..NV {
                sums[r][v] = s.max(sums[r][v], s.splat(0.0));
            }
        }
    }
    if epilogue.activation == Activation::Relu6 {
        for r in 0..MR {
            for v in 0..NV {
                sums[r][v] = s.min(sums[r][v], s.splat(6.0));
            }
        }
    }
    sums
}
