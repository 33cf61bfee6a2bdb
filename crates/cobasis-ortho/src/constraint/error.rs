//! Why filters can't be kept orthonormal.

/// Filters that can't be kept orthonormal.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConstraintError {
    /// There is nothing to keep orthonormal.
    #[error("expected filters to keep orthonormal, got none")]
    NoFilters,
    /// Filters of different sizes, which have no inner products.
    #[error("expected jointly constrained filters of {expected} numbers each, got shape {got:?}")]
    FilterSize {
        /// The numbers of a filter of the first basis.
        expected: usize,
        /// The shape of a basis of others.
        got: [usize; 4],
    },
    /// Not a tensor for each basis.
    #[error("expected a tensor for each of {expected} bases, got {got}")]
    Count {
        /// The number of bases.
        expected: usize,
        /// The number of tensors.
        got: usize,
    },
    /// A tensor that is not of its basis's shape.
    #[error("expected a tensor of the basis's shape {expected:?}, got {got:?}")]
    Shape {
        /// The shape of the basis.
        expected: [usize; 4],
        /// That of the tensor.
        got: [usize; 4],
    },
    /// Weights that are not finite: training diverged.
    #[error("the filters hold numbers that are not finite")]
    NotFinite,
    /// Filters that span less than as many dimensions as they should.
    #[error(
        "the filters are linearly dependent: number {index} of {count} depends on those before"
    )]
    Dependent {
        /// The first filter (with more filters than numbers in each: the first column) that
        /// depends on those before it, from 0.
        index: usize,
        /// How many there are.
        count: usize,
    },
}
