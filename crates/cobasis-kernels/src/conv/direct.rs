//! Direct convolution: each register tile reads its pixels where they lie, so nothing is unfolded.

use std::borrow::Cow;
use std::ops::Range;

use super::panels::Panels;
#[cfg(feature = "gradients")]
use super::phase::{Phase, phases};
use super::placement::Placement;
use super::tile::{Left, Run, Target, multiply};
use super::window::Window;
use super::{Before, ConvShape, Epilogue, merge};
use crate::isa::{self, Simd};
use crate::shared::Shared;
use crate::{parallel, workspace};

/// Tasks of each thread at least, where there are as many: a thread that is done early waits for the last
/// one, which is short then.
const PER_THREAD: usize = 8;

/// A weight packed for the direct convolution, one matrix per group.
#[derive(Debug, Clone)]
pub struct Weight {
    groups: Vec<Panels>,
    /// Groups of the convolution that are merged in each.
    merged: usize,
}

impl Weight {
    /// Packs `[filters, channels_in / groups, kernel height, kernel width]`: the filters of the
    /// shape, or some of them.
    pub fn new(shape: &ConvShape, weight: &[f32]) -> Self {
        let area = shape.kernel[0] * shape.kernel[1];
        let merged = merge::factor(shape, isa::lanes());
        let inputs = shape.channels_in / shape.groups;
        let outputs = weight.len() / (area * shape.channels_in);
        let weight = match merged {
            1 => Cow::Borrowed(weight),
            _ => Cow::Owned(merge::merge(weight, [outputs, inputs, area], merged)),
        };
        let [inputs, outputs, count] = [inputs * merged, outputs * merged, shape.groups / merged];
        let run = run(&ConvShape { groups: count, ..*shape });
        let taps: Vec<usize> = (0..area).collect();
        let groups = (0..count).map(|group| {
            let layout = Layout {
                weight: &weight[group * outputs * inputs * area..],
                taps: &taps,
                inputs: (inputs, area),
                outputs: (outputs, inputs * area),
            };
            layout.pack(run)
        });
        Self { groups: groups.collect(), merged }
    }

    /// The weight, in the order that [`new`](Self::new) takes, for so many inputs of a group and taps.
    pub fn unpack(&self, inputs: usize, area: usize) -> Vec<f32> {
        let (one, inputs) = (inputs, inputs * self.merged);
        let outputs = self.groups[0].columns();
        let mut weight = vec![0.0; self.groups.len() * outputs * inputs * area];
        for (group, panels) in self.groups.iter().enumerate() {
            panels.each(0, |row, column, value| {
                let (tap, input) = (row / inputs, row % inputs);
                weight[((group * outputs + column) * inputs + input) * area + tap] = value;
            });
        }
        if self.merged > 1 {
            weight = merge::part(&weight, [outputs / self.merged, one, area], self.merged);
        }
        weight
    }

    /// The matrix of a weight without groups.
    pub fn panels(&self) -> &Panels {
        &self.groups[0]
    }

    /// The filters of several weights without groups, side by side.
    pub fn join<'a>(parts: impl Iterator<Item = &'a Self>) -> Self {
        Self { groups: vec![Panels::join(parts.map(|part| &part.groups[0]))], merged: 1 }
    }
}

/// Input values of a position that lie together.
pub fn run(shape: &ConvShape) -> usize {
    match shape.groups {
        1 => shape.channels_in * shape.kernel[1],
        groups => shape.channels_in / groups,
    }
}

/// Computes `y = act(scale * conv(x, weight) + bias + residual)`.
///
/// `pixel` is the number of values from a pixel of `y` to the next.
pub fn forward(
    shape: &ConvShape,
    x: &[f32],
    weight: &Weight,
    (y, pixel): (&mut [f32], usize),
    epilogue: &Epilogue,
) {
    let placement = Placement::output(shape, pixel);
    apply(&Window::forward(shape), (x, None), &weight.groups, placement, y, epilogue);
}

