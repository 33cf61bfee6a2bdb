//! What stands on the host becomes tensors, and tensors numbers on the host.

use burn::tensor::{Device, Int, Tensor, TensorData};

use crate::data::Batch;

/// A batch's images on a device, `[batch, channels, height, width]`.
pub fn images<T>(batch: &Batch<T>, device: &Device) -> Tensor<4> {
    Tensor::from_data(TensorData::new(batch.images.clone(), batch.shape), device)
}

/// Labels on a device, `[batch]`.
pub fn labels(labels: &[u16], device: &Device) -> Tensor<1, Int> {
    let values: Vec<i32> = labels.iter().map(|&label| i32::from(label)).collect();
    let shape = [values.len()];
    Tensor::from_data(TensorData::new(values, shape), device)
}

/// A tensor's values on the host, row-major.
pub fn host<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().iter::<f32>().collect()
}
