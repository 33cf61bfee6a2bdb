//! Factorised layers as dense kernels, where that takes fewer multiplications.

use std::fmt;

use burn::nn::PaddingConfig2d;
use cobasis::{Activation, Geometry, Role};

use super::{Conv, Filters, Graph, Op};

/// What becomes of layers that consist of a basis convolution and coefficients.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FactorisedLayers {
    /// Each takes the form with fewer multiply-accumulates; of two equal ones, it stays factorised.
    #[default]
    FewestMacs,
    /// All stay factorised: the smallest file, since a basis is stored once.
    Keep,
    /// All become dense kernels: the fewest layers.
    Compose,
    /// Each takes the form that a list says, for instance after measurements.
    Listed,
}

impl FactorisedLayers {
    /// Its name in files and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            FactorisedLayers::FewestMacs => "fewest-macs",
            FactorisedLayers::Keep => "keep",
            FactorisedLayers::Compose => "compose",
            FactorisedLayers::Listed => "listed",
        }
    }

    /// Those that need no list.
    pub const ALL: [Self; 3] =
        [FactorisedLayers::FewestMacs, FactorisedLayers::Keep, FactorisedLayers::Compose];
}

impl fmt::Display for FactorisedLayers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A factorised layer of a model, and what became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FactorisedLayer {
    /// Where it is in the model's tree.
    pub path: String,
    /// Multiply-accumulates for each output pixel as basis and coefficients.
    pub factorised: u64,
    /// The same as one dense kernel.
    pub dense: u64,
    /// Whether it is a dense kernel now.
    pub composed: bool,
}

/// Composes factorised layers as asked, [listed](FactorisedLayers::Listed) ones where the list says so, which
/// has a value for each in their order. The batch norms must have been folded.
pub(crate) fn compose(
    mut graph: Graph,
    layers: FactorisedLayers,
    listed: &[bool],
) -> (Graph, Vec<FactorisedLayer>) {
    let mut report = Vec::new();
    let mut keep = vec![true; graph.nodes.len()];
    let replaced_by: Vec<usize> = (0..graph.nodes.len()).collect();
    let uses = graph.uses();
    for index in 0..graph.nodes.len() {
        let Some(chain) = factorised(&graph, &uses, index) else { continue };
        let convs: Vec<&Conv> = chain.iter().map(|&(_, conv)| &graph.convs[conv]).collect();
        let kernel = Kernel::of_chain(&graph, &convs);
        let (macs, dense) = (macs(&graph, &convs), kernel.values.len());
        let composed = match layers {
            FactorisedLayers::FewestMacs => dense < macs,
            FactorisedLayers::Keep => false,
            FactorisedLayers::Compose => true,
            FactorisedLayers::Listed => listed.get(report.len()).copied().unwrap_or(false),
        };
        let part = &graph.nodes[index].path;
        let path = part.rsplit_once('.').map_or(part.as_str(), |(layer, _)| layer).to_string();
        let (factorised, dense) = (macs as u64, dense as u64);
        report.push(FactorisedLayer { path: path.clone(), factorised, dense, composed });
        if let (true, [(first, _), .., (last, number)]) = (composed, chain.as_slice()) {
            graph.convs[*number] = kernel.into_conv(&convs);
            graph.nodes[*last].inputs[0] = graph.nodes[*first].inputs[0];
            graph.nodes[*last].path = path;
            chain[..chain.len() - 1].iter().for_each(|&(gone, _)| keep[gone] = false);
        }
    }
    (graph.compact(&replaced_by, &keep), report)
}

/// The factorised layer whose last convolution the node applies: the nodes of its convolutions in the
/// order of the computation, and the convolutions.
pub(super) fn factorised(
    graph: &Graph,
    uses: &[usize],
    index: usize,
) -> Option<Vec<(usize, usize)>> {
    let at = |node: usize| match graph.nodes[node].op {
        Op::Conv(conv) => Some((node, conv)),
        _ => None,
    };
    let last = at(index).filter(|&(_, conv)| graph.convs[conv].role == Role::Coefficients)?;
    let mut chain = vec![last];
    while let Some((node, conv)) = at(graph.nodes[chain[0].0].inputs[0]) {
        let [basis, next] = [conv, chain[0].1].map(|conv| &graph.convs[conv]);
        let is_linear =
            graph.nodes[node].then == Activation::None && graph.nodes[node].inputs.len() == 1;
        let is_plain = basis.bias.is_none() && basis.scale.is_none() && next.scale.is_none();
        let is_part = basis.role == Role::Basis && uses[node] == 1;
        if !(is_linear && is_plain && is_part && follows(graph, basis, next)) {
            break;
        }
        chain.insert(0, (node, conv));
    }
    (chain.len() > 1).then_some(chain)
}

/// Whether a convolution makes one kernel with the one before it: along each axis one of the two looks
/// at single pixels, of which it leaves none out.
fn follows(graph: &Graph, before: &Conv, next: &Conv) -> bool {
    let single = |conv: &Conv, axis: usize| {
        let kernel = graph.banks(conv).next().map_or(0, |bank| bank.shape[2 + axis]);
        let padding = explicit(&conv.geometry).map_or([0; 2], |padding| padding[axis]);
        (kernel, conv.geometry.stride[axis], padding) == (1, 1, [0; 2])
    };
    next.geometry.groups == 1
        && joined(&before.geometry, &next.geometry).is_some()
        && [0, 1].iter().all(|&axis| single(before, axis) || single(next, axis))
}

