//! WebAssembly's vectors, which a program has or has not when it is compiled.

use std::arch::wasm32::{
    f32x4, f32x4_add, f32x4_extract_lane, f32x4_mul, f32x4_pmax, f32x4_pmin, f32x4_splat,
    f32x4_sub, v128,
};

use super::Simd;

/// Four lanes; engines keep as many in registers as the processor has, at least 16. There is no fused
/// multiply-add whose result all processors agree on.
#[derive(Clone, Copy)]
pub struct Always;

impl Always {
    pub const NAME: &str = "WebAssembly SIMD";
}

impl Simd for Always {
    type V = v128;
    const LANES: usize = 4;
    const ROWS: usize = 6;

    #[inline(always)]
    fn splat(self, value: f32) -> Self::V {
        f32x4_splat(value)
    }
    #[inline(always)]
    fn add(self, a: Self::V, b: Self::V) -> Self::V {
        f32x4_add(a, b)
    }
    #[inline(always)]
    fn sub(self, a: Self::V, b: Self::V) -> Self::V {
        f32x4_sub(a, b)
    }
    #[inline(always)]
    fn mul(self, a: Self::V, b: Self::V) -> Self::V {
        f32x4_mul(a, b)
    }
    #[inline(always)]
    fn fma(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        f32x4_add(f32x4_mul(a, b), c)
    }
    // One instruction on x86, unlike `f32x4_max`; of a NaN and a number, the second of `a` and `b`.
    #[inline(always)]
    fn max(self, a: Self::V, b: Self::V) -> Self::V {
        f32x4_pmax(b, a)
    }
    #[inline(always)]
    fn min(self, a: Self::V, b: Self::V) -> Self::V {
        f32x4_pmin(b, a)
    }
    #[inline(always)]
    fn sum(self, a: Self::V) -> f32 {
        (f32x4_extract_lane::<0>(a) + f32x4_extract_lane::<2>(a))
            + (f32x4_extract_lane::<1>(a) + f32x4_extract_lane::<3>(a))
    }
    #[inline(always)]
    unsafe fn load(self, from: *const f32) -> Self::V {
        // SAFETY: the caller's.
        unsafe { from.cast::<v128>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn load_first(self, from: *const f32, count: usize) -> Self::V {
        // SAFETY: the caller's.
        let value = |i| if i < count { unsafe { *from.add(i) } } else { 0.0 };
        f32x4(value(0), value(1), value(2), value(3))
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32, value: Self::V) {
        // SAFETY: the caller's.
        unsafe { to.cast::<v128>().write_unaligned(value) }
    }
    #[inline(always)]
    unsafe fn store_first(self, to: *mut f32, value: Self::V, count: usize) {
        let values = [
            f32x4_extract_lane::<0>(value),
            f32x4_extract_lane::<1>(value),
            f32x4_extract_lane::<2>(value),
            f32x4_extract_lane::<3>(value),
        ];
        for (i, value) in values.into_iter().enumerate().take(count) {
            // SAFETY: the caller's.
            unsafe { *to.add(i) = value }
        }
    }
}
