//! Ranks for every stage, such that a network has at most so many parameters and multiply-accumulates.
//!
//! Each stage offers options; one of each is chosen, of the smallest sum of errors that fits. This is a
//! multiple-choice knapsack with two capacities (Kellerer, Pferschy & Pisinger, *Knapsack Problems*, 2004,
//! chapters 9 and 11): prices for parameters and multiply-accumulates give a lower bound of the error, which
//! rules most options out (`bound.rs`); what is left is tried in full, without combinations that another
//! beats in everything (`search.rs`).

mod bound;
mod search;
#[cfg(test)]
mod tests;

use bound::Bound;
use search::{Outcome, Weights, fits, keep_undominated, search};

/// Combinations of some stages that are kept at once; beyond, the search gives up.
const MOST: usize = 1_000_000;

/// What a network, or a part of one, costs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Costs {
    /// Parameters.
    pub params: usize,
    /// Multiplications for an image.
    pub macs: usize,
}

/// What a network may cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Budget {
    /// The most parameters, if they are limited.
    pub params: Option<usize>,
    /// The most multiply-accumulates for an image, if they are limited.
    pub macs: Option<usize>,
}

/// Ranks that a stage may have.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RankOption {
    /// Shared filters of each of its banks.
    pub shared: usize,
    /// Unique filters of each of its layers.
    pub unique: usize,
    /// The part of the network's costs that depends on these ranks.
    pub costs: Costs,
    /// What is lost with them, in the same measure for all stages.
    pub error: f64,
}

/// A choice for every stage.
#[derive(Clone, Debug, PartialEq)]
pub struct RankChoice {
    /// The place of each stage's option among its options.
    pub options: Vec<usize>,
    /// What the whole network costs.
    pub costs: Costs,
    /// The sum of the options' errors.
    pub error: f64,
    /// Whether no other choice is better. If the options are too many to know, this is a good one.
    pub exhaustive: bool,
}

/// Why there is no choice.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum BudgetError {
    /// A stage without options.
    #[error("stage {stage} has no ranks to choose from")]
    NoOptions {
        /// The stage, from 0.
        stage: usize,
    },
    /// An error that is infinite or none.
    #[error("stage {stage}: the error of {shared} shared and {unique} unique filters is no number")]
    NotFinite {
        /// The stage, from 0.
        stage: usize,
        /// Shared filters.
        shared: usize,
        /// Unique filters.
        unique: usize,
    },
    /// No ranks have so few parameters.
    #[error("no ranks give {limit} parameters or fewer: the fewest are {fewest}")]
    Params {
        /// The most allowed.
        limit: usize,
        /// The fewest possible.
        fewest: usize,
    },
    /// No ranks need so few multiply-accumulates.
    #[error("no ranks give {limit} multiply-accumulates or fewer: the fewest are {fewest}")]
    Macs {
        /// The most allowed.
        limit: usize,
        /// The fewest possible.
        fewest: usize,
    },
    /// Neither is possible.
    #[error(
        "no ranks give {} parameters or fewer, nor {} multiply-accumulates: the fewest are {} and {}",
        limits.params, limits.macs, fewest.params, fewest.macs
    )]
    Neither {
        /// The most allowed.
        limits: Costs,
        /// The fewest possible of each.
        fewest: Costs,
    },
    /// Each is possible, but not both.
    #[error(
        "no ranks give {} parameters and {} multiply-accumulates or fewer, though some give either: with \
         the fewest parameters, {}, there are {} multiply-accumulates, and with the fewest \
         multiply-accumulates, {}, there are {} parameters",
        limits.params, limits.macs, fewest_params.params, fewest_params.macs, fewest_macs.macs,
        fewest_macs.params
    )]
    Together {
        /// The most allowed.
        limits: Costs,
        /// What the ranks of the fewest parameters cost; of several, those of the fewest
        /// multiply-accumulates.
        fewest_params: Costs,
        /// What the ranks of the fewest multiply-accumulates cost; of several, those of the fewest
        /// parameters.
        fewest_macs: Costs,
    },
}

/// The options, one for each stage, of the smallest error within a budget; of several, those of fewer
/// parameters, then of fewer multiply-accumulates.
///
/// `stages` are the options of each stage, and `fixed` what the rest of the network costs, whatever the
/// ranks. Options that others beat in everything do no harm. Of the caller's counts it matters only that
/// costs of the network are `fixed` and the sum of the options': differences from the costs of any one
/// choice will do. A stage with several banks has options for all of them together.
///
/// # Errors
///
/// If no choice fits, with what the smallest one costs; if a stage has no options or an error is no number.
pub fn choose_ranks(
    stages: &[Vec<RankOption>],
    fixed: Costs,
    budget: Budget,
) -> Result<RankChoice, BudgetError> {
    choose(stages, fixed, budget, MOST)
}

