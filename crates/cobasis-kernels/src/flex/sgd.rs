//! A step of stochastic gradient descent, in one pass.

use burn::tensor::{DType, Tensor};
use burn_flex::FlexTensor;
use pulp::NullaryFnOnce;
use rayon::prelude::*;

use super::tensors::{Operands, numbers, output, owned, serves};
use crate::buffer::Buffer;
use crate::sgd::Sgd;
use crate::vectorised::vectorised;

/// Numbers that a thread takes at a time.
const CHUNK: usize = 1 << 14;

/// The parameter after the step and its new velocity, unless this is left to Burn.
pub(crate) fn sgd<const D: usize>(
    sgd: &Sgd,
    rate: f64,
    parameter: &Tensor<D>,
    gradient: &Tensor<D>,
    velocity: &mut Option<Tensor<D>>,
) -> Option<(Tensor<D>, Tensor<D>)> {
    let tracked = parameter.is_tracked() || gradient.is_tracked();
    if !serves(parameter) || gradient.dtype() != DType::F32 || tracked {
        return None;
    }
    let first = velocity.is_none();
    // Taken, so that it can be written over.
    let velocity = velocity.take().map(Tensor::into_dispatch);
    let given = [parameter.clone(), gradient.clone()].map(Tensor::into_dispatch);
    let Operands::Plain(mut tensors, context) = Operands::new(given.into_iter().chain(velocity))
    else {
        unreachable!("a velocity is part of no graph")
    };
    let shape = tensors[0].layout().shape().clone();
    let mut velocity = match tensors.len() {
        3 => owned(tensors.remove(2)),
        _ => Buffer::new(shape.num_elements()).into_tensor(shape.clone()),
    };
    let tensors: Vec<FlexTensor> = tensors.iter().map(FlexTensor::to_contiguous).collect();
    let mut after = Buffer::new(shape.num_elements());
    let [parameter, gradient] = [0, 1].map(|index| numbers(&tensors[index]));
    let chunks =
        after.par_chunks_mut(CHUNK).zip(velocity.storage_mut::<f32>().par_chunks_mut(CHUNK));
    let chunks = chunks.zip(parameter.par_chunks(CHUNK)).zip(gradient.par_chunks(CHUNK));
    chunks.for_each(|(((after, velocity), parameter), gradient)| {
        vectorised(Chunk { sgd, rate: rate as f32, first, after, velocity, parameter, gradient });
    });
    Some((output(after.into_tensor(shape), context), output(velocity, context)))
}

struct Chunk<'a> {
    sgd: &'a Sgd,
    rate: f32,
    /// Whether there was no velocity yet.
    first: bool,
    after: &'a mut [f32],
    velocity: &'a mut [f32],
    parameter: &'a [f32],
    gradient: &'a [f32],
}

impl NullaryFnOnce for Chunk<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self { sgd, rate, first, after, velocity, parameter, gradient } = self;
        let [momentum, decay] = [sgd.momentum, sgd.weight_decay].map(|value| value as f32);
        let kept = if first { 0.0 } else { momentum };
        let numbers = after.iter_mut().zip(velocity).zip(parameter).zip(gradient);
        for (((after, velocity), &parameter), &gradient) in numbers {
            let gradient = parameter * decay + gradient;
            // What a first velocity holds may be no number.
            let before = if first { 0.0 } else { *velocity };
            *velocity = gradient + before * kept;
            let direction = if sgd.nesterov { *velocity * momentum + gradient } else { *velocity };
            *after = parameter - direction * rate;
        }
    }
}
