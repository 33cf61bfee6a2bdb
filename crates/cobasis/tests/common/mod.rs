//! The devices that tests run on, and tensors with made-up values.

use burn::tensor::{Device, Tensor, TensorData};

/// Flex, the fast CPU backend, and NdArray, a second and independent reference.
#[allow(deprecated)]
pub fn devices() -> [Device; 2] {
    [Device::flex(), Device::ndarray()]
}

/// Values in [−1, 1) that depend on the seed only: device random numbers are shared between tests.
pub fn values<const D: usize>(shape: [usize; D], seed: u64, device: &Device) -> Tensor<D> {
    let mut state = seed;
    let values: Vec<f32> = (0..shape.iter().product::<usize>())
        .map(|_| {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            ((state >> 40) as f64 / f64::from(1u32 << 23) - 1.0) as f32
        })
        .collect();
    Tensor::from_data(TensorData::new(values, shape), device)
}

/// The largest absolute difference of two tensors.
pub fn distance<const D: usize>(a: Tensor<D>, b: Tensor<D>) -> f32 {
    (a - b).abs().max().into_scalar()
}
