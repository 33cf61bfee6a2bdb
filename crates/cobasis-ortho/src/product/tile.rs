//! Tiles of a product, summed in registers.

use pulp::{Arch, Simd, WithSimd};

/// Vectors of a row of a tile.
const VECTORS: usize = 2;

/// The most lanes of a vector, and the most rows of a tile.
const MOST: [usize; 2] = [8, 12];

/// Rows and columns of a tile.
#[derive(Clone, Copy)]
pub(super) struct TileSize {
    pub(super) height: usize,
    pub(super) width: usize,
}

impl TileSize {
    pub(super) fn of_this_machine() -> Self {
        struct Size;
        impl WithSimd for Size {
            type Output = TileSize;
            fn with_simd<S: Simd>(self, _: S) -> TileSize {
                // AVX-512 and NEON have 32 registers, AVX2 has 16.
                let height = if [2, 8].contains(&S::F64_LANES) { 12 } else { 6 };
                TileSize { height, width: VECTORS * S::F64_LANES }
            }
        }
        Arch::new().dispatch(Size)
    }
}

/// Some rows of a product.
pub(super) struct Block<'a> {
    /// The rows, packed.
    pub(super) left: &'a [f64],
    /// The columns, packed.
    pub(super) right: &'a [f64],
    /// Terms of each sum.
    pub(super) depth: usize,
    /// Columns of the product.
    pub(super) columns: usize,
    /// What the product is multiplied with.
    pub(super) factor: f64,
    /// The rows that it is added to.
    pub(super) target: &'a mut [f64],
    /// From one of them to the next.
    pub(super) step: usize,
    /// Where the columns begin.
    pub(super) first: usize,
    /// The column of the first row's diagonal, if only what is on and above the diagonal is wanted.
    pub(super) diagonal: Option<isize>,
}

impl Block<'_> {
    pub(super) fn add(self, size: TileSize) {
        match size.height {
            12 => Arch::new().dispatch(Tiles::<12>(self)),
            _ => Arch::new().dispatch(Tiles::<6>(self)),
        }
    }
}

/// A block, done in tiles of that many rows.
struct Tiles<'a, const HEIGHT: usize>(Block<'a>);

impl<const HEIGHT: usize> WithSimd for Tiles<'_, HEIGHT> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, s: S) {
        let Self(block) = self;
        let width = VECTORS * S::F64_LANES;
        let mut sums = [0.0; VECTORS * MOST[0] * MOST[1]];
        // A panel of the right matrix stays in the first cache while those of the left one pass.
        for (panel, right) in block.right.chunks_exact(block.depth * width).enumerate() {
            let first = panel * width;
            let columns = width.min(block.columns - first);
            let tiles = block.left.chunks_exact(block.depth * HEIGHT);
            let targets = block.target.chunks_mut(HEIGHT * block.step);
            for (index, (left, target)) in tiles.zip(targets).enumerate() {
                let diagonal = block.diagonal.map(|column| column + (index * HEIGHT) as isize);
                if diagonal.is_some_and(|column| column >= (first + columns) as isize) {
                    continue;
                }
                tile::<S, HEIGHT>(s, left, right, &mut sums);
                for (row, sums) in target.chunks_mut(block.step).zip(sums.chunks_exact(width)) {
                    let entries = &mut row[block.first + first..][..columns];
                    entries.iter_mut().zip(sums).for_each(|(e, sum)| *e += block.factor * sum);
                }
            }
        }
    }
}

/// The product of a panel of rows and one of columns.
#[inline(always)]
fn tile<S: Simd, const HEIGHT: usize>(s: S, left: &[f64], right: &[f64], out: &mut [f64]) {
    let mut sums = [[s.splat_f64s(0.0); VECTORS]; HEIGHT];
    let (right, _) = S::as_simd_f64s(right);
    let rows = left.as_chunks::<HEIGHT>().0.iter().zip(right.as_chunks::<VECTORS>().0);
    for (left, right) in rows {
        for row in 0..HEIGHT {
            let factor = s.splat_f64s(left[row]);
            for vector in 0..VECTORS {
                sums[row][vector] = s.mul_add_e_f64s(factor, right[vector], sums[row][vector]);
            }
        }
    }
    let (out, _) = S::as_mut_simd_f64s(out);
    for row in 0..HEIGHT {
        for vector in 0..VECTORS {
            out[row * VECTORS + vector] = sums[row][vector];
        }
    }
}
