//! Inner products of filters on the host.

use burn::tensor::Tensor;

use crate::gram_schmidt::dot;
use crate::rows::{host, rows};

/// The inner products of all pairs of filters: `B Bᵀ`, where `B` has one flattened filter per row.
///
/// Computed on the host in `f64`. Filters are orthonormal where it is the identity.
#[derive(Clone, Debug, PartialEq)]
pub struct Gram {
    size: usize,
    entries: Vec<f64>,
}

impl Gram {
    /// The products of filters of shape `[filters, channels / groups, kernel_height, kernel_width]`.
    ///
    /// Of several bases jointly, concatenate them along the filters first.
    ///
    /// # Panics
    ///
    /// Panics if the tensor can't be read from its device.
    pub fn of(filters: Tensor<4>) -> Self {
        let rows = rows(filters.detach());
        let [_, length] = rows.dims();
        Self::of_rows(&host(rows), length)
    }

    /// The products of consecutive rows of the given length.
    pub(crate) fn of_rows(values: &[f64], length: usize) -> Self {
        let rows: Vec<&[f64]> = values.chunks_exact(length.max(1)).collect();
        let size = rows.len();
        let mut entries = vec![0.0; size * size];
        for i in 0..size {
            for j in 0..=i {
                let product = dot(rows[i], rows[j]);
                entries[i * size + j] = product;
                entries[j * size + i] = product;
            }
        }
        Self { size, entries }
    }

    /// The number of filters: rows and columns of the matrix.
    pub fn size(&self) -> usize {
        self.size
    }

    /// All entries, `[size, size]` row by row.
    pub fn entries(&self) -> &[f64] {
        &self.entries
    }

    /// The entries on the diagonal: the squared norms of the filters.
    pub fn diagonal(&self) -> impl Iterator<Item = f64> {
        self.entries.iter().step_by(self.size + 1).copied()
    }

    /// The entries above the diagonal, row by row: the inner product of each pair of filters once.
    pub fn off_diagonal(&self) -> impl Iterator<Item = f64> {
        let rows = self.entries.chunks(self.size.max(1)).enumerate();
        rows.flat_map(|(row, entries)| entries[row + 1..].iter().copied())
    }

    /// The largest deviation of an entry from that of the identity; 0 without filters.
    pub fn max_deviation(&self) -> f64 {
        let diagonal = self.diagonal().map(|square| square - 1.0);
        let largest = |max: f64, entry: f64| if entry.abs() > max { entry.abs() } else { max };
        match self.entries.iter().all(|entry| entry.is_finite()) {
            true => diagonal.chain(self.off_diagonal()).fold(0.0, largest),
            false => f64::NAN,
        }
    }

    pub(crate) fn into_entries(self) -> Vec<f64> {
        self.entries
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{devices, filters};

    #[test]
    fn entries_are_the_inner_products() {
        for device in devices() {
            let gram = Gram::of(filters(&[2.0, 0.0, 1.0, 0.0, 0.5, -3.0], [3, 2, 1, 1], &device));
            assert_eq!(gram.size(), 3);
            assert_eq!(gram.entries(), [4.0, 2.0, 1.0, 2.0, 1.0, 0.5, 1.0, 0.5, 9.25]);
            assert_eq!(gram.diagonal().collect::<Vec<_>>(), [4.0, 1.0, 9.25]);
            assert_eq!(gram.off_diagonal().collect::<Vec<_>>(), [2.0, 1.0, 0.5]);
            assert_eq!(gram.max_deviation(), 8.25);
        }
    }

    #[test]
    fn a_deviation_that_is_no_number_is_not_lost() {
        assert!(Gram::of_rows(&[1.0, f64::NAN], 2).max_deviation().is_nan());
        assert_eq!(Gram::of_rows(&[], 2).max_deviation(), 0.0);
    }
}
