//! The filter gradient: the transpose of the convolution in its weight, with the same transform of
//! the input.

use std::ops::Range;

use rayon::prelude::*;

use super::super::ConvShape;
use super::super::outer::{Steps, Sums, accumulate};
use super::data::{self, Gradients, Images, Patches};
use super::{LAYERS, PATCH, Spectrum, TILE, Tiles, points};
use crate::isa::{self, Simd};
use crate::scratch;
use crate::shared::Shared;

/// Tiles that are summed at once: two vectors and a dozen rows of them fill the first-level cache.
const AT_ONCE: usize = 128;
/// Values of both spectra, if that makes more tiles: tasks have a cost of their own.
const VALUES: usize = 1 << 19;
/// Sums that a task holds at most.
const SUMS: usize = 1 << 17;

/// The partition of the sums `[rows, columns]` of each layer among tasks.
#[derive(Clone, Copy)]
struct Plan {
    /// Channels of the input and of the output.
    inputs: usize,
    outputs: usize,
    /// Whether the output channels are the columns.
    across: bool,
    rows: usize,
    columns: usize,
    /// Tasks down and across.
    tasks: [usize; 2],
    lanes: usize,
}

impl Plan {
    fn new(shape: &ConvShape) -> Self {
        let (inputs, outputs, lanes) = (shape.channels_in, shape.channels_out, isa::lanes());
        let fill = |n: usize| n.next_multiple_of(lanes);
        // Columns come in vectors: take the channels that fill them better.
        let across = fill(outputs) * inputs < fill(inputs) * outputs;
        let (rows, columns) = if across { (inputs, outputs) } else { (outputs, inputs) };
        // Square tasks read least; four tasks keep a few threads busy.
        let pairs = columns.div_ceil(2 * lanes);
        let across_tasks = pairs.div_ceil(4).max(pairs.min(2));
        let width = pairs.div_ceil(across_tasks) * 2 * lanes;
        let least = 4usize.div_ceil(across_tasks);
        let down_tasks = (LAYERS * rows * width).div_ceil(SUMS).max(least).min(rows);
        Self { inputs, outputs, across, rows, columns, tasks: [down_tasks, across_tasks], lanes }
    }

    fn range(&self, task: usize) -> (Range<usize>, Range<usize>) {
        let [down, across] = self.tasks;
        let (i, j) = (task / across, task % across);
        let pair = 2 * self.lanes;
        let pairs = self.columns.div_ceil(pair);
        let end = ((j + 1) * pairs / across * pair).min(self.columns.next_multiple_of(self.lanes));
        (i * self.rows / down..(i + 1) * self.rows / down, j * pairs / across * pair..end)
    }

    /// Offset of a task's sums.
    fn start(&self, task: usize) -> usize {
        (0..task).map(|task| self.len(task)).sum()
    }

    fn len(&self, task: usize) -> usize {
        let (rows, columns) = self.range(task);
        LAYERS * rows.len() * columns.len()
    }
}

/// Overwrites `dw` with the gradient with respect to the weight.
pub fn backward_filter(shape: &ConvShape, x: &[f32], dy: &[f32], dw: &mut [f32]) {
    let plan = Plan::new(shape);
    let tiles = Tiles::new(shape.batch, shape.output());
    let zeros = vec![0.0; plan.inputs.max(plan.outputs)];
    let inputs = Images {
        values: x,
        size: shape.size,
        channels: plan.inputs,
        padding: shape.padding,
        tiles,
        zeros: &zeros,
    };
    let outputs = Images {
        values: dy,
        size: shape.output(),
        channels: plan.outputs,
        padding: [0, 0],
        tiles,
        zeros: &zeros,
    };
    let at_once = (VALUES / (LAYERS * (plan.inputs + plan.outputs))).max(AT_ONCE);
    let chunks = tiles.count.div_ceil(at_once);
    let at_once = tiles.count.div_ceil(chunks);
    let rows = Spectrum::spread(at_once, plan.rows);
    let columns = Spectrum::panels(at_once, plan.columns, plan.lanes);
    let (data, gradient) = if plan.across { (rows, columns) } else { (columns, rows) };
    let tasks = plan.tasks[0] * plan.tasks[1];
    let mut memory = scratch::take(data.len() + gradient.len());
    let (patches, gradients) = memory.split_at_mut(data.len());
    let mut sums = scratch::take(plan.start(tasks));
    let (sums, dw) = (Shared(sums.as_mut_ptr()), Shared(dw.as_mut_ptr()));
    for chunk in 0..chunks {
        let range = chunk * tiles.count / chunks..(chunk + 1) * tiles.count / chunks;
        transform([inputs, outputs], range.clone(), [patches, gradients], [data, gradient]);
        let products = (&*patches, data);
        let gradients = (&*gradients, gradient);
        (0..tasks).into_par_iter().for_each(|task| {
            let (first, last) = (chunk == 0, chunk + 1 == chunks);
            let count = range.len();
            isa::dispatch(Part { plan, task, products, gradients, count, first, last, sums, dw });
        });
    }
}

