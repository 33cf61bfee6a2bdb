//! Products of matrices on the host, in `f64`, as fast as the vector unit allows.
//!
//! The right matrix is packed into panels that stay in the caches, the left one block of rows by block;
//! tiles of the product are summed in registers (Goto & van de Geijn, *Anatomy of High-Performance Matrix
//! Multiplication*, 2008). Threads share the rows. Each entry is a sum in an order that depends on the
//! shapes alone, so results do not depend on the number of threads.

mod packed;
#[cfg(test)]
mod tests;
mod tile;

use std::ops::Range;

use rayon::prelude::*;

use packed::Packed;
use tile::{Block, TileSize};

/// Terms of a sum that are added before the sum is stored: two panels of so many fit the first cache.
const DEPTH: usize = 192;

/// Rows of a packed block of the left matrix at most, which fits the second cache.
const ROWS: usize = 96;

/// Columns of the right matrix that are packed at once.
const COLUMNS: usize = 2048;

/// The fewest parts of the rows, so that threads have something to share.
const PARTS: usize = 8;

/// A matrix that lies somewhere in a slice.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    values: &'a [f64],
    rows: usize,
    columns: usize,
    /// From a row to the next, and from a column to the next; one of them is 1.
    steps: [usize; 2],
}

impl<'a> View<'a> {
    /// Rows of `columns` numbers, one after the other.
    pub(crate) fn of(values: &'a [f64], columns: usize) -> Self {
        Self { values, rows: values.len() / columns.max(1), columns, steps: [columns, 1] }
    }

    /// The matrix with rows for columns.
    pub(crate) fn transposed(self) -> Self {
        let [down, right] = self.steps;
        Self { rows: self.columns, columns: self.rows, steps: [right, down], ..self }
    }

    /// Some of the rows.
    pub(crate) fn rows(self, range: Range<usize>) -> Self {
        let values = self.values.get(range.start * self.steps[0]..).unwrap_or_default();
        Self { values, rows: range.len(), ..self }
    }

    /// Some of the columns.
    pub(crate) fn columns(self, range: Range<usize>) -> Self {
        self.transposed().rows(range).transposed()
    }
}

/// Which entries of a product are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// All.
    All,
    /// Those on the diagonal and above; what becomes of the others is open.
    Upper,
}

/// `left right`, row by row.
pub(crate) fn product(left: View<'_>, right: View<'_>) -> Vec<f64> {
    let mut values = vec![0.0; left.rows * right.columns];
    Target::all(&mut values, right.columns).add(1.0, left, right);
    values
}

/// The inner products of all rows of two matrices, of which it is known that they are symmetric.
pub(crate) fn symmetric(left: View<'_>, right: View<'_>) -> Vec<f64> {
    assert_eq!(left.rows, right.rows, "as many rows");
    let size = left.rows;
    let mut values = vec![0.0; size * size];
    let target = Target { part: Part::Upper, ..Target::all(&mut values, size) };
    target.add(1.0, left, right.transposed());
    for row in 1..size {
        let (above, current) = values.split_at_mut(row * size);
        for (column, entry) in current[..row].iter_mut().enumerate() {
            *entry = above[column * size + row];
        }
    }
    values
}

/// Where a product goes: columns of rows that lie in a slice.
pub(crate) struct Target<'a> {
    /// The rows, all of `step` numbers.
    pub(crate) values: &'a mut [f64],
    /// From a row to the next.
    pub(crate) step: usize,
    /// The first of the columns.
    pub(crate) first: usize,
    /// Which entries are wanted.
    pub(crate) part: Part,
}

impl<'a> Target<'a> {
    /// All of a matrix of rows of `columns` numbers.
    pub(crate) fn all(values: &'a mut [f64], columns: usize) -> Self {
        Self { values, step: columns, first: 0, part: Part::All }
    }

    /// `C ← C + factor left right`.
    pub(crate) fn add(self, factor: f64, left: View<'_>, right: View<'_>) {
        assert_eq!(left.columns, right.rows, "rows of the right matrix");
        if left.rows == 0 || right.columns == 0 || left.columns == 0 {
            return;
        }
        let Self { values, step, first, part } = self;
        let size = TileSize::of_this_machine();
        let rows = left.rows.div_ceil(PARTS).next_multiple_of(size.height).min(ROWS);
        let mut panels = Packed::default();
        for columns in parts(right.columns, COLUMNS) {
            for depth in parts(left.columns, DEPTH) {
                let right = right.rows(depth.clone()).columns(columns.clone());
                let right = panels.fill(right, size.width);
                let left = left.columns(depth);
                let blocks = values[..left.rows * step].par_chunks_mut(rows * step).enumerate();
                blocks.for_each_init(Packed::default, |packed, (index, values)| {
                    let start = index * rows;
                    let left = left.rows(start..(start + rows).min(left.rows));
                    let block = Block {
                        left: packed.fill(left.transposed(), size.height),
                        right,
                        depth: left.columns,
                        columns: columns.len(),
                        factor,
                        target: values,
                        step,
                        first: first + columns.start,
                        // Where the diagonal meets the block's first row, if what is before is not wanted.
                        diagonal: match part {
                            Part::All => None,
                            Part::Upper => Some(start as isize - columns.start as isize),
                        },
                    };
                    block.add(size);
                });
            }
        }
    }
}

/// Ranges of at most `size` that make up `0..count`.
pub(crate) fn parts(count: usize, size: usize) -> impl DoubleEndedIterator<Item = Range<usize>> {
    let starts = 0..count.div_ceil(size);
    starts.map(move |part| part * size..((part + 1) * size).min(count))
}
