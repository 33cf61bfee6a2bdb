//! The pass that writes a network down as a graph.

use burn::module::Param;
use burn::nn::conv::Conv1d;
use burn::nn::{BatchNorm, Linear};
use burn::tensor::{Tensor, TensorData};
use cobasis::{
    Activation, Composed, Convolution, FilterBasis, Filters as Described, Pass, Place, Windows,
};

use super::{Affine, Basis, Conv, Filters, Graph, LinearWeights, Node, Op};

/// Writes down what happens, with the weights; what flows along are the numbers of nodes.
///
/// Batch norms are written with their running statistics, as evaluation uses them, and filters that
/// are computed from parameters as the filters that they are.
pub(crate) struct Trace {
    graph: Graph,
}

impl Trace {
    pub(crate) fn new() -> Self {
        let input =
            Node { path: String::new(), op: Op::Input, inputs: vec![], then: Activation::None };
        Self { graph: Graph { nodes: vec![input], ..Graph::default() } }
    }

    /// The node of the images.
    pub(crate) fn input(&self) -> usize {
        0
    }

    pub(crate) fn into_graph(self) -> Graph {
        self.graph
    }

    fn push(&mut self, path: String, op: Op, inputs: Vec<usize>) -> usize {
        self.graph.nodes.push(Node { path, op, inputs, then: Activation::None });
        self.graph.nodes.len() - 1
    }

    /// One convolution with the filters of all its banks.
    fn push_conv(&mut self, at: &Place, conv: &Convolution, x: usize) -> usize {
        let (own, bases) = match &conv.filters {
            Described::Stacked { own, shared } => {
                let number = |basis: &&FilterBasis| {
                    let number =
                        self.graph.bases.iter().position(|known| known.id == basis.weight.id);
                    number.unwrap_or_else(|| panic!("the basis of {at} is not in the graph"))
                };
                let own = own.map(|weight| Filters::read(&weight.val()));
                (own, shared.iter().map(number).collect())
            }
            Described::Composed(composed) => {
                (Some(Filters::read(&composed.value.filters())), Vec::new())
            }
        };
        self.graph.convs.push(Conv {
            own,
            bases,
            scale: None,
            bias: conv.bias.map(|bias| numbers(&bias.val())),
            geometry: conv.geometry.clone(),
            role: conv.role,
        });
        self.push(at.to_string(), Op::Conv(self.graph.convs.len() - 1), vec![x])
    }
}

/// The numbers of a vector, for 64-bit arithmetic.
fn numbers(vector: &Tensor<1>) -> Vec<f64> {
    vector.to_data().iter::<f64>().collect()
}

impl Pass for Trace {
    type Map = usize;
    type Vector = usize;

    fn bank(&mut self, at: &Place, basis: &FilterBasis) {
        let (id, path) = (basis.weight.id, at.to_string());
        self.graph.bases.push(Basis { id, path, filters: Filters::read(&basis.weight.val()) });
    }

    fn conv(&mut self, at: &Place, conv: Convolution<'_>, x: usize) -> usize {
        let parts = conv.parts();
        let [whole] = parts.as_slice() else {
            let parts = parts.iter().enumerate();
            let nodes: Vec<usize> = parts
                .map(|(index, part)| self.push_conv(&at.item("parts", index), part, x))
                .collect();
            return self.push(String::new(), Op::Concat, nodes);
        };
        self.push_conv(at, whole, x)
    }

    fn norm_add(
        &mut self,
        at: &Place,
        norm: &BatchNorm,
        x: usize,
        shortcut: Option<usize>,
        then: Activation,
    ) -> usize {
        let [gamma, beta] = [&norm.gamma, &norm.beta].map(|param| numbers(&param.val()));
        let mean = numbers(&norm.running_mean.value());
        let variance = numbers(&norm.running_var.value());
        let scale: Vec<f64> = gamma
            .iter()
            .zip(&variance)
            .map(|(gamma, variance)| gamma / (variance + norm.epsilon).sqrt())
            .collect();
        let shifts = beta.iter().zip(&mean).zip(&scale).map(|((b, mean), scale)| b - mean * scale);
        let shift = shifts.collect();
        self.graph.affines.push(Affine { scale, shift });
        let affine = Op::Affine(self.graph.affines.len() - 1);
        let normed = self.push(at.to_string(), affine, vec![x]);
        let output = match shortcut {
            Some(shortcut) => self.add(normed, shortcut),
            None => normed,
        };
        self.activate(output, then)
    }

    fn activate(&mut self, x: usize, then: Activation) -> usize {
        self.graph.nodes[x].then = then;
        x
    }

    fn add(&mut self, x: usize, shortcut: usize) -> usize {
        self.push(String::new(), Op::Add, vec![x, shortcut])
    }

    fn concat(&mut self, x: usize, added: usize) -> usize {
        self.push(String::new(), Op::Concat, vec![x, added])
    }

    fn add_upsampled(&mut self, x: usize, coarse: usize) -> usize {
        let upsampled = self.push(String::new(), Op::Upsample, vec![coarse, x]);
        self.add(x, upsampled)
    }

    fn max_pool(&mut self, windows: Windows, x: usize) -> usize {
        self.push(String::new(), Op::MaxPool(windows), vec![x])
    }

    fn avg_pool(&mut self, windows: Windows, x: usize) -> usize {
        self.push(String::new(), Op::AvgPool(windows), vec![x])
    }

    fn pad(&mut self, stride: usize, new_channels: usize, x: usize) -> usize {
        self.push(String::new(), Op::Pad { stride, new_channels }, vec![x])
    }

    fn attention(&mut self, at: &Place, conv: &Conv1d, x: usize) -> usize {
        self.graph.attentions.push(conv.weight.val().to_data());
        self.push(at.to_string(), Op::Attention(self.graph.attentions.len() - 1), vec![x])
    }

    fn global_average(&mut self, x: usize) -> usize {
        self.push(String::new(), Op::GlobalAverage, vec![x])
    }

    fn pixels(&mut self, maps: Vec<usize>) -> usize {
        self.push(String::new(), Op::Pixels, maps)
    }

    fn linear(&mut self, at: &Place, linear: &Linear, x: usize) -> usize {
        let weight = linear.weight.val().to_data();
        let bias = match &linear.bias {
            Some(bias) => bias.val().to_data(),
            None => TensorData::zeros::<f32, _>([weight.shape()[1]]),
        };
        self.graph.head = Some(LinearWeights { weight, bias });
        self.push(at.to_string(), Op::Head, vec![x])
    }

    fn composed_linear(
        &mut self,
        at: &Place,
        weights: Composed<'_>,
        bias: &Param<Tensor<1>>,
        x: usize,
    ) -> usize {
        let [outputs, inputs, ..] = weights.shape;
        // Transposed on the host: a device's view need not have its numbers in their order.
        let given: Vec<f32> = weights.value.filters().to_data().iter::<f32>().collect();
        let at_place = |place| given[place % outputs * inputs + place / outputs];
        let weight: Vec<f32> = (0..inputs * outputs).map(at_place).collect();
        let weight = TensorData::new(weight, [inputs, outputs]);
        self.graph.head = Some(LinearWeights { weight, bias: bias.val().to_data() });
        self.push(at.to_string(), Op::Head, vec![x])
    }
}
