//! A right-hand matrix packed for the register tiles.

use rayon::prelude::*;

use crate::isa;

/// A matrix `[depth, columns]` cut into blocks of columns, each two vectors wide and packed row by
/// row, the last perhaps one vector; a few columns left over lie column by column.
#[derive(Debug, Clone)]
pub struct Panels {
    values: Vec<f32>,
    depth: usize,
    columns: usize,
    lanes: usize,
    /// Blocks two vectors wide.
    pairs: usize,
    /// Columns of the block that is one vector wide, if there is one.
    single: usize,
    /// Columns left over.
    rest: usize,
}

/// One block of columns.
pub struct Block<'a> {
    /// Packed values.
    pub values: &'a [f32],
    /// First column.
    pub first: usize,
    /// Columns, not counting those filled up with zeros.
    pub columns: usize,
    /// Vectors of columns; 0 if the values lie column by column.
    pub vectors: usize,
}

impl Panels {
    /// Most columns that are computed as dot products.
    const DOTS: usize = 4;

    /// Packs the matrix whose columns `column` writes out, `depth` values at a time.
    ///
    /// `run` is the number of values that lie together in the left matrix.
    pub fn pack(
        depth: usize,
        columns: usize,
        run: usize,
        column: impl Fn(usize, &mut [f32]) + Sync,
    ) -> Self {
        let lanes = isa::lanes();
        let (mut pairs, mut over) = (columns / (2 * lanes), columns % (2 * lanes));
        let few = if run >= lanes { Self::DOTS } else { 0 };
        let (single, rest) = match over {
            0 => (0, 0),
            _ if over <= few => (0, over),
            _ if over <= lanes => (over, 0),
            _ if over <= lanes + few => (lanes, over - lanes),
            _ => {
                (pairs, over) = (pairs + 1, 0);
                (0, over)
            }
        };
        let vectors = pairs * 2 + usize::from(single > 0);
        let mut values = vec![0.0; depth * (vectors * lanes + rest)];
        let (packed, dots) = values.split_at_mut(depth * vectors * lanes);
        packed.par_chunks_mut(depth * 2 * lanes).enumerate().for_each(|(block, packed)| {
            let width = packed.len() / depth;
            let first = block * 2 * lanes;
            let mut buffer = vec![0.0; depth];
            for i in 0..width.min(columns - first) {
                column(first + i, &mut buffer);
                for (row, &value) in packed.chunks_exact_mut(width).zip(&buffer) {
                    row[i] = value;
                }
            }
        });
        for (i, dots) in dots.chunks_exact_mut(depth).enumerate() {
            column(columns - rest + i, dots);
        }
        Self { values, depth, columns, lanes, pairs, single, rest }
    }

    /// Number of columns.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Number of blocks of columns.
    pub fn blocks(&self) -> usize {
        self.pairs + usize::from(self.single > 0) + usize::from(self.rest > 0)
    }

    /// A block of columns.
    pub fn block(&self, index: usize) -> Block<'_> {
        let width = 2 * self.lanes;
        let first = index * width;
        if index < self.pairs {
            return Block {
                values: &self.values[first * self.depth..][..width * self.depth],
                first,
                columns: width.min(self.columns - first),
                vectors: 2,
            };
        }
        let first = self.pairs * width;
        if index == self.pairs && self.single > 0 {
            return Block {
                values: &self.values[first * self.depth..][..self.lanes * self.depth],
                first,
                columns: self.single,
                vectors: 1,
            };
        }
        let first = self.columns - self.rest;
        Block { values: &self.values[first * self.depth..], first, columns: self.rest, vectors: 0 }
    }
}
