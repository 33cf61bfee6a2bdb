//! The QR retraction.

use burn::tensor::{Tensor, TensorData};

use super::{ConstraintError, Method};
use crate::gram_schmidt::{Dependent, orthonormalise};
use crate::rows::host;

/// Rows become the `Q` of a thin `Q R` with a positive diagonal, which is unique.
///
/// On the host in `f64`, so that rows are orthonormal to the rounding of the weights' own precision
/// on every device. Source: Absil, Mahony and Sepulchre, *Optimization Algorithms on Matrix
/// Manifolds*, 2008, example 4.1.3.
pub(super) struct Qr;

impl Method for Qr {
    fn retract(
        &self,
        _before: Option<Tensor<2>>,
        after: Tensor<2>,
    ) -> Result<Tensor<2>, ConstraintError> {
        let (device, dtype, [count, length]) = (after.device(), after.dtype(), after.dims());
        let mut values = host(after);
        if !values.iter().all(|value| value.is_finite()) {
            return Err(ConstraintError::NotFinite);
        }
        orthonormalise(&mut values, length)
            .map_err(|Dependent(index)| ConstraintError::Dependent { index, count })?;
        Ok(Tensor::from_data(TensorData::new(values, [count, length]), (&device, dtype)))
    }
}
