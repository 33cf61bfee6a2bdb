//! The convolution itself, which computes the input gradient too.

use std::ops::Range;

use rayon::prelude::*;

use super::super::panels::Block;
use super::super::tile::{Left, Run, Target, multiply};
use super::super::{ConvShape, Epilogue};
use super::data::{self, Images, Patches};
use super::filter::{Weight, transform_row};
use super::{LAYERS, PATCH, Spectrum, Tiles, output};
use crate::isa::{self, Simd};
use crate::scratch;
use crate::shared::Shared;

/// Computes `y = act(scale * conv(x, weight) + bias + residual)`; the weight comes in parts, each
/// for so many input channels after those of the parts before it.
pub fn forward(
    shape: &ConvShape,
    x: &[f32],
    weight: &[(usize, &Weight)],
    y: &mut [f32],
    epilogue: &Epilogue,
) {
    let tiles = Tiles::new(shape.batch, shape.output());
    let threads = rayon::current_num_threads();
    // Fewer channels leave room for more tiles in the second-level cache.
    let fitting = (5000 / (shape.channels_in + shape.channels_out)).clamp(24, 64);
    let at_once = fitting.min((tiles.count / (2 * threads)).max(8));
    // The shape decides how weights are packed: all parts alike.
    let first = weight[0].1;
    let tasks = match first {
        Weight::Transformed(_) => tiles.count.div_ceil(at_once),
        Weight::Taps(_) => 1,
    };
    let blocks = first.panels().blocks();
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
    weight: &'a [(usize, &'a Weight)],
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
        let panels = weight[0].1.panels();
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
        let mut starts = Vec::with_capacity(weight.len());
        let mut start = 0;
        for (channels, _) in weight {
            starts.push([start]);
            start += channels;
        }
        let parts =
            || weight.iter().zip(&starts).map(|((len, weight), taps)| (*len, *weight, taps));
        match weight[0].1 {
            Weight::Transformed(_) => {
                let mut runs: Vec<Run> = Vec::with_capacity(weight.len());
                for (layer, index) in (0..LAYERS).flat_map(|l| blocks.clone().map(move |b| (l, b)))
                {
                    runs.clear();
                    runs.extend(parts().map(|(len, weight, taps)| Run {
                        taps,
                        len,
                        right: weight.panels().values(layer, index),
                    }));
                    part.multiply(s, layer, panels.block(index), &runs, first);
                }
            }
            Weight::Taps(_) => {
                for index in blocks {
                    let block = panels.block(index);
                    let stride = |len: usize| (len * block.width).next_multiple_of(16);
                    let strides = parts().map(|(len, ..)| PATCH * stride(len)).sum();
                    let mut layers = scratch::take(strides);
                    for row in 0..PATCH {
                        let mut rest = &mut layers[..];
                        for (len, weight, _) in parts() {
                            let mut taps = [&[][..]; 9];
                            for (tap, values) in taps.iter_mut().enumerate() {
                                *values = weight.panels().values(tap, index);
                            }
                            let (own, after) = rest.split_at_mut(PATCH * stride(len));
                            transform_row(s, row, taps, (own, stride(len)), len * block.width);
                            rest = after;
                        }
                        for column in 0..PATCH {
                            let mut from = 0;
                            let runs: Vec<Run> = parts()
                                .map(|(len, _, taps)| {
                                    let start = from + column * stride(len);
                                    from += PATCH * stride(len);
                                    Run { taps, len, right: &layers[start..][..len * block.width] }
                                })
                                .collect();
                            part.multiply(s, row * PATCH + column, block, &runs, first);
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
    fn multiply<S: Simd>(&self, s: S, layer: usize, block: Block, runs: &[Run], first: usize) {
        let base = self.patches[layer * self.data.layer..].as_ptr();
        let left = Left { base, rows: self.read };
        let target = Target {
            base: self.products.wrapping_add(layer * self.product.layer),
            rows: self.written,
            channel: 0usize.wrapping_sub(first),
            padded: true,
            epilogue: &Epilogue::default(),
        };
        // SAFETY: both matrices lie in the part's own memory, sized for its tiles and blocks.
        unsafe { multiply(s, left, runs, block, target) }
    }
}
