//! How good a choice can be at best, and choices that are nearly so.
//!
//! With prices λ ≥ 0 for what there is room for, no choice that fits has an error below
//! `Σ min (error + λ costs) − λ room`. The prices that make this largest are looked for by subgradient steps
//! (Held, Wolfe & Crowder, *Validation of subgradient optimization*, 1974).

use super::search::{Outcome, Weights, fits, plus, search};
use super::{Candidate, Costs};

/// Changes of the prices.
const STEPS: usize = 300;

/// Steps without a better bound after which they become shorter.
const PATIENCE: usize = 8;

/// Of the numbers in a bound, what rounding may be.
const ROUNDING: f64 = 1e-11;

/// Prices, the best choice met on the way, and how far the weights of a better one may be above the
/// smallest.
pub(super) struct Bound {
    /// Of a parameter and of a multiplication.
    pub(super) prices: [f64; 2],
    pub(super) choice: Vec<usize>,
    pub(super) gap: f64,
}

impl Bound {
    /// From a choice that fits.
    pub(super) fn of(stages: &[Vec<Candidate>], room: Costs, start: Vec<usize>) -> Self {
        let mut choice = filled(stages, room, start);
        let mut known = error(stages, &choice);
        // In parts of the room, so that steps are of one size in both directions.
        let scale = [room.params, room.macs].map(|room| room.max(1) as f64);
        let mut prices = [0.0; 2];
        let mut best = ([0.0; 2], f64::NEG_INFINITY);
        let (mut length, mut failures) = (1.0, 0);
        for _ in 0..STEPS {
            let weights =
                Weights { error: 1.0, params: prices[0] / scale[0], macs: prices[1] / scale[1] };
            let cheapest: Vec<usize> =
                stages.iter().map(|stage| smallest(stage, &weights)).collect();
            let costs = costs(stages, &cheapest);
            let excess = |cost: usize, room: usize, scale: f64| match room < usize::MAX {
                true => (cost as f64 - room as f64) / scale,
                false => 0.0,
            };
            let excess = [
                excess(costs.params, room.params, scale[0]),
                excess(costs.macs, room.macs, scale[1]),
            ];
            let bound = error(stages, &cheapest) + prices[0] * excess[0] + prices[1] * excess[1];
            if bound > best.1 {
                best = (prices, bound);
                failures = 0;
            } else {
                failures += 1;
                if failures == PATIENCE {
                    (length, failures) = (length / 2.0, 0);
                }
            }
            if let Some(other) = repaired(stages, room, cheapest) {
                let other = filled(stages, room, other);
                if error(stages, &other) < known {
                    known = error(stages, &other);
                    choice = other;
                }
            }
            let square = excess[0] * excess[0] + excess[1] * excess[1];
            if square == 0.0 || known <= best.1 {
                break;
            }
            for (price, excess) in prices.iter_mut().zip(excess) {
                *price = (*price + length * (known - bound) * excess / square).max(0.0);
            }
        }
        let (prices, bound) = best;
        let numbers = known.abs() + bound.abs() + prices[0] + prices[1];
        let gap = (known - bound).max(0.0) + ROUNDING * numbers;
        Self { prices: [prices[0] / scale[0], prices[1] / scale[1]], choice, gap }
    }
}

