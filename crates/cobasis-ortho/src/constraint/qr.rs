//! The QR retraction.

use burn::tensor::Tensor;

use super::host::Rows;
use super::{ConstraintError, Method, Settings};
use crate::gram_schmidt::{Dependent, orthonormalise};

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
        _settings: &Settings,
    ) -> Result<Tensor<2>, ConstraintError> {
        let mut rows = Rows::read(after)?;
        let (count, length) = (rows.count, rows.length);
        orthonormalise(&mut rows.values, length)
            .map_err(|Dependent(index)| ConstraintError::Dependent { index, count })?;
        Ok(rows.into_tensor())
    }
}
