//! A batch, computed as its schedule says.

use std::mem;

use cobasis_kernels::conv::{
    self, Before, Epilogue, Residual, forward_after, forward_expanded, forward_into,
};
use cobasis_kernels::pixels::{self, Pixels, PixelsMut, Pooling};
use cobasis_kernels::{Activation, Aligned};

use crate::boxes::decode;
use crate::graph::{Conv, Expansion, Graph, Node, Op};
use crate::memory::Memory;
use crate::plan::Windows;
use crate::schedule::Schedule;

/// Writes the output for images `[batch, channels, height, width]` to the memory's, from a number on, and says
/// which node was done.
pub(crate) fn execute(
    graph: &Graph,
    schedule: &Schedule,
    images: &[f32],
    memory: &mut Memory,
    first: usize,
    mut done: impl FnMut(usize),
) {
    let last = first + schedule.batch * schedule.outputs(graph);
    for (number, node) in graph.nodes.iter().enumerate() {
        let Memory { buffers, channels, output } = &mut *memory;
        let step = |buffers| Step { graph, schedule, number, node, buffers };
        match node.op {
            Op::Gone => {}
            Op::Linear { .. } => step(buffers).classify(&mut output[first..last]),
            Op::Pixels => step(buffers).pixels(&mut output[first..last]),
            _ => {
                let buffer = schedule.places.of[number].buffer;
                // It is away while it is written: a node that writes over its input does not read it.
                let mut to = mem::take(&mut buffers[buffer]);
                step(buffers).compute(images, channels, &mut to);
                buffers[buffer] = to;
            }
        }
        done(number);
    }
}

/// A node, and the maps that there are.
#[derive(Clone, Copy)]
struct Step<'a> {
    graph: &'a Graph,
    schedule: &'a Schedule,
    number: usize,
    node: &'a Node,
    buffers: &'a [Aligned],
}

impl<'a> Step<'a> {
    fn area(&self, node: usize) -> usize {
        let [height, width] = self.schedule.sizes[node];
        height * width
    }

