//! Symmetric matrices brought to tridiagonal form.
//!
//! Of a block of columns, the reflections are found one by one, each with one product of the matrix and
//! a vector; the matrix itself is changed once for the block (Dongarra, Sorensen & Hammarling, *Block
//! reduction of matrices to condensed forms for eigenvalue computations*, 1989).

use std::ops::Range;

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use crate::gram_schmidt::dot;
use crate::product::{Part, Target, View, parts, product, symmetric};

/// Columns of a block.
const BLOCK: usize = 32;

/// Parts of a product with a vector, for threads to share.
const PARTS: usize = 8;

/// Rows from which on that is worth while.
const SHARED: usize = 1024;

/// A symmetric tridiagonal matrix.
pub(super) struct Tridiagonal {
    pub(super) diagonal: Vec<f64>,
    /// One entry less than the diagonal, and a spare zero.
    pub(super) off_diagonal: Vec<f64>,
}

/// A symmetric matrix `Q T Qᵀ`.
pub(super) struct Reduced {
    /// `T`.
    pub(super) tridiagonal: Tridiagonal,
    /// In row `i`, after the diagonal, the vector `v` of `Q`'s factor `I − v vᵀ` of this number; zeros
    /// before. Zeros where nothing was to be done.
    reflectors: Vec<f64>,
    size: usize,
}

impl Reduced {
    /// Of a symmetric matrix, of which the upper half is read.
    pub(super) fn of(mut matrix: Vec<f64>, size: usize) -> Self {
        let mut diagonal = vec![0.0; size];
        let mut off_diagonal = vec![0.0; size];
        let steps = size.saturating_sub(2);
        for block in parts(steps, BLOCK) {
            let updates = reduce_block(&mut matrix, size, block.clone(), |step, on, off| {
                diagonal[step] = on;
                off_diagonal[step] = off;
            });
            let (done, rest) = matrix.split_at_mut(block.end * size);
            let later = block.end..size;
            let reflectors = View::of(&done[block.start * size..], size).columns(later.clone());
            let updates = View::of(&updates, size).columns(later);
            for (left, right) in [(reflectors, updates), (updates, reflectors)] {
                let (values, first) = (&mut *rest, block.end);
                let target = Target { values, step: size, first, part: Part::Upper };
                target.add(-1.0, left.transposed(), right);
            }
        }
        for row in steps..size {
            diagonal[row] = matrix[row * size + row];
            if row + 1 < size {
                off_diagonal[row] = matrix[row * size + row + 1];
            }
        }
        matrix.truncate(steps * size);
        Self { tridiagonal: Tridiagonal { diagonal, off_diagonal }, reflectors: matrix, size }
    }

    /// Makes rows `x` of `size` numbers `Q x`.
    pub(super) fn turn_back(&self, rows: &mut [f64]) {
        let size = self.size;
        if rows.is_empty() {
            return;
        }
        for block in parts(self.reflectors.len() / size.max(1), BLOCK).rev() {
            let count = block.len();
            let later = block.start + 1..size;
            let reflectors = View::of(&self.reflectors, size).rows(block).columns(later.clone());
            // The factors' product is I − Vᵀ T V with a triangular T (Schreiber & Van Loan, 1989).
            let gram = symmetric(reflectors, reflectors);
            let mut factors = vec![0.0; count * count];
            for column in 0..count {
                factors[column * count + column] = 1.0;
                for row in 0..column {
                    let sum = (row..column)
                        .map(|k| factors[row * count + k] * gram[k * count + column])
                        .sum::<f64>();
                    factors[row * count + column] = -sum;
                }
            }
            let part = View::of(rows, size).columns(later.clone());
            let along = product(part, reflectors.transposed());
            let along = product(View::of(&along, count), View::of(&factors, count).transposed());
            let target = Target { first: later.start, ..Target::all(rows, size) };
            target.add(-1.0, View::of(&along, count), reflectors);
        }
    }
}

/// Puts the reflections of a block of columns into its rows, and says what they make of the diagonal
/// and the entry beside it. Returns the vectors `w`, `[block, size]`, by which the rest of the matrix
/// becomes `A − Σ (v wᵀ + w vᵀ)`.
fn reduce_block(
    matrix: &mut [f64],
    size: usize,
    block: Range<usize>,
    mut found: impl FnMut(usize, f64, f64),
) -> Vec<f64> {
    let mut updates: Vec<f64> = Vec::with_capacity(block.len() * size);
    for step in block.clone() {
        let (done, rest) = matrix.split_at_mut(step * size);
        let earlier = || done[block.start * size..].chunks_exact(size);
        let row = &mut rest[..size];
        for (v, w) in earlier().zip(updates.chunks_exact(size)) {
            let (v_step, w_step) = (v[step], w[step]);
            let entries = row[step..].iter_mut().zip(v[step..].iter().zip(&w[step..]));
            entries.for_each(|(entry, (v, w))| *entry -= v_step * w + w_step * v);
        }
        let on = row[step];
        row[..=step].fill(0.0);
        let off = reflector(&mut row[step + 1..]);
        found(step, on, off);
        let (row, below) = rest.split_at_mut(size);
        let v = &row[step + 1..];
        let mut update = vec![0.0; size];
        let w = &mut update[step + 1..];
        if off != 0.0 {
            times_vector(&below[..], size, v, w);
            for (earlier_v, earlier_w) in earlier().zip(updates.chunks_exact(size)) {
                let (earlier_v, earlier_w) = (&earlier_v[step + 1..], &earlier_w[step + 1..]);
                let (along_v, along_w) = (dot(earlier_v, v), dot(earlier_w, v));
                let entries = w.iter_mut().zip(earlier_v.iter().zip(earlier_w));
                entries.for_each(|(entry, (v, w))| *entry -= v * along_w + w * along_v);
            }
            let half = dot(w, v) / 2.0;
            w.iter_mut().zip(v).for_each(|(w, v)| *w -= half * v);
        }
        updates.extend(update);
    }
    updates
}

