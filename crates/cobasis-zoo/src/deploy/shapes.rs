//! The sizes of what flows through a deployed model.

use cobasis_kernels::Windows;

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
    /// The windows as maps have them.
    pub(super) fn windows(self) -> Windows {
        Windows { size: self.size, stride: self.stride, padding: self.pad }
    }
}
