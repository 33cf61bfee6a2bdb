//! Pooling that several networks end with.

use burn::tensor::Tensor;

/// The mean of each map: `[batch, channels, height, width]` to `[batch, channels]`.
pub(crate) fn global_average(maps: Tensor<4>) -> Tensor<2> {
    let [batch, channels, height, width] = maps.dims();
    let means = maps.reshape([batch, channels, height * width]).mean_dim(2);
    means.reshape([batch, channels])
}
