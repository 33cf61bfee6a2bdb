//! What a penalty sees of a network: groups of filters.

use burn::tensor::Tensor;

use crate::rows::rows;

/// The filters of one stage that should be orthonormal to one another.
///
/// Every tensor has shape `[filters, channels / groups, kernel_height, kernel_width]`, and within
/// a group all have the same size of a filter.
#[derive(Clone, Debug)]
pub struct FilterGroup {
    /// The shared bases of the stage, joined along the filters: two bases of a stage are kept
    /// orthogonal to each other as well (paper's `*` models).
    pub shared: Vec<Tensor<4>>,
    /// The unique filters of each layer of the stage, one tensor a layer. They count only with
    /// [`Counted::SharedAndUnique`].
    pub unique: Vec<Tensor<4>>,
}

/// Groups that are pooled into one mean: the stages of a network.
///
/// Most networks have one family. Two bases of a stage that do not act on the same input, such as
/// the 3×3 and the 1×1 bases of a bottleneck, are two families whose penalties are added.
pub type Family = Vec<FilterGroup>;

/// Which inner products of filters a penalty counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Counted {
    /// Shared × shared.
    #[default]
    Shared,
    /// Shared × shared, each shared × unique product once, and inside each layer
    /// unique × unique: the objective of the authors' CIFAR-10 code. Formulas other than the mean
    /// see a matrix for each layer instead, its shared and unique filters together.
    SharedAndUnique,
}

impl FilterGroup {
    /// A group of shared bases without unique filters.
    pub fn shared(bases: impl IntoIterator<Item = Tensor<4>>) -> Self {
        Self { shared: bases.into_iter().collect(), unique: Vec::new() }
    }

    /// The shared filters as the rows of one matrix `[filters, size of a filter]`; `None` without
    /// any.
    ///
    /// # Panics
    ///
    /// Panics if the filters of the group, unique ones included, differ in size.
    pub(super) fn shared_rows(&self) -> Option<Tensor<2>> {
        let size = self.shared.first()?.dims()[1..].iter().product::<usize>();
        for filters in self.shared.iter().chain(&self.unique) {
            let dims = filters.dims();
            assert!(
                dims[1..].iter().product::<usize>() == size,
                "expected filters of {size} numbers each in a group, got shape {dims:?}"
            );
        }
        Some(Tensor::cat(self.shared.iter().cloned().map(rows).collect(), 0))
    }

    /// The matrices that are to have orthonormal rows: the shared filters, or, where unique ones
    /// count, all filters of each layer. None without shared filters.
    ///
    /// # Panics
    ///
    /// Panics if the filters of the group differ in size.
    pub(super) fn matrices(&self, counted: Counted) -> Vec<Tensor<2>> {
        let Some(shared) = self.shared_rows() else {
            return Vec::new();
        };
        if counted == Counted::Shared || self.unique.is_empty() {
            return vec![shared];
        }
        let layers = self.unique.iter().cloned();
        layers.map(|unique| Tensor::cat(vec![shared.clone(), rows(unique)], 0)).collect()
    }

    /// The same with the filters' shape: kernels `[filters, channels, height, width]`.
    ///
    /// # Panics
    ///
    /// Panics if the filters of the group differ in shape.
    pub(super) fn kernels(&self, counted: Counted) -> Vec<Tensor<4>> {
        let Some(first) = self.shared.first() else {
            return Vec::new();
        };
        let [_, channels, height, width] = first.dims();
        for filters in self.shared.iter().chain(&self.unique) {
            let dims = filters.dims();
            assert!(
                dims[1..] == [channels, height, width],
                "expected filters of shape [{channels}, {height}, {width}] in a group, got {dims:?}"
            );
        }
        let kernel = |rows: Tensor<2>| {
            let count = rows.dims()[0];
            rows.reshape([count, channels, height, width])
        };
        self.matrices(counted).into_iter().map(kernel).collect()
    }
}
