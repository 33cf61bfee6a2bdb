//! Batch norm of maps.

use burn::backend::Flex;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::nn::BatchNorm;
use burn::tensor::Tensor;
use burn_flex::FlexTensor;

use super::tensors::{Operands, Tracked, followed, numbers, output, owned, per_channel};
use crate::activation::Activation;
use crate::buffer::Buffer;
use crate::norm::{self, Destination, Normalise};
use crate::profile::{self, Layer, Work};

/// `activation(scale · (x − mean) + shift + residual)` with numbers for each channel in this
/// order, unless gradients are needed.
pub(crate) fn norm_with(
    x: &Tensor<4>,
    [mean, scale, shift]: [&Tensor<1>; 3],
    residual: Option<Tensor<4>>,
    activation: Activation,
) -> Option<Tensor<4>> {
    let operands = [mean, scale, shift].map(|tensor| tensor.clone().into_dispatch());
    let maps = [x.clone()].into_iter().chain(residual).map(Tensor::into_dispatch);
    let operands = Operands::new(operands.into_iter().chain(maps));
    let Operands::Plain(tensors, context) = operands else { return None };
    let tensors: Vec<FlexTensor> = tensors.iter().map(FlexTensor::to_contiguous).collect();
    let [mean, scale, shift, x, residual @ ..] = tensors.as_slice() else {
        unreachable!("as many as were given")
    };
    let norm = Normalise {
        mean: numbers(mean),
        scale: numbers(scale),
        shift: numbers(shift),
        residual: residual.first().map(numbers),
        activation,
    };
    Some(output(normalised(x, &norm), context))
}

/// `activation(norm + residual)` with the statistics of the batch, and these: mean and biased
/// variance, detached.
pub(crate) fn norm_train(
    x: Tensor<4>,
    module: &BatchNorm,
    residual: Option<Tensor<4>>,
    activation: Activation,
) -> (Tensor<4>, [Tensor<1>; 2]) {
    let parameters = [module.gamma.val(), module.beta.val()].map(Tensor::into_dispatch);
    let maps = [x].into_iter().chain(residual).map(Tensor::into_dispatch);
    match Operands::new(parameters.into_iter().chain(maps)) {
        Operands::Plain(tensors, context) => {
            let tensors: Vec<FlexTensor> = tensors.iter().map(FlexTensor::to_contiguous).collect();
            let (y, statistics) = forward(&tensors, module.epsilon, activation);
            let found = [&statistics.mean, &statistics.variance];
            (output(y, context), found.map(|values| output(per_channel(values), context)))
        }
        Operands::Tracked(tensors, context) => {
            let (y, found) = differentiable(tensors, module.epsilon, activation);
            (followed(y, context), found.map(|values| output(values, context)))
        }
    }
}

/// The output and the batch's statistics for gamma, beta, maps and residual.
fn forward(
    tensors: &[FlexTensor],
    epsilon: f64,
    activation: Activation,
) -> (FlexTensor, norm::Statistics) {
    let [gamma, beta, x, residual @ ..] = tensors else { unreachable!("as many as were given") };
    let mut statistics = norm::Statistics::default();
    profile::timed(&profile::layer(), || {
        statistics = norm::statistics(numbers(x), numbers(gamma).len());
        Work::NormStatistics(numbers(x).len())
    });
    let inverse = inverse(&statistics.variance, epsilon);
    let scale: Vec<f32> = inverse.iter().zip(numbers(gamma)).map(|(i, g)| i * g).collect();
    let normalise = Normalise {
        mean: &statistics.mean,
        scale: &scale,
        shift: numbers(beta),
        residual: residual.first().map(numbers),
        activation,
    };
    (normalised(x, &normalise), statistics)
}

/// One over the standard deviation.
fn inverse(variance: &[f32], epsilon: f64) -> Vec<f32> {
    variance.iter().map(|&variance| (1.0 / (f64::from(variance) + epsilon).sqrt()) as f32).collect()
}

fn normalised(x: &FlexTensor, normalise: &Normalise) -> FlexTensor {
    let mut y = Buffer::new(numbers(x).len());
    profile::timed(&profile::layer(), || {
        norm::normalise(numbers(x), &mut y, normalise);
        Work::Norm(y.len())
    });
    y.into_tensor(x.layout().shape().clone())
}

