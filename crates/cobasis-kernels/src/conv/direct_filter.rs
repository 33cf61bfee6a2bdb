//! Direct filter gradient: sums of outer products of the output gradient and what its position
//! read.

use std::ops::Range;

use rayon::prelude::*;

use super::ConvShape;
use super::outer::{Steps, Sums, accumulate};
use super::window::Window;
use crate::isa::{self, Simd};
use crate::scratch;

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
    /// Parts of the lines that are summed apart.
    parts: usize,
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
        let wanted = if shape.weight_len() > 1 << 18 { 2 } else { 4 };
        Self {
            parts: wanted.min(window.lines()),
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
    sums.par_chunks_mut(plan.sums_len()).enumerate().for_each(|(part, sums)| {
        sums.fill(0.0);
        let lines = part * lines / plan.parts..(part + 1) * lines / plan.parts;
        isa::dispatch(Part { plan: &plan, x, dy, lines, sums });
    });
    collect(shape, &plan, &sums, dw);
}

/// Adds up the parts and brings them into the order of the weight.
fn collect(shape: &ConvShape, plan: &Plan, sums: &[f32], dw: &mut [f32]) {
    let area = shape.kernel[0] * shape.kernel[1];
    let inputs = shape.channels_in / shape.groups;
    dw.par_chunks_mut(inputs * area).enumerate().for_each(|(channel, dw)| {
        let (group, out) = (channel / plan.outputs, channel % plan.outputs);
        for (i, dw) in dw.iter_mut().enumerate() {
            let (run, value) = {
                let value = i % area * inputs + i / area;
                (value / plan.len, value % plan.len)
            };
            let (row, column) = if plan.across { (value, out) } else { (out, value) };
            let at = ((group * plan.runs + run) * plan.rows + row) * plan.width + column;
            *dw = sums.iter().skip(at).step_by(plan.sums_len()).sum();
        }
    });
}

/// The lines that one part sums.
struct Part<'a> {
    plan: &'a Plan,
    x: &'a [f32],
    dy: &'a [f32],
    lines: Range<usize>,
    sums: &'a mut [f32],
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
            chunk_sums(s, self.plan, self.x, self.dy, chunk, self.sums);
        }
    }
}

#[inline(always)]
fn chunk_sums<S: Simd>(
    s: S,
    plan: &Plan,
    x: &[f32],
    dy: &[f32],
    lines: Range<usize>,
    sums: &mut [f32],
) {
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
    let x_runs = window.line_offsets(lines.clone());
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
        for (run, &shift) in runs.iter().enumerate() {
            let x = Steps {
                base: x_base,
                runs: &x_runs,
                shift,
                stride: window.stride[1] * window.channels,
            };
            let dy = Steps {
                base: dy_base,
                runs: &dy_runs,
                shift: group * plan.outputs,
                stride: channels,
            };
            let (a, b) = if plan.across { (x, dy) } else { (dy, x) };
            let len = plan.rows * plan.width;
            let sums = &mut sums[(group * plan.runs + run) * len..][..len];
            let sums =
                Sums { base: sums.as_mut_ptr(), rows: plan.rows, width: plan.width, fresh: false };
            // SAFETY: the offsets come from the sizes that the slices were checked against;
            // columns that are not whole vectors lie in a copy with slack behind.
            unsafe { accumulate(s, a, b, positions, sums) }
        }
    }
}
