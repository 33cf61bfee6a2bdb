//! Models folded for use: no batch norms, and of each factorised layer the cheaper form.

mod layers;
mod names;
mod onnx;
mod plan;
mod runtime;
mod shapes;
mod weights;

use burn::module::{Module, Param};
use burn::nn::Linear;
use burn::tensor::{Device, Tensor};
use cobasis::{FilterBasis, Forward, Maps, Pass, Place};

pub use layers::{Affine, FoldedConv};
pub use runtime::Runtime;
pub use weights::{Weights, WeightsError};

use crate::config::ModelConfig;
use crate::detector::{Point, decode, points};
use crate::graph::{Graph, Node, Op, Stay, Trace, compose, simplify, strip};
use crate::head::Head;
use crate::layer_types::attention::ChannelAttention;
use crate::model::Model;
use layers::filters_on;
use weights::Form;
pub(crate) use weights::{Numbers, Stored};

pub use crate::graph::{FactorisedLayer, FactorisedLayers};

/// Configuration of a [`Deployed`] model.
#[derive(Clone, Debug, PartialEq)]
pub struct DeployedConfig {
    /// The model that it computes.
    pub model: ModelConfig,
    /// What becomes of factorised layers.
    pub factorised: FactorisedLayers,
    /// Which of them are dense kernels, where that is [listed](FactorisedLayers::Listed).
    pub composed: Vec<bool>,
    /// The inner filters that are left of each layer whose rank training found, in the order of the
    /// layers; none for models without such layers.
    pub inner_filters: Vec<usize>,
}

/// A model for inference, which [`Model::deploy`] makes.
///
/// It gives the logits of its source in evaluation. Batch norms are folded into convolutions, and
/// each factorised layer is kept as basis and coefficients, or composed into one dense kernel. It
/// is a Burn module of its own; a basis is in it once, if any layer still uses it.
#[derive(Module, Debug)]
pub struct Deployed {
    /// The bases that layers use.
    pub bases: Vec<FilterBasis>,
    /// The convolutions, in the order in which they are applied.
    pub convs: Vec<FoldedConv>,
    /// Factors and summands that no convolution could take in: what is left of batch norms before
    /// convolutions.
    pub affines: Vec<Affine>,
    /// Attention to channels.
    pub attentions: Vec<ChannelAttention>,
    /// The classifier; none in a detector.
    pub head: Option<Linear>,
    /// What it was made from.
    #[module(skip)]
    pub config: DeployedConfig,
    #[module(skip)]
    plan: Plan,
    #[module(skip)]
    form: Form,
}

/// What is applied to what.
#[derive(Clone, Debug)]
struct Plan {
    nodes: Vec<Node>,
    /// For each node, the values that nothing needs after it.
    last_uses: Vec<Vec<usize>>,
    layers: Vec<FactorisedLayer>,
    /// The paths of the bases in the source.
    bases: Vec<String>,
    /// The strides of a detector's levels.
    strides: Vec<usize>,
}

/// Tells a profiler which layer comes.
fn enter(_node: &Node) {
    #[cfg(feature = "kernels")]
    cobasis_kernels::profile::enter(|| _node.path.clone());
}

/// For each node, the values that nothing needs after it.
fn last_uses(nodes: &[Node]) -> Vec<Vec<usize>> {
    let last = |value: &usize| nodes.iter().rposition(|node| node.inputs.contains(value));
    let of = |(index, node): (usize, &Node)| {
        let mut inputs = node.inputs.clone();
        inputs.dedup();
        inputs.retain(|input| last(input) == Some(index));
        inputs
    };
    nodes.iter().enumerate().map(of).collect()
}

impl DeployedConfig {
    /// The deployed model with all weights at zero: to be filled.
    pub(crate) fn skeleton(&self, device: &Device) -> Deployed {
        let skeleton = self.model.skeleton(device);
        let form = (self.factorised, self.composed.as_slice());
        skeleton.deploy_keeping(&Stay::First(&self.inner_filters), form, device)
    }

