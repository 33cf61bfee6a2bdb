//! Right-hand matrices packed for the register tiles.

use std::sync::Arc;

use crate::scratch::{self, Scratch};
use crate::shared::Shared;
use crate::{isa, parallel};

/// Most columns that are computed as dot products.
pub const DOTS: usize = 4;

/// Matrices `[layers, depth, columns]` cut into blocks of columns, each two vectors wide and packed
/// row by row, the last perhaps one vector; a few columns left over lie column by column.
///
/// The memory is shared by those that hold the same columns.
#[derive(Debug, Clone)]
pub struct Panels {
    places: Vec<Place>,
    columns: usize,
}

/// A block and its memory.
#[derive(Debug, Clone)]
struct Place {
    block: Block,
    values: Arc<Scratch>,
    /// First value, values of a layer, and values from layer to layer.
    start: usize,
    len: usize,
    stride: usize,
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
    /// Packs matrices; `fill` writes the values of a block, `[layers, depth, width]` or, without
    /// vectors, `[layers, columns, depth]`, each layer padded to the same length.
    ///
    /// `run` is the number of values that lie together in the left matrix.
    pub fn pack(
        [layers, depth, columns]: [usize; 3],
        run: usize,
        fill: impl Fn(Block, &mut [f32]) + Sync,
    ) -> Self {
        let blocks = cut(columns, run);
        let len = |block: &Block| depth * block.width;
        // An odd number of cache lines, lest the layers compete for the same few sets of the caches.
        let stride = |block: &Block| (len(block).div_ceil(16) | 1) * 16;
        let mut values = scratch::take(blocks.iter().map(|block| layers * stride(block)).sum());
        let starts = blocks.iter().scan(0, |end, block| {
            let start = *end;
            *end += layers * stride(block);
            Some(start)
        });
        let starts: Vec<usize> = starts.collect();
        let target = Shared(values.as_mut_ptr());
        parallel::tasks(blocks.len(), |index| {
            let (block, len) = (blocks[index], layers * stride(&blocks[index]));
            // SAFETY: there is room for all blocks, one after the other.
            let part = unsafe { std::slice::from_raw_parts_mut(target.at(starts[index]), len) };
            fill(block, part);
        });
        let values = Arc::new(values);
        let mut start = 0;
        let places = blocks.into_iter().map(|block| {
            let (len, stride) = (len(&block), stride(&block));
            let place = Place { block, values: Arc::clone(&values), start, len, stride };
            start += layers * stride;
            place
        });
        Self { places: places.collect(), columns }
    }

    /// The columns of matrices side by side.
    pub fn join<'a>(parts: impl Iterator<Item = &'a Self>) -> Self {
        let mut joined = Self { places: Vec::new(), columns: 0 };
        for part in parts {
            joined.places.extend(part.places.iter().cloned().map(|mut place| {
                place.block.first += joined.columns;
                place
            }));
            joined.columns += part.columns;
        }
        joined
    }

    /// Calls `visit` with the row, the column and the value of all in a layer.
    pub fn each(&self, layer: usize, mut visit: impl FnMut(usize, usize, f32)) {
        for index in 0..self.blocks() {
            let (block, values) = (self.block(index), self.values(layer, index));
            let depth = values.len() / block.width;
            for (row, column) in
                (0..depth).flat_map(|row| (0..block.columns).map(move |c| (row, c)))
            {
                let at = match block.vectors {
                    0 => column * depth + row,
                    _ => row * block.width + column,
                };
                visit(row, block.first + column, values[at]);
            }
        }
    }

    /// Number of columns.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Number of blocks of columns.
    pub fn blocks(&self) -> usize {
        self.places.len()
    }

    /// A block of columns.
    pub fn block(&self, index: usize) -> Block {
        self.places[index].block
    }

    /// The packed values of a block in a layer.
    pub fn values(&self, layer: usize, index: usize) -> &[f32] {
        let place = &self.places[index];
        &place.values[place.start + layer * place.stride..][..place.len]
    }
}

/// Whether matrices with these numbers of columns, packed separately, make no more work than packed
/// together: no vector more, and none filled up with zeros.
pub fn part_well(columns: &[usize], run: usize) -> bool {
    let together = cut(columns.iter().sum(), run);
    let parts: Vec<Block> = columns.iter().flat_map(|&columns| cut(columns, run)).collect();
    let of = |blocks: &[Block], vectors: usize| {
        blocks.iter().filter(|block| block.vectors == vectors).count()
    };
    [1, 2].iter().all(|&vectors| of(&parts, vectors) == of(&together, vectors))
        && parts.iter().all(|block| block.columns == block.width)
}

/// The blocks of a number of columns.
fn cut(columns: usize, run: usize) -> Vec<Block> {
    let lanes = isa::lanes();
    let (mut pairs, over) = (columns / (2 * lanes), columns % (2 * lanes));
    let few = if run >= lanes { DOTS } else { 0 };
    // Columns of a block that is one vector wide, and columns left over.
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
    let pair = 2 * lanes;
    let mut blocks: Vec<Block> = (0..pairs)
        .map(|index| {
            let first = index * pair;
            Block { first, columns: pair.min(columns - first), vectors: 2, width: pair }
        })
        .collect();
    if single > 0 {
        blocks.push(Block { first: pairs * pair, columns: single, vectors: 1, width: lanes });
    }
    if rest > 0 {
        blocks.push(Block { first: columns - rest, columns: rest, vectors: 0, width: rest });
    }
    blocks
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A matrix `[2, 3, columns]` whose values tell their column and nothing else.
    fn columns(first: usize, count: usize) -> Panels {
        Panels::pack([2, 3, count], 64, |block, values| {
            values.fill(0.0);
            let stride = values.len() / 2;
            for at in 0..3 * block.columns {
                let (row, column) = (at / block.columns, at % block.columns);
                let to = match block.vectors {
                    0 => column * 3 + row,
                    _ => row * block.width + column,
                };
                values[to] = (first + block.first + column) as f32;
                values[stride + to] = values[to];
            }
        })
    }

    #[test]
    fn parts_lie_side_by_side() {
        let count = 2 * isa::lanes();
        let (own, shared) = (columns(0, 1), columns(1, count));
        let joined = Panels::join([&own, &shared].into_iter());
        assert_eq!((joined.columns(), joined.blocks()), (1 + count, 2));
        for index in 0..2 {
            let block = joined.block(index);
            for layer in 0..2 {
                joined.each(layer, |_, column, value| assert_eq!(value, column as f32));
                let values = joined.values(layer, index);
                let row: Vec<f32> = (0..block.columns).map(|c| (block.first + c) as f32).collect();
                assert_eq!(values[..block.columns], row);
            }
        }
        assert!(std::ptr::eq(joined.values(0, 1), shared.values(0, 0)));
    }

    #[test]
    fn filters_are_parted_where_that_costs_nothing() {
        let lanes = isa::lanes();
        assert!(part_well(&[1, 2 * lanes], 64) && part_well(&[4, lanes], 64));
        // A vector more; a vector filled up; no room for dot products.
        assert!(!part_well(&[lanes, lanes], 64));
        assert!(!part_well(&[1, lanes + lanes / 2 + 1], 64) || lanes < 4);
        assert!(!part_well(&[1, 2 * lanes], lanes - 1) || lanes == 1);
    }
}