/// Makes of a vector `x` the `v` for which `(I − v vᵀ) x` has only its first entry; returns that.
fn reflector(vector: &mut [f64]) -> f64 {
    let norm = dot(vector, vector).sqrt();
    if norm == 0.0 {
        vector.fill(0.0);
        return 0.0;
    }
    let image = if vector[0] > 0.0 { -norm } else { norm };
    vector[0] -= image;
    let scale = (2.0 / dot(vector, vector)).sqrt();
    vector.iter_mut().for_each(|v| *v *= scale);
    image
}

/// Adds to `product` the product of a vector and a symmetric matrix: the last rows and columns of the
/// one of which `rows`, of `size` numbers each, has the last rows; their upper half is read.
fn times_vector(rows: &[f64], size: usize, vector: &[f64], product: &mut [f64]) {
    let count = vector.len();
    let first = size - count;
    let some_rows = |range: Range<usize>, product: &mut [f64]| {
        for row in range {
            let entries = &rows[row * size + first + row..][..count - row];
            let (on, after) = product[row..].split_at_mut(1);
            let task = BothHalves {
                entries: &entries[1..],
                vector: &vector[row + 1..],
                factor: vector[row],
                product: after,
            };
            on[0] += entries[0] * vector[row] + Arch::new().dispatch(task);
        }
    };
    if count < SHARED {
        return some_rows(0..count, product);
    }
    // Of the same number of entries each.
    let bound = |part: usize| {
        let left = 1.0 - part as f64 / PARTS as f64;
        count - (count as f64 * left.sqrt()) as usize
    };
    let sums: Vec<Vec<f64>> = (0..PARTS)
        .into_par_iter()
        .map(|part| {
            let mut sums = vec![0.0; count];
            some_rows(bound(part)..bound(part + 1), &mut sums);
            sums
        })
        .collect();
    for part in sums {
        product.iter_mut().zip(part).for_each(|(sum, part)| *sum += part);
    }
}

/// A row's entries right of the diagonal, which are a column's below it.
struct BothHalves<'a> {
    entries: &'a [f64],
    vector: &'a [f64],
    factor: f64,
    product: &'a mut [f64],
}

impl WithSimd for BothHalves<'_> {
    /// The inner product of the row and the vector.
    type Output = f64;

    #[inline(always)]
    fn with_simd<S: Simd>(self, s: S) -> f64 {
        const AT_ONCE: usize = 4;
        let (entries, last_entries) = S::as_simd_f64s(self.entries);
        let (vector, last_vector) = S::as_simd_f64s(self.vector);
        let (product, last_product) = S::as_mut_simd_f64s(self.product);
        let factor = s.splat_f64s(self.factor);
        let mut sums = [s.splat_f64s(0.0); AT_ONCE];
        let (entry_chunks, entry_rest) = entries.as_chunks::<AT_ONCE>();
        let (vector_chunks, vector_rest) = vector.as_chunks::<AT_ONCE>();
        let (product_chunks, product_rest) = product.as_chunks_mut::<AT_ONCE>();
        for ((a, x), y) in entry_chunks.iter().zip(vector_chunks).zip(product_chunks) {
            for i in 0..AT_ONCE {
                sums[i] = s.mul_add_e_f64s(a[i], x[i], sums[i]);
                y[i] = s.mul_add_e_f64s(a[i], factor, y[i]);
            }
        }
        for ((a, x), y) in entry_rest.iter().zip(vector_rest).zip(product_rest) {
            sums[0] = s.mul_add_e_f64s(*a, *x, sums[0]);
            *y = s.mul_add_e_f64s(*a, factor, *y);
        }
        let sum = s.add_f64s(s.add_f64s(sums[0], sums[1]), s.add_f64s(sums[2], sums[3]));
        let mut sum = s.reduce_sum_f64s(sum);
        for ((a, x), y) in last_entries.iter().zip(last_vector).zip(last_product) {
            sum += a * x;
            *y += a * self.factor;
        }
        sum
    }
}
