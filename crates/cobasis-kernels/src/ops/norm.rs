//! Batch norm of maps.

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::{DispatchTensor, Flex};
use burn::nn::BatchNorm;
use burn::tensor::Tensor;
use burn_flex::FlexTensor;

use super::epilogue::Epilogue;
use super::flex::{Operands, Tracked, followed, numbers, output, owned, per_channel};
use crate::buffer::Buffer;
use crate::conv::Activation;
use crate::maps::{Layout, Maps};
use crate::norm::{self, Destination, Normalise};

impl Maps {
    /// Batch norm, in training or evaluation as Burn's own module decides, and what follows it.
    ///
    /// In training the module's running statistics move as Burn moves them.
    ///
    /// # Shapes
    ///
    /// - `self` and output: `[batch, channels, height, width]`
    ///
    /// # Panics
    ///
    /// If the module is one of other channels, or tensors are on different devices.
    pub fn batch_norm(self, module: &BatchNorm, epilogue: Epilogue) -> Maps {
        let (x, layout) = self.into_parts();
        if layout == Layout::ChannelsFirst {
            return epilogue.apply(module.forward(x), layout);
        }
        let channels = module.gamma.dims()[0];
        assert_eq!(x.dims()[3], channels, "channels of the maps and of the batch norm");
        if x.device().is_autodiff() && module.training.is_enabled() {
            train(x, module, epilogue)
        } else {
            evaluate(x, module, epilogue)
        }
    }
}

/// Batch norm with running statistics.
fn evaluate(x: Tensor<4>, module: &BatchNorm, epilogue: Epilogue) -> Maps {
    let layout = Layout::ChannelsLast;
    let device = x.device();
    let mean = module.running_mean.value().to_device(&device);
    let variance = module.running_var.value().to_device(&device);
    let scale = module.gamma.val() / variance.add_scalar(module.epsilon).sqrt();
    let shift = module.beta.val();
    let operands = [&mean, &scale, &shift].map(|tensor| tensor.clone().into_dispatch());
    let operands = operands.into_iter().chain(with_residual(x.clone(), &epilogue));
    match Operands::new(operands) {
        Operands::Plain(tensors, context) => {
            let tensors: Vec<FlexTensor> = tensors.iter().map(FlexTensor::to_contiguous).collect();
            let [mean, scale, shift, x, residual @ ..] = tensors.as_slice() else {
                unreachable!("as many as were given")
            };
            let norm = Normalise {
                mean: numbers(mean),
                scale: numbers(scale),
                shift: numbers(shift),
                residual: residual.first().map(numbers),
                activation: epilogue.activation,
            };
            Maps::new(output(normalised(x, &norm), context), layout)
        }
        Operands::Tracked(..) => {
            let shape = layout.per_channel(1, module.gamma.dims()[0]);
            let [mean, scale, shift] = [mean, scale, shift].map(|tensor| tensor.reshape(shape));
            epilogue.apply((x - mean) * scale + shift, layout)
        }
    }
}

/// The maps, and the residual if there is one.
fn with_residual(x: Tensor<4>, epilogue: &Epilogue) -> impl Iterator<Item = DispatchTensor> {
    let residual = epilogue.residual.clone();
    let residual = residual.map(|maps| maps.to_layout(Layout::ChannelsLast).into_parts().0);
    [x].into_iter().chain(residual).map(Tensor::into_dispatch)
}

/// Batch norm with the statistics of the batch, which move the running ones.
fn train(x: Tensor<4>, module: &BatchNorm, epilogue: Epilogue) -> Maps {
    let device = x.device();
    let parameters = [module.gamma.val(), module.beta.val()].map(Tensor::into_dispatch);
    let operands = parameters.into_iter().chain(with_residual(x, &epilogue));
    let activation = epilogue.activation;
    let (y, [mean, variance]) = match Operands::new(operands) {
        Operands::Plain(tensors, context) => {
            let tensors: Vec<FlexTensor> = tensors.iter().map(FlexTensor::to_contiguous).collect();
            let (y, statistics) = forward(&tensors, module.epsilon, activation);
            let moved = [&statistics.mean, &statistics.variance];
            (output(y, context), moved.map(|values| output(per_channel(values), context)))
        }
        Operands::Tracked(tensors, context) => {
            let (y, moved) = differentiable(tensors, module.epsilon, activation);
            (followed(y, context), moved.map(|values| output(values, context)))
        }
    };
    let momentum = module.momentum;
    for (running, batch) in [(&module.running_mean, mean), (&module.running_var, variance)] {
        let batch: Tensor<1> = batch;
        let before = running.value_sync().to_device(&device).mul_scalar(1.0 - momentum);
        running.update((before + batch.mul_scalar(momentum)).detach());
    }
    Maps::new(y, Layout::ChannelsLast)
}

/// The output and the batch's statistics for gamma, beta, maps and residual.
fn forward(
    tensors: &[FlexTensor],
    epsilon: f64,
    activation: Activation,
) -> (FlexTensor, norm::Statistics) {
    let [gamma, beta, x, residual @ ..] = tensors else { unreachable!("as many as were given") };
    let statistics = norm::statistics(numbers(x), numbers(gamma).len());
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
    norm::normalise(numbers(x), &mut y, normalise);
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
    let moved = [&statistics.mean, &statistics.variance].map(|values| per_channel(values));
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
            };
            prepared.finish(state, y)
        }
        OpsKind::UnTracked(prepared) => prepared.finish(y),
    };
    (node, moved)
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
}

impl<const N: usize> Backward<Flex, N> for Norm {
    type State = State;

    fn backward(self, ops: Ops<State, N>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let State { gamma, x, y, mean, inverse, activation } = ops.state;
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
        let found = norm::backward(&terms, dy.storage_mut(), destination);
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
