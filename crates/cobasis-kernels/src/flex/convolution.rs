//! Convolutions of maps.

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::ops::FloatTensorOps;
use burn::backend::{Autodiff, DispatchTensor, Flex, TensorMetadata};
use burn::tensor::Tensor;
use burn_flex::FlexTensor;

use super::packing::{backward_input, packed};
use super::tensors::{Operands, Tracked, followed, numbers, output, per_channel};
use crate::activation::Activation;
use crate::buffer::Buffer;
use crate::conv::{self, ConvShape, Pass};
use crate::maps::ConvOptions;
use crate::norm;
use crate::profile::{self, Layer, Work};

/// The sizes of a convolution of maps `[batch, height, width, channels]` with these banks, without
/// dilation and with the same padding on both sides.
///
/// # Panics
///
/// If they do not fit.
pub(crate) fn conv_shape(
    [batch, height, width, channels_in]: [usize; 4],
    banks: &[Tensor<4>],
    options: ConvOptions,
) -> ConvShape {
    let ConvOptions { stride, groups, .. } = options;
    let padding = options.padding.map(|[before, _]| before);
    let [_, per_group, kernel @ ..] = banks.first().expect("a convolution needs filters").dims();
    assert_eq!(per_group * groups, channels_in, "channels of the filters' groups and of the maps");
    for bank in banks {
        assert_eq!(bank.dims()[1..], [per_group, kernel[0], kernel[1]], "shapes of the banks");
    }
    let channels_out = banks.iter().map(|bank| bank.dims()[0]).sum();
    let size = [height, width];
    ConvShape { batch, size, channels_in, channels_out, kernel, stride, padding, groups }
}

/// `activation(scale · conv + bias + residual)` in one pass, unless gradients are needed.
pub(crate) fn fused_conv2d(
    shape: &ConvShape,
    x: &Tensor<4>,
    banks: &[Tensor<4>],
    [scale, bias]: [&Option<Tensor<1>>; 2],
    residual: Option<Tensor<4>>,
    activation: Activation,
) -> Option<Tensor<4>> {
    let mut operands: Vec<DispatchTensor> =
        [x].into_iter().chain(banks).map(|tensor| tensor.clone().into_dispatch()).collect();
    let mut add = |tensor: Option<DispatchTensor>| {
        tensor.map(|tensor| {
            operands.push(tensor);
            operands.len() - 1
        })
    };
    let [scale, bias] = [scale, bias].map(|it| add(it.clone().map(Tensor::into_dispatch)));
    let residual = add(residual.map(Tensor::into_dispatch));
    let Operands::Plain(tensors, context) = Operands::new(operands) else { return None };
    let tensors: Vec<FlexTensor> = tensors.iter().map(FlexTensor::to_contiguous).collect();
    let at = |index: Option<usize>| index.map(|index| numbers(&tensors[index]));
    let (scale, bias, residual) = (at(scale), at(bias), at(residual));
    let residual = residual.map_or(conv::Residual::None, conv::Residual::Values);
    let epilogue = conv::Epilogue { scale, bias, residual, activation };
    Some(output(forward(shape, &tensors[..=banks.len()], &epilogue), context))
}

/// The convolution, of which gradients may be needed, with a summand for each channel.
pub(crate) fn conv2d(
    shape: ConvShape,
    x: Tensor<4>,
    banks: &[Tensor<4>],
    bias: Option<Tensor<1>>,
) -> Tensor<4> {
    let biased = bias.is_some();
    let operands = [x].into_iter().chain(banks.iter().cloned()).map(Tensor::into_dispatch);
    match Operands::new(operands.chain(bias.map(Tensor::into_dispatch))) {
        Operands::Plain(tensors, context) => {
            let tensors: Vec<FlexTensor> = tensors.iter().map(FlexTensor::to_contiguous).collect();
            output(with_bias(&shape, &tensors, biased), context)
        }
        Operands::Tracked(tensors, context) => {
            followed(differentiable(shape, tensors, biased), context)
        }
    }
}

/// The convolution of the maps with the banks after them, and with the bias if it comes last.
fn with_bias(shape: &ConvShape, tensors: &[FlexTensor], biased: bool) -> FlexTensor {
    let (convolved, bias) = tensors.split_at(tensors.len() - usize::from(biased));
    let epilogue = conv::Epilogue { bias: bias.first().map(numbers), ..Default::default() };
    forward(shape, convolved, &epilogue)
}