    /// The output of a node.
    fn maps(&self, node: usize) -> Pixels<'a> {
        let place = self.schedule.places.of[node];
        let channels = self.graph.nodes[node].channels;
        let values = &self.buffers[place.buffer][place.first..];
        Pixels::new(values, self.schedule.pixels(node), channels, place.stride)
    }

    /// The first input.
    fn first(&self) -> Pixels<'a> {
        self.maps(self.node.inputs[0])
    }

    /// The output of a node that lies alone in its buffer.
    fn alone(&self, node: usize) -> &'a [f32] {
        let len = self.schedule.pixels(node) * self.graph.nodes[node].channels;
        &self.buffers[self.schedule.places.of[node].buffer][..len]
    }

    /// Whether the output is written over an input.
    fn writes_over(&self, input: usize) -> bool {
        let of = &self.schedule.places.of;
        of[input].buffer == of[self.number].buffer
    }

    fn compute(&self, images: &[f32], channels: &mut Aligned, to: &mut Aligned) {
        let Self { graph, schedule, number, node, .. } = *self;
        let place = schedule.places.of[number];
        let pixels = schedule.pixels(number);
        let to = &mut to[place.first..];
        let y = |to| PixelsMut::new(to, pixels, node.channels, place.stride);
        let input_size = node.inputs.first().map_or([1, 1], |&input| schedule.sizes[input]);
        match &node.op {
            Op::Input => pixels::from_planes(images, self.area(number), y(to)),
            Op::Conv(conv) => self.convolve(conv, (to, place.stride)),
            Op::Affine { scale, shift } => {
                let numbers = [graph.values(*scale), graph.values(*shift)];
                match self.writes_over(node.inputs[0]) {
                    true => pixels::affine_in_place(y(to), numbers, node.then),
                    false => pixels::affine(self.first(), y(to), numbers, node.then),
                }
            }
            Op::Add => {
                let to = &mut to[..pixels * node.channels];
                let &[a, b] = node.inputs.as_slice() else { return };
                match [a, b].map(|input| self.writes_over(input)) {
                    [true, _] => pixels::add_to(to, self.alone(b), node.then),
                    [_, true] => pixels::add_to(to, self.alone(a), node.then),
                    _ => pixels::add(self.alone(a), self.alone(b), to, node.then),
                }
            }
            Op::Concat => {
                let mut first = 0;
                for &input in &node.inputs {
                    let part = graph.nodes[input].channels;
                    // Others were written where they belong.
                    if !self.writes_over(input) {
                        let y = PixelsMut::new(&mut to[first..], pixels, part, place.stride);
                        pixels::copy(self.maps(input), y);
                    }
                    first += part;
                }
            }
            Op::MaxPool(windows) => self.pool(Pooling::Maximum, windows, y(to)),
            Op::AvgPool(windows) => self.pool(Pooling::Mean, windows, y(to)),
            Op::Pad { stride, before } => {
                pixels::subsample(self.first(), input_size, *stride, *before, y(to));
            }
            Op::Upsample => pixels::upsample(self.first(), schedule.sizes[number], y(to)),
            Op::Attention { filter } => {
                let (area, len) = (self.area(number), schedule.batch * node.channels);
                let (means, weights) = channels[..2 * len].split_at_mut(len);
                pixels::global_average(self.first(), area, means);
                pixels::channel_weights(means, node.channels, graph.values(*filter), weights);
                pixels::scale_channels(self.first(), area, weights, y(to));
            }
            Op::GlobalAverage => {
                let to = &mut to[..pixels * node.channels];
                pixels::global_average(self.first(), self.area(node.inputs[0]), to);
            }
            Op::Linear { .. } | Op::Pixels | Op::Gone => {}
        }
    }

    fn convolve(&self, conv: &Conv, y: (&mut [f32], usize)) {
        let Some((shape, weight)) = &self.schedule.convs[self.number] else { return };
        let residual = match self.node.inputs.get(1) {
            None => Residual::None,
            Some(&input) if self.writes_over(input) => Residual::Output,
            Some(&input) => Residual::Values(self.alone(input)),
        };
        let epilogue = Epilogue { residual, ..self.epilogue(conv, self.node.then) };
        let input = self.node.inputs[0];
        if let Some(Expansion { node, conv, then }) = conv.expansion.as_deref() {
            let Some((first, filters)) = &self.schedule.convs[*node] else { return };
            let first = conv::Expansion {
                shape: first,
                weight: filters,
                epilogue: self.epilogue(conv, *then),
            };
            return forward_expanded(self.alone(input), &first, shape, weight, y, &epilogue);
        }
        match &conv.before {
            None => forward_into(shape, self.alone(input), weight, y, &epilogue),
            Some(before) => {
                let place = self.schedule.places.of[input];
                let x = (&self.buffers[place.buffer][place.first..], place.stride);
                let before = Before {
                    scale: self.graph.values(before.scale),
                    shift: self.graph.values(before.shift),
                    activation: before.then,
                };
                forward_after(shape, x, before, weight, y, &epilogue);
            }
        }
    }

    /// What is done to a convolution's output, but for what is added.
    fn epilogue(&self, conv: &Conv, then: Activation) -> Epilogue<'a> {
        let numbers = |tensor: Option<usize>| tensor.map(|tensor| self.graph.values(tensor));
        let (scale, bias) = (numbers(conv.scale), numbers(conv.bias));
        Epilogue { scale, bias, residual: Residual::None, activation: then }
    }

    fn pool(&self, pooling: Pooling, windows: &Windows, y: PixelsMut) {
        let Windows { size, stride, padding } = *windows;
        let input = self.schedule.sizes[self.node.inputs[0]];
        pixels::pool(pooling, self.first(), input, [size, stride, padding], y);
    }

    fn classify(&self, output: &mut [f32]) {
        if let Op::Linear { weight } = &self.node.op {
            debug_assert_eq!(self.node.then, Activation::None, "a classifier's activation");
            self.convolve(weight, (output, self.node.channels));
        }
    }

    /// The pixels of all levels, level after level, as boxes if they are any.
    fn pixels(&self, output: &mut [f32]) {
        let channels = self.node.channels;
        let len = self.schedule.outputs(self.graph);
        for (image, output) in output.chunks_exact_mut(len).enumerate() {
            let mut rest = &mut *output;
            for &input in &self.node.inputs {
                let place = self.schedule.places.of[input];
                let area = self.area(input);
                let (level, after) = rest.split_at_mut(area * channels);
                let values =
                    &self.buffers[place.buffer][place.first..][image * area * place.stride..];
                pixels::copy(
                    Pixels::new(values, area, channels, place.stride),
                    PixelsMut::new(level, area, channels, channels),
                );
                rest = after;
            }
            if let Some(boxes) = &self.graph.boxes {
                decode(boxes.coding, &self.schedule.points, output);
            }
        }
    }
}
