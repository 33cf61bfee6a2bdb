//! Nodes joined with the convolutions after them, which then compute both: affine maps with convolutions of
//! single pixels, and these with depthwise convolutions.

use std::mem;

use super::{Before, Expansion, Graph, Node, Op};

/// Joins what can be joined: what only one convolution takes. Its node stays, and does nothing.
pub(crate) fn join(graph: &mut Graph) {
    let nodes = &mut graph.nodes;
    let mut takers = vec![0; nodes.len()];
    for input in nodes.iter().flat_map(|node| &node.inputs) {
        takers[*input] += 1;
    }
    for number in 0..nodes.len() {
        let Op::Conv(_) = nodes[number].op else { continue };
        let input = nodes[number].inputs[0];
        if takers[input] == 1 {
            affine(nodes, number, input);
            expansion(nodes, number, input);
        }
    }
}

/// Whether it is a convolution of single pixels, all of them, without groups.
fn is_of_pixels(node: &Node) -> bool {
    let Op::Conv(conv) = &node.op else { return false };
    (conv.kernel, conv.stride, conv.padding, conv.groups) == ([1, 1], [1, 1], [0, 0], 1)
}

/// An affine map and a convolution of single pixels, which makes it of each pixel as it reads it.
fn affine(nodes: &mut [Node], number: usize, input: usize) {
    let Op::Affine { scale, shift } = nodes[input].op else { return };
    // A single channel is a depthwise convolution's.
    if !is_of_pixels(&nodes[number]) || nodes[input].channels == 1 {
        return;
    }
    let before = Before { scale, shift, then: nodes[input].then };
    take_input(nodes, number, input);
    if let Op::Conv(conv) = &mut nodes[number].op {
        conv.before = Some(before);
    }
}

/// A convolution of single pixels and a depthwise one of 3×3 filters.
fn expansion(nodes: &mut [Node], number: usize, input: usize) {
    let Op::Conv(conv) = &nodes[number].op else { return };
    let channels = nodes[number].channels;
    let depthwise = conv.groups == channels && nodes[input].channels == channels && channels > 1;
    let stencil = conv.kernel == [3, 3] && (conv.stride == [1, 1] || conv.stride == [2, 2]);
    let alone = nodes[number].inputs.len() == 1 && nodes[input].inputs.len() == 1;
    if !depthwise || !stencil || !alone || !is_of_pixels(&nodes[input]) {
        return;
    }
    // A single channel is a depthwise convolution's.
    if nodes[nodes[input].inputs[0]].channels == 1 {
        return;
    }
    let Op::Conv(first) = &nodes[input].op else { return };
    if first.before.is_some() {
        return;
    }
    let then = nodes[input].then;
    if let Op::Conv(conv) = take_input(nodes, number, input)
        && let Op::Conv(second) = &mut nodes[number].op
    {
        second.expansion = Some(Box::new(Expansion { node: input, conv, then }));
    }
}

/// Gives a node the input of its input, which is gone then.
fn take_input(nodes: &mut [Node], number: usize, input: usize) -> Op {
    let inputs = mem::take(&mut nodes[input].inputs);
    nodes[number].inputs[0] = inputs[0];
    mem::replace(&mut nodes[input].op, Op::Gone)
}
