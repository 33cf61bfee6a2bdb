//! Filters as rows of a matrix.

use burn::tensor::Tensor;

/// One flattened filter per row: `[filters, channels × kernel_height × kernel_width]`.
pub(crate) fn rows(filters: Tensor<4>) -> Tensor<2> {
    let [count, channels, height, width] = filters.dims();
    filters.reshape([count, channels * height * width])
}

/// The numbers of a tensor on the host, row by row.
///
/// # Panics
///
/// Panics if the tensor can't be read from its device.
pub(crate) fn host(tensor: Tensor<2>) -> Vec<f64> {
    tensor.into_data().iter::<f64>().collect()
}
