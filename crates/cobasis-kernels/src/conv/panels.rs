//! Right-hand matrices packed for the register tiles.

use rayon::prelude::*;

use crate::isa;
use crate::scratch::{self, Scratch};

/// Matrices `[layers, depth, columns]` cut into blocks of columns, each two vectors wide and packed
/// row by row, the last perhaps one vector; a few columns left over lie column by column.
#[derive(Debug, Clone)]
pub struct Panels {
    values: Scratch,
    layers: usize,
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

/// Where a block of columns lies.
#[derive(Debug, Clone, Copy)]
pub struct Block {
    /// First column.
    pub first: usize,
    /// Columns, not counting those filled up with zeros.
    pub columns: usize,
    /// Vectors of columns; 0 if the values lie column by column.
    pub vectors: usize,
    /// Columns, counting those filled up with zeros.
    pub width: usize,
}

impl Panels {
    /// Most columns that are computed as dot products.
    const DOTS: usize = 4;

    /// Packs matrices; `fill` writes the values of a block, `[layers, depth, width]` or, without
    /// vectors, `[layers, columns, depth]`, each layer padded to the same length.
    ///
    /// `run` is the number of values that lie together in the left matrix.
    pub fn pack(
        [layers, depth, columns]: [usize; 3],
        run: usize,
        fill: impl Fn(Block, &mut [f32]) + Sync,
    ) -> Self {
        let lanes = isa::lanes();
        let (mut pairs, over) = (columns / (2 * lanes), columns % (2 * lanes));
        let few = if run >= lanes { Self::DOTS } else { 0 };
        let (single, rest) = match over {
            0 => (0, 0),
            _ if over <= few => (0, over),
            _ if over <= lanes => (over, 0),
            _ if over <= lanes + few => (lanes, over - lanes),
            _ => {
                pairs += 1;
                (0, 0)
            }
        };
        let values = scratch::take(0);
        let mut panels = Self { values, layers, depth, columns, lanes, pairs, single, rest };
        let sizes = (0..panels.blocks()).map(|i| layers * panels.stride(panels.block(i)));
        let mut values = scratch::take(sizes.clone().sum());
        let mut parts = Vec::with_capacity(panels.blocks());
        let mut left = &mut values[..];
        for (i, size) in sizes.enumerate() {
            let (part, behind) = left.split_at_mut(size);
            parts.push((panels.block(i), part));
            left = behind;
        }
        parts.into_par_iter().for_each(|(block, part)| fill(block, part));
        panels.values = values;
        panels
    }

    /// Values from layer to layer of a block: an odd number of cache lines, lest the layers compete
    /// for the same few sets of the caches.
    fn stride(&self, block: Block) -> usize {
        ((self.depth * block.width).div_ceil(16) | 1) * 16
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
    pub fn block(&self, index: usize) -> Block {
        let pair = 2 * self.lanes;
        let first = index.min(self.pairs) * pair;
        if index < self.pairs {
            let columns = pair.min(self.columns - first);
            return Block { first, columns, vectors: 2, width: pair };
        }
        if index == self.pairs && self.single > 0 {
            return Block { first, columns: self.single, vectors: 1, width: self.lanes };
        }
        let first = self.columns - self.rest;
        Block { first, columns: self.rest, vectors: 0, width: self.rest }
    }

    /// The packed values of a block in a layer.
    pub fn values(&self, layer: usize, index: usize) -> &[f32] {
        let block = self.block(index);
        let before = [index.min(self.pairs), index.saturating_sub(self.pairs)];
        let start: usize = [0, self.pairs]
            .into_iter()
            .zip(before)
            .filter(|&(_, count)| count > 0)
            .map(|(block, count)| count * self.layers * self.stride(self.block(block)))
            .sum();
        &self.values[start + layer * self.stride(block)..][..self.depth * block.width]
    }
}
