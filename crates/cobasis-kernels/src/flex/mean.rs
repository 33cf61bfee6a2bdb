//! The mean of each map.

use burn::backend::Flex;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::NoCheckpointing;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::tensor::Tensor;
use burn_flex::FlexTensor;

use super::tensors::{Operands, Tracked, followed, numbers, output};
use crate::buffer::Buffer;

/// The mean of each map: `[batch, height, width, channels]` to `[batch, channels]`.
pub(crate) fn global_average(x: Tensor<4>) -> Tensor<2> {
    let dims = x.dims();
    match Operands::new([x.into_dispatch()]) {
        Operands::Plain(tensors, context) => output(forward(&tensors[0], dims), context),
        Operands::Tracked(mut tensors, context) => {
            followed(differentiable(tensors.remove(0), dims), context)
        }
    }
}

fn forward(x: &FlexTensor, [batch, height, width, channels]: [usize; 4]) -> FlexTensor {
    let x = x.to_contiguous();
    let mut means = Buffer::new(batch * channels);
    let pixels = (height * width) as f64;
    let images = numbers(&x).chunks_exact(height * width * channels);
    for (means, image) in means.chunks_exact_mut(channels).zip(images) {
        let mut sums = vec![0.0_f64; channels];
        for pixel in image.chunks_exact(channels) {
            sums.iter_mut().zip(pixel).for_each(|(sum, &x)| *sum += f64::from(x));
        }
        means.iter_mut().zip(sums).for_each(|(mean, sum)| *mean = (sum / pixels) as f32);
    }
    means.into_tensor([batch, channels])
}

fn differentiable(x: Tracked, dims: [usize; 4]) -> Tracked {
    let guard = x.node();
    let means = forward(&x.into_primitive(), dims);
    match Mean.prepare::<NoCheckpointing>([guard]).compute_bound().stateful() {
        OpsKind::Tracked(prepared) => prepared.finish(dims, means),
        OpsKind::UnTracked(prepared) => prepared.finish(means),
    }
}

#[derive(Debug)]
struct Mean;

impl Backward<Flex, 1> for Mean {
    type State = [usize; 4];

    fn backward(self, ops: Ops<[usize; 4], 1>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let [batch, height, width, channels] = ops.state;
        let dy = gradients.consume::<Flex>(&ops.node).to_contiguous();
        let [Some(parent)] = ops.parents else { return };
        let mut dx = Buffer::new(batch * height * width * channels);
        let share = 1.0 / (height * width) as f32;
        let images = dx.chunks_exact_mut(height * width * channels);
        for (image, dy) in images.zip(numbers(&dy).chunks_exact(channels)) {
            for pixel in image.chunks_exact_mut(channels) {
                pixel.iter_mut().zip(dy).for_each(|(dx, dy)| *dx = dy * share);
            }
        }
        gradients.register::<Flex>(parent.id, dx.into_tensor(ops.state));
    }
}
