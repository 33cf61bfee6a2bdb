//! Direct convolution: each register tile reads its pixels where they lie, so nothing is unfolded.

use std::ops::Range;

use rayon::prelude::*;

use super::panels::Panels;
use super::tile::{Left, Target, multiply};
use super::window::Window;
use super::{ConvShape, Epilogue};
use crate::isa::{self, Simd};
use crate::scratch;

/// A weight packed for the direct convolution, one matrix per group.
#[derive(Debug, Clone)]
pub struct Weight {
    groups: Vec<Panels>,
}

impl Weight {
    /// Packs `[channels_out, channels_in / groups, kernel height, kernel width]`.
    pub fn new(shape: &ConvShape, weight: &[f32]) -> Self {
        let area = shape.kernel[0] * shape.kernel[1];
        let (inputs, outputs) =
            (shape.channels_in / shape.groups, shape.channels_out / shape.groups);
        let run = if shape.groups == 1 { inputs * shape.kernel[1] } else { inputs };
        let groups = (0..shape.groups).map(|group| {
            pack([area, inputs, outputs], run, |tap, input, output| {
                weight[((group * outputs + output) * inputs + input) * area + tap]
            })
        });
        Self { groups: groups.collect() }
    }
}

/// Where the values of a position go.
#[derive(Debug, Clone, Copy)]
struct Placement {
    /// Offset of the first position.
    start: usize,
    /// Values from image to image, line to line and position to position.
    strides: [usize; 3],
}

/// Computes `y = act(scale * conv(x, weight) + bias + residual)`.
pub fn forward(shape: &ConvShape, x: &[f32], weight: &Weight, y: &mut [f32], epilogue: &Epilogue) {
    let [height, width] = shape.output();
    let c = shape.channels_out;
    let placement = Placement { start: 0, strides: [height * width * c, width * c, c] };
    apply(&Window::forward(shape), x, &weight.groups, placement, y, epilogue);
}

/// Computes the gradient with respect to the input: one convolution of the output gradient for
/// each position of an input pixel within the stride.
pub fn backward_input(shape: &ConvShape, weight: &[f32], dy: &[f32], dx: &mut [f32]) {
    let c = shape.channels_in;
    let image = [shape.size[0] * shape.size[1] * c, shape.size[1] * c, c];
    let phases = (0..shape.stride[0]).flat_map(|y| (0..shape.stride[1]).map(move |x| [y, x]));
    for phase in phases {
        if (0..2).any(|i| phase[i] >= shape.size[i]) {
            continue;
        }
        let (window, first) = phase_window(shape, phase);
        let [s0, s1] = shape.stride;
        let placement = Placement {
            start: phase[0] * image[1] + phase[1] * image[2],
            strides: [image[0], s0 * image[1], s1 * image[2]],
        };
        if window.taps.contains(&0) {
            clear(&window, placement, c, dx);
            continue;
        }
        let window = window.copied_if_needed();
        let groups = transposed(shape, weight, first, window.taps);
        apply(&window, dy, &groups, placement, dx, &Epilogue::default());
    }
}

/// The window of output gradients that input pixels at `phase` within the stride receive from, and
/// the first kernel tap that reaches them.
fn phase_window(shape: &ConvShape, phase: [usize; 2]) -> (Window, [usize; 2]) {
    let first = [0, 1].map(|i| (phase[i] + shape.padding[i]) % shape.stride[i]);
    let taps = [0, 1].map(|i| shape.kernel[i].saturating_sub(first[i]).div_ceil(shape.stride[i]));
    let window = Window {
        batch: shape.batch,
        size: shape.output(),
        channels: shape.channels_out,
        positions: [0, 1].map(|i| (shape.size[i] - phase[i]).div_ceil(shape.stride[i])),
        stride: [1, 1],
        taps,
        start: [0, 1].map(|i| {
            let last = (phase[i] + shape.padding[i] - first[i]) / shape.stride[i];
            last as isize + 1 - taps[i] as isize
        }),
        copied: false,
    };
    (window, first)
}

/// Packs the taps `first, first + stride, ...` of the weight, last tap first, with input and output
/// channels exchanged.
fn transposed(
    shape: &ConvShape,
    weight: &[f32],
    first: [usize; 2],
    taps: [usize; 2],
) -> Vec<Panels> {
    let [kh, kw] = shape.kernel;
    let (inputs, outputs) = (shape.channels_in / shape.groups, shape.channels_out / shape.groups);
    let run = if shape.groups == 1 { outputs * taps[1] } else { outputs };
    let pack = |group: usize| {
        pack([taps[0] * taps[1], outputs, inputs], run, |tap, output, input| {
            let y = first[0] + (taps[0] - 1 - tap / taps[1]) * shape.stride[0];
            let x = first[1] + (taps[1] - 1 - tap % taps[1]) * shape.stride[1];
            let filter = (group * outputs + output) * inputs + input;
            weight[filter * kh * kw + y * kw + x]
        })
    };
    (0..shape.groups).map(pack).collect()
}

