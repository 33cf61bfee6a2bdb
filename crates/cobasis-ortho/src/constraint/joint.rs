//! Jointly kept bases as one matrix.

use burn::tensor::Tensor;

use super::ConstraintError;
use crate::rows::rows;

/// The shapes of the bases whose filters are the rows of one matrix.
pub(super) struct Joint {
    shapes: Vec<[usize; 4]>,
    /// More filters than numbers in each: the matrix is turned over.
    pub(super) tall: bool,
    length: usize,
}

impl Joint {
    pub(super) fn of(bases: &[Tensor<4>]) -> Result<Self, ConstraintError> {
        let shapes: Vec<[usize; 4]> = bases.iter().map(|basis| basis.dims()).collect();
        let size = |shape: &[usize; 4]| shape[1..].iter().product::<usize>();
        let length = shapes.first().map_or(0, size);
        if let Some(&got) = shapes.iter().find(|shape| size(shape) != length) {
            return Err(ConstraintError::FilterSize { expected: length, got });
        }
        let filters: usize = shapes.iter().map(|shape| shape[0]).sum();
        match filters * length {
            0 => Err(ConstraintError::NoFilters),
            _ => Ok(Self { shapes, tall: filters > length, length }),
        }
    }

    /// A matrix with at most as many rows as columns: the filters of the tensors as its rows, or as
    /// its columns where there are more filters than numbers in each.
    pub(super) fn matrix(&self, tensors: &[Tensor<4>]) -> Result<Tensor<2>, ConstraintError> {
        if tensors.len() != self.shapes.len() {
            let (expected, got) = (self.shapes.len(), tensors.len());
            return Err(ConstraintError::Count { expected, got });
        }
        for (&expected, tensor) in self.shapes.iter().zip(tensors) {
            let got = tensor.dims();
            if got != expected {
                return Err(ConstraintError::Shape { expected, got });
            }
        }
        let matrix = Tensor::cat(tensors.iter().cloned().map(rows).collect(), 0);
        Ok(if self.tall { matrix.transpose() } else { matrix })
    }

    /// The tensors that a matrix of [`Self::matrix`] stands for.
    pub(super) fn split(&self, matrix: Tensor<2>) -> Vec<Tensor<4>> {
        let rows = if self.tall { matrix.transpose() } else { matrix };
        let mut start = 0;
        let part = |&shape: &[usize; 4]| {
            let end = start + shape[0];
            let filters = rows.clone().slice([start..end, 0..self.length]).reshape(shape);
            start = end;
            filters
        };
        self.shapes.iter().map(part).collect()
    }
}