/// [`forward`] of what is made of pixels on the way, for filters of one pixel.
pub fn forward_after(
    shape: &ConvShape,
    (x, stride): (&[f32], usize),
    before: Before,
    weight: &Weight,
    (y, pixel): (&mut [f32], usize),
    epilogue: &Epilogue,
) {
    let placement = Placement::output(shape, pixel);
    let x = (x, Some((before, stride)));
    apply(&made_first(shape), x, &weight.groups, placement, y, epilogue);
}

/// The window of filters of one pixel that read what is made of it.
fn made_first(shape: &ConvShape) -> Window {
    Window { copied: true, ..Window::forward(shape) }
}

/// Lines of a workspace that a task of [`forward`] takes at most.
pub fn workspace(shape: &ConvShape) -> usize {
    most_taken(shape, Window::forward(shape))
}

/// The same of [`forward_after`].
pub fn workspace_after(shape: &ConvShape) -> usize {
    most_taken(shape, made_first(shape))
}

fn most_taken(shape: &ConvShape, window: Window) -> usize {
    let tasks = tasks(&window, shape.channels_out / shape.groups);
    let of = |task| lines_taken(&window, shape.groups, &lines_of(&window, task, tasks));
    (0..tasks).map(of).max().unwrap_or(0)
}

/// Overwrites `dx` with the gradient with respect to the input.
#[cfg(feature = "gradients")]
pub fn backward_input(shape: &ConvShape, weight: &[f32], dy: &[f32], dx: &mut [f32]) {
    for phase in phases(shape) {
        if phase.taps.is_empty() {
            phase.clear(shape.channels_in, dx);
            continue;
        }
        let groups = transposed(shape, weight, &phase);
        let dy = (dy, None);
        apply(&phase.window, dy, &groups, phase.placement, dx, &Epilogue::default());
    }
}

/// Packs the taps of a phase with input and output channels exchanged.
#[cfg(feature = "gradients")]
fn transposed(shape: &ConvShape, weight: &[f32], phase: &Phase) -> Vec<Panels> {
    let area = shape.kernel[0] * shape.kernel[1];
    let (inputs, outputs) = (shape.channels_in / shape.groups, shape.channels_out / shape.groups);
    let run = if shape.groups == 1 { outputs * phase.window.taps[1] } else { outputs };
    let groups = (0..shape.groups).map(|group| {
        let layout = Layout {
            weight: &weight[group * outputs * inputs * area..],
            taps: &phase.taps,
            inputs: (outputs, inputs * area),
            outputs: (inputs, area),
        };
        layout.pack(run)
    });
    groups.collect()
}

/// How the matrix `[tap * input, output]` of a group lies in a weight.
struct Layout<'a> {
    weight: &'a [f32],
    /// Offset of each tap.
    taps: &'a [usize],
    /// Number of inputs and outputs, and values from one to the next.
    inputs: (usize, usize),
    outputs: (usize, usize),
}

impl Layout<'_> {
    fn pack(&self, run: usize) -> Panels {
        // A few inputs at a time stay in the first-level cache.
        const AT_ONCE: usize = 16;
        let (inputs, outputs) = (self.inputs.0, self.outputs.0);
        let depth = self.taps.len() * inputs;
        Panels::pack([1, depth, outputs], run, |block, values| {
            if block.columns < block.width {
                values.fill(0.0);
            }
            let (down, across) = if block.vectors == 0 { (1, depth) } else { (block.width, 1) };
            for first in (0..inputs).step_by(AT_ONCE) {
                for (tap, &offset) in self.taps.iter().enumerate() {
                    for column in 0..block.columns {
                        let from = offset + (block.first + column) * self.outputs.1;
                        let to = tap * inputs * down + column * across;
                        for input in first..(first + AT_ONCE).min(inputs) {
                            values[to + input * down] = self.weight[from + input * self.inputs.1];
                        }
                    }
                }
            }
        })
    }
}

/// Into how many tasks the lines of positions are divided, for so many output channels of a group.
fn tasks(window: &Window, columns: usize) -> usize {
    const POSITIONS: usize = 192;
    let (lines, threads) = (window.lines(), parallel::threads());
    let mut per_task = POSITIONS.div_ceil(window.positions[1]).min(lines);
    // Lines of few blocks are divided among the threads. Where there are many blocks, these are: a weight
    // is then read once.
    if columns.div_ceil(2 * isa::lanes()) < PER_THREAD * threads {
        per_task = per_task.min(lines.div_ceil(threads));
    }
    lines.div_ceil(per_task)
}