/// Packs the matrix `[taps * inputs, outputs]` of the weights `get(tap, input, output)`.
fn pack(
    [taps, inputs, outputs]: [usize; 3],
    run: usize,
    get: impl Fn(usize, usize, usize) -> f32 + Sync,
) -> Panels {
    let depth = taps * inputs;
    Panels::pack([1, depth, outputs], run, |block, values| {
        for column in 0..block.columns {
            for input in 0..inputs {
                for tap in 0..taps {
                    let row = tap * inputs + input;
                    let at = match block.vectors {
                        0 => column * depth + row,
                        _ => row * block.width + column,
                    };
                    values[at] = get(tap, input, block.first + column);
                }
            }
        }
    })
}

fn clear(window: &Window, placement: Placement, channels: usize, y: &mut [f32]) {
    for line in 0..window.lines() {
        for offset in offsets(window, placement, line) {
            y[offset..offset + channels].fill(0.0);
        }
    }
}

/// Offsets of the values of the positions of a line.
fn offsets(
    window: &Window,
    placement: Placement,
    line: usize,
) -> impl Iterator<Item = usize> + use<> {
    let [image, row, column] = placement.strides;
    let height = window.positions[0];
    let first = placement.start + line / height * image + line % height * row;
    (0..window.positions[1]).map(move |x| first + x * column)
}

/// Memory that tasks write to, each its own part.
#[derive(Clone, Copy)]
pub struct Shared(pub *mut f32);
// SAFETY: the pointer itself is harmless; writing through it is unsafe.
unsafe impl Send for Shared {}
// SAFETY: as above.
unsafe impl Sync for Shared {}

impl Shared {
    /// The pointer `offset` values further on.
    #[inline(always)]
    pub fn at(self, offset: usize) -> *mut f32 {
        self.0.wrapping_add(offset)
    }
}

/// Applies one matrix per group to every position of the window.
fn apply(
    window: &Window,
    source: &[f32],
    groups: &[Panels],
    placement: Placement,
    y: &mut [f32],
    epilogue: &Epilogue,
) {
    const POSITIONS: usize = 192;
    let lines = window.lines();
    let per_task = POSITIONS.div_ceil(window.positions[1]).min(lines);
    let tasks = lines.div_ceil(per_task);
    let blocks = groups[0].blocks();
    let splits = (2 * rayon::current_num_threads()).div_ceil(tasks).clamp(1, blocks);
    let target = Shared(y.as_mut_ptr());
    (0..tasks * splits).into_par_iter().for_each(|index| {
        let (task, split) = (index / splits, index % splits);
        let lines = task * lines / tasks..(task + 1) * lines / tasks;
        let blocks = split * blocks / splits..(split + 1) * blocks / splits;
        isa::dispatch(Part { window, source, groups, placement, lines, blocks, target, epilogue });
    });
}

/// Some lines of positions and some blocks of output channels.
struct Part<'a> {
    window: &'a Window,
    source: &'a [f32],
    groups: &'a [Panels],
    placement: Placement,
    lines: Range<usize>,
    blocks: Range<usize>,
    target: Shared,
    epilogue: &'a Epilogue<'a>,
}

impl isa::Task for Part<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let window = self.window;
        let mut copy =
            scratch::take(if window.copied { window.copy_len(self.lines.clone()) } else { 0 });
        let base = if window.copied {
            window.copy(self.source, self.lines.clone(), &mut copy);
            copy.as_ptr()
        } else {
            self.source.as_ptr()
        };
        let step = window.stride[1] * window.channels;
        let read: Vec<usize> = window
            .line_offsets(self.lines.clone())
            .into_iter()
            .flat_map(|line| (0..window.positions[1]).map(move |x| line + x * step))
            .collect();
        let written: Vec<usize> =
            self.lines.clone().flat_map(|line| offsets(window, self.placement, line)).collect();
        for (group, right) in self.groups.iter().enumerate() {
            let (taps, len) = window.runs(group, self.groups.len());
            let left = Left { base, rows: &read, taps: &taps, len };
            let channel = group * right.columns();
            let target = Target {
                base: self.target.0,
                rows: &written,
                channel,
                padded: false,
                epilogue: self.epilogue,
            };
            // SAFETY: the offsets come from the sizes that the slices were checked against, and
            // the tasks differ in lines or in channels.
            unsafe { multiply(s, left, (right, 0), self.blocks.clone(), target) }
        }
    }
}
