//! Convolutions of maps.

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::ops::FloatTensorOps;
use burn::backend::{Autodiff, DispatchTensor, Flex, TensorMetadata};
use burn::tensor::Tensor;
use burn_flex::FlexTensor;

use super::epilogue::Epilogue;
use super::flex::{Operands, Tracked, followed, numbers, output};
use super::packing::{packed, with_joined};
use crate::buffer::Buffer;
use crate::conv::{self, ConvShape};
use crate::maps::{Layout, Maps};

/// How filters move over maps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvOptions {
    /// Steps down and across.
    pub stride: [usize; 2],
    /// Zeros above and below, left and right.
    pub padding: [usize; 2],
    /// Groups that share no channels.
    pub groups: usize,
}

impl Maps {
    /// A convolution with the filters of all banks: those of the first give the first channels of
    /// the output.
    ///
    /// # Shapes
    ///
    /// - `self`: `[batch, channels_in, height, width]`
    /// - each of `banks`: `[filters, channels_in / groups, kernel_height, kernel_width]`
    /// - `bias`: `[channels_out]`, as many as filters
    /// - output: `[batch, channels_out, out_height, out_width]`
    ///
    /// # Panics
    ///
    /// If there is no bank, shapes do not fit, or tensors are on different devices.
    pub fn conv2d(
        self,
        banks: &[Tensor<4>],
        bias: Option<Tensor<1>>,
        options: ConvOptions,
        epilogue: Epilogue,
    ) -> Maps {
        let (x, layout) = self.into_parts();
        if layout == Layout::ChannelsFirst {
            let padding = options.padding.map(|side| (side, side));
            let stride = options.stride;
            let options = burn::tensor::ops::ConvOptions::new_with_padding(
                stride,
                padding,
                [1, 1],
                options.groups,
            );
            let filters = Tensor::cat(banks.to_vec(), 0);
            return epilogue
                .apply(burn::tensor::module::conv2d(x, filters, bias, options), layout);
        }
        let shape = shape(x.dims(), banks, options);
        let operands = [x].into_iter().chain(banks.iter().cloned()).map(Tensor::into_dispatch);
        let operands: Vec<DispatchTensor> = operands.collect();
        let residual = epilogue.residual.clone().map(|maps| maps.to_layout(layout).into_parts().0);
        let added = [bias.clone().map(Tensor::into_dispatch), residual.map(Tensor::into_dispatch)];
        let all = operands.iter().cloned().chain(added.into_iter().flatten());
        if let Operands::Plain(tensors, context) = Operands::new(all) {
            let with_bias = usize::from(bias.is_some());
            let (convolved, added) = tensors.split_at(operands.len());
            let fused = conv::Epilogue {
                scale: None,
                bias: bias.is_some().then(|| numbers(&added[0])),
                residual: epilogue.residual.is_some().then(|| numbers(&added[with_bias])),
                activation: epilogue.activation,
            };
            return Maps::new(output(forward(&shape, convolved, &fused), context), layout);
        }
        let y = match Operands::new(operands) {
            Operands::Plain(tensors, context) => {
                output(forward(&shape, &tensors, &conv::Epilogue::default()), context)
            }
            Operands::Tracked(tensors, context) => followed(differentiable(shape, tensors), context),
        };
        let y = match bias {
            Some(bias) => y + bias.reshape(layout.per_channel(1, shape.channels_out)),
            None => y,
        };
        epilogue.apply(y, layout)
    }
}

fn shape(
    [batch, height, width, channels_in]: [usize; 4],
    banks: &[Tensor<4>],
    options: ConvOptions,
) -> ConvShape {
    let ConvOptions { stride, padding, groups } = options;
    let [_, per_group, kernel @ ..] = banks.first().expect("a convolution needs filters").dims();
    assert_eq!(per_group * groups, channels_in, "channels of the filters' groups and of the maps");
    for bank in banks {
        assert_eq!(bank.dims()[1..], [per_group, kernel[0], kernel[1]], "shapes of the banks");
    }
    let channels_out = banks.iter().map(|bank| bank.dims()[0]).sum();
    let size = [height, width];
    ConvShape { batch, size, channels_in, channels_out, kernel, stride, padding, groups }
}

/// The convolution of the maps, which come first, with the banks after them.
fn forward(shape: &ConvShape, tensors: &[FlexTensor], epilogue: &conv::Epilogue) -> FlexTensor {
    let tensors: Vec<FlexTensor> = tensors.iter().map(FlexTensor::to_contiguous).collect();
    let mut y = Buffer::new(shape.output_len());
    let weight = packed(shape, &tensors[1..]);
    conv::forward(shape, numbers(&tensors[0]), &weight, &mut y, epilogue);
    let [height, width] = shape.output();
    y.into_tensor([shape.batch, height, width, shape.channels_out])
}

/// The convolution as part of a graph.
fn differentiable(shape: ConvShape, tensors: Vec<Tracked>) -> Tracked {
    let tensors = match <[Tracked; 2]>::try_from(tensors) {
        Ok(tensors) => return node(shape, tensors),
        Err(tensors) => tensors,
    };
    match <[Tracked; 3]>::try_from(tensors) {
        Ok(tensors) => node(shape, tensors),
        Err(mut tensors) => {
            let banks = tensors.split_off(1);
            let joined = Autodiff::<Flex>::float_cat(banks, 0);
            differentiable(shape, vec![tensors.remove(0), joined])
        }
    }
}

/// The convolution as a node of the graph, with the maps and each bank as its parents.
fn node<const N: usize>(shape: ConvShape, tensors: [Tracked; N]) -> Tracked {
    let guards = tensors.each_ref().map(Tracked::node);
    let follows = tensors.each_ref().map(Tracked::is_tracked);
    let primitives = tensors.map(|tensor| tensor.into_primitive().to_contiguous());
    let y = forward(&shape, &primitives, &conv::Epilogue::default());
    match Convolution.prepare::<NoCheckpointing>(guards).compute_bound().stateful() {
        OpsKind::Tracked(prepared) => {
            // The maps are there for the filters' gradient, and the other way round.
            let [x, banks @ ..] = primitives.as_slice() else { unreachable!("maps come first") };
            let state = State {
                shape,
                x: follows[1..].contains(&true).then(|| x.clone()),
                banks: if follows[0] { banks.to_vec() } else { Vec::new() },
                filters: banks.iter().map(|bank| bank.shape()[0]).collect(),
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
}

impl<const N: usize> Backward<Flex, N> for Convolution {
    type State = State;

    fn backward(
        self,
        ops: Ops<State, N>,
        gradients: &mut Gradients,
        _: &mut Checkpointer,
    ) {
        let State { shape, x, banks, filters } = ops.state;
        let dy = gradients.consume::<Flex>(&ops.node).to_contiguous();
        if let Some(parent) = &ops.parents[0] {
            let mut dx = Buffer::new(shape.input_len());
            with_joined(&banks, |filters| {
                conv::backward_input(&shape, filters, numbers(&dy), &mut dx);
            });
            let [height, width] = shape.size;
            let dims = [shape.batch, height, width, shape.channels_in];
            gradients.register::<Flex>(parent.id, dx.into_tensor(dims));
        }
        let Some(x) = x else { return };
        let mut dw = Buffer::new(shape.weight_len());
        conv::backward_filter(&shape, numbers(&x), numbers(&dy), &mut dw);
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
