//! Affine maps joined with the convolutions after them, which then make them of each pixel as they read it.

use super::{Before, Graph, Op};

/// Joins what can be joined: an affine map that only a convolution of single pixels takes. Its node stays, and
/// does nothing.
pub(crate) fn join(graph: &mut Graph) {
    let nodes = &mut graph.nodes;
    let mut takers = vec![0; nodes.len()];
    for input in nodes.iter().flat_map(|node| &node.inputs) {
        takers[*input] += 1;
    }
    for number in 0..nodes.len() {
        let Op::Conv(conv) = &nodes[number].op else { continue };
        let input = nodes[number].inputs[0];
        let plain = (conv.kernel, conv.stride, conv.padding) == ([1, 1], [1, 1], [0, 0]);
        // A single channel is a depthwise convolution's.
        let wide = conv.groups == 1 && nodes[input].channels > 1;
        let Op::Affine { scale, shift } = nodes[input].op else { continue };
        if !plain || !wide || takers[input] != 1 {
            continue;
        }
        let before = Before { scale, shift, then: nodes[input].then };
        let inputs = std::mem::take(&mut nodes[input].inputs);
        nodes[input].op = Op::Gone;
        nodes[number].inputs[0] = inputs[0];
        if let Op::Conv(conv) = &mut nodes[number].op {
            conv.before = Some(before);
        }
    }
}