/// The padding along each axis; `None` where it depends on the size of the input.
fn explicit(geometry: &Geometry) -> Option<[[usize; 2]; 2]> {
    match geometry.padding {
        PaddingConfig2d::Valid => Some([[0; 2]; 2]),
        PaddingConfig2d::Explicit(top, left, bottom, right) => Some([[top, bottom], [left, right]]),
        PaddingConfig2d::Same => None,
    }
}

/// How the kernel of two convolutions moves, of which each axis has one that looks at single pixels.
fn joined(before: &Geometry, next: &Geometry) -> Option<Geometry> {
    let padding = match (explicit(before), explicit(next)) {
        (Some(before), Some(next)) => {
            let sum = |axis: usize, side: usize| before[axis][side] + next[axis][side];
            PaddingConfig2d::Explicit(sum(0, 0), sum(1, 0), sum(0, 1), sum(1, 1))
        }
        (None, Some([[0, 0], [0, 0]])) | (Some([[0, 0], [0, 0]]), None) => PaddingConfig2d::Same,
        _ => return None,
    };
    let both = |of: fn(&Geometry) -> [usize; 2], join: fn(usize, usize) -> usize| {
        [0, 1].map(|axis| join(of(before)[axis], of(next)[axis]))
    };
    Some(Geometry {
        stride: both(|geometry| geometry.stride, |a, b| a * b),
        padding,
        dilation: both(|geometry| geometry.dilation, usize::max),
        groups: 1,
    })
}

/// Multiply-accumulates for each output pixel of the last convolution: those before a stride are computed
/// more often.
fn macs(graph: &Graph, convs: &[&Conv]) -> usize {
    let mut pixels = 1;
    let mut macs = 0;
    for conv in convs.iter().rev() {
        macs += pixels * graph.weights(conv);
        pixels *= conv.geometry.stride.iter().product::<usize>();
    }
    macs
}

/// The kernel of a dense convolution, in 64 bits.
struct Kernel {
    /// `[outputs, channels, height, width]`.
    shape: [usize; 4],
    values: Vec<f64>,
}

impl Kernel {
    /// That of a convolution, with zeros for the channels that are not of a filter's group.
    fn of(graph: &Graph, conv: &Conv) -> Self {
        let banks: Vec<&Filters> = graph.banks(conv).collect();
        let [_, per_group, height, width] = banks.first().map_or([0; 4], |bank| bank.shape);
        let (outputs, groups) = (graph.filters(conv), conv.geometry.groups);
        let (channels, size) = (per_group * groups, per_group * height * width);
        let rows = banks.iter().flat_map(|bank| bank.values.chunks_exact(size));
        let mut values = Vec::with_capacity(outputs * groups * size);
        for (row, filter) in rows.enumerate() {
            let group = row / (outputs / groups);
            values.resize(values.len() + group * size, 0.0);
            values.extend(filter.iter().map(|&value| f64::from(value)));
            values.resize(values.len() + (groups - 1 - group) * size, 0.0);
        }
        Self { shape: [outputs, channels, height, width], values }
    }

    /// That of convolutions one after the other, each of which [follows](follows) the one before it.
    fn of_chain(graph: &Graph, convs: &[&Conv]) -> Self {
        let kernels = convs.iter().map(|conv| Self::of(graph, conv));
        kernels
            .reduce(|before, next| before.then(&next))
            .unwrap_or(Self { shape: [0; 4], values: Vec::new() })
    }

    fn then(self, next: &Self) -> Self {
        let [inner, channels, height, width] = self.shape;
        let [outputs, _, next_height, next_width] = next.shape;
        let shape = [outputs, channels, height.max(next_height), width.max(next_width)];
        let (area, next_area) = (height * width, next_height * next_width);
        let whole = shape[2] * shape[3];
        let mut values = vec![0.0; outputs * channels * whole];
        for (sums, weights) in values
            .chunks_exact_mut(channels * whole)
            .zip(next.values.chunks_exact(inner * next_area))
        {
            for (weights, filter) in
                weights.chunks_exact(next_area).zip(self.values.chunks_exact(channels * area))
            {
                for (sums, taps) in sums.chunks_exact_mut(whole).zip(filter.chunks_exact(area)) {
                    for (tap, &value) in taps.iter().enumerate() {
                        for (next_tap, &weight) in weights.iter().enumerate() {
                            let row = tap / width + next_tap / next_width;
                            let column = tap % width + next_tap % next_width;
                            sums[row * shape[3] + column] += weight * value;
                        }
                    }
                }
            }
        }
        Self { shape, values }
    }

    /// The convolution that computes what those of a chain do.
    fn into_conv(self, convs: &[&Conv]) -> Conv {
        let (first, last) = (convs[0], convs[convs.len() - 1]);
        let values = self.values.iter().map(|&value| value as f32).collect();
        let start = Geometry { groups: 1, ..first.geometry.clone() };
        let geometry = convs[1..].iter().fold(start, |before, next| {
            joined(&before, &next.geometry).expect("each convolution follows the one before it")
        });
        Conv {
            own: Some(Filters { shape: self.shape, values }),
            bases: Vec::new(),
            scale: None,
            bias: last.bias.clone(),
            geometry,
            role: Role::Layer,
        }
    }
}
