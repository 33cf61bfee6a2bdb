//! The vector unit, chosen at run time.
//!
//! `COBASIS_ISA=avx2` or `COBASIS_ISA=portable` in the environment, read once, forbids the better
//! instruction sets. WebAssembly's vectors are chosen by the compiler (`-C target-feature=+simd128`).

#[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
mod portable;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
mod simd128;

use std::sync::LazyLock;

#[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
use portable::Always;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
use simd128::Always;

/// Vectors of f32 and what the kernels do with them.
pub trait Simd: Copy + Send + Sync + 'static {
    /// A vector of [`Self::LANES`] values.
    type V: Copy;
    /// Values in a vector.
    const LANES: usize;
    /// Rows of a register tile that is two vectors wide.
    const ROWS: usize;

    /// All lanes equal to `value`.
    fn splat(self, value: f32) -> Self::V;
    /// `a + b`.
    fn add(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a - b`.
    fn sub(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a * b`.
    fn mul(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a * b + c`.
    fn fma(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// The larger of each lane.
    fn max(self, a: Self::V, b: Self::V) -> Self::V;
    /// The smaller of each lane.
    fn min(self, a: Self::V, b: Self::V) -> Self::V;
    /// Sum of the lanes.
    fn sum(self, a: Self::V) -> f32;
    /// Loads a vector.
    ///
    /// # Safety
    /// `from` must be valid for reading [`Self::LANES`] values.
    unsafe fn load(self, from: *const f32) -> Self::V;
    /// Loads `count` values; the other lanes are zero.
    ///
    /// # Safety
    /// `from` must be valid for reading `count` values.
    unsafe fn load_first(self, from: *const f32, count: usize) -> Self::V;
    /// Stores a vector.
    ///
    /// # Safety
    /// `to` must be valid for writing [`Self::LANES`] values.
    unsafe fn store(self, to: *mut f32, value: Self::V);
    /// Stores the first `count` lanes.
    ///
    /// # Safety
    /// `to` must be valid for writing `count` values.
    unsafe fn store_first(self, to: *mut f32, value: Self::V, count: usize);
}

/// A vector unit that pulp has found on this machine.
#[derive(Clone, Copy)]
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
pub struct Native<P>(P);

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
impl<P: pulp::Simd> Simd for Native<P> {
    type V = P::f32s;
    const LANES: usize = P::F32_LANES;
    // AVX-512 and NEON have 32 registers, AVX2 has 16.
    const ROWS: usize = if P::F32_LANES == 8 { 6 } else { 12 };

    #[inline(always)]
    fn splat(self, value: f32) -> Self::V {
        self.0.splat_f32s(value)
    }
    #[inline(always)]
    fn add(self, a: Self::V, b: Self::V) -> Self::V {
        self.0.add_f32s(a, b)
    }
    #[inline(always)]
    fn sub(self, a: Self::V, b: Self::V) -> Self::V {
        self.0.sub_f32s(a, b)
    }
    #[inline(always)]
    fn mul(self, a: Self::V, b: Self::V) -> Self::V {
        self.0.mul_f32s(a, b)
    }
    #[inline(always)]
    fn fma(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        self.0.mul_add_e_f32s(a, b, c)
    }
    #[inline(always)]
    fn max(self, a: Self::V, b: Self::V) -> Self::V {
        self.0.max_f32s(a, b)
    }
    #[inline(always)]
    fn min(self, a: Self::V, b: Self::V) -> Self::V {
        self.0.min_f32s(a, b)
    }
    #[inline(always)]
    fn sum(self, a: Self::V) -> f32 {
        self.0.reduce_sum_f32s(a)
    }
    #[inline(always)]
    unsafe fn load(self, from: *const f32) -> Self::V {
        // SAFETY: the caller's; every bit pattern is a vector of f32.
        unsafe { from.cast::<Self::V>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn load_first(self, from: *const f32, count: usize) -> Self::V {
        // SAFETY: the caller's.
        self.0.partial_load_f32s(unsafe { std::slice::from_raw_parts(from, count) })
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32, value: Self::V) {
        // SAFETY: the caller's.
        unsafe { to.cast::<Self::V>().write_unaligned(value) }
    }
    #[inline(always)]
    unsafe fn store_first(self, to: *mut f32, value: Self::V, count: usize) {
        // SAFETY: the caller's; the slice lives only for this call.
        self.0.partial_store_f32s(unsafe { std::slice::from_raw_parts_mut(to, count) }, value)
    }
}

/// Asks for the cache line at `from`, which may be any address.
#[inline(always)]
pub fn prefetch(from: *const f32) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: SSE is part of x86-64, and a prefetch of any address is harmless.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T1, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T1>(from.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = from;
}

/// Work compiled once for each vector unit.
pub trait Task {
    /// What the work gives.
    type Output;
    /// Does the work; everything it calls must be inlined to use the vector unit.
    fn run<S: Simd>(self, s: S) -> Self::Output;
}

/// The instruction set in use.
#[derive(Clone, Copy)]
enum Isa {
    /// 16 lanes, 32 registers.
    #[cfg(target_arch = "x86_64")]
    Avx512(pulp::x86::V4),
    /// 8 lanes, 16 registers, fused multiply-add.
    #[cfg(target_arch = "x86_64")]
    Avx2(pulp::x86::V3),
    /// 4 lanes, 32 registers, fused multiply-add.
    #[cfg(target_arch = "aarch64")]
    Neon(pulp::aarch64::Neon),
    /// What the target always has.
    Portable,
}

/// The best instruction set of this machine that `COBASIS_ISA` allows.
fn isa() -> Isa {
    static ISA: LazyLock<Isa> = LazyLock::new(|| {
        let limit = std::env::var("COBASIS_ISA").unwrap_or_default();
        detect(&limit)
    });
    *ISA
}

#[cfg(target_arch = "x86_64")]
fn detect(limit: &str) -> Isa {
    if limit == "portable" {
        return Isa::Portable;
    }
    if limit != "avx2"
        && let Some(simd) = pulp::x86::V4::try_new()
    {
        return Isa::Avx512(simd);
    }
    pulp::x86::V3::try_new().map_or(Isa::Portable, Isa::Avx2)
}

#[cfg(target_arch = "aarch64")]
fn detect(limit: &str) -> Isa {
    match pulp::aarch64::Neon::try_new() {
        Some(simd) if limit != "portable" => Isa::Neon(simd),
        _ => Isa::Portable,
    }
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn detect(_limit: &str) -> Isa {
    Isa::Portable
}

/// Name of the instruction set in use.
pub fn vector_unit() -> &'static str {
    match isa() {
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512(_) => "AVX-512",
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2(_) => "AVX2",
        #[cfg(target_arch = "aarch64")]
        Isa::Neon(_) => "NEON",
        Isa::Portable => Always::NAME,
    }
}

/// Runs `task` on the vector unit.
pub fn dispatch<T: Task>(task: T) -> T::Output {
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    struct Op<T>(T);
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    impl<T: Task> pulp::WithSimd for Op<T> {
        type Output = T::Output;
        #[inline(always)]
        fn with_simd<P: pulp::Simd>(self, simd: P) -> T::Output {
            self.0.run(Native(simd))
        }
    }
    match isa() {
        #[cfg(target_arch = "x86_64")]
        Isa::Avx512(simd) => pulp::Simd::vectorize(simd, Op(task)),
        #[cfg(target_arch = "x86_64")]
        Isa::Avx2(simd) => pulp::Simd::vectorize(simd, Op(task)),
        #[cfg(target_arch = "aarch64")]
        Isa::Neon(simd) => pulp::Simd::vectorize(simd, Op(task)),
        Isa::Portable => task.run(Always),
    }
}

/// Values in a vector of the instruction set in use.
pub fn lanes() -> usize {
    struct Lanes;
    impl Task for Lanes {
        type Output = usize;
        fn run<S: Simd>(self, _s: S) -> usize {
            S::LANES
        }
    }
    dispatch(Lanes)
}
