//! Pooling of maps.

use burn::backend::Flex;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::tensor::Tensor;
use burn_flex::FlexTensor;

use super::tensors::{Operands, Tracked, followed, numbers, output};
use crate::buffer::Buffer;
use crate::maps::Windows;
use crate::pool;

/// What is done to the numbers of a window.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Pool {
    Maximum,
    Mean,
}

/// Pools maps of `[batch, height, width, channels]`.
pub(crate) fn pool(kind: Pool, windows: Windows, x: Tensor<4>) -> Tensor<4> {
    let Windows { size, stride, padding } = windows;
    let windows = pool::Windows { dims: x.dims(), size, stride, padding };
    match Operands::new([x.into_dispatch()]) {
        Operands::Plain(tensors, context) => {
            output(forward(kind, &windows, &tensors[0]).0, context)
        }
        Operands::Tracked(mut tensors, context) => {
            followed(node(kind, windows, tensors.remove(0)), context)
        }
    }
}

/// The output, and for maxima which number of its window each one is.
fn forward(kind: Pool, windows: &pool::Windows, x: &FlexTensor) -> (FlexTensor, Vec<u32>) {
    let x = x.to_contiguous();
    let dims = windows.output();
    let mut y = Buffer::new(dims.iter().product());
    let mut chosen = Vec::new();
    match kind {
        Pool::Maximum => {
            chosen = vec![0; y.len()];
            pool::maximum(windows, numbers(&x), &mut y, &mut chosen);
        }
        Pool::Mean => pool::average(windows, numbers(&x), &mut y),
    }
    (y.into_tensor(dims), chosen)
}

fn node(kind: Pool, windows: pool::Windows, x: Tracked) -> Tracked {
    let guard = x.node();
    let (y, chosen) = forward(kind, &windows, &x.into_primitive());
    match Pooling.prepare::<NoCheckpointing>([guard]).compute_bound().stateful() {
        OpsKind::Tracked(prepared) => prepared.finish(State { kind, windows, chosen }, y),
        OpsKind::UnTracked(prepared) => prepared.finish(y),
    }
}

#[derive(Debug)]
struct Pooling;

#[derive(Clone, Debug)]
struct State {
    kind: Pool,
    windows: pool::Windows,
    chosen: Vec<u32>,
}

impl Backward<Flex, 1> for Pooling {
    type State = State;

    fn backward(self, ops: Ops<State, 1>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let State { kind, windows, chosen } = ops.state;
        let dy = gradients.consume::<Flex>(&ops.node).to_contiguous();
        let [Some(parent)] = ops.parents else { return };
        let mut dx = Buffer::new(windows.dims.iter().product());
        match kind {
            Pool::Maximum => pool::maximum_backward(&windows, numbers(&dy), &chosen, &mut dx),
            Pool::Mean => pool::average_backward(&windows, numbers(&dy), &mut dx),
        }
        gradients.register::<Flex>(parent.id, dx.into_tensor(windows.dims));
    }
}