/// Batch norm as part of a graph, and the batch's mean and variance.
fn differentiable(
    tensors: Vec<Tracked>,
    epsilon: f64,
    activation: Activation,
) -> (Tracked, [FlexTensor; 2]) {
    match <[Tracked; 3]>::try_from(tensors) {
        Ok(tensors) => node(tensors, epsilon, activation),
        Err(tensors) => match <[Tracked; 4]>::try_from(tensors) {
            Ok(tensors) => node(tensors, epsilon, activation),
            Err(_) => unreachable!("gamma, beta, maps, and at most a residual"),
        },
    }
}

fn node<const N: usize>(
    tensors: [Tracked; N],
    epsilon: f64,
    activation: Activation,
) -> (Tracked, [FlexTensor; 2]) {
    let guards = tensors.each_ref().map(Tracked::node);
    let primitives = tensors.map(|tensor| tensor.into_primitive().to_contiguous());
    let (y, statistics) = forward(&primitives, epsilon, activation);
    let found = [&statistics.mean, &statistics.variance].map(|values| per_channel(values));
    let node = match Norm.prepare::<NoCheckpointing>(guards).compute_bound().stateful() {
        OpsKind::Tracked(prepared) => {
            let [gamma, _, x, ..] = primitives.as_slice() else { unreachable!("at least three") };
            let state = State {
                gamma: gamma.clone(),
                x: x.clone(),
                y: (activation != Activation::None).then(|| y.clone()),
                mean: statistics.mean,
                inverse: inverse(&statistics.variance, epsilon),
                activation,
                layer: profile::layer(),
            };
            prepared.finish(state, y)
        }
        OpsKind::UnTracked(prepared) => prepared.finish(y),
    };
    (node, found)
}

#[derive(Debug)]
struct Norm;

#[derive(Clone, Debug)]
struct State {
    gamma: FlexTensor,
    x: FlexTensor,
    /// What the mask of the activation is rebuilt from.
    y: Option<FlexTensor>,
    mean: Vec<f32>,
    inverse: Vec<f32>,
    activation: Activation,
    layer: Layer,
}

impl<const N: usize> Backward<Flex, N> for Norm {
    type State = State;

    fn backward(self, ops: Ops<State, N>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let State { gamma, x, y, mean, inverse, activation, layer } = ops.state;
        let mut dy = owned(gradients.consume::<Flex>(&ops.node));
        let [dgamma, dbeta, dx, ..] = &ops.parents[..] else { unreachable!("at least three") };
        let residual = ops.parents.get(3).and_then(Option::as_ref);
        let terms = norm::Backward {
            x: numbers(&x),
            y: y.as_ref().map(numbers),
            activation,
            mean: &mean,
            inverse: &inverse,
            gamma: numbers(&gamma),
        };
        let mut input = match (dx, residual) {
            (Some(_), Some(_)) => Some(Buffer::new(terms.x.len())),
            _ => None,
        };
        let destination = match (dx, &mut input) {
            (Some(_), Some(input)) => Destination::Other(input),
            (Some(_), None) => Destination::Same,
            (None, _) => Destination::None,
        };
        let mut found = norm::Gradients::default();
        profile::timed(&layer, || {
            found = norm::backward(&terms, dy.storage_mut(), destination);
            Work::NormBackward(terms.x.len())
        });
        if let Some(parent) = dgamma {
            gradients.register::<Flex>(parent.id, per_channel(&found.gamma));
        }
        if let Some(parent) = dbeta {
            gradients.register::<Flex>(parent.id, per_channel(&found.beta));
        }
        let shape = x.layout().shape().clone();
        match (dx, residual, input) {
            (Some(dx), Some(residual), Some(input)) => {
                gradients.register::<Flex>(residual.id, dy);
                gradients.register::<Flex>(dx.id, input.into_tensor(shape));
            }
            (Some(parent), ..) | (None, Some(parent), _) => {
                gradients.register::<Flex>(parent.id, dy);
            }
            (None, None, _) => {}
        }
    }
}
