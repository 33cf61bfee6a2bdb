//! The orthonormality penalty, a differentiable function of groups of filters.

use burn::tensor::{Tensor, TensorData};

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

/// Which inner products of filters the penalty counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Counted {
    /// Shared × shared.
    #[default]
    Shared,
    /// Shared × shared, each shared × unique product once, and inside each layer
    /// unique × unique: the objective of the authors' CIFAR-10 code.
    SharedAndUnique,
}

impl FilterGroup {
    /// A group of shared bases without unique filters.
    pub fn shared(bases: impl IntoIterator<Item = Tensor<4>>) -> Self {
        Self { shared: bases.into_iter().collect(), unique: Vec::new() }
    }

    /// The counted entries' sum of squared deviations from the identity, and their number.
    fn deviation(&self, counted: Counted) -> Option<(Tensor<1>, usize)> {
        if self.shared.is_empty() {
            return None;
        }
        let size = self.shared[0].dims()[1..].iter().product::<usize>();
        for filters in self.shared.iter().chain(&self.unique) {
            let dims = filters.dims();
            assert!(
                dims[1..].iter().product::<usize>() == size,
                "filters of a group have {size} numbers each, and some are of shape {dims:?}"
            );
        }
        let shared = Tensor::cat(self.shared.iter().cloned().map(rows).collect(), 0);
        let [num_shared, _] = shared.dims();
        let mut sum = squared_deviation(shared.clone());
        let mut entries = num_shared * num_shared;
        if counted == Counted::SharedAndUnique && !self.unique.is_empty() {
            let layers: Vec<Tensor<2>> = self.unique.iter().cloned().map(rows).collect();
            let all = Tensor::cat(layers.clone(), 0);
            let [num_unique, _] = all.dims();
            sum = sum + shared.clone().matmul(all.clone().transpose()).square().sum();
            entries += num_shared * num_unique;
            // One product for all layers, of which the blocks within layers count: on a GPU, a
            // product for each layer costs more, and Burn 0.22's fused gradients of several layers
            // with one filter are wrong.
            let counts: Vec<usize> = layers.iter().map(|layer| layer.dims()[0]).collect();
            let products = all.clone().matmul(all.transpose()) * within(&counts, &shared);
            sum = sum + (products - identity(num_unique, &shared)).square().sum();
            entries += counts.iter().map(|count| count * count).sum::<usize>();
        }
        Some((sum, entries))
    }
}

/// The orthonormality penalty, a scalar of shape `[1]` on the filters' device.
///
/// For each family, the squared entries of `B Bᵀ − I` over the [`Counted`] blocks are summed over
/// all its groups and divided by the number of entries so counted: one mean over all stages, in
/// which a stage with more filters weighs more. The families' means are added. A group without
/// shared filters does not count, and `None` is returned if no group has any: there is nothing to
/// penalise. To be multiplied by λ (10 in the paper) and added to the loss.
///
/// Source: the authors' training code (the paper's regulariser with the normalisation that its
/// results used).
///
/// # Panics
///
/// Panics if the filters of a group differ in size or device.
pub fn penalty(families: &[Family], counted: Counted) -> Option<Tensor<1>> {
    families
        .iter()
        .filter_map(|family| {
            let (sums, entries): (Vec<_>, Vec<_>) =
                family.iter().filter_map(|group| group.deviation(counted)).unzip();
            let sum = sums.into_iter().reduce(|a, b| a + b)?;
            Some(sum.div_scalar(entries.iter().sum::<usize>() as f64))
        })
        .reduce(|a, b| a + b)
}

/// One flattened filter per row: `[filters, channels × kernel_height × kernel_width]`.
pub(crate) fn rows(filters: Tensor<4>) -> Tensor<2> {
    let [count, channels, height, width] = filters.dims();
    filters.reshape([count, channels * height * width])
}

/// `Σ (R Rᵀ − I)²` over all entries.
fn squared_deviation(rows: Tensor<2>) -> Tensor<1> {
    let identity = identity(rows.dims()[0], &rows);
    (rows.clone().matmul(rows.transpose()) - identity).square().sum()
}

/// The identity, on the device and in the precision of another tensor.
fn identity(size: usize, like: &Tensor<2>) -> Tensor<2> {
    Tensor::<2>::eye(size, &like.device()).cast(like.dtype())
}

