//! The convolution itself, which computes the input gradient too.

use std::ops::Range;

use super::super::panels::{Block, Panels};
use super::super::tile::{Left, Run, Target, multiply};
use super::super::{ConvShape, Epilogue};
use super::data::{self, Images, Patches};
use super::filter::{Weight, transform_row};
use super::{LAYERS, PATCH, Spectrum, Tiles, output};
use crate::isa::{self, Simd};
use crate::shared::Shared;
use crate::{parallel, workspace};

/// Computes `y = act(scale * conv(x, weight) + bias + residual)`; the weight comes in parts, each
/// for so many input channels after those of the parts before it. `pixel` is the number of values from
/// a pixel of `y` to the next.
pub fn forward(
    shape: &ConvShape,
    x: &[f32],
    weight: &[(usize, &Weight)],
    (y, pixel): (&mut [f32], usize),
    epilogue: &Epilogue,
) {
    let tiles = Tiles::new(shape.batch, shape.output());
    // The shape decides how weights are packed: all parts alike.
    let Division { tasks, splits, blocks } = Division::new(shape, &tiles, weight[0].1);
    let images = Images {
        values: x,
        size: shape.size,
        channels: shape.channels_in,
        padding: shape.padding,
        tiles,
        zeros: &[],
    };
    let target = Shared(y.as_mut_ptr());
    parallel::tasks(tasks * splits, |index| {
        let (task, split) = (index / splits, index % splits);
        let range = task * tiles.count / tasks..(task + 1) * tiles.count / tasks;
        let blocks = split * blocks / splits..(split + 1) * blocks / splits;
        isa::dispatch(Part { shape, images, weight, range, blocks, target, pixel, epilogue });
    });
}

/// Lines of a workspace that a task of [`forward`] takes at most, with so many threads.
pub fn workspace(shape: &ConvShape, weight: &Weight) -> usize {
    let tiles = Tiles::new(shape.batch, shape.output());
    let Division { tasks, splits, blocks } = Division::new(shape, &tiles, weight);
    let panels = weight.panels();
    let widths = |split: usize| split * blocks / splits..(split + 1) * blocks / splits;
    let channels = (0..splits).map(|split| channels(panels, &widths(split)).len()).max();
    let (count, lanes) = (tiles.count.div_ceil(tasks), isa::lanes());
    let data = Spectrum::new(count, shape.channels_in, lanes);
    let product = Spectrum::new(count, channels.unwrap_or(0), 2 * lanes);
    let width = (0..blocks).map(|index| panels.block(index).width).max().unwrap_or(0);
    let layers = match weight {
        Weight::Transformed(_) => 0,
        Weight::Taps(_) => PATCH * stride(shape.channels_in, width),
    };
    lines_taken(shape, count, [data.len(), product.len(), layers])
}

/// Lines of a workspace for so many tiles and the values of transformed tiles, products and layers of
/// the weight.
fn lines_taken(shape: &ConvShape, tiles: usize, values: [usize; 3]) -> usize {
    let values: usize = values.into_iter().map(workspace::lines::<f32>).sum();
    values + workspace::lines::<f32>(shape.channels_in) + 2 * workspace::lines::<usize>(tiles)
}

/// How the work is divided: tasks of some tiles, and each into parts of some of the blocks of columns.
struct Division {
    tasks: usize,
    splits: usize,
    blocks: usize,
}

impl Division {
    fn new(shape: &ConvShape, tiles: &Tiles, weight: &Weight) -> Self {
        let threads = parallel::threads();
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
        Self { tasks, splits, blocks }
    }
}

/// The channels of some blocks.
#[inline(always)]
fn channels(panels: &Panels, blocks: &Range<usize>) -> Range<usize> {
    let last = panels.block(blocks.end - 1);
    panels.block(blocks.start).first..last.first + last.columns
}

/// Values from a layer of a block's weight to the next.
fn stride(len: usize, width: usize) -> usize {
    (len * width).next_multiple_of(16)
}

/// Some tiles and some blocks of output channels.
struct Part<'a> {
    shape: &'a ConvShape,
    images: Images<'a>,
    weight: &'a [(usize, &'a Weight)],
    range: Range<usize>,
    blocks: Range<usize>,
    target: Shared,
    /// Values from pixel to pixel.
    pixel: usize,
    epilogue: &'a Epilogue<'a>,
}

