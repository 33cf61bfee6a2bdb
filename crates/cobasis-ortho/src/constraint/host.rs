//! Matrices of constraints on the host, in `f64`.

use burn::tensor::{DType, Device, Tensor, TensorData};

use super::ConstraintError;
use crate::product::{View, product, symmetric};
use crate::rows::host;

/// The rows of a tensor, and where they came from.
#[derive(Clone)]
pub(super) struct Rows {
    pub(super) values: Vec<f64>,
    pub(super) count: usize,
    pub(super) length: usize,
    device: Device,
    dtype: DType,
}

impl Rows {
    /// Reads a tensor of finite numbers.
    pub(super) fn read(tensor: Tensor<2>) -> Result<Self, ConstraintError> {
        let (device, dtype, [count, length]) = (tensor.device(), tensor.dtype(), tensor.dims());
        let values = host(tensor);
        match values.iter().all(|value| value.is_finite()) {
            true => Ok(Self { values, count, length, device, dtype }),
            false => Err(ConstraintError::NotFinite),
        }
    }

    /// Other values in the place of these.
    pub(super) fn with(self, values: Vec<f64>) -> Self {
        Self { values, ..self }
    }

    /// The tensor of these rows, on the device and in the precision that they were read from.
    pub(super) fn into_tensor(self) -> Tensor<2> {
        let data = TensorData::new(self.values, [self.count, self.length]);
        Tensor::from_data(data, (&self.device, self.dtype))
    }

    pub(super) fn view(&self) -> View<'_> {
        View::of(&self.values, self.length)
    }

    /// The inner products of the rows.
    pub(super) fn gram(&self) -> Vec<f64> {
        symmetric(self.view(), self.view())
    }

    /// The inner products of these rows with others, `[count, count]`.
    pub(super) fn along(&self, others: &Rows) -> Vec<f64> {
        product(self.view(), others.view().transposed())
    }

    /// Sums of the rows: a matrix of `count` columns times them.
    pub(super) fn mixed(&self, factors: &[f64]) -> Vec<f64> {
        product(View::of(factors, self.count), self.view())
    }
}

/// `½ (M + Mᵀ)`.
pub(super) fn symmetric_part(matrix: &[f64], size: usize) -> Vec<f64> {
    let entry = |index: usize| {
        let (row, column) = (index / size, index % size);
        0.5 * (matrix[index] + matrix[column * size + row])
    };
    (0..size * size).map(entry).collect()
}

/// `M − I`.
pub(super) fn less_identity(mut matrix: Vec<f64>, size: usize) -> Vec<f64> {
    matrix.iter_mut().step_by(size + 1).for_each(|entry| *entry -= 1.0);
    matrix
}

/// The largest sum of absolute values of a row: no eigenvalue is larger.
pub(super) fn largest_row_sum(matrix: &[f64], size: usize) -> f64 {
    let sums = matrix.chunks_exact(size).map(|row| row.iter().map(|entry| entry.abs()).sum());
    sums.fold(0.0, f64::max)
}

/// `a + factor b`, number by number.
pub(super) fn plus(a: &[f64], factor: f64, b: &[f64]) -> Vec<f64> {
    a.iter().zip(b).map(|(a, b)| a + factor * b).collect()
}

/// The root of the sum of squares.
pub(super) fn frobenius(values: &[f64]) -> f64 {
    values.iter().map(|value| value * value).sum::<f64>().sqrt()
}
