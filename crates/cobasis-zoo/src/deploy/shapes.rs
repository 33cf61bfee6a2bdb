//! The sizes of what flows through a deployed model.

use super::Deployed;
use crate::graph::Op;

impl Deployed {
    /// The output shape of each node, `[channels, height, width]`, for images of `[height, width]`.
    pub(super) fn shapes(&self, [height, width]: [usize; 2]) -> Vec<[usize; 3]> {
        let mut shapes = vec![[self.config.model.in_channels, height, width]];
        for node in self.plan.nodes.iter().skip(1) {
            let first @ [channels, height, width] = shapes[node.inputs[0]];
            shapes.push(match node.op {
                Op::Conv(conv) => {
                    let conv = &self.convs[conv];
                    let [filters, _, kernel @ ..] = conv.filter_shape(&self.bases);
                    let options = conv.geometry.options(kernel, [height, width]);
                    let [height, width] = options.output(kernel, [height, width]);
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
                Op::MaxPool(windows) | Op::AvgPool(windows) => {
                    let [height, width] = windows.output([height, width]);
                    [channels, height, width]
                }
                Op::Upsample => {
                    let [_, height, width] = shapes[node.inputs[1]];
                    [channels, height, width]
                }
                Op::GlobalAverage => [channels, 1, 1],
                Op::Pixels => {
                    let pixels =
                        node.inputs.iter().map(|&input| shapes[input][1] * shapes[input][2]);
                    [pixels.sum(), channels, 1]
                }
                Op::Head => [self.config.model.num_classes, 1, 1],
            });
        }
        shapes
    }
}
