//! Direct filter gradient: sums of outer products of the output gradient and what its position
//! read.

use std::ops::Range;

use rayon::prelude::*;

use super::ConvShape;
use super::outer::{Steps, Sums, accumulate};
use super::window::Window;
use crate::isa::{self, Simd};
use crate::scratch;
use crate::shared::Shared;

/// The partition of the work, which depends on the shape alone: so do the results.
struct Plan {
    window: Window,
    groups: usize,
    /// Channels of the output gradient in a group.
    outputs: usize,
    /// Runs of values that a position reads, per group, and their length.
    runs: usize,
    len: usize,
    /// Whether the output channels are the columns of the sums.
    across: bool,
    /// Sums of each run: rows and columns, filled up to whole vectors.
    rows: usize,
    width: usize,
    /// Parts of the lines that are summed apart, and parts of the rows.
    parts: usize,
    splits: usize,
}

impl Plan {
    fn new(shape: &ConvShape) -> Self {
        let mut window = Window::forward(shape);
        let (runs, len) = window.runs(0, shape.groups);
        let outputs = shape.channels_out / shape.groups;
        let fill = |n: usize| n.next_multiple_of(isa::lanes());
        // Columns come in vectors: take those that fill them better.
        let across = fill(outputs) * len < fill(len) * outputs;
        let (rows, width) = if across { (len, fill(outputs)) } else { (outputs, fill(len)) };
        // Columns are read in whole vectors, so what lies behind the last must be readable too.
        window.copied |= !across && width > len;
        // Few positions make few parts: their sums must be added up in the end.
        let parts = (window.lines() * window.positions[1] / 2048).clamp(1, 4).min(window.lines());
        Self {
            parts,
            splits: (4 / parts).min(rows),
            window,
            groups: shape.groups,
            outputs,
            runs: runs.len(),
            len,
            across,
            rows,
            width,
        }
    }

    fn sums_len(&self) -> usize {
        self.groups * self.runs * self.rows * self.width
    }
}

/// Overwrites `dw` with the gradient with respect to the weight.
pub fn backward_filter(shape: &ConvShape, x: &[f32], dy: &[f32], dw: &mut [f32]) {
    let plan = Plan::new(shape);
    let lines = plan.window.lines();
    let mut sums = scratch::take(plan.parts * plan.sums_len());
    let target = Shared(sums.as_mut_ptr());
    (0..plan.parts * plan.splits).into_par_iter().for_each(|task| {
        let (part, split) = (task / plan.splits, task % plan.splits);
        let lines = part * lines / plan.parts..(part + 1) * lines / plan.parts;
        let rows = split * plan.rows / plan.splits..(split + 1) * plan.rows / plan.splits;
        let sums = Shared(target.at(part * plan.sums_len()));
        isa::dispatch(Part { plan: &plan, x, dy, lines, rows, sums });
    });
    collect(shape, &plan, &sums, dw);
}

/// Adds up the parts and brings them into the order of the weight.
fn collect(shape: &ConvShape, plan: &Plan, sums: &[f32], dw: &mut [f32]) {
    // Filters side by side share the cache lines of their sums.
    const FILTERS: usize = 16;
    let area = shape.kernel[0] * shape.kernel[1];
    let inputs = shape.channels_in / shape.groups;
    let filter = inputs * area;
    dw.par_chunks_mut(FILTERS * filter).enumerate().for_each(|(chunk, dw)| {
        for (run, value) in (0..plan.runs).flat_map(|r| (0..plan.len).map(move |v| (r, v))) {
            let i = run * plan.len + value;
            let (tap, input) = (i / inputs, i % inputs);
            for (channel, dw) in dw.chunks_exact_mut(filter).enumerate() {
                let channel = chunk * FILTERS + channel;
                let (group, out) = (channel / plan.outputs, channel % plan.outputs);
                let (row, column) = if plan.across { (value, out) } else { (out, value) };
                let at = ((group * plan.runs + run) * plan.rows + row) * plan.width + column;
                let parts = (0..plan.parts).map(|part| sums[part * plan.sums_len() + at]);
                dw[input * area + tap] = parts.sum();
            }
        }
    });
}

/// Some lines and some rows of the sums.
struct Part<'a> {
    plan: &'a Plan,
    x: &'a [f32],
    dy: &'a [f32],
    lines: Range<usize>,
    rows: Range<usize>,
    /// All sums of the part of the lines.
    sums: Shared,
}

impl isa::Task for Part<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        const POSITIONS: usize = 256;
        let at_once = POSITIONS.div_ceil(self.plan.window.positions[1]);
        let mut lines = self.lines.clone();
        while !lines.is_empty() {
            let chunk = lines.start..(lines.start + at_once).min(lines.end);
            lines.start = chunk.end;
            let first = chunk.start == self.lines.start;
            self.add(s, chunk, first);
        }
    }
}

impl Part<'_> {
    /// Adds the products of some lines to the sums, the first lines to zero.
    #[inline(always)]
    fn add<S: Simd>(&self, s: S, lines: Range<usize>, fresh: bool) {
        let Self { plan, x, dy, .. } = *self;
        let window = &plan.window;
        let positions = window.positions[1];
        let channels = plan.outputs * plan.groups;
        let line = positions * channels;
        let slack = plan.width;
        let copy_dy = plan.across && plan.outputs < plan.width;
        let x_len = if window.copied { window.copy_len(lines.clone()) + slack } else { 0 };
        let dy_len = if copy_dy { lines.len() * line + slack } else { 0 };
        let mut copy = scratch::take(x_len + dy_len);
        let (copy, dy_copy) = copy.split_at_mut(x_len);
        let x_base = if window.copied {
            window.copy(x, lines.clone(), copy);
            copy.as_ptr()
        } else {
            x.as_ptr()
        };
        let x_runs: Vec<usize> = window.line_offsets(lines.clone()).collect();
        let dy = &dy[lines.start * line..lines.end * line];
        let dy_base = if copy_dy {
            dy_copy[..dy.len()].copy_from_slice(dy);
            dy_copy.as_ptr()
        } else {
            dy.as_ptr()
        };
        let dy_runs: Vec<usize> = (0..lines.len()).map(|i| i * line).collect();
        for group in 0..plan.groups {
            let (runs, _) = window.runs(group, plan.groups);
            for (run, shift) in runs.enumerate() {
                let x = Steps {
                    base: x_base,
                    runs: &x_runs,
                    shift,
                    stride: window.stride[1] * window.channels,
                    pair: 2 * S::LANES,
                };
                let dy = Steps {
                    base: dy_base,
                    runs: &dy_runs,
                    shift: group * plan.outputs,
                    stride: channels,
                    pair: 2 * S::LANES,
                };
                let (a, b) = if plan.across { (x, dy) } else { (dy, x) };
                let a = Steps { shift: a.shift + self.rows.start, ..a };
                let row = (group * plan.runs + run) * plan.rows + self.rows.start;
                let sums = Sums {
                    base: self.sums.at(row * plan.width),
                    rows: self.rows.len(),
                    width: plan.width,
                    fresh,
                };
                // SAFETY: the offsets come from the sizes that the slices were checked against;
                // columns that are not whole vectors lie in a copy with slack behind.
                unsafe { accumulate(s, a, b, positions, sums) }
            }
        }
    }
}
