//! Tensors as Flex has them, with and without autodiff.

use burn::backend::tensor::FloatTensor;
use burn::backend::{
    Autodiff, AutodiffBackend, BackendTensor, DispatchAutodiffContext, DispatchDevice,
    DispatchTensor, DispatchTensorKind, Flex,
};
use burn::tensor::{DType, Tensor};
use burn_flex::FlexTensor;

use crate::buffer::Buffer;

/// A tensor that autodiff may follow.
pub(super) type Tracked = FloatTensor<Autodiff<Flex>>;

/// The tensors of one operation, and the context of its output.
pub(super) enum Operands {
    /// No gradient is asked for.
    Plain(Vec<FlexTensor>, DispatchAutodiffContext),
    /// At least one of them is part of a graph.
    Tracked(Vec<Tracked>, DispatchAutodiffContext),
}

/// Whether operations on the tensor are done here.
pub(crate) fn serves<const D: usize>(tensor: &Tensor<D>) -> bool {
    let device = tensor.device().inner();
    matches!(device.as_dispatch(), DispatchDevice::Flex(_)) && tensor.dtype() == DType::F32
}

/// The tensor with its numbers in their order, unless a graph holds it.
pub(crate) fn contiguous(tensor: Tensor<4>) -> Tensor<4> {
    match Operands::new([tensor.into_dispatch()]) {
        Operands::Plain(tensors, context) => output(tensors[0].to_contiguous(), context),
        Operands::Tracked(mut tensors, context) => followed(tensors.remove(0), context),
    }
}

impl Operands {
    /// # Panics
    ///
    /// If a tensor is not on Flex.
    pub(super) fn new(tensors: impl IntoIterator<Item = DispatchTensor>) -> Self {
        let mut context = DispatchAutodiffContext::Disabled;
        let tensors: Vec<Tracked> = tensors
            .into_iter()
            .map(|tensor| {
                context = context.merge(tensor.autodiff);
                unwrapped(tensor.kind)
            })
            .collect();
        match tensors.iter().any(Tracked::is_tracked) {
            true => Operands::Tracked(tensors, context),
            false => {
                let tensors = tensors.into_iter().map(Tracked::into_primitive);
                Operands::Plain(tensors.collect(), context)
            }
        }
    }
}

/// What no graph holds becomes a constant.
fn unwrapped(kind: DispatchTensorKind) -> Tracked {
    match kind {
        DispatchTensorKind::Flex(BackendTensor::Float(tensor)) => {
            Autodiff::<Flex>::from_inner(tensor)
        }
        DispatchTensorKind::Flex(BackendTensor::Autodiff(tensor)) => tensor,
        DispatchTensorKind::Autodiff(kind) => unwrapped(*kind),
        other => panic!("maps on Flex meet a tensor of another device: {other:?}"),
    }
}

/// An output that no graph holds.
pub(super) fn output<const D: usize>(
    tensor: FlexTensor,
    context: DispatchAutodiffContext,
) -> Tensor<D> {
    match context {
        DispatchAutodiffContext::Disabled => Tensor::from_dispatch(DispatchTensor {
            kind: DispatchTensorKind::Flex(BackendTensor::Float(tensor)),
            autodiff: context,
        }),
        DispatchAutodiffContext::Enabled(_) => {
            followed(Autodiff::<Flex>::from_inner(tensor), context)
        }
    }
}

/// An output that may be part of a graph.
pub(super) fn followed<const D: usize>(
    tensor: Tracked,
    context: DispatchAutodiffContext,
) -> Tensor<D> {
    let flex = DispatchTensorKind::Flex(BackendTensor::Autodiff(tensor));
    let kind = DispatchTensorKind::Autodiff(Box::new(flex));
    Tensor::from_dispatch(DispatchTensor { kind, autodiff: context })
}

/// The numbers of a tensor that is contiguous, and the whole of its memory.
pub(super) fn numbers(tensor: &FlexTensor) -> &[f32] {
    tensor.storage()
}

/// The tensor, contiguous, as the only one that has its memory: it can be written over.
pub(super) fn owned(tensor: FlexTensor) -> FlexTensor {
    let mut tensor = tensor.to_contiguous();
    if tensor.try_storage_mut::<f32>().is_some() {
        return tensor;
    }
    let mut copy = Buffer::new(numbers(&tensor).len());
    copy.copy_from_slice(numbers(&tensor));
    copy.into_tensor(tensor.layout().shape().clone())
}

/// One number a channel, as a tensor.
pub(super) fn per_channel(values: &[f32]) -> FlexTensor {
    let mut buffer = Buffer::new(values.len());
    buffer.copy_from_slice(values);
    buffer.into_tensor([values.len()])
}
