//! The sizes of what flows through a deployed model.

use burn::tensor::Tensor;
use burn::tensor::module::{avg_pool2d, max_pool2d};
use burn::tensor::ops::{AvgPoolOptions, MaxPoolOptions};

use super::Deployed;
use crate::graph::{Op, Window};
use crate::pass::pooled;

impl Deployed {
    /// The output shape of each node, `[channels, height, width]`, for images of `[height, width]`.
    pub(super) fn shapes(&self, [height, width]: [usize; 2]) -> Vec<[usize; 3]> {
        let mut shapes = vec![[self.config.model.in_channels, height, width]];
        for node in self.plan.nodes.iter().skip(1) {
            let first @ [channels, height, width] = shapes[node.inputs[0]];
            shapes.push(match node.op {
                Op::Conv(conv) => {
                    let conv = &self.convs[conv];
                    let [filters, _, kernel @ ..] =
                        conv.filter_shape(conv.basis.map(|basis| &self.bases[basis]));
                    let [_, height, width] = pooled(first, kernel, conv.stride, conv.padding);
                    [filters, height, width]
                }
                Op::Input | Op::Affine(_) | Op::Add | Op::Attention(_) => first,
                Op::Concat => {
                    let channels = node.inputs.iter().map(|&input| shapes[input][0]).sum();
                    [channels, height, width]
                }
                Op::Pad { stride, new_channels } => {
                    [channels + new_channels, height.div_ceil(stride), width.div_ceil(stride)]
                }
                Op::MaxPool(window) | Op::AvgPool(window) => {
                    pooled(first, window.size, window.stride, window.pad)
                }
                Op::GlobalAverage => [channels, 1, 1],
                Op::Head => [self.config.model.num_classes, 1, 1],
            });
        }
        shapes
    }
}

impl Window {
    /// The maximum of each window.
    pub(super) fn max(self, x: Tensor<4>) -> Tensor<4> {
        let options = MaxPoolOptions::new(self.size).with_stride(self.stride);
        max_pool2d(x, options.with_padding_pairs(self.pad.map(|side| (side, side))))
    }

    /// The mean of each window.
    pub(super) fn mean(self, x: Tensor<4>) -> Tensor<4> {
        let options = AvgPoolOptions::new(self.size).with_stride(self.stride);
        avg_pool2d(x, options.with_padding_pairs(self.pad.map(|side| (side, side))))
    }
}