impl isa::Task for Part<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { shape, images, weight, range, blocks, target, pixel, epilogue } = self;
        let panels = weight[0].1.panels();
        let count = range.len();
        let channels = channels(panels, &blocks);
        let data = Spectrum::new(count, shape.channels_in, S::LANES);
        // A block may be filled up with zeros to two vectors.
        let product = Spectrum::new(count, channels.len(), 2 * S::LANES);
        // The layers of a block's weight, where they are made anew each time.
        let of_block = |index: usize| {
            let width = panels.block(index).width;
            weight.iter().map(|(len, _)| PATCH * stride(*len, width)).sum()
        };
        let layers: usize = match weight[0].1 {
            Weight::Transformed(_) => 0,
            Weight::Taps(_) => blocks.clone().map(of_block).max().unwrap_or(0),
        };
        let mut memory =
            workspace::take(lines_taken(shape, count, [data.len(), product.len(), layers]));
        let mut parts = memory.parts();
        let [patches, products, layers, zeros] =
            [data.len(), product.len(), layers, shape.channels_in]
                .map(|len| parts.take::<f32>(len));
        let [read, written] = [data.tile, product.tile].map(|tile| {
            let offsets = parts.take::<usize>(count);
            offsets.iter_mut().enumerate().for_each(|(index, offset)| *offset = index * tile);
            offsets
        });
        zeros.fill(0.0);
        let images = Images { zeros, ..images };
        // SAFETY: the patches are this part's own, sized for these tiles.
        unsafe {
            let to = patches.as_mut_ptr();
            data::transform::<S, Patches, PATCH>(s, &images, range.clone(), to, data);
        }
        let part =
            Matrices { patches, data, read, products: products.as_mut_ptr(), product, written };
        let first = channels.start;
        let (mut few, mut more) = ([[0]; FEW], Vec::new());
        let starts = first_of(&mut few, &mut more, weight.len());
        let mut start = 0;
        for ((channels, _), at) in weight.iter().zip(starts.iter_mut()) {
            *at = [start];
            start += channels;
        }
        let starts = &*starts;
        let parts = || weight.iter().zip(starts).map(|((len, weight), taps)| (*len, *weight, taps));
        match weight[0].1 {
            Weight::Transformed(_) => {
                let (mut few, mut more) = ([NO_RUN; FEW], Vec::new());
                let runs = first_of(&mut few, &mut more, weight.len());
                for (layer, index) in (0..LAYERS).flat_map(|l| blocks.clone().map(move |b| (l, b)))
                {
                    for ((len, weight, taps), run) in parts().zip(runs.iter_mut()) {
                        *run = Run { taps, len, right: weight.panels().values(layer, index) };
                    }
                    part.multiply(s, layer, panels.block(index), runs, first);
                }
            }
            Weight::Taps(_) => {
                for index in blocks {
                    let block = panels.block(index);
                    let stride = |len: usize| stride(len, block.width);
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
                            let (mut few, mut more) = ([NO_RUN; FEW], Vec::new());
                            let runs = first_of(&mut few, &mut more, weight.len());
                            for ((len, _, taps), run) in parts().zip(runs.iter_mut()) {
                                let start = from + column * stride(len);
                                from += PATCH * stride(len);
                                let right = &layers[start..][..len * block.width];
                                *run = Run { taps, len, right };
                            }
                            part.multiply(s, row * PATCH + column, block, runs, first);
                        }
                    }
                }
            }
        }
        // SAFETY: `y` was checked against the shape; parts differ in tiles or in channels.
        unsafe {
            let tiles = (&images.tiles, range);
            let to = (target.0, pixel);
            output::store(s, shape, tiles, channels, (products, product), to, epilogue);
        }
    }
}

const NO_RUN: Run = Run { taps: &[], len: 0, right: &[] };
/// Parts of a weight for which no memory is asked.
const FEW: usize = 4;

/// So many of these, or of more of them.
#[inline(always)]
fn first_of<'a, T: Copy>(few: &'a mut [T; FEW], more: &'a mut Vec<T>, count: usize) -> &'a mut [T] {
    if count > FEW {
        more.resize(count, few[0]);
        return more;
    }
    &mut few[..count]
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
            near: true,
            epilogue: &Epilogue::default(),
        };
        // SAFETY: both matrices lie in the part's own memory, sized for its tiles and blocks.
        unsafe { multiply(s, left, runs, block, target) }
    }
}
