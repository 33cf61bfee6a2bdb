//! What holds for every method whose filters are computed.

use std::collections::HashMap;

use burn::module::{Module, ModuleVisitor, Param, ParamId};
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor, TensorData};
use cobasis::{Composed, Convolution, Filters, Forward, Place};

use crate::layer_types::block::Block;
use crate::on_bases::OnBases;
use crate::registry::Entry;
use crate::spec::{Architecture, BlockKind, ResNetSpec};
use crate::state;
use crate::visit::{Visit, Visiting};
use crate::{Model, ModelConfig, ModelName, Network};

/// The filters of the layers that compute theirs, by the layer's path, and the weights of such a
/// classifier, `[classes, features, 1, 1]`.
#[derive(Default)]
struct ComposedFilters(Vec<(String, Tensor<4>)>, Option<Tensor<4>>);

impl Visit for ComposedFilters {
    fn conv(&mut self, at: &Place, conv: &Convolution<'_>) {
        if let Filters::Composed(composed) = &conv.filters {
            self.0.push((at.to_string(), composed.value.filters()));
        }
    }

    fn composed_linear(&mut self, weights: &Composed<'_>, _: &Param<Tensor<1>>) {
        self.1 = Some(weights.value.filters());
    }
}

pub(super) fn composed(model: &Model) -> Vec<(String, Tensor<4>)> {
    let mut filters = ComposedFilters::default();
    model.walk(&mut Visiting(&mut filters), ());
    filters.0
}

/// The weights of a classifier that computes them.
pub(super) fn classifier(model: &Model) -> Option<Tensor<4>> {
    let mut filters = ComposedFilters::default();
    model.head.classify(&mut Visiting(&mut filters), &model.bases, ());
    filters.1
}

pub(super) fn numbers<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().iter::<f32>().collect()
}

pub(super) fn model(name: &str, device: &Device) -> Model {
    ModelConfig::new(name.parse().expect("a name")).init(device)
}

/// A network of one stage of two blocks of this width, the second of which shares.
pub(super) fn toy(width: usize, suffix: &str) -> ModelConfig {
    let spec = ResNetSpec::new(BlockKind::Basic, [2]).with_width(width);
    let entry = Entry::new("mine/toy", Architecture::ResNet(spec), 3, [3, 8, 8]);
    let name = ModelName::own(entry).expect("a network").with_sharing(suffix).expect("a suffix");
    ModelConfig::new(name)
}

/// The standard deviation of filters, around zero.
pub(super) fn deviation<'a>(filters: impl IntoIterator<Item = &'a Tensor<4>>) -> f64 {
    let numbers: Vec<f32> = filters.into_iter().flat_map(|it| numbers(it.clone())).collect();
    let squares: f64 = numbers.iter().map(|&number| f64::from(number).powi(2)).sum();
    (squares / numbers.len() as f64).sqrt()
}

/// A network computes what the dense one does with the filters that it composes.
#[track_caller]
pub(super) fn computes_what_its_filters_say(name: &str) {
    let device = Device::flex();
    let model = model(name, &device);
    let mut state = model.state();
    let filters = composed(&model);
    assert!(!filters.is_empty(), "{name} composes filters");
    for (path, filters) in filters {
        state.retain(|name, _| !name.starts_with(&format!("{path}.")));
        state.insert(format!("{path}.weight"), filters.into_data());
    }
    state.retain(|name, _| !name.contains("bases."));
    if let Some(weights) = classifier(&model) {
        let [outputs, inputs, ..] = weights.dims();
        state.retain(|name, _| !name.starts_with("head.") || name == "head.bias");
        let weights = weights.reshape([outputs, inputs]).transpose();
        state.insert("head.weight".into(), weights.into_data());
    }
    let config = ModelConfig::new(model.config.name.dense());
    let dense = config.init_from(state, &device).expect("a dense network's tensors");
    let [channels, ..] = model.config.name.entry().input;
    let images: Vec<f32> = (0..2 * channels * 64).map(|i| (i * 37 % 101) as f32 - 50.0).collect();
    let images = Tensor::<4>::from_data(TensorData::new(images, [2, channels, 8, 8]), &device);
    let [got, expected] = [&model, &dense].map(|model| numbers(model.forward(images.clone())));
    let largest = expected.iter().fold(0.0f32, |max, logit| max.max(logit.abs()));
    for (got, expected) in got.iter().zip(&expected) {
        assert!((got - expected).abs() <= 1e-5 * largest, "{name}: {got} {expected}");
    }
}

