//! The convolution itself, which computes the input gradient too.

use std::ops::Range;

use rayon::prelude::*;

use super::super::panels::Block;
use super::super::tile::{Left, Target, multiply};
use super::super::{ConvShape, Epilogue};
use super::data::{self, Images, Patches};
use super::filter::{Weight, transform_row};
use super::{LAYERS, PATCH, Spectrum, Tiles, output};
use crate::isa::{self, Simd};
use crate::scratch;
use crate::shared::Shared;

/// Computes `y = act(scale * conv(x, weight) + bias + residual)`.
pub fn forward(shape: &ConvShape, x: &[f32], weight: &Weight, y: &mut [f32], epilogue: &Epilogue) {
    let tiles = Tiles::new(shape.batch, shape.output());
    let threads = rayon::current_num_threads();
    // Fewer channels leave room for more tiles in the second-level cache.
    let fitting = (5000 / (shape.channels_in + shape.channels_out)).clamp(24, 64);
    let at_once = fitting.min((tiles.count / (2 * threads)).max(8));
    let tasks = match weight {
        Weight::Transformed(_) => tiles.count.div_ceil(at_once),
        Weight::Taps(_) => 1,
    };
    let blocks = weight.panels().blocks();
    // Parts of the same tiles transform them each for itself.
    let splits = threads.div_ceil(tasks).clamp(1, blocks);
    let zeros = vec![0.0; shape.channels_in];
    let images = Images {
        values: x,
        size: shape.size,
        channels: shape.channels_in,
        padding: shape.padding,
        tiles,
        zeros: &zeros,
    };
    let target = Shared(y.as_mut_ptr());
    (0..tasks * splits).into_par_iter().for_each(|index| {
        let (task, split) = (index / splits, index % splits);
        let range = task * tiles.count / tasks..(task + 1) * tiles.count / tasks;
        let blocks = split * blocks / splits..(split + 1) * blocks / splits;
        isa::dispatch(Part { shape, images, weight, range, blocks, target, epilogue });
    });
}

/// Some tiles and some blocks of output channels.
struct Part<'a> {
    shape: &'a ConvShape,
    images: Images<'a>,
    weight: &'a Weight,
    range: Range<usize>,
    blocks: Range<usize>,
    target: Shared,
    epilogue: &'a Epilogue<'a>,
}

impl isa::Task for Part<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { shape, images, weight, range, blocks, target, epilogue } = self;
        let panels = weight.panels();
        let count = range.len();
        let last = panels.block(blocks.end - 1);
        let channels = panels.block(blocks.start).first..last.first + last.columns;
        let data = Spectrum::new(count, shape.channels_in, S::LANES);
        // A block may be filled up with zeros to two vectors.
        let product = Spectrum::new(count, channels.len(), 2 * S::LANES);
        let mut memory = scratch::take(data.len() + product.len());
        let (patches, products) = memory.split_at_mut(data.len());
        // SAFETY: the patches are this part's own, sized for these tiles.
        unsafe {
            let to = patches.as_mut_ptr();
            data::transform::<S, Patches, PATCH>(s, &images, range.clone(), to, data);
        }
        let read: Vec<usize> = (0..count).map(|tile| tile * data.tile).collect();
        let written: Vec<usize> = (0..count).map(|tile| tile * product.tile).collect();
        let part = Matrices {
            patches,
            data,
            read: &read,
            products: products.as_mut_ptr(),
            product,
            written: &written,
        };
        let first = channels.start;
        match weight {
            Weight::Transformed(panels) => {
                for (layer, index) in (0..LAYERS).flat_map(|l| blocks.clone().map(move |b| (l, b)))
                {
                    let block = (panels.block(index), panels.values(layer, index));
                    part.multiply(s, layer, block, shape.channels_in, first);
                }
            }
            Weight::Taps(panels) => {
                for index in blocks {
                    let block = panels.block(index);
                    let len = shape.channels_in * block.width;
                    let stride = len.next_multiple_of(16);
                    let mut layers = scratch::take(PATCH * stride);
                    let mut taps = [&[][..]; 9];
                    for (tap, values) in taps.iter_mut().enumerate() {
                        *values = panels.values(tap, index);
                    }
                    for row in 0..PATCH {
                        transform_row(s, row, taps, (&mut layers, stride), len);
                        for column in 0..PATCH {
                            let block = (block, &layers[column * stride..][..len]);
                            part.multiply(s, row * PATCH + column, block, shape.channels_in, first);
                        }
                    }
                }
            }
        }
        // SAFETY: `y` was checked against the shape; parts differ in tiles or in channels.
        unsafe {
            let tiles = (&images.tiles, range);
            output::store(s, shape, tiles, channels, (products, product), target.0, epilogue);
        }
    }
}

/// The matrices of a part: transformed tiles and their products.
struct Matrices<'a> {
    patches: &'a [f32],
    data: Spectrum,
    read: &'a [usize],
    products: *mut f32,
    product: Spectrum,
    written: &'a [usize],
}

impl Matrices<'_> {
    /// Multiplies a layer with a block of columns; `first` is the part's first channel.
    #[inline(always)]
    fn multiply<S: Simd>(
        &self,
        s: S,
        layer: usize,
        block: (Block, &[f32]),
        channels_in: usize,
        first: usize,
    ) {
        let left = Left {
            base: self.patches[layer * self.data.layer..].as_ptr(),
            rows: self.read,
            taps: &[0],
            len: channels_in,
        };
        let target = Target {
            base: self.products.wrapping_add(layer * self.product.layer),
            rows: self.written,
            channel: 0usize.wrapping_sub(first),
            padded: true,
            epilogue: &Epilogue::default(),
        };
        // SAFETY: both matrices lie in the part's own memory, sized for its tiles and blocks.
        unsafe { multiply(s, left, block, target) }
    }
}