/// The same, where the search gives up beyond `most` combinations.
fn choose(
    stages: &[Vec<RankOption>],
    fixed: Costs,
    budget: Budget,
    most: usize,
) -> Result<RankChoice, BudgetError> {
    check(stages)?;
    let [fewest_params, fewest_macs] = fewest(stages, fixed);
    let fewest = Costs { params: fewest_params.params, macs: fewest_macs.macs };
    let beyond = |limit: Option<usize>, fewest| limit.filter(|&limit| limit < fewest);
    match (beyond(budget.params, fewest.params), beyond(budget.macs, fewest.macs)) {
        (Some(params), Some(macs)) => {
            return Err(BudgetError::Neither { limits: Costs { params, macs }, fewest });
        }
        (Some(limit), None) => return Err(BudgetError::Params { limit, fewest: fewest.params }),
        (None, Some(limit)) => return Err(BudgetError::Macs { limit, fewest: fewest.macs }),
        (None, None) => {}
    }
    let left = |limit: Option<usize>, fixed: usize| limit.map_or(usize::MAX, |limit| limit - fixed);
    let room =
        Costs { params: left(budget.params, fixed.params), macs: left(budget.macs, fixed.macs) };
    let candidates: Vec<Vec<Candidate>> =
        stages.iter().map(|stage| candidates(stage, room)).collect();
    let possible = candidates.iter().all(|stage| !stage.is_empty());
    let Some(start) = possible.then(|| bound::fitting(&candidates, room)).flatten() else {
        let limits = Costs {
            params: budget.params.unwrap_or(usize::MAX),
            macs: budget.macs.unwrap_or(usize::MAX),
        };
        return Err(BudgetError::Together { limits, fewest_params, fewest_macs });
    };
    let Bound { prices, choice, gap } = Bound::of(&candidates, room, start);
    let weights = Weights { error: 1.0, params: prices[0], macs: prices[1] };
    let (choice, exhaustive) = match search(&candidates, room, weights, gap, Some(most)) {
        Outcome::Found(best) => (best, true),
        // Rounding has ruled out the best known, which then is the best.
        Outcome::Nothing => (choice, true),
        Outcome::TooMany => (choice, false),
    };
    let chosen = || candidates.iter().zip(&choice).map(|(stage, &place)| stage[place]);
    let sum = |of: fn(Costs) -> usize, fixed| chosen().fold(fixed, |sum, c| sum + of(c.costs));
    Ok(RankChoice {
        options: chosen().map(|candidate| candidate.place).collect(),
        costs: Costs { params: sum(|c| c.params, fixed.params), macs: sum(|c| c.macs, fixed.macs) },
        error: chosen().fold(0.0, |sum, candidate| sum + candidate.error),
        exhaustive,
    })
}

/// An option that may be part of the best choice.
#[derive(Clone, Copy, Debug)]
struct Candidate {
    /// Its place among the stage's options.
    place: usize,
    costs: Costs,
    error: f64,
}

/// The options of a stage that fit into the room and that none beats in everything.
fn candidates(stage: &[RankOption], room: Costs) -> Vec<Candidate> {
    let candidate = |(place, option): (usize, &RankOption)| Candidate {
        place,
        costs: option.costs,
        error: option.error,
    };
    let all = stage.iter().enumerate().map(candidate);
    let mut all: Vec<Candidate> = all.filter(|candidate| fits(candidate.costs, room)).collect();
    keep_undominated(&mut all, |candidate| (candidate.costs, candidate.error));
    all
}

fn check(stages: &[Vec<RankOption>]) -> Result<(), BudgetError> {
    for (stage, options) in stages.iter().enumerate() {
        if options.is_empty() {
            return Err(BudgetError::NoOptions { stage });
        }
        if let Some(bad) = options.iter().find(|option| !option.error.is_finite()) {
            let (shared, unique) = (bad.shared, bad.unique);
            return Err(BudgetError::NotFinite { stage, shared, unique });
        }
    }
    Ok(())
}

/// What the networks of the fewest parameters and of the fewest multiply-accumulates cost.
fn fewest(stages: &[Vec<RankOption>], fixed: Costs) -> [Costs; 2] {
    let sum = |key: fn(&Costs) -> (usize, usize)| {
        let smallest = |stage: &Vec<RankOption>| stage.iter().map(|o| o.costs).min_by_key(key);
        stages.iter().filter_map(smallest).fold(fixed, |sum, costs| Costs {
            params: sum.params.saturating_add(costs.params),
            macs: sum.macs.saturating_add(costs.macs),
        })
    };
    [sum(|c| (c.params, c.macs)), sum(|c| (c.macs, c.params))]
}