/// The second block's convolutions, one after the other, and a weighted sum of their outputs.
fn weighted_sum(model: &Model) -> Tensor<1> {
    let Network::ResNet(network) = &model.network else { panic!("a ResNet") };
    let Block::Basic(block) = &network.stages[0].blocks[1] else { panic!("a basic block") };
    let device = model.head.device();
    let pattern = |seed: usize, shape: [usize; 4]| {
        let count = shape.iter().product();
        let numbers: Vec<f32> =
            (0..count).map(|i| ((i + seed) * 7919 % 211) as f32 / 105.0 - 1.0).collect();
        Tensor::<4>::from_data(TensorData::new(numbers, shape), &device)
    };
    let width = block.norm2.gamma.lazy_shape()[0];
    let mut x = pattern(1, [1, width, 5, 5]).into();
    for conv in [&block.conv1, &block.conv2] {
        x = conv.pass(&mut Forward, &Place::ROOT, &model.bases, x);
    }
    (x.into_tensor() * pattern(2, [1, width, 5, 5])).sum()
}

/// The gradients of a model's tensors.
struct Gradients {
    from: GradientsParams,
    learned: HashMap<ParamId, Learned>,
}

/// A parameter and its gradient.
struct Learned {
    shape: Vec<usize>,
    values: Vec<f32>,
    gradient: Vec<f32>,
}

impl ModuleVisitor for Gradients {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(gradient) = self.from.get::<D>(param.id) {
            let shape = gradient.dims().to_vec();
            let [values, gradient] = [param.val().inner(), gradient].map(numbers);
            self.learned.insert(param.id, Learned { shape, values, gradient });
        }
    }
}

/// The gradient of every tensor that filters are composed of is that of differences, where two layers
/// follow one another: that of a bank is the sum over both.
#[track_caller]
pub(super) fn gradients_are_those_of_differences(width: usize, suffix: &str, step: f32) {
    let config = toy(width, suffix);
    let model = config.init(&Device::flex().autodiff());
    let from = GradientsParams::from_grads(weighted_sum(&model).backward(), &model);
    let mut gradients = Gradients { from, learned: HashMap::new() };
    model.visit(&mut gradients);
    assert!(!gradients.learned.is_empty());
    let plain = config.init(&Device::flex());
    let ids: HashMap<String, ParamId> =
        plain.tensors().into_iter().map(|tensor| (tensor.path, tensor.id)).collect();
    for tensor in model.tensors() {
        let Some(learned) = gradients.learned.get(&tensor.id) else { continue };
        let Learned { shape, values, gradient } = learned;
        let largest = gradient.iter().fold(0.0f32, |max, number| max.max(number.abs()));
        // At most a dozen of each tensor's.
        for at in (0..values.len()).step_by(values.len().div_ceil(12)) {
            let moved = [step, -step].map(|step| {
                let mut values = values.clone();
                values[at] += step;
                let values = TensorData::new(values, shape.clone());
                let moved = HashMap::from([(ids[&tensor.path], values)]);
                let sum = weighted_sum(&state::replace(plain.clone(), moved));
                f64::from(sum.into_scalar::<f32>())
            });
            let expected = (moved[0] - moved[1]) / (2.0 * f64::from(step));
            let error = (expected - f64::from(gradient[at])).abs() / f64::from(largest);
            let (path, got) = (&tensor.path, gradient[at]);
            assert!(error < 5e-3, "{suffix} {path}[{at}]: {got}, by differences {expected}");
        }
    }
}