/// Transforms the tiles of inputs and of output gradients in parallel.
fn transform(
    images: [Images; 2],
    range: Range<usize>,
    to: [&mut [f32]; 2],
    spectra: [Spectrum; 2],
) {
    const TILES: usize = 16;
    let parts = range.len().div_ceil(TILES);
    for (to, spectrum) in to.iter().zip(spectra) {
        assert!(to.len() >= spectrum.len() && range.len() * spectrum.tile <= spectrum.panel);
    }
    let to = to.map(|to| Shared(to.as_mut_ptr()));
    (0..2 * parts).into_par_iter().for_each(|task| {
        let (part, i) = (task / 2, task % 2);
        let start = part * range.len() / parts;
        let end = (part + 1) * range.len() / parts;
        let to = to[i].at(start * spectra[i].tile);
        let range = range.start + start..range.start + end;
        let (images, spectrum) = (images[i], spectra[i]);
        isa::dispatch(TransformPart { images, range, to, spectrum, x: i == 0 });
    });
}

struct TransformPart<'a> {
    images: Images<'a>,
    range: Range<usize>,
    to: *mut f32,
    spectrum: Spectrum,
    x: bool,
}

impl isa::Task for TransformPart<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { images, range, to, spectrum, x } = self;
        // SAFETY: `to` was checked to hold all layers of all tiles; parts differ in tiles.
        unsafe {
            if x {
                data::transform::<S, Patches, PATCH>(s, &images, range, to, spectrum);
            } else {
                data::transform::<S, Gradients, TILE>(s, &images, range, to, spectrum);
            }
        }
    }
}

/// Some rows and columns of the sums of all layers.
struct Part<'a> {
    plan: Plan,
    task: usize,
    products: (&'a [f32], Spectrum),
    gradients: (&'a [f32], Spectrum),
    /// Tiles.
    count: usize,
    first: bool,
    last: bool,
    sums: Shared,
    dw: Shared,
}

impl isa::Task for Part<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { plan, task, products, gradients, count, first, last, sums, dw } = self;
        let (rows, columns) = plan.range(task);
        let sums = sums.at(plan.start(task));
        let len = rows.len() * columns.len();
        let (a, b) = if plan.across { (products, gradients) } else { (gradients, products) };
        for layer in 0..LAYERS {
            let steps = |(values, spectrum): (&[f32], Spectrum), shift: usize| Steps {
                base: values.as_ptr(),
                runs: &[0],
                shift: layer * spectrum.layer + spectrum.channel(shift),
                stride: spectrum.tile,
                pair: spectrum.panel,
            };
            // SAFETY: spectra hold all layers of `count` tiles, channels filled up to whole
            // vectors; the sums are this task's.
            unsafe {
                let sums = Sums {
                    base: sums.add(layer * len),
                    rows: rows.len(),
                    width: columns.len(),
                    fresh: first,
                };
                accumulate(s, steps(a, rows.start), steps(b, columns.start), count, sums);
            }
        }
        if last {
            // SAFETY: the sums are this task's, and so are these channels of the gradient.
            unsafe { finish(s, &plan, (rows, columns), sums, dw) }
        }
    }
}

/// Transforms the sums to taps and stores them in the order of the weight.
///
/// # Safety
/// `sums` must hold `[layer, rows, columns]` and `dw` the whole gradient.
#[inline(always)]
unsafe fn finish<S: Simd>(
    s: S,
    plan: &Plan,
    (rows, columns): (Range<usize>, Range<usize>),
    sums: *const f32,
    dw: Shared,
) {
    let layer = rows.len() * columns.len();
    let mut taps = [[0.0; 64]; 9];
    for row in rows.clone() {
        for first in columns.clone().step_by(S::LANES) {
            let at = (row - rows.start) * columns.len() + first - columns.start;
            let mut half = [[s.splat(0.0); PATCH]; 3];
            // SAFETY: the caller's; a vector has at most 64 values.
            unsafe {
                let from = sums.add(at);
                for j in 0..PATCH {
                    let mut column = [s.splat(0.0); PATCH];
                    for i in 0..PATCH {
                        column[i] = s.load(from.add((i * PATCH + j) * layer));
                    }
                    let column = points::filter_gradient(s, column);
                    for i in 0..3 {
                        half[i][j] = column[i];
                    }
                }
                for i in 0..3 {
                    let row = points::filter_gradient(s, half[i]);
                    for j in 0..3 {
                        s.store(taps[i * 3 + j].as_mut_ptr(), row[j]);
                    }
                }
                for column in first..(first + S::LANES).min(plan.columns) {
                    let (input, output) = if plan.across { (row, column) } else { (column, row) };
                    let to = dw.at((output * plan.inputs + input) * 9);
                    for (tap, taps) in taps.iter().enumerate() {
                        *to.add(tap) = taps[column - first];
                    }
                }
            }
        }
    }
}
