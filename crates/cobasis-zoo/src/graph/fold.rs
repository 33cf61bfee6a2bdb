//! Batch norms, sums and activations, folded into the convolutions beside them.

use burn::nn::PaddingConfig2d;
use cobasis::Activation;

use super::{Affine, Conv, Filters, Graph, Node, Op};

/// The same network with as few nodes as its order allows: no factor or summand of a channel stands
/// alone beside a convolution that could take it in, and no sum.
pub(crate) fn simplify(graph: Graph) -> Graph {
    let graph = rewrite(graph, into_next);
    let graph = rewrite(graph, through_concat);
    let graph = rewrite(graph, into_previous);
    rewrite(graph, sum_into_convolution)
}

/// Applies a rule at each node in turn. A rule that holds gives the node that takes its place.
fn rewrite(mut graph: Graph, rule: fn(&mut Graph, &[usize], usize) -> Option<Fold>) -> Graph {
    let uses = graph.uses();
    let mut replaced_by: Vec<usize> = (0..graph.nodes.len()).collect();
    let mut keep = vec![true; graph.nodes.len()];
    for index in 0..graph.nodes.len() {
        if let Some(fold) = rule(&mut graph, &uses, index) {
            keep[fold.gone] = false;
            replaced_by[fold.gone] = fold.by;
        }
    }
    graph.compact(&replaced_by, &keep)
}

/// A node that is gone, and the node that gives its output now.
struct Fold {
    gone: usize,
    by: usize,
}

/// A channel's factor and summand before a 1×1 convolution, into its weights: the norm between a
/// basis convolution and its coefficients.
fn into_next(graph: &mut Graph, uses: &[usize], index: usize) -> Option<Fold> {
    let before = graph.nodes[index].inputs.first().copied()?;
    let node = &graph.nodes[before];
    let (Op::Affine(affine), Activation::None, 1) = (node.op, node.then, uses[before]) else {
        return None;
    };
    let by = node.inputs[0];
    let Op::Conv(conv) = graph.nodes[index].op else { return None };
    let conv = &mut graph.convs[conv];
    let own = conv.own.as_mut().filter(|_| conv.bases.is_empty())?;
    // Zeros at the sides would get the summand too. A 1×1 filter adds none to keep a size.
    let unpadded =
        [PaddingConfig2d::Valid, PaddingConfig2d::Same, PaddingConfig2d::Explicit(0, 0, 0, 0)]
            .contains(&conv.geometry.padding);
    if own.shape[2..] != [1, 1] || !unpadded || conv.geometry.groups != 1 {
        return None;
    }
    conv.bias = Some(absorb_input(own, conv.bias.take(), &graph.affines[affine]));
    Some(Fold { gone: before, by })
}

/// A channel's factor and summand after filters of two kinds, to each kind its own.
fn through_concat(graph: &mut Graph, uses: &[usize], index: usize) -> Option<Fold> {
    let Node { op: Op::Affine(affine), inputs, then, .. } = graph.nodes[index].clone() else {
        return None;
    };
    let concat = inputs[0];
    let parts = graph.nodes[concat].inputs.clone();
    // Nothing else may take a part's output, or the whole's.
    let convs: Option<Vec<usize>> =
        parts.iter().map(|&part| free_conv(graph, uses, part)).collect();
    let is_concat = matches!(graph.nodes[concat].op, Op::Concat) && uses[concat] == 1;
    let convs = convs.filter(|_| is_concat)?;
    let mut start = 0;
    for (part, conv) in parts.into_iter().zip(convs) {
        let range = start..start + graph.filters(&graph.convs[conv]);
        start = range.end;
        let Affine { scale, shift } = &graph.affines[affine];
        let affine = Affine { scale: scale[range.clone()].to_vec(), shift: shift[range].to_vec() };
        absorb_output(&mut graph.convs[conv], &affine);
        graph.nodes[part].then = then;
    }
    Some(Fold { gone: index, by: concat })
}

/// A channel's factor and summand after a convolution, into it.
fn into_previous(graph: &mut Graph, uses: &[usize], index: usize) -> Option<Fold> {
    let Node { op: Op::Affine(affine), inputs, then, .. } = graph.nodes[index].clone() else {
        return None;
    };
    let before = inputs[0];
    let conv = free_conv(graph, uses, before)?;
    absorb_output(&mut graph.convs[conv], &graph.affines[affine]);
    graph.nodes[before].then = then;
    Some(Fold { gone: index, by: before })
}

/// A sum with a convolution's output, into the convolution, which comes to stand where the sum
/// stood.
fn sum_into_convolution(graph: &mut Graph, uses: &[usize], index: usize) -> Option<Fold> {
    let Node { op: Op::Add, inputs, then, .. } = graph.nodes[index].clone() else { return None };
    let (first, second) = (inputs[0], inputs[1]);
    free_conv(graph, uses, first)?;
    let Node { path, op, inputs, .. } = graph.nodes[first].clone();
    let &[input] = inputs.as_slice() else { return None };
    let inputs = vec![input, second];
    graph.nodes[index] = Node { path, op, inputs, then };
    // No other node takes the output of the first.
    Some(Fold { gone: first, by: second })
}

/// The convolution of a node, if its output goes to one other node only, and as it is.
fn free_conv(graph: &Graph, uses: &[usize], index: usize) -> Option<usize> {
    let node = &graph.nodes[index];
    match node.op {
        Op::Conv(conv) if uses[index] == 1 && node.then == Activation::None => Some(conv),
        _ => None,
    }
}

/// `own · (scale × x + shift) + bias` as filters and a bias, which is returned.
fn absorb_input(own: &mut Filters, bias: Option<Vec<f64>>, affine: &Affine) -> Vec<f64> {
    let channels = own.shape[1];
    let mut bias = bias.unwrap_or_else(|| vec![0.0; own.shape[0]]);
    for (filter, bias) in own.values.chunks_exact_mut(channels).zip(&mut bias) {
        for ((weight, scale), shift) in filter.iter_mut().zip(&affine.scale).zip(&affine.shift) {
            *bias += f64::from(*weight) * shift;
            *weight = (f64::from(*weight) * scale) as f32;
        }
    }
    bias
}

/// `scale × conv(x) + shift` as a convolution. Filters of a basis stay as they are, and the factors
/// stand beside them.
fn absorb_output(conv: &mut Conv, affine: &Affine) {
    let Affine { scale, shift } = affine;
    let old = conv.bias.take().unwrap_or_else(|| vec![0.0; scale.len()]);
    let bias = old.iter().zip(scale).zip(shift).map(|((bias, scale), shift)| bias * scale + shift);
    conv.bias = Some(bias.collect());
    match &mut conv.own {
        Some(own) if conv.bases.is_empty() => {
            let size = own.size();
            for (filter, scale) in own.values.chunks_exact_mut(size).zip(scale) {
                filter.iter_mut().for_each(|weight| *weight = (f64::from(*weight) * scale) as f32);
            }
        }
        _ => {
            let old = conv.scale.take().unwrap_or_else(|| vec![1.0; scale.len()]);
            conv.scale = Some(old.iter().zip(scale).map(|(old, scale)| old * scale).collect());
        }
    }
}
