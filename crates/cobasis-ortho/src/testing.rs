//! What the tests of this crate share.

use burn::tensor::{Device, Tensor, TensorData};

#[allow(deprecated)] // NdArray is the second, independent CPU reference.
pub(crate) fn devices() -> [Device; 2] {
    [Device::flex(), Device::ndarray()]
}

pub(crate) fn filters(values: &[f32], shape: [usize; 4], device: &Device) -> Tensor<4> {
    Tensor::from_data(TensorData::new(values.to_vec(), shape), device)
}
