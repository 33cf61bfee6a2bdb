//! What every choice of ranks loses, for choosing them under a budget.

use rayon::prelude::*;

use super::layer::Layer;
use super::shared::{plain, weighted};
use super::{DenseFilters, JointError, check};
use crate::eigen::symmetric_eigenvalues;
use crate::product::{Part, Target, View};

/// The errors of [`joint_basis`](crate::joint_basis) for all ranks, computed at once.
///
/// What is lost is the sum over layers of the squared error of a layer relative to its own squares:
/// `Σ ‖W − C B‖² / ‖W‖²`. With second moments `M` of the layers' inputs it is that of their outputs,
/// `Σ ‖(W − C B) M½‖² / ‖W M½‖²`, each layer's in its own moment, for the shared filters of the mean
/// moment. [`joint_basis`](crate::joint_basis) has other shared filters to choose from and measures without
/// the small part that it adds to the moments' diagonals, so its errors are a little smaller.
#[derive(Clone, Debug, PartialEq)]
pub struct JointProfile {
    length: usize,
    shared: Vec<usize>,
    unique: usize,
    /// `[shared.len(), unique + 1]`.
    lost: Vec<f64>,
}

impl JointProfile {
    /// The errors of `shared` shared filters, each number of them in the list, and of no unique filter
    /// to `most_unique` of them.
    ///
    /// Numbers beyond the filters' length are left out. [`ranks_to_try`] is a list that takes seconds
    /// where all would take minutes.
    ///
    /// # Errors
    ///
    /// Where a number is not finite.
    ///
    /// # Panics
    ///
    /// Panics if filters or second moments have other lengths than `length` says.
    pub fn of(
        layers: &[DenseFilters<'_>],
        length: usize,
        shared: &[usize],
        most_unique: usize,
    ) -> Result<Self, JointError> {
        check(layers, length)?;
        let mut counts: Vec<usize> = shared.iter().copied().filter(|&s| s <= length).collect();
        counts.sort_unstable();
        counts.dedup();
        let most = counts.last().copied().unwrap_or(0);
        let seen = layers.iter().any(|layer| layer.second_moment.is_some());
        let filters = match seen {
            true => weighted(layers, length, most),
            false => plain(layers, length, most),
        };
        let mut rests: Vec<Rest> =
            layers.iter().map(|dense| Rest::of(dense, length, &filters.rows)).collect();
        let mut lost = Vec::with_capacity(counts.len() * (most_unique + 1));
        for &count in &counts {
            let of_layers: Vec<Vec<f64>> =
                rests.par_iter_mut().map(|rest| rest.lost(count, most_unique)).collect();
            // In the layers' order, whatever thread was first.
            lost.extend(
                (0..=most_unique)
                    .map(|unique| -> f64 { of_layers.iter().map(|layer| layer[unique]).sum() }),
            );
        }
        Ok(Self { length, shared: counts, unique: most_unique, lost })
    }

    /// The numbers of shared filters, from the smallest on.
    pub fn shared(&self) -> &[usize] {
        &self.shared
    }

    /// The most unique filters of a layer.
    pub fn most_unique(&self) -> usize {
        self.unique
    }

    /// What is lost with that many shared filters, a number of [`Self::shared`], and unique ones; nothing
    /// for others, and for more than can be orthonormal.
    pub fn lost(&self, shared: usize, unique: usize) -> Option<f64> {
        let index = self.shared.binary_search(&shared).ok()?;
        let possible = unique <= self.unique && shared + unique <= self.length;
        possible.then(|| self.lost[index * (self.unique + 1) + unique])
    }

    /// All choices, shared filters, unique filters and what is lost with them: by the number of shared
    /// filters, then of unique ones.
    pub fn choices(&self) -> impl Iterator<Item = (usize, usize, f64)> {
        self.shared.iter().flat_map(move |&shared| {
            let choice = move |unique| self.lost(shared, unique).map(|lost| (shared, unique, lost));
            (0..=self.unique).filter_map(choice)
        })
    }
}

/// Numbers of shared filters worth trying, up to `most`: all up to 16, then multiples of 8 about an
/// eighth apart, and `most`.
pub fn ranks_to_try(most: usize) -> Vec<usize> {
    let mut ranks: Vec<usize> = (0..=most.min(16)).collect();
    let mut next = 24;
    while next < most {
        ranks.push(next);
        next = (next + (next / 8).max(8)) / 8 * 8;
    }
    if most > 16 {
        ranks.push(most);
    }
    ranks
}

/// What shared filters leave of a layer.
struct Rest {
    outputs: usize,
    /// All inner products of what is left of the filters, `[outputs, outputs]`, on and above the diagonal.
    gram: Vec<f64>,
    /// The products of filters and all shared ones, `[outputs, shared]`.
    along: Vec<f64>,
    /// How many shared filters have been taken out.
    taken: usize,
    /// The sum of the filters' squares.
    whole: f64,
}

impl Rest {
    fn of(dense: &DenseFilters<'_>, length: usize, shared: &[f64]) -> Self {
        let layer = Layer::of(dense, length);
        let gram = layer.gram();
        let outputs = dense.filters.len() / length;
        let whole = gram.iter().step_by(outputs + 1).sum();
        Self { outputs, gram, along: layer.along(shared), taken: 0, whole }
    }

