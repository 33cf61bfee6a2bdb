//! Pooling of maps.

use burn::backend::Flex;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::nn::PaddingConfig2d;
use burn::nn::pool::{AvgPool2d, MaxPool2d};
use burn::tensor::Tensor;
use burn_flex::FlexTensor;

use super::flex::{Operands, Tracked, followed, numbers, output};
use crate::buffer::Buffer;
use crate::maps::{Layout, Maps};
use crate::pool::{self, Windows};

impl Maps {
    /// The maximum of each window, as Burn's module describes them.
    pub fn max_pool(self, module: &MaxPool2d) -> Maps {
        let plain = module.dilation == [1, 1] && !module.ceil_mode;
        match padding(&module.padding) {
            Some(padding) if plain => {
                let windows = (module.kernel_size, module.stride, padding);
                self.pool(Kind::Maximum, windows, |x| module.forward(x))
            }
            _ => self.through(|x| module.forward(x)),
        }
    }

    /// The mean of each window, as Burn's module describes them.
    pub fn avg_pool(self, module: &AvgPool2d) -> Maps {
        match padding(&module.padding) {
            Some(padding) if !module.ceil_mode && (module.count_include_pad || padding == [0, 0]) => {
                let windows = (module.kernel_size, module.stride, padding);
                self.pool(Kind::Average, windows, |x| module.forward(x))
            }
            _ => self.through(|x| module.forward(x)),
        }
    }

    fn pool(
        self,
        kind: Kind,
        (size, stride, padding): ([usize; 2], [usize; 2], [usize; 2]),
        elsewhere: impl FnOnce(Tensor<4>) -> Tensor<4>,
    ) -> Maps {
        let (x, layout) = self.into_parts();
        if layout == Layout::ChannelsFirst {
            return Maps::new(elsewhere(x), layout);
        }
        let windows = Windows { dims: x.dims(), size, stride, padding };
        let y = match Operands::new([x.into_dispatch()]) {
            Operands::Plain(tensors, context) => {
                output(forward(kind, &windows, &tensors[0]).0, context)
            }
            Operands::Tracked(mut tensors, context) => {
                followed(node(kind, windows, tensors.remove(0)), context)
            }
        };
        Maps::new(y, layout)
    }
}

/// The zeros above and below, left and right, if they are as many on opposite sides.
fn padding(padding: &PaddingConfig2d) -> Option<[usize; 2]> {
    match *padding {
        PaddingConfig2d::Valid => Some([0, 0]),
        PaddingConfig2d::Explicit(top, left, bottom, right) if top == bottom && left == right => {
            Some([top, left])
        }
        _ => None,
    }
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Maximum,
    Average,
}

/// The output, and for maxima which number of its window each one is.
fn forward(kind: Kind, windows: &Windows, x: &FlexTensor) -> (FlexTensor, Vec<u32>) {
    let x = x.to_contiguous();
    let dims = windows.output();
    let mut y = Buffer::new(dims.iter().product());
    let mut chosen = Vec::new();
    match kind {
        Kind::Maximum => {
            chosen = vec![0; y.len()];
            pool::maximum(windows, numbers(&x), &mut y, &mut chosen);
        }
        Kind::Average => pool::average(windows, numbers(&x), &mut y),
    }
    (y.into_tensor(dims), chosen)
}

fn node(kind: Kind, windows: Windows, x: Tracked) -> Tracked {
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
    kind: Kind,
    windows: Windows,
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
            Kind::Maximum => pool::maximum_backward(&windows, numbers(&dy), &chosen, &mut dx),
            Kind::Average => pool::average_backward(&windows, numbers(&dy), &mut dx),
        }
        gradients.register::<Flex>(parent.id, dx.into_tensor(windows.dims));
    }
}
