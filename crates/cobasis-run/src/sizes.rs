//! How large maps are for images of a size.

use crate::error::Error;
use crate::graph::{Graph, Node, Op};

/// Pixels of a side of an image.
const MAX_SIDE: usize = 1 << 16;

/// Height and width of each node's output, for images of these.
///
/// # Errors
///
/// If the images are too small for a node, or maps that meet are of different sizes.
pub(crate) fn sizes(graph: &Graph, image: [usize; 2]) -> Result<Vec<[usize; 2]>, Error> {
    if !image.iter().all(|side| (1..=MAX_SIDE).contains(side)) {
        let [height, width] = image;
        return Err(Error::Images(format!(
            "expected sides from 1 to {MAX_SIDE} pixels, got {height} × {width}"
        )));
    }
    let mut sizes: Vec<[usize; 2]> = Vec::with_capacity(graph.nodes.len());
    for (number, node) in graph.nodes.iter().enumerate() {
        let inputs: Vec<[usize; 2]> = node.inputs.iter().map(|&input| sizes[input]).collect();
        let size = output(node, image, &inputs).map_err(|problem| {
            let [height, width] = image;
            let problem = format!("for images of {height} × {width} pixels: {problem}");
            Error::Node { node: number, at: node.at.clone(), problem }
        });
        sizes.push(size?);
    }
    Ok(sizes)
}

fn output(node: &Node, image: [usize; 2], inputs: &[[usize; 2]]) -> Result<[usize; 2], String> {
    let first = inputs.first().copied().unwrap_or(image);
    match &node.op {
        Op::Input => Ok(image),
        Op::Conv(conv) => {
            let size = windows(first, conv.kernel, conv.stride, conv.padding)?;
            match inputs.get(1) {
                Some(&other) if other != size => different(size, other),
                _ => Ok(size),
            }
        }
        Op::MaxPool(pool) | Op::AvgPool(pool) => {
            windows(first, pool.size, pool.stride, pool.padding)
        }
        Op::Add | Op::Concat => match inputs.iter().find(|&&other| other != first) {
            Some(&other) => different(first, other),
            None => Ok(first),
        },
        Op::Affine { .. } | Op::Attention { .. } => Ok(first),
        Op::Pad { stride, .. } => Ok(first.map(|side| side.div_ceil(*stride))),
        Op::Upsample => {
            let fine = inputs[1];
            let half = fine.map(|side| side.div_ceil(2));
            if first == half { Ok(fine) } else { different(half, first) }
        }
        Op::Gone => Ok([0, 0]),
        Op::GlobalAverage => Ok([1, 1]),
        Op::Linear { .. } if first != [1, 1] => different([1, 1], first),
        Op::Linear { .. } => Ok([1, 1]),
        Op::Pixels => {
            let pixels = inputs.iter().map(|[height, width]| height * width);
            Ok([pixels.sum(), 1])
        }
    }
}

fn windows(
    size: [usize; 2],
    window: [usize; 2],
    stride: [usize; 2],
    padding: [usize; 2],
) -> Result<[usize; 2], String> {
    let padded = [0, 1].map(|axis| size[axis] + 2 * padding[axis]);
    if (0..2).any(|axis| padded[axis] < window[axis]) {
        return Err(format!(
            "expected maps that, with {padding:?} pixels around, are no smaller than a window of {window:?}, \
             got {size:?}"
        ));
    }
    let output = [0, 1].map(|axis| (padded[axis] - window[axis]) / stride[axis] + 1);
    match output.iter().all(|&side| side <= MAX_SIDE) {
        true => Ok(output),
        false => Err(format!("expected maps of at most {MAX_SIDE} pixels a side, got {output:?}")),
    }
}

fn different<T>(expected: [usize; 2], got: [usize; 2]) -> Result<T, String> {
    Err(format!("expected maps of {expected:?} pixels, got {got:?}"))
}