/// The lines of positions of a task.
fn lines_of(window: &Window, task: usize, tasks: usize) -> Range<usize> {
    let lines = window.lines();
    task * lines / tasks..(task + 1) * lines / tasks
}

/// The values that are copied for these lines of positions.
fn copied(window: &Window, lines: &Range<usize>) -> usize {
    if window.copied { window.copy_len(lines.clone()) } else { 0 }
}

/// Lines of a workspace for these lines of positions.
fn lines_taken(window: &Window, groups: usize, lines: &Range<usize>) -> usize {
    let positions = lines.len() * window.positions[1];
    workspace::lines::<f32>(copied(window, lines))
        + 2 * workspace::lines::<usize>(positions)
        + workspace::lines::<usize>(window.runs(0, groups).0.len())
}

/// Values, and what is done to pixels that begin every so many of them.
type Source<'a> = (&'a [f32], Option<(Before<'a>, usize)>);

/// Applies one matrix per group to every position of the window.
fn apply(
    window: &Window,
    source: Source,
    groups: &[Panels],
    placement: Placement,
    y: &mut [f32],
    epilogue: &Epilogue,
) {
    let tasks = tasks(window, groups[0].columns());
    let blocks = groups[0].blocks();
    let splits = (PER_THREAD * parallel::threads()).div_ceil(tasks).clamp(1, blocks);
    let target = Shared(y.as_mut_ptr());
    parallel::tasks(tasks * splits, |index| {
        let (task, split) = (index / splits, index % splits);
        let lines = lines_of(window, task, tasks);
        let blocks = split * blocks / splits..(split + 1) * blocks / splits;
        isa::dispatch(Part { window, source, groups, placement, lines, blocks, target, epilogue });
    });
}

/// Writes the offsets of `across` positions for each line's first, `step` values apart.
#[inline(always)]
fn spread(lines: impl Iterator<Item = usize>, step: usize, across: usize, to: &mut [usize]) {
    for (line, to) in lines.zip(to.chunks_exact_mut(across)) {
        to.iter_mut().enumerate().for_each(|(x, to)| *to = line + x * step);
    }
}

/// Some lines of positions and some blocks of output channels.
struct Part<'a> {
    window: &'a Window,
    source: Source<'a>,
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
        let mut memory = workspace::take(lines_taken(window, self.groups.len(), &self.lines));
        let mut parts = memory.parts();
        let copy = parts.take::<f32>(copied(window, &self.lines));
        let (source, before) = self.source;
        let base = match before {
            Some((before, stride)) => {
                let first = self.lines.start * window.positions[1];
                before.apply(s, (&source[first * stride..], stride), copy);
                copy.as_ptr()
            }
            None if window.copied => {
                window.copy(source, self.lines.clone(), copy);
                copy.as_ptr()
            }
            None => source.as_ptr(),
        };
        let positions = self.lines.len() * window.positions[1];
        let [read, written] = [(); 2].map(|()| parts.take::<usize>(positions));
        let taps = parts.take::<usize>(window.runs(0, self.groups.len()).0.len());
        let step = window.stride[1] * window.channels;
        spread(window.line_offsets(self.lines.clone()), step, window.positions[1], read);
        let targets = self.lines.clone().map(|line| self.placement.offset(window, line));
        spread(targets, self.placement.strides[2], window.positions[1], written);
        for (group, right) in self.groups.iter().enumerate() {
            let (runs, len) = window.runs(group, self.groups.len());
            taps.iter_mut().zip(runs).for_each(|(tap, run)| *tap = run);
            let left = Left { base, rows: read };
            let channel = group * right.columns();
            let target = Target {
                base: self.target.0,
                rows: written,
                channel,
                padded: false,
                near: false,
                epilogue: self.epilogue,
            };
            for index in self.blocks.clone() {
                let run = Run { taps, len, right: right.values(0, index) };
                // SAFETY: the offsets come from the sizes that the slices were checked against,
                // and the tasks differ in lines or in channels.
                unsafe { multiply(s, left, &[run], right.block(index), target) }
            }
        }
    }
}
