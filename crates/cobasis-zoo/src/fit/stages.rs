//! Methods with a number for each stage: what a stage costs does not depend on the numbers of others, so
//! that it is enough to measure one stage at a time.

use super::{Counts, Limits, Setting};

/// Combinations of the numbers of all stages but the last that are tried.
const MOST: usize = 100_000_000;

/// The costs of a network, stage by stage.
pub(super) struct Stages {
    /// With the number 1 in every stage.
    base: Counts,
    /// For each stage, what its numbers from 1 on cost more than 1 does.
    more: Vec<Vec<[u64; 2]>>,
    /// The largest number that each stage can use.
    full: Vec<usize>,
}

/// Why costs can't be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StagesError {
    /// There is no model with the number 1 in every stage.
    NoForm,
    /// There are more combinations than can be tried.
    TooMany,
}

impl Stages {
    /// Measures the models of a method whose stages have a number from 1 to these.
    pub(super) fn measure(
        full: &[usize],
        make: &dyn Fn(&[usize]) -> Option<Setting>,
    ) -> Result<Self, StagesError> {
        if full.contains(&0) {
            return Err(StagesError::NoForm);
        }
        let before_last = full.iter().rev().skip(1);
        let combinations = before_last.fold(1usize, |all, &of| all.saturating_mul(of));
        if combinations > MOST {
            return Err(StagesError::TooMany);
        }
        let ones = vec![1; full.len()];
        let base = make(&ones).ok_or(StagesError::NoForm)?.counts;
        let stage = |(stage, &full): (usize, &usize)| {
            let mut numbers = ones.clone();
            let measured = (1..=full).map_while(|number| {
                numbers[stage] = number;
                let counts = make(&numbers)?.counts;
                let more =
                    [counts.params.checked_sub(base.params)?, counts.macs.checked_sub(base.macs)?];
                Some(more)
            });
            measured.collect::<Vec<_>>()
        };
        let more = full.iter().enumerate().map(stage).collect();
        Ok(Self { base, more, full: full.to_vec() })
    }

    /// The costs of the smallest numbers.
    pub(super) fn fewest(&self) -> Counts {
        self.base
    }

    /// The parameters and multiply-accumulates of a model, by its parts.
    pub(super) fn counts(&self, numbers: &[usize]) -> Counts {
        let parts = numbers.iter().zip(&self.more).map(|(number, more)| more[number - 1]);
        parts.fold(self.base, |sum, [params, macs]| Counts {
            params: sum.params + params,
            macs: sum.macs + macs,
            ..sum
        })
    }

    /// The numbers with the most parameters within the limits; of equals those whose shares of the full
    /// ones differ least, then those with the fewest multiply-accumulates, then those that come first.
    pub(super) fn nearest(&self, limits: Limits) -> Option<Vec<usize>> {
        let mut best = None;
        self.try_all(&mut Vec::new(), self.base, limits, &|_| true, &mut best);
        best.map(|best| best.numbers)
    }

    /// The same among numbers that are `x · full` rounded down or up in each stage, for one `x`.
    pub(super) fn even(&self, limits: Limits) -> Option<Vec<usize>> {
        let mut best = None;
        let even = |numbers: &[usize]| {
            let shares = || numbers.iter().zip(&self.full);
            let share = |number: f64, &full: &usize| number / full as f64;
            let low = shares().map(|(&number, full)| share(number as f64 - 1.0, full));
            let high = shares().map(|(&number, full)| share(number as f64 + 1.0, full));
            low.fold(0.0, f64::max) < high.fold(f64::INFINITY, f64::min)
        };
        self.try_all(&mut Vec::new(), self.base, limits, &even, &mut best);
        best.map(|best| best.numbers)
    }

    /// Goes through the numbers of the stages after those given. `wanted` judges numbers of the first
    /// stages, and what it refuses stays refused with more of them.
    fn try_all(
        &self,
        numbers: &mut Vec<usize>,
        so_far: Counts,
        limits: Limits,
        wanted: &dyn Fn(&[usize]) -> bool,
        best: &mut Option<Candidate>,
    ) {
        let stage = &self.more[numbers.len()];
        let is_last = numbers.len() + 1 == self.more.len();
        let with = |[params, macs]: [u64; 2]| Counts {
            params: so_far.params + params,
            macs: so_far.macs + macs,
            ..so_far
        };
        // Costs never fall, so that those within the limits come first.
        let fitting = stage.partition_point(|&more| limits.allow(&with(more)));
        if is_last {
            for number in (1..=fitting).rev() {
                let counts = with(stage[number - 1]);
                if best.as_ref().is_some_and(|best| counts.params < best.counts.params) {
                    break;
                }
                numbers.push(number);
                if wanted(numbers) {
                    let candidate = Candidate::new(numbers, &self.full, counts);
                    if best.as_ref().is_none_or(|best| candidate.is_better(best)) {
                        *best = Some(candidate);
                    }
                }
                numbers.pop();
            }
            return;
        }
        for (index, &more) in stage[..fitting].iter().enumerate() {
            numbers.push(index + 1);
            if wanted(numbers) {
                self.try_all(numbers, with(more), limits, wanted, best);
            }
            numbers.pop();
        }
    }
}

/// Numbers that fit.
struct Candidate {
    numbers: Vec<usize>,
    counts: Counts,
    /// How far the shares of the full numbers are apart.
    spread: f64,
}

impl Candidate {
    fn new(numbers: &[usize], full: &[usize], counts: Counts) -> Self {
        let shares =
            || numbers.iter().zip(full).map(|(&number, &full)| number as f64 / full as f64);
        let spread = shares().fold(0.0, f64::max) - shares().fold(f64::INFINITY, f64::min);
        Self { numbers: numbers.to_vec(), counts, spread }
    }

    /// Whether it is to be taken instead of one that was found before.
    fn is_better(&self, other: &Self) -> bool {
        let by_params = self.counts.params.cmp(&other.counts.params);
        let by_spread = other.spread.total_cmp(&self.spread);
        let by_macs = other.counts.macs.cmp(&self.counts.macs);
        let by_order = other.numbers.cmp(&self.numbers);
        by_params.then(by_spread).then(by_macs).then(by_order).is_gt()
    }
}
