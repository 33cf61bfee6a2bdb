//! A network as a graph of plain operations, for folding and export.
//!
//! A [`Trace`] makes it; [`simplify`] takes the batch norms out [`strip`]
//! what does nothing, and [`compose`] makes dense kernels of factorised layers. Arithmetic on weights is in 64 bits, on the host.

mod compose;
mod fold;
mod strip;
mod trace;

use burn::module::ParamId;
use burn::tensor::{Tensor, TensorData};
use cobasis::{Activation, Geometry, Role, Windows};

pub(crate) use compose::compose;
pub use compose::{FactorisedLayer, FactorisedLayers};
pub(crate) use fold::simplify;
pub(crate) use strip::{Stay, strip};
pub(crate) use trace::Trace;

/// A network: nodes in an order in which each comes after its inputs. The last one is the output.
#[derive(Default)]
pub(crate) struct Graph {
    pub(crate) nodes: Vec<Node>,
    /// The filters that several convolutions use.
    pub(crate) bases: Vec<Basis>,
    /// What the nodes own, by the number in their operation.
    pub(crate) convs: Vec<Conv>,
    pub(crate) affines: Vec<Affine>,
    pub(crate) attentions: Vec<TensorData>,
    pub(crate) head: Option<LinearWeights>,
}

/// Filters of a stage.
pub(crate) struct Basis {
    /// The parameter that it is.
    pub(crate) id: ParamId,
    pub(crate) path: String,
    pub(crate) filters: Filters,
}

/// One step of the computation.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    /// Where in the model's tree it comes from; empty for what owns nothing.
    pub(crate) path: String,
    pub(crate) op: Op,
    /// The nodes whose outputs it takes.
    pub(crate) inputs: Vec<usize>,
    /// What is applied to its output.
    pub(crate) then: Activation,
}

/// What a node computes; numbers are those of what it owns.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Op {
    /// The images.
    Input,
    /// A convolution of the first input; a second one is added to its output.
    Conv(usize),
    /// A factor and a summand for each channel.
    Affine(usize),
    /// The sum of two inputs.
    Add,
    /// The inputs, joined along the channels.
    Concat,
    MaxPool(Windows),
    AvgPool(Windows),
    /// Every `stride`-th pixel, between new channels of zeros.
    Pad {
        stride: usize,
        new_channels: usize,
    },
    /// A convolution along the means of the channels, whose sigmoid scales them.
    Attention(usize),
    /// The first input with each pixel twice down and across, cut to the size of the second.
    Upsample,
    /// The mean of each map.
    GlobalAverage,
    /// The channels of each pixel of all inputs: the output of a detector.
    Pixels,
    /// The classifier.
    Head,
}

/// A convolution with filters of its own, those of bases, or both: its own first.
#[derive(Clone)]
pub(crate) struct Conv {
    pub(crate) own: Option<Filters>,
    /// Which of the graph's bases.
    pub(crate) bases: Vec<usize>,
    /// A factor for each output channel, of filters that are not the convolution's own to change.
    pub(crate) scale: Option<Vec<f64>>,
    /// A summand for each output channel.
    pub(crate) bias: Option<Vec<f64>>,
    pub(crate) geometry: Geometry,
    pub(crate) role: Role,
}

/// Filters of shape `[filters, channels / groups, height, width]`.
#[derive(Clone, Debug)]
pub(crate) struct Filters {
    pub(crate) shape: [usize; 4],
    pub(crate) values: Vec<f32>,
}

/// `scale × x + shift` in each channel.
#[derive(Clone)]
pub(crate) struct Affine {
    pub(crate) scale: Vec<f64>,
    pub(crate) shift: Vec<f64>,
}

/// `x · weight + bias`.
pub(crate) struct LinearWeights {
    /// `[inputs, outputs]`.
    pub(crate) weight: TensorData,
    pub(crate) bias: TensorData,
}

impl Filters {
    /// The values of a weight, in 32 bits.
    ///
    /// # Panics
    ///
    /// Panics if the device does not give its numbers back.
    pub(crate) fn read(weight: &Tensor<4>) -> Self {
        let values = weight.to_data().iter::<f32>().collect();
        Self { shape: weight.dims(), values }
    }

    /// Weights of one filter.
    pub(crate) fn size(&self) -> usize {
        self.shape[1..].iter().product()
    }
}

impl Graph {
    /// How many nodes take the output of each; the network's output counts as one.
    fn uses(&self) -> Vec<usize> {
        let mut uses = vec![0; self.nodes.len()];
        for node in &self.nodes {
            for &input in &node.inputs {
                uses[input] += 1;
            }
        }
        if let Some(last) = uses.last_mut() {
            *last += 1;
        }
        uses
    }

    /// The number of filters, or output channels, of a convolution.
    pub(crate) fn filters(&self, conv: &Conv) -> usize {
        self.banks(conv).map(|filters| filters.shape[0]).sum()
    }

    /// The filters of a convolution: its own, then its bases'.
    pub(crate) fn banks<'a>(&'a self, conv: &'a Conv) -> impl Iterator<Item = &'a Filters> {
        conv.own.iter().chain(conv.bases.iter().map(|&basis| &self.bases[basis].filters))
    }

    /// The weights with which one output pixel of a convolution is computed: its multiply-accumulates.
    fn weights(&self, conv: &Conv) -> usize {
        self.banks(conv).map(|filters| filters.values.len()).sum()
    }

    /// Removes nodes that were folded away, where uses of `node` now take `replaced_by[node]`, and
    /// what no node owns any more.
    fn compact(mut self, replaced_by: &[usize], keep: &[bool]) -> Graph {
        let mut index = vec![usize::MAX; self.nodes.len()];
        let mut nodes: Vec<Node> = Vec::new();
        for (old, mut node) in self.nodes.into_iter().enumerate() {
            if keep[old] {
                for input in &mut node.inputs {
                    *input = index[*input];
                }
                index[old] = nodes.len();
                nodes.push(node);
            } else {
                index[old] = index[replaced_by[old]];
            }
        }
        self.nodes = nodes;
        let mut convs = Kept::new(&mut self.convs);
        let mut affines = Kept::new(&mut self.affines);
        for node in &mut self.nodes {
            match &mut node.op {
                Op::Conv(conv) => convs.keep(conv),
                Op::Affine(affine) => affines.keep(affine),
                _ => {}
            }
        }
        (self.convs, self.affines) = (convs.kept, affines.kept);
        let mut bases = Kept::new(&mut self.bases);
        for basis in self.convs.iter_mut().flat_map(|conv| &mut conv.bases) {
            bases.keep(basis);
        }
        self.bases = bases.kept;
        self
    }
}

/// Things that are kept in the order in which they are first asked for.
struct Kept<T> {
    all: Vec<Option<T>>,
    kept: Vec<T>,
    numbers: Vec<usize>,
}

impl<T> Kept<T> {
    fn new(all: &mut Vec<T>) -> Self {
        let all: Vec<Option<T>> = std::mem::take(all).into_iter().map(Some).collect();
        Self { numbers: vec![0; all.len()], kept: Vec::new(), all }
    }

    /// Gives a thing its new number.
    fn keep(&mut self, number: &mut usize) {
        if let Some(thing) = self.all[*number].take() {
            self.numbers[*number] = self.kept.len();
            self.kept.push(thing);
        }
        *number = self.numbers[*number];
    }
}