/// The convolution of the maps, which come first, with the banks after them.
fn forward(shape: &ConvShape, tensors: &[FlexTensor], epilogue: &conv::Epilogue) -> FlexTensor {
    let mut y = Buffer::new(shape.output_len());
    profile::timed(&profile::layer(), || {
        let weight = packed(shape, &tensors[1..]);
        conv::forward(shape, numbers(&tensors[0]), &weight, &mut y, epilogue);
        Work::Conv(*shape, Pass::Forward, weight.algorithm())
    });
    let [height, width] = shape.output();
    y.into_tensor([shape.batch, height, width, shape.channels_out])
}

/// The convolution as part of a graph.
fn differentiable(shape: ConvShape, tensors: Vec<Tracked>, biased: bool) -> Tracked {
    let tensors = match <[Tracked; 2]>::try_from(tensors) {
        Ok(tensors) => return node(shape, tensors, biased),
        Err(tensors) => tensors,
    };
    let tensors = match <[Tracked; 3]>::try_from(tensors) {
        Ok(tensors) => return node(shape, tensors, biased),
        Err(tensors) => tensors,
    };
    match <[Tracked; 4]>::try_from(tensors) {
        Ok(tensors) => node(shape, tensors, biased),
        Err(mut tensors) => {
            let bias = biased.then(|| tensors.pop()).flatten();
            let banks = tensors.split_off(1);
            tensors.push(Autodiff::<Flex>::float_cat(banks, 0));
            tensors.extend(bias);
            differentiable(shape, tensors, biased)
        }
    }
}

/// The convolution as a node of the graph, whose parents are the maps, each bank, and the bias.
fn node<const N: usize>(shape: ConvShape, tensors: [Tracked; N], biased: bool) -> Tracked {
    let guards = tensors.each_ref().map(Tracked::node);
    let follows = tensors.each_ref().map(Tracked::is_tracked);
    let primitives = tensors.map(|tensor| tensor.into_primitive().to_contiguous());
    let y = with_bias(&shape, &primitives, biased);
    match Convolution.prepare::<NoCheckpointing>(guards).compute_bound().stateful() {
        OpsKind::Tracked(prepared) => {
            let banks = 1..N - usize::from(biased);
            // The maps are there for the filters' gradient, and the other way round.
            let state = State {
                shape,
                x: follows[banks.clone()].contains(&true).then(|| primitives[0].clone()),
                filters: primitives[banks.clone()].iter().map(|bank| bank.shape()[0]).collect(),
                banks: if follows[0] { primitives[banks].to_vec() } else { Vec::new() },
                layer: profile::layer(),
            };
            prepared.finish(state, y)
        }
        OpsKind::UnTracked(prepared) => prepared.finish(y),
    }
}

#[derive(Debug)]
struct Convolution;

#[derive(Clone, Debug)]
struct State {
    shape: ConvShape,
    x: Option<FlexTensor>,
    banks: Vec<FlexTensor>,
    /// How many filters each bank has.
    filters: Vec<usize>,
    layer: Layer,
}

impl<const N: usize> Backward<Flex, N> for Convolution {
    type State = State;

    fn backward(self, ops: Ops<State, N>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let State { shape, x, banks, filters, layer } = ops.state;
        let dy = gradients.consume::<Flex>(&ops.node).to_contiguous();
        if let Some(parent) = &ops.parents[0] {
            let mut dx = Buffer::new(shape.input_len());
            profile::timed(&layer, || {
                backward_input(&shape, &banks, numbers(&dy), &mut dx);
                let pass = Pass::BackwardInput;
                Work::Conv(shape, pass, conv::choose(&shape, pass))
            });
            let [height, width] = shape.size;
            let dims = [shape.batch, height, width, shape.channels_in];
            gradients.register::<Flex>(parent.id, dx.into_tensor(dims));
        }
        if let Some(Some(parent)) = ops.parents.get(1 + filters.len()) {
            let sums = norm::channel_sums(numbers(&dy), shape.channels_out);
            gradients.register::<Flex>(parent.id, per_channel(&sums));
        }
        let Some(x) = x else { return };
        let mut dw = Buffer::new(shape.weight_len());
        profile::timed(&layer, || {
            conv::backward_filter(&shape, numbers(&x), numbers(&dy), &mut dw);
            let pass = Pass::BackwardFilter;
            Work::Conv(shape, pass, conv::choose(&shape, pass))
        });
        let [height, width] = shape.kernel;
        let per_group = shape.channels_in / shape.groups;
        let dw = dw.into_tensor([shape.channels_out, per_group, height, width]);
        let mut start = 0;
        for (parent, filters) in ops.parents[1..].iter().zip(filters) {
            if let Some(parent) = parent {
                gradients.register::<Flex>(parent.id, dw.narrow(0, start, filters));
            }
            start += filters;
        }
    }
}
