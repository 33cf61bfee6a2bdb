//! The one-dimensional transforms for the points 0, a, -a, b, -b and infinity.

use crate::isa::Simd;

const A: f32 = 0.625;
const B: f32 = 1.5;
/// Products of the differences between a point and the others.
const AT_ZERO: f32 = A * A * B * B;
const AT_A: f32 = 2.0 * A * A * (A * A - B * B);
const AT_B: f32 = 2.0 * B * B * (B * B - A * A);

/// The matrix of [`filter`].
pub const FILTER: [[f32; 3]; 6] = [
    [1.0 / AT_ZERO, 0.0, 0.0],
    [1.0 / AT_A, A / AT_A, A * A / AT_A],
    [1.0 / AT_A, -A / AT_A, A * A / AT_A],
    [1.0 / AT_B, B / AT_B, B * B / AT_B],
    [1.0 / AT_B, -B / AT_B, B * B / AT_B],
    [0.0, 0.0, 1.0],
];

/// Six inputs to values at the points.
#[inline(always)]
pub fn data<S: Simd>(s: S, d: [S::V; 6]) -> [S::V; 6] {
    let (a, b) = (s.splat(A), s.splat(B));
    let (minus_a, minus_b) = (s.splat(-A), s.splat(-B));
    let (aa, bb) = (s.splat(-A * A), s.splat(-B * B));
    let (both, product) = (s.splat(-A * A - B * B), s.splat(A * A * B * B));
    let (even_a, odd_a) = (s.fma(bb, d[2], d[4]), s.fma(bb, d[1], d[3]));
    let (even_b, odd_b) = (s.fma(aa, d[2], d[4]), s.fma(aa, d[1], d[3]));
    [
        s.fma(product, d[0], s.fma(both, d[2], d[4])),
        s.fma(a, odd_a, even_a),
        s.fma(minus_a, odd_a, even_a),
        s.fma(b, odd_b, even_b),
        s.fma(minus_b, odd_b, even_b),
        s.fma(product, d[1], s.fma(both, d[3], d[5])),
    ]
}

/// Values at the points to four outputs.
#[inline(always)]
pub fn output<S: Simd>(s: S, m: [S::V; 6]) -> [S::V; 4] {
    let (sum_a, difference_a) = (s.add(m[1], m[2]), s.sub(m[1], m[2]));
    let (sum_b, difference_b) = (s.add(m[3], m[4]), s.sub(m[3], m[4]));
    [
        s.add(m[0], s.add(sum_a, sum_b)),
        s.fma(s.splat(A), difference_a, s.mul(s.splat(B), difference_b)),
        s.fma(s.splat(A * A), sum_a, s.mul(s.splat(B * B), sum_b)),
        s.fma(s.splat(A * A * A), difference_a, s.fma(s.splat(B * B * B), difference_b, m[5])),
    ]
}

/// Four output gradients to values at the points: the transpose of [`output`].
#[inline(always)]
pub fn gradient<S: Simd>(s: S, g: [S::V; 4]) -> [S::V; 6] {
    let (aa, bb) = (s.splat(A * A), s.splat(B * B));
    let (even_a, odd_a) = (s.fma(aa, g[2], g[0]), s.fma(aa, g[3], g[1]));
    let (even_b, odd_b) = (s.fma(bb, g[2], g[0]), s.fma(bb, g[3], g[1]));
    [
        g[0],
        s.fma(s.splat(A), odd_a, even_a),
        s.fma(s.splat(-A), odd_a, even_a),
        s.fma(s.splat(B), odd_b, even_b),
        s.fma(s.splat(-B), odd_b, even_b),
        g[3],
    ]
}

/// Three filter taps to values at the points.
#[inline(always)]
pub fn filter<S: Simd>(s: S, g: [S::V; 3]) -> [S::V; 6] {
    let even_a = s.mul(s.fma(s.splat(A * A), g[2], g[0]), s.splat(1.0 / AT_A));
    let even_b = s.mul(s.fma(s.splat(B * B), g[2], g[0]), s.splat(1.0 / AT_B));
    [
        s.mul(g[0], s.splat(1.0 / AT_ZERO)),
        s.fma(s.splat(A / AT_A), g[1], even_a),
        s.fma(s.splat(-A / AT_A), g[1], even_a),
        s.fma(s.splat(B / AT_B), g[1], even_b),
        s.fma(s.splat(-B / AT_B), g[1], even_b),
        g[2],
    ]
}

/// Values at the points to the gradients of three taps: the transpose of [`filter`].
#[inline(always)]
pub fn filter_gradient<S: Simd>(s: S, u: [S::V; 6]) -> [S::V; 3] {
    let sum_a = s.mul(s.add(u[1], u[2]), s.splat(1.0 / AT_A));
    let sum_b = s.mul(s.add(u[3], u[4]), s.splat(1.0 / AT_B));
    let difference_b = s.mul(s.sub(u[3], u[4]), s.splat(B / AT_B));
    [
        s.fma(u[0], s.splat(1.0 / AT_ZERO), s.add(sum_a, sum_b)),
        s.fma(s.sub(u[1], u[2]), s.splat(A / AT_A), difference_b),
        s.fma(sum_a, s.splat(A * A), s.fma(sum_b, s.splat(B * B), u[5])),
    ]
}