/// Ones within blocks of these sizes along the diagonal, zeros between them.
fn within(sizes: &[usize], like: &Tensor<2>) -> Tensor<2> {
    let total: usize = sizes.iter().sum();
    let mut values = vec![0f32; total * total];
    let mut start = 0;
    for size in sizes {
        for row in start..start + size {
            values[row * total + start..row * total + start + size].fill(1.0);
        }
        start += size;
    }
    let values = TensorData::new(values, [total, total]);
    Tensor::<2>::from_data(values, &like.device()).cast(like.dtype())
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;

    #[allow(deprecated)] // NdArray is the second, independent CPU reference.
    fn devices() -> [Device; 2] {
        [Device::flex(), Device::ndarray()]
    }

    fn filters(values: &[f32], shape: [usize; 4], device: &Device) -> Tensor<4> {
        Tensor::from_data(TensorData::new(values.to_vec(), shape), device)
    }

    fn value(families: &[Family], counted: Counted) -> f32 {
        penalty(families, counted).expect("there are shared filters").into_scalar()
    }

    #[test]
    fn orthonormal_filters_cost_nothing() {
        for device in devices() {
            let basis = filters(&[1.0, 0.0, 0.0, 0.0, 1.0, 0.0], [2, 3, 1, 1], &device);
            assert_eq!(value(&[vec![FilterGroup::shared([basis])]], Counted::Shared), 0.0);
        }
    }

    #[test]
    fn stages_are_pooled_by_entries_and_families_added() {
        for device in devices() {
            // Gram of `a` is 4, deviation 3² over 1 entry; of `b` the 2×2 zero matrix, deviation
            // 1² twice over 4 entries.
            let a = || filters(&[2.0], [1, 1, 1, 1], &device);
            let b = || filters(&[0.0, 0.0], [2, 1, 1, 1], &device);
            let pooled = vec![FilterGroup::shared([a()]), FilterGroup::shared([b()])];
            assert_eq!(value(&[pooled], Counted::Shared), (9.0 + 2.0) / 5.0);
            let apart = [vec![FilterGroup::shared([a()])], vec![FilterGroup::shared([b()])]];
            assert_eq!(value(&apart, Counted::Shared), 9.0 + 2.0 / 4.0);
        }
    }

    #[test]
    fn two_bases_of_a_stage_are_joined() {
        for device in devices() {
            let a = filters(&[1.0, 0.0], [1, 2, 1, 1], &device);
            let b = filters(&[0.6, 0.8], [1, 2, 1, 1], &device);
            let cost = value(&[vec![FilterGroup::shared([a, b])]], Counted::Shared);
            assert!((cost - 2.0 * 0.36 / 4.0).abs() < 1e-7, "{cost}");
        }
    }

    #[test]
    fn unique_filters_count_against_shared_ones_once_and_inside_their_layer() {
        for device in devices() {
            let shared = filters(&[1.0, 0.0, 0.0], [1, 3, 1, 1], &device);
            let first = filters(&[0.5, 1.0, 0.0], [1, 3, 1, 1], &device);
            let second = filters(&[0.0, 2.0, 0.0, 0.0, 0.0, 1.0], [2, 3, 1, 1], &device);
            let group = FilterGroup { shared: vec![shared], unique: vec![first, second] };
            let families = [vec![group]];
            assert_eq!(value(&families, Counted::Shared), 0.0);
            // shared × unique: 0.5²; first layer: (1.25 − 1)²; second: (4 − 1)²; the product of
            // first and second (2) lies between layers and does not count.
            let expected = (0.25 + 0.0625 + 9.0) / (1.0 + 3.0 + 1.0 + 4.0);
            assert!((value(&families, Counted::SharedAndUnique) - expected).abs() < 1e-6);
        }
    }

    #[test]
    fn without_shared_filters_there_is_nothing_to_penalise() {
        let unique = filters(&[3.0], [1, 1, 1, 1], &Device::flex());
        let group = FilterGroup { shared: Vec::new(), unique: vec![unique] };
        assert!(penalty(&[vec![group]], Counted::SharedAndUnique).is_none());
        assert!(penalty(&[], Counted::Shared).is_none());
    }

    #[test]
    fn the_gradient_is_four_times_deviation_times_basis_over_the_entries() {
        for device in devices() {
            let basis = filters(&[1.0, 0.5, -0.25, 2.0], [2, 2, 1, 1], &device.autodiff());
            let basis = basis.require_grad();
            let families = [vec![FilterGroup::shared([basis.clone()])]];
            let loss = penalty(&families, Counted::Shared).expect("there are shared filters");
            let gradient = basis.grad(&loss.backward()).expect("the basis takes part");
            // D = B Bᵀ − I = [[0.25, 0.75], [0.75, 3.0625]]; 4 D B / 4 entries = D B.
            let expected = [0.0625, 1.625, -0.015625, 6.5];
            let got = gradient.into_data().try_to_vec::<f32>().expect("f32 data");
            for (got, expected) in got.iter().zip(expected) {
                assert!((got - expected).abs() < 1e-5, "{got} {expected}");
            }
        }
    }
}