    /// What is lost with the first shared filters, not fewer than before, and no unique filter to
    /// `most_unique` of them.
    fn lost(&mut self, shared: usize, most_unique: usize) -> Vec<f64> {
        let outputs = self.outputs;
        let along = View::of(&self.along, self.along.len() / outputs.max(1));
        let along = along.columns(self.taken..shared);
        let target = Target { part: Part::Upper, ..Target::all(&mut self.gram, outputs) };
        target.add(-1.0, along, along.transposed());
        self.taken = shared;
        let mut taken = match most_unique {
            0 => Vec::new(),
            _ => symmetric_eigenvalues(self.gram.clone(), outputs),
        };
        taken.sort_unstable_by(|a, b| b.total_cmp(a));
        let mut left: f64 = self.gram.iter().step_by(outputs + 1).sum();
        let whole = self.whole;
        // Rounding leaves less than nothing.
        let part = |left: f64| if whole > 0.0 { (left / whole).max(0.0) } else { 0.0 };
        let unique = (0..most_unique).map(|index| {
            left -= taken.get(index).copied().unwrap_or(0.0).max(0.0);
            part(left)
        });
        [part(self.gram.iter().step_by(outputs + 1).sum())].into_iter().chain(unique).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Normal;
    use crate::{Weighting, joint_basis};

    fn random(count: usize, key: u64) -> Vec<f64> {
        let mut draw = Normal::new(key);
        (0..count).map(|_| draw.next()).collect()
    }

    /// Layers of different sizes, of which the first has a filter less than the shared ones.
    fn layers() -> Vec<DenseFilters<'static>> {
        let dense = |(outputs, key): (usize, u64)| DenseFilters {
            filters: random(outputs * 20, key).iter().map(|v| v * key as f64).collect(),
            second_moment: None,
        };
        [(4, 1), (9, 2), (7, 3)].into_iter().map(dense).collect()
    }

    #[test]
    fn errors_are_those_of_the_bases() {
        let layers = layers();
        let counts = [0, 1, 5, 13, 17, 19, 20];
        let profile = JointProfile::of(&layers, 20, &counts, 6).expect("finite");
        assert_eq!(profile.shared(), counts);
        let mut tried = 0;
        for (shared, unique, lost) in profile.choices() {
            let joint =
                joint_basis(&layers, 20, shared, unique, Weighting::Inputs).expect("a basis");
            let expected: f64 = joint.layers.iter().map(|f| f.filter_error.powi(2)).sum();
            assert!((lost - expected).abs() < 1e-8, "{shared} {unique}: {lost} {expected}");
            assert_eq!(profile.lost(shared, unique), Some(lost));
            tried += 1;
        }
        // All of 7 × 7 but those of more than 20 filters.
        assert_eq!(tried, 49 - 3 - 5 - 6);
        assert_eq!(profile.lost(17, 4), None);
        assert_eq!(profile.lost(2, 0), None);
        assert_eq!(profile.lost(1, 7), None);
    }

    #[test]
    fn errors_of_outputs_are_about_those_of_the_bases() {
        let moments: Vec<Vec<f64>> = (0..3)
            .map(|key| {
                let x = random(50 * 20, key + 9);
                let x: Vec<f64> =
                    x.iter().enumerate().map(|(i, v)| v / (1 + i % 20) as f64).collect();
                let x = View::of(&x, 20).transposed();
                crate::product::symmetric(x, x)
            })
            .collect();
        let mut layers = layers();
        for (layer, moment) in layers.iter_mut().zip(&moments) {
            layer.second_moment = Some(moment.into());
        }
        let profile = JointProfile::of(&layers, 20, &[0, 2, 6], 3).expect("finite");
        for (shared, unique, lost) in profile.choices() {
            let joint =
                joint_basis(&layers, 20, shared, unique, Weighting::Inputs).expect("a basis");
            let errors = joint.layers.iter().map(|f| f.output_error.expect("a moment").powi(2));
            let expected: f64 = errors.sum();
            assert!((lost / expected - 1.0).abs() < 0.1, "{shared} {unique}: {lost} {expected}");
        }
    }

    #[test]
    fn ranks_to_try_grow_to_the_last() {
        assert_eq!(ranks_to_try(3), [0, 1, 2, 3]);
        assert_eq!(ranks_to_try(24)[15..], [15, 16, 24]);
        let ranks = ranks_to_try(2304);
        assert!(ranks.is_sorted_by(|a, b| a < b) && ranks.len() < 70, "{ranks:?}");
        assert_eq!(ranks.last(), Some(&2304));
    }

    #[test]
    fn what_is_no_number_is_refused() {
        let bad = DenseFilters { filters: vec![1.0, f64::INFINITY], second_moment: None };
        let error = JointProfile::of(&[bad], 2, &[0, 1], 1).expect_err("infinite");
        assert_eq!(error, JointError::NotFinite { layer: 0 });
    }
}
