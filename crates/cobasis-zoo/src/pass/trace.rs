//! The pass that writes a network down as a graph.

use burn::module::Param;
use burn::nn::conv::Conv2d;
use burn::nn::pool::{AvgPool2d, MaxPool2d};
use burn::nn::{BatchNorm, Linear};
use burn::tensor::{Tensor, TensorData};
use cobasis::{BasisConv2d, FilterBasis, PartlySharedConv2d, SharedConv2d};
use cobasis_kernels::ConvOptions;

use super::{Activation, Pass, Place, avg_windows, max_windows, padding};
use crate::attention::ChannelAttention;
use crate::graph::{Affine, Basis, Conv, Filters, Graph, LinearWeights, Node, Op, Role};
use crate::shortcut::PadShortcut;

/// Writes down what happens, with the weights; what flows along are the numbers of nodes.
///
/// Batch norms are written with their running statistics, as evaluation uses them.
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

    /// The number of a basis, by the parameter that it is.
    fn number(&self, basis: &FilterBasis) -> Option<usize> {
        self.graph.bases.iter().position(|known| known.id == basis.weight.id)
    }

    /// A convolution with these filters.
    fn conv(
        &mut self,
        path: String,
        own: Option<&Param<Tensor<4>>>,
        basis: Option<&FilterBasis>,
        options: ConvOptions,
        x: usize,
    ) -> usize {
        let own = own.map(|weight| Filters::read(&weight.val()));
        let basis = basis.and_then(|basis| self.number(basis));
        let role = Role::Layer;
        self.graph.convs.push(Conv { own, basis, scale: None, bias: None, options, role });
        self.push(path, Op::Conv(self.graph.convs.len() - 1), vec![x])
    }
}

/// The numbers of a vector, for 64-bit arithmetic.
fn numbers(vector: &Tensor<1>) -> Vec<f64> {
    vector.to_data().iter::<f64>().collect()
}

impl Pass for Trace {
    type Map = usize;
    type Vector = usize;

    fn basis(&mut self, place: &Place, basis: &FilterBasis) {
        let (id, path) = (basis.weight.id, place.to_string());
        self.graph.bases.push(Basis { id, path, filters: Filters::read(&basis.weight.val()) });
    }

    fn conv2d(&mut self, place: &Place, conv: &Conv2d, x: usize) -> usize {
        let (stride, padding) = (conv.stride, padding(&conv.padding));
        let options = ConvOptions { stride, padding, groups: conv.groups };
        let node = self.conv(place.to_string(), Some(&conv.weight), None, options, x);
        if let (Some(bias), Some(traced)) = (&conv.bias, self.graph.convs.last_mut()) {
            traced.bias = Some(numbers(&bias.val()));
        }
        node
    }

    fn basis_conv2d(&mut self, place: &Place, conv: &BasisConv2d, x: usize) -> usize {
        let (stride, padding, groups) = (conv.stride, conv.padding, conv.groups);
        let options = ConvOptions { stride, padding, groups };
        let basis = place.bases().first();
        let x = self.conv(place.to_string(), conv.unique.as_ref(), basis, options, x);
        let x = match &conv.norm {
            Some(norm) => self.norm(&place.field("norm"), norm, x, Activation::None),
            None => x,
        };
        let x = self.conv2d(&place.field("coefficients"), &conv.coefficients, x);
        if let [.., basis, coefficients] = self.graph.convs.as_mut_slice() {
            (basis.role, coefficients.role) = (Role::Basis, Role::Coefficients);
        }
        x
    }

    fn shared_conv2d(
        &mut self,
        place: &Place,
        conv: &SharedConv2d,
        basis: &FilterBasis,
        x: usize,
    ) -> usize {
        let (stride, padding, groups) = (conv.stride, conv.padding, conv.groups);
        let options = ConvOptions { stride, padding, groups };
        self.conv(place.to_string(), None, Some(basis), options, x)
    }

    fn partly_shared_conv2d(
        &mut self,
        place: &Place,
        conv: &PartlySharedConv2d,
        basis: &FilterBasis,
        x: usize,
    ) -> usize {
        let unique = self.conv2d(&place.field("unique"), &conv.unique, x);
        let shared = self.shared_conv2d(&place.field("shared"), &conv.shared, basis, x);
        self.concat(unique, shared)
    }

    fn norm(&mut self, place: &Place, norm: &BatchNorm, x: usize, then: Activation) -> usize {
        let [gamma, beta] = [&norm.gamma, &norm.beta].map(|param| numbers(&param.val()));
        let mean = numbers(&norm.running_mean.value());
        let variance = numbers(&norm.running_var.value());
        let scale: Vec<f64> = gamma
            .iter()
            .zip(&variance)
            .map(|(gamma, variance)| gamma / (variance + norm.epsilon).sqrt())
            .collect();
        let shift = beta.iter().zip(&mean).zip(&scale).map(|((b, mean), scale)| b - mean * scale);
        let shift = shift.collect();
        self.graph.affines.push(Affine { scale, shift });
        let affine = Op::Affine(self.graph.affines.len() - 1);
        let node = self.push(place.to_string(), affine, vec![x]);
        self.graph.nodes[node].then = then;
        node
    }

    fn norm_add(
        &mut self,
        place: &Place,
        norm: &BatchNorm,
        x: usize,
        shortcut: usize,
        then: Activation,
    ) -> usize {
        let x = self.norm(place, norm, x, Activation::None);
        let sum = self.add(x, shortcut);
        self.graph.nodes[sum].then = then;
        sum
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

    fn max_pool(&mut self, pool: &MaxPool2d, x: usize) -> usize {
        self.push(String::new(), Op::MaxPool(max_windows(pool)), vec![x])
    }

    fn avg_pool(&mut self, pool: &AvgPool2d, x: usize) -> usize {
        self.push(String::new(), Op::AvgPool(avg_windows(pool)), vec![x])
    }

    fn pad(&mut self, pad: &PadShortcut, x: usize) -> usize {
        let PadShortcut { stride, new_channels } = *pad;
        self.push(String::new(), Op::Pad { stride, new_channels }, vec![x])
    }

    fn attention(&mut self, place: &Place, layer: &ChannelAttention, x: usize) -> usize {
        self.graph.attentions.push(layer.conv.weight.val().to_data());
        self.push(place.to_string(), Op::Attention(self.graph.attentions.len() - 1), vec![x])
    }

    fn global_average(&mut self, x: usize) -> usize {
        self.push(String::new(), Op::GlobalAverage, vec![x])
    }

    fn linear(&mut self, place: &Place, linear: &Linear, x: usize) -> usize {
        let weight = linear.weight.val().to_data();
        let bias = linear.bias.as_ref().map(|bias| bias.val().to_data());
        let bias = bias.unwrap_or_else(|| TensorData::zeros::<f32, _>([weight.shape()[1]]));
        self.graph.head = Some(LinearWeights { weight, bias });
        self.push(place.to_string(), Op::Head, vec![x])
    }
}