    /// Whether a list of forms has as many as the model has factorised layers.
    pub(crate) fn lists_its_layers(&self, device: &Device) -> bool {
        self.factorised != FactorisedLayers::Listed
            || self.composed.len() == self.skeleton(device).plan.layers.len()
    }

    /// Whether the layers whose ranks training finds can have these numbers of inner filters.
    pub(crate) fn has_inner_filters_of_its_model(&self, device: &Device) -> bool {
        let layers = self.model.skeleton(device).inner_layers();
        let fits = layers.iter().zip(&self.inner_filters);
        layers.len() == self.inner_filters.len()
            && fits.into_iter().all(|(layer, left)| (1..=layer.inner.count()).contains(left))
    }
}

impl Model {
    /// The model folded for inference on the device, with each factorised layer in the form that
    /// takes fewer multiply-accumulates.
    pub fn deploy(&self, device: &Device) -> Deployed {
        self.deploy_with(FactorisedLayers::FewestMacs, device)
    }

    /// The model folded for inference on the device. Weights are folded in 64-bit arithmetic on the
    /// host. Inner filters that training [cut](cobasis::InnerFilters) are left out.
    pub fn deploy_with(&self, factorised: FactorisedLayers, device: &Device) -> Deployed {
        self.deploy_keeping(&Stay::Live, (factorised, &[]), device)
    }

    /// [`deploy_with`](Self::deploy_with) for forms that were chosen otherwise: whether each of the
    /// [factorised layers](Deployed::factorised_layers) becomes a dense kernel, in their order. Layers that
    /// the list does not have stay factorised.
    pub fn deploy_listed(&self, composed: &[bool], device: &Device) -> Deployed {
        self.deploy_keeping(&Stay::Live, (FactorisedLayers::Listed, composed), device)
    }

    fn deploy_keeping(
        &self,
        inner: &Stay,
        (factorised, listed): (FactorisedLayers, &[bool]),
        device: &Device,
    ) -> Deployed {
        let mut trace = Trace::new();
        let images = trace.input();
        // Only validation copies take in pending updates of running statistics.
        self.valid().walk(&mut trace, images);
        let mut graph = simplify(trace.into_graph());
        let inner_filters = match self.config.name.weight_limit() {
            Some(_) => strip(&mut graph, inner),
            None => Vec::new(),
        };
        let (graph, layers) = compose(graph, factorised, listed);
        let composed = match factorised {
            FactorisedLayers::Listed => layers.iter().map(|layer| layer.composed).collect(),
            _ => Vec::new(),
        };
        let model = self.config.clone();
        let config = DeployedConfig { model, factorised, composed, inner_filters };
        let strides = match &self.head {
            Head::Detector(detector) => detector.strides(),
            Head::Linear(_) | Head::TBasis(_) => Vec::new(),
        };
        let device = device.clone().without_autodiff();
        Deployed::new(graph, layers, config, strides, &device)
    }
}

impl Deployed {
    fn new(
        graph: Graph,
        layers: Vec<FactorisedLayer>,
        config: DeployedConfig,
        strides: Vec<usize>,
        device: &Device,
    ) -> Self {
        let plan = Plan {
            last_uses: last_uses(&graph.nodes),
            bases: graph.bases.iter().map(|basis| basis.path.clone()).collect(),
            nodes: graph.nodes,
            layers,
            strides,
        };
        let basis = |filters| FilterBasis { weight: filters_on(filters, device) };
        let attention = |filter| ChannelAttention::with_filter(filter, device);
        Self {
            bases: graph.bases.into_iter().map(|known| basis(known.filters)).collect(),
            convs: graph.convs.into_iter().map(|conv| FoldedConv::new(conv, device)).collect(),
            affines: graph.affines.iter().map(|affine| Affine::new(affine, device)).collect(),
            attentions: graph.attentions.into_iter().map(attention).collect(),
            head: graph.head.map(|head| Linear {
                weight: Param::from_data(head.weight, device),
                bias: Some(Param::from_data(head.bias, device)),
            }),
            config,
            plan,
            form: Form::F32,
        }
    }

