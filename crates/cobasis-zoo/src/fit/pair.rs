//! Methods with two numbers to choose, whose costs are a formula of them.

use super::{Counts, Limits, Setting};

/// Costs of pairs as `one + first·B + second·R + product·B·R²`: those of rings of cores of rank `R` that are
/// sums of `B` others. The coefficients are measured with four models.
pub(super) struct Pairs {
    params: Formula,
    macs: Formula,
    smallest: Counts,
}

#[derive(Clone, Copy)]
struct Formula {
    one: i128,
    first: i128,
    second: i128,
    product: i128,
}

impl Formula {
    /// That of the values at (1, 1), (2, 1), (1, 2) and (2, 2).
    fn of([small, wide, long, large]: [u64; 4]) -> Self {
        let small = i128::from(small);
        let [wide, long, large] = [wide, long, large].map(|value| i128::from(value) - small);
        let product = (large - wide - long) / 3;
        let (first, second) = (wide - product, long - 3 * product);
        Self { one: small - first - second - product, first, second, product }
    }

    fn at(self, [first, second]: [usize; 2]) -> u64 {
        let [b, r] = [first, second].map(|number| number as i128);
        let value = self.one + self.first * b + self.second * r + self.product * b * r * r;
        u64::try_from(value).unwrap_or(0)
    }
}

impl Pairs {
    /// Those of a method; `None` where there is no model.
    pub(super) fn measure(make: &dyn Fn([usize; 2]) -> Option<Setting>) -> Option<Self> {
        let [small, wide, long, large] =
            [[1, 1], [2, 1], [1, 2], [2, 2]].map(|pair| make(pair).map(|made| made.counts));
        let all = [small?, wide?, long?, large?];
        let formula = |count: fn(Counts) -> u64| Formula::of(all.map(count));
        Some(Self {
            params: formula(|counts| counts.params),
            macs: formula(|counts| counts.macs),
            smallest: all[0],
        })
    }

    /// What the smallest pair costs.
    pub(super) fn fewest(&self) -> Counts {
        self.smallest
    }

    /// Parameters and multiply-accumulates of a pair.
    pub(super) fn counts(&self, pair: [usize; 2]) -> Counts {
        Counts { params: self.params.at(pair), macs: self.macs.at(pair), ..self.smallest }
    }

    /// The pair within the limits that has the most parameters, of equals the one with the smaller first
    /// number, among those that are `wanted`. Both numbers go from 1 to `most`.
    pub(super) fn best(
        &self,
        most: usize,
        limits: Limits,
        wanted: &dyn Fn([usize; 2]) -> bool,
    ) -> Option<[usize; 2]> {
        let mut best: Option<([usize; 2], u64)> = None;
        for first in 1..=most {
            for second in (1..=most).filter(|&second| wanted([first, second])) {
                let counts = self.counts([first, second]);
                let is_more = best.is_none_or(|(_, params)| counts.params > params);
                if is_more && limits.allow(&counts) {
                    best = Some(([first, second], counts.params));
                }
            }
        }
        best.map(|(pair, _)| pair)
    }
}
