//! Factorised layers as dense kernels, where that takes fewer multiplications.

use std::fmt;

use cobasis::{Activation, Role};

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
}

impl FactorisedLayers {
    /// Its name in files and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            FactorisedLayers::FewestMacs => "fewest-macs",
            FactorisedLayers::Keep => "keep",
            FactorisedLayers::Compose => "compose",
        }
    }

    /// All of them.
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

/// Composes factorised layers as asked. The batch norms must have been folded.
pub(crate) fn compose(mut graph: Graph, layers: FactorisedLayers) -> (Graph, Vec<FactorisedLayer>) {
    let mut report = Vec::new();
    let mut keep = vec![true; graph.nodes.len()];
    let replaced_by: Vec<usize> = (0..graph.nodes.len()).collect();
    for index in 0..graph.nodes.len() {
        let Some((before, [basis, coefficients])) = factorised(&graph, index) else { continue };
        let [(number, basis), (_, coefficients)] =
            [basis, coefficients].map(|conv| (conv, &graph.convs[conv]));
        let channels = graph.banks(basis).next().map_or(0, Filters::size);
        let macs = graph.weights(basis) + graph.weights(coefficients);
        let dense = channels * graph.filters(coefficients);
        let composed = match layers {
            FactorisedLayers::FewestMacs => dense < macs,
            FactorisedLayers::Keep => false,
            FactorisedLayers::Compose => true,
        };
        let path = graph.nodes[index].path.trim_end_matches(".coefficients").to_string();
        let (factorised, dense) = (macs as u64, dense as u64);
        report.push(FactorisedLayer { path: path.clone(), factorised, dense, composed });
        if composed {
            graph.convs[number] = product(&graph, basis, coefficients);
            graph.nodes[index].inputs[0] = graph.nodes[before].inputs[0];
            graph.nodes[index].op = Op::Conv(number);
            graph.nodes[index].path = path;
            keep[before] = false;
        }
    }
    (graph.compact(&replaced_by, &keep), report)
}

/// The factorised layer whose coefficients the node applies: the node of its basis convolution, and
/// the two convolutions.
pub(super) fn factorised(graph: &Graph, index: usize) -> Option<(usize, [usize; 2])> {
    let node = &graph.nodes[index];
    let Op::Conv(coefficients) = node.op else { return None };
    let before = node.inputs[0];
    let Op::Conv(basis) = graph.nodes[before].op else { return None };
    let roles = [basis, coefficients].map(|conv| graph.convs[conv].role);
    let is_linear = graph.nodes[before].then == Activation::None;
    let fits = is_linear && graph.convs[basis].geometry.groups == 1;
    (fits && roles == [Role::Basis, Role::Coefficients]).then_some((before, [basis, coefficients]))
}

/// The dense convolution that computes what a basis convolution and its coefficients do.
fn product(graph: &Graph, basis: &Conv, coefficients: &Conv) -> Conv {
    let rows: Vec<&[f32]> =
        graph.banks(basis).flat_map(|bank| bank.values.chunks_exact(bank.size())).collect();
    let shape = graph.banks(basis).next().map_or([0; 4], |bank| bank.shape);
    let outputs = graph.filters(coefficients);
    let weights: Vec<f32> =
        graph.banks(coefficients).flat_map(|bank| bank.values.iter().copied()).collect();
    let size = rows.first().map_or(0, |row| row.len());
    let mut values = Vec::with_capacity(outputs * size);
    let mut sum = vec![0.0f64; size];
    for weights in weights.chunks_exact(rows.len()) {
        sum.fill(0.0);
        for (&weight, row) in weights.iter().zip(&rows) {
            for (sum, &value) in sum.iter_mut().zip(*row) {
                *sum += f64::from(weight) * f64::from(value);
            }
        }
        values.extend(sum.iter().map(|&sum| sum as f32));
    }
    Conv {
        own: Some(Filters { shape: [outputs, shape[1], shape[2], shape[3]], values }),
        bases: Vec::new(),
        scale: None,
        bias: coefficients.bias.clone(),
        role: Role::Layer,
        ..basis.clone()
    }
}