    /// Logits of shape `[batch, classes]` for images of shape `[batch, channels, height, width]`; of a
    /// detector, what [`Model::forward`] gives.
    ///
    /// # Panics
    ///
    /// Panics if the images have other channels than the model, or are too small for it.
    pub fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        let [_, _, height, width] = images.dims();
        let mut values = vec![Some(Maps::from(images))];
        for (node, last) in self.plan.nodes.iter().zip(&self.plan.last_uses).skip(1) {
            // A value's last use takes it, so that it can be changed in place.
            let take = |&input: &usize| match last.contains(&input) {
                true => values[input].take(),
                false => values[input].clone(),
            };
            let inputs: Option<Vec<Maps>> = node.inputs.iter().map(take).collect();
            let mut inputs = inputs.expect("a value stays until its last use").into_iter();
            let x = inputs.next().expect("every node but the images has an input");
            values.push(Some(match node.op {
                Op::Conv(conv) => {
                    enter(node);
                    self.convs[conv].forward(x, &self.bases, inputs.next(), node.then)
                }
                Op::Head => {
                    let head = self.head.as_ref().expect("a classifier has its weights");
                    return head.forward(x.into_tensor().flatten(1, 3));
                }
                Op::Pixels => {
                    let levels = std::iter::once(x).chain(inputs).collect();
                    return self.decoded(Forward.pixels(levels), [height, width]);
                }
                Op::Upsample => {
                    let fine = inputs.next().expect("the maps of the size are an input");
                    x.upsampled(&fine)
                }
                Op::Input => x,
                Op::Affine(affine) => self.affines[affine].forward(x, node.then),
                Op::Attention(attention) => {
                    self.attentions[attention].pass(&mut Forward, &Place::ROOT, x)
                }
                Op::Add => {
                    let other = inputs.next().expect("a sum has two inputs");
                    x.add(&other, node.then)
                }
                Op::Concat => inputs.fold(x, |x, input| x.concat(&input)),
                Op::Pad { stride, new_channels } => Forward.pad(stride, new_channels, x),
                Op::MaxPool(windows) => x.max_pool(windows),
                Op::AvgPool(windows) => x.avg_pool(windows),
                Op::GlobalAverage => x.global_average().unsqueeze_dims(&[2, 3]).into(),
            }));
        }
        panic!("a network ends in a classifier or in a detector's head")
    }

    /// The edges of boxes in the place of a detector's predicted numbers, for images of
    /// `[height, width]`.
    fn decoded(&self, predictions: Tensor<2>, image: [usize; 2]) -> Tensor<2> {
        match &self.config.model.detector {
            Some(detector) => decode(detector.coding, predictions, &self.points(image)),
            None => predictions,
        }
    }

    /// The points of a detector in images of `[height, width]`, in the order of its output; none in a
    /// classifier.
    ///
    /// # Panics
    ///
    /// Panics if the image is too small for the network.
    pub fn points(&self, image: [usize; 2]) -> Vec<Point> {
        let shapes = self.shapes(image);
        match self.plan.nodes.last() {
            Some(Node { op: Op::Pixels, inputs, .. }) => {
                let sizes = inputs.iter().map(|&input| [shapes[input][1], shapes[input][2]]);
                points(&self.plan.strides, sizes)
            }
            _ => Vec::new(),
        }
    }

    /// The factorised layers of the source in their order, and what became of each.
    pub fn factorised_layers(&self) -> &[FactorisedLayer] {
        &self.plan.layers
    }

    /// Multiply-accumulates for an image of `[height, width]`, counted as for a [`Model`].
    ///
    /// # Panics
    ///
    /// Panics if the image is too small for the network.
    pub fn macs(&self, input: [usize; 2]) -> u64 {
        let shapes = self.shapes(input);
        let macs = self.plan.nodes.iter().zip(shapes).map(|(node, [_, height, width])| {
            let weights = match node.op {
                Op::Conv(conv) => self.convs[conv].weights(&self.bases),
                Op::Head => {
                    self.head.as_ref().map_or(0, |head| head.weight.lazy_shape().num_elements())
                }
                _ => 0,
            };
            (weights * height * width) as u64
        });
        macs.sum()
    }
}
