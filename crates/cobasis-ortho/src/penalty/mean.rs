//! The mean of the squared deviations: the paper's penalty.

use burn::tensor::{Tensor, TensorData};

use super::{Counted, FilterGroup, Formula, identity, squared_deviation};
use crate::rows::rows;

/// The squared entries of `B Bᵀ − I` over the [`Counted`] blocks, summed over all stages and
/// divided by their number. Its gradient for one stage is `4 (B Bᵀ − I) B` over that number.
///
/// Source: the authors' training code (the regulariser of Kang & Kim, *Deeply Shared Filter Bases*,
/// NeurIPS 2021, with the normalisation that its results used).
pub(super) struct Mean;

impl Formula for Mean {
    fn of_family(&self, family: &[FilterGroup], counted: Counted, _key: u64) -> Option<Tensor<1>> {
        let (sums, entries): (Vec<_>, Vec<_>) =
            family.iter().filter_map(|group| deviation(group, counted)).unzip();
        let sum = sums.into_iter().reduce(|a, b| a + b)?;
        Some(sum.div_scalar(entries.iter().sum::<usize>() as f64))
    }
}

/// The counted entries' sum of squared deviations from the identity, and their number.
fn deviation(group: &FilterGroup, counted: Counted) -> Option<(Tensor<1>, usize)> {
    let shared = group.shared_rows()?;
    let [num_shared, _] = shared.dims();
    let mut sum = squared_deviation(shared.clone());
    let mut entries = num_shared * num_shared;
    if counted == Counted::SharedAndUnique && !group.unique.is_empty() {
        let layers: Vec<Tensor<2>> = group.unique.iter().cloned().map(rows).collect();
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
    use crate::penalty::{Family, penalty};
    use crate::testing::{devices, filters};
    use burn::tensor::Device;

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
