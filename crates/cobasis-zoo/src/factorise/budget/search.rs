//! Combinations of options, stage after stage, without those that can't be the best.

use std::collections::BTreeMap;

use super::{Candidate, Costs};

/// What counts of an option: its error and its costs, at prices.
#[derive(Clone, Copy, Debug)]
pub(super) struct Weights {
    pub(super) error: f64,
    pub(super) params: f64,
    pub(super) macs: f64,
}

impl Weights {
    pub(super) fn of(&self, candidate: &Candidate) -> f64 {
        let Costs { params, macs } = candidate.costs;
        self.error * candidate.error + self.params * params as f64 + self.macs * macs as f64
    }

    /// The smallest of a stage.
    pub(super) fn smallest(&self, stage: &[Candidate]) -> f64 {
        stage.iter().map(|candidate| self.of(candidate)).fold(f64::INFINITY, f64::min)
    }
}

/// What a search has found.
#[derive(Debug, PartialEq)]
pub(super) enum Outcome {
    /// The best choice, the place of each stage's candidate.
    Found(Vec<usize>),
    /// No choice fits.
    Nothing,
    /// There are more combinations than were to be kept.
    TooMany,
}

/// A combination of options of the first stages.
#[derive(Clone, Copy)]
struct State {
    costs: Costs,
    error: f64,
    /// By how much its weights are larger than the smallest of these stages.
    above: f64,
    /// The combination without the last stage, and that stage's candidate.
    from: u32,
    last: u32,
}

/// The choice of the smallest error that fits into `room`, then of the fewest parameters, then of the
/// fewest multiply-accumulates, among those whose weights are at most `gap` above the smallest ones.
pub(super) fn search(
    stages: &[Vec<Candidate>],
    room: Costs,
    weights: Weights,
    gap: f64,
    most: Option<usize>,
) -> Outcome {
    let mut fronts: Vec<Vec<State>> = Vec::with_capacity(stages.len() + 1);
    fronts.push(vec![State { costs: Costs::default(), error: 0.0, above: 0.0, from: 0, last: 0 }]);
    for (index, stage) in stages.iter().enumerate() {
        let later = least(&stages[index + 1..]);
        let smallest = weights.smallest(stage);
        let mut options: Vec<(f64, u32)> =
            (0..).zip(stage).map(|(last, c)| (weights.of(c) - smallest, last)).collect();
        options.retain(|(above, _)| *above <= gap);
        options.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut next: Vec<State> = Vec::new();
        let mut full = most;
        for (from, state) in (0..).zip(&fronts[index]) {
            for &(above, last) in options.iter().take_while(|(above, _)| state.above + above <= gap)
            {
                let candidate = &stage[last as usize];
                let costs = plus(state.costs, candidate.costs);
                if fits(plus(costs, later), room) {
                    let error = state.error + candidate.error;
                    next.push(State { costs, error, above: state.above + above, from, last });
                }
            }
            if full.is_some_and(|full| next.len() > full) {
                keep_undominated(&mut next, |state| (state.costs, state.error));
                // Twice as many until the next look, so that looks cost no more than the rest.
                full = Some(next.len() * 2).max(most);
                if most.is_some_and(|most| next.len() > most) {
                    return Outcome::TooMany;
                }
            }
        }
        keep_undominated(&mut next, |state| (state.costs, state.error));
        fronts.push(next);
    }
    let key = |state: &State| (state.costs.params, state.costs.macs);
    let best = |front: &Vec<State>| {
        let places = 0..front.len();
        places.min_by(|&a, &b| {
            let (a, b) = (&front[a], &front[b]);
            a.error.total_cmp(&b.error).then_with(|| key(a).cmp(&key(b)))
        })
    };
    let Some(mut place) = fronts.last().and_then(best) else { return Outcome::Nothing };
    let mut choice = Vec::with_capacity(stages.len());
    for front in fronts[1..].iter().rev() {
        choice.push(front[place].last as usize);
        place = front[place].from as usize;
    }
    choice.reverse();
    Outcome::Found(choice)
}

/// Keeps what nothing else beats or equals in parameters, multiply-accumulates and error; of equals the first.
pub(super) fn keep_undominated<T>(items: &mut Vec<T>, key: impl Fn(&T) -> (Costs, f64)) {
    items.sort_by(|a, b| {
        let ((a, a_error), (b, b_error)) = (key(a), key(b));
        (a.params, a.macs).cmp(&(b.params, b.macs)).then(a_error.total_cmp(&b_error))
    });
    // Errors by multiply-accumulates, of what has fewer parameters: the more, the smaller.
    let mut stairs: BTreeMap<usize, f64> = BTreeMap::new();
    items.retain(|item| {
        let (Costs { macs, .. }, error) = key(item);
        if stairs.range(..=macs).next_back().is_some_and(|(_, &known)| known <= error) {
            return false;
        }
        while let Some((&above, _)) =
            stairs.range(macs..).next().filter(|(_, known)| **known >= error)
        {
            stairs.remove(&above);
        }
        stairs.insert(macs, error);
        true
    });
}

/// The least of each cost that stages add.
fn least(stages: &[Vec<Candidate>]) -> Costs {
    stages.iter().fold(Costs::default(), |sum, stage| {
        let least = |of: fn(&Candidate) -> usize| stage.iter().map(of).min().unwrap_or(0);
        plus(sum, Costs { params: least(|c| c.costs.params), macs: least(|c| c.costs.macs) })
    })
}

pub(super) fn plus(a: Costs, b: Costs) -> Costs {
    Costs { params: a.params.saturating_add(b.params), macs: a.macs.saturating_add(b.macs) }
}

pub(super) fn fits(costs: Costs, room: Costs) -> bool {
    costs.params <= room.params && costs.macs <= room.macs
}