/// A choice that fits into `room`, if there is one.
pub(super) fn fitting(stages: &[Vec<Candidate>], room: Costs) -> Option<Vec<usize>> {
    let scale = [room.params, room.macs].map(|room| room.max(1) as f64);
    let weights =
        |part: f64| Weights { error: 0.0, params: part / scale[0], macs: (1.0 - part) / scale[1] };
    // At any mixture of both costs, what fits costs at most what the room does. The mixture at which
    // the cheapest choice is the dearest is the one that says most.
    let spare = |part: f64| {
        let room =
            part * room.params as f64 / scale[0] + (1.0 - part) * room.macs as f64 / scale[1];
        room - stages.iter().map(|stage| weights(part).smallest(stage)).sum::<f64>()
    };
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..60 {
        let cheapest = |part| -> Vec<usize> {
            stages.iter().map(|stage| smallest(stage, &weights(part))).collect()
        };
        let parts = [low + (high - low) / 3.0, high - (high - low) / 3.0];
        for part in parts {
            let choice = cheapest(part);
            if fits(costs(stages, &choice), room) {
                return Some(choice);
            }
        }
        match spare(parts[0]) < spare(parts[1]) {
            true => high = parts[1],
            false => low = parts[0],
        }
    }
    for part in [0.0, 1.0] {
        let choice: Vec<usize> =
            stages.iter().map(|stage| smallest(stage, &weights(part))).collect();
        if fits(costs(stages, &choice), room) {
            return Some(choice);
        }
    }
    let part = (low + high) / 2.0;
    let gap = spare(part) + ROUNDING * stages.len() as f64;
    let free = |stage: &Vec<Candidate>| {
        stage.iter().map(|candidate| Candidate { error: 0.0, ..*candidate }).collect()
    };
    let free: Vec<Vec<Candidate>> = stages.iter().map(free).collect();
    match search(&free, room, weights(part), gap, None) {
        Outcome::Found(choice) => Some(choice),
        Outcome::Nothing | Outcome::TooMany => None,
    }
}

/// The stage's candidate of the smallest weight.
fn smallest(stage: &[Candidate], weights: &Weights) -> usize {
    let all = stage.iter().map(|candidate| weights.of(candidate)).enumerate();
    all.min_by(|a, b| a.1.total_cmp(&b.1)).map_or(0, |(place, _)| place)
}

/// A choice that fits, reached by giving up the least error for what it is beyond the room.
fn repaired(stages: &[Vec<Candidate>], room: Costs, mut choice: Vec<usize>) -> Option<Vec<usize>> {
    let beyond = |costs: Costs| {
        let part = |cost: usize, room: usize| cost.saturating_sub(room) as f64 / room.max(1) as f64;
        part(costs.params, room.params) + part(costs.macs, room.macs)
    };
    loop {
        let now = costs(stages, &choice);
        let excess = beyond(now);
        if excess == 0.0 {
            return Some(choice);
        }
        let mut best: Option<(f64, usize, usize)> = None;
        for (index, stage) in stages.iter().enumerate() {
            let current = stage[choice[index]];
            let rest = minus(now, current.costs);
            for (place, candidate) in stage.iter().enumerate() {
                let less = excess - beyond(plus(rest, candidate.costs));
                if less > 0.0 {
                    let rate = (candidate.error - current.error) / less;
                    if best.is_none_or(|(known, ..)| rate < known) {
                        best = Some((rate, index, place));
                    }
                }
            }
        }
        let (_, index, place) = best?;
        choice[index] = place;
    }
}

/// A choice that fits with as little error as changes of one stage after the other reach.
fn filled(stages: &[Vec<Candidate>], room: Costs, mut choice: Vec<usize>) -> Vec<usize> {
    loop {
        let mut changed = false;
        for (index, stage) in stages.iter().enumerate() {
            let rest = minus(costs(stages, &choice), stage[choice[index]].costs);
            let possible = stage.iter().enumerate();
            let possible = possible.filter(|(_, c)| fits(plus(rest, c.costs), room));
            let best = possible.min_by(|a, b| a.1.error.total_cmp(&b.1.error));
            if let Some((place, best)) = best
                && best.error < stage[choice[index]].error
            {
                choice[index] = place;
                changed = true;
            }
        }
        if !changed {
            return choice;
        }
    }
}

fn costs(stages: &[Vec<Candidate>], choice: &[usize]) -> Costs {
    let chosen = stages.iter().zip(choice).map(|(stage, &place)| stage[place].costs);
    chosen.fold(Costs::default(), plus)
}

/// In the order in which combinations are summed too, so that equal choices have equal errors.
fn error(stages: &[Vec<Candidate>], choice: &[usize]) -> f64 {
    stages.iter().zip(choice).fold(0.0, |sum, (stage, &place)| sum + stage[place].error)
}

fn minus(a: Costs, b: Costs) -> Costs {
    Costs { params: a.params - b.params, macs: a.macs - b.macs }
}
