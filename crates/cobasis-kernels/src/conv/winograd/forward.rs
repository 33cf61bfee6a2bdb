//! The convolution itself, which computes the input gradient too.

use std::ops::Range;

use rayon::prelude::*;

use super::super::panels::Panels;
use super::super::tile::{Left, Target, multiply};
use super::super::{ConvShape, Epilogue};
use super::data::{self, Images, Patches};
use super::filter::Weight;
use super::{LAYERS, PATCH, Spectrum, Tiles, output};
use crate::isa::{self, Simd};
use crate::scratch;
use crate::shared::Shared;

/// Computes `y = act(scale * conv(x, weight) + bias + residual)`.
pub fn forward(shape: &ConvShape, x: &[f32], weight: &Weight, y: &mut [f32], epilogue: &Epilogue) {
    let tiles = Tiles::new(shape.batch, shape.output());
    let panels = weight.panels();
    // Fewer channels leave room for more tiles in the second-level cache.
    let at_once = (5000 / (shape.channels_in + shape.channels_out)).clamp(24, 64);
    let tasks = tiles.count.div_ceil(at_once);
    let blocks = panels.blocks();
    let splits = (2 * rayon::current_num_threads()).div_ceil(tasks).clamp(1, blocks);
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
        isa::dispatch(Part { shape, images, panels, range, blocks, target, epilogue });
    });
}

/// Some tiles and some blocks of output channels.
struct Part<'a> {
    shape: &'a ConvShape,
    images: Images<'a>,
    panels: &'a Panels,
    range: Range<usize>,
    blocks: Range<usize>,
    target: Shared,
    epilogue: &'a Epilogue<'a>,
}

impl isa::Task for Part<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { shape, images, panels, range, blocks, target, epilogue } = self;
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
        for layer in 0..LAYERS {
            let left = Left {
                base: patches[layer * data.layer..].as_ptr(),
                rows: &read,
                taps: &[0],
                len: shape.channels_in,
            };
            let products = &mut products[layer * product.layer..][..product.layer];
            let target = Target {
                base: products.as_mut_ptr(),
                rows: &written,
                channel: 0usize.wrapping_sub(channels.start),
                padded: true,
                epilogue: &Epilogue::default(),
            };
            // SAFETY: both matrices lie in this part's own memory, sized for them.
            unsafe { multiply(s, left, (panels, layer), blocks.clone(), target) }
        }
        // SAFETY: `y` was checked against the shape; parts differ in tiles or in channels.
        unsafe {
            let tiles = (&images.tiles, range);
            output::store(s, shape, tiles, channels, (products, product), target.0, epilogue);
        }
    }
}
