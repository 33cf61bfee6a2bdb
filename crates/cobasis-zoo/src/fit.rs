//! The setting of a method that comes nearest to a budget from below.
//!
//! A method of comparison has a key, such as `lowrank` or `soft`, and at most one thing to choose: a number,
//! a number for each stage, or a pair of numbers. [`fit`] chooses it for a network and a budget, and counts
//! what it chose by building it.

mod counts;
mod error;
mod left;
mod methods;
mod number;
mod pair;
mod stages;

use burn::tensor::Device;
use serde::Serialize;

use crate::name::ModelName;
use crate::sharing::Blocks;

pub use counts::Counts;
pub use error::FitError;
use methods::{Facts, Knob, METHODS, MethodEntry};
use number::best_number;
use pair::Pairs;
use stages::{Stages, StagesError};

/// The most that a network may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The most trainable parameters.
    pub params: u64,
    /// The most multiply-accumulates for an image, if they are limited.
    pub macs: Option<u64>,
}

impl Limits {
    /// Whether a network of these counts may be.
    pub fn allow(&self, counts: &Counts) -> bool {
        counts.params <= self.params && self.macs.is_none_or(|macs| counts.macs <= macs)
    }
}

/// A setting and what it costs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Setting {
    /// The model.
    #[serde(rename = "model")]
    pub name: ModelName,
    /// Its suffix, without the dash before it; empty for the network itself.
    pub suffix: String,
    /// What it costs.
    #[serde(flatten)]
    pub counts: Counts,
}

/// The settings of a method for a budget. Methods without a number for each stage have one setting.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fit {
    /// The one with the most parameters within the budget; of equals, that whose numbers are the most even
    /// share of the largest that each stage can use.
    pub nearest: Setting,
    /// The same among settings whose numbers are proportional to the largest that each stage can use, up to
    /// rounding by less than one.
    pub even: Setting,
}

/// The keys of all methods, in the order of tables.
pub fn keys() -> impl Iterator<Item = &'static str> {
    METHODS.iter().map(|method| method.key)
}

/// What the method of a key is, in a few words.
pub fn about(key: &str) -> Option<&'static str> {
    METHODS.iter().find(|method| method.key == key).map(|method| method.about)
}

/// Whether a method has nothing to do with which blocks share.
///
/// # Errors
///
/// If there is no method of this key.
pub fn ignores_blocks(key: &str) -> Result<bool, FitError> {
    entry(key).map(|method| method.ignores_blocks())
}

/// Whether the network has a form of a method of this key.
pub fn is_for(network: &ModelName, key: &str, blocks: Blocks, device: &Device) -> bool {
    let Ok(entry) = entry(key) else {
        return false;
    };
    Maker { network, entry, blocks, device }.some(&Facts::of(network, blocks)).is_some()
}

/// The settings of the method of a key that come nearest to a budget from below.
///
/// ```
/// use burn::tensor::Device;
/// use cobasis_zoo::fit::{Limits, fit};
/// use cobasis_zoo::sharing::Blocks;
///
/// let network = "cifar10/resnet20".parse()?;
/// let limits = Limits { params: 125_074, macs: None };
/// let fit = fit(&network, "lowrank", Blocks::AfterFirst, limits, &Device::flex())?;
/// assert_eq!(fit.nearest.suffix, "lowrank4,8,14");
/// assert_eq!(fit.nearest.counts.params, 124_826);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// If there is no method of this key, the network has no form of it, or no form is within the budget.
///
/// # Panics
///
/// Panics if a model that was chosen by counts of its parts has other counts as a whole: a method whose
/// costs are not the sum of those of its stages is in the wrong place of the table.
pub fn fit(
    network: &ModelName,
    key: &str,
    blocks: Blocks,
    limits: Limits,
    device: &Device,
) -> Result<Fit, FitError> {
    let (entry, network) = (entry(key)?, network.dense());
    let maker = Maker { network: &network, entry, blocks, device };
    let facts = Facts::of(&network, blocks);
    let none = || FitError::NoForm {
        key: entry.key,
        network: network.to_string(),
        blocks: if blocks == Blocks::All { " with first blocks of stages" } else { "" },
    };
    let fewest = |fewest: Counts| FitError::TooSmall {
        key: entry.key,
        network: network.to_string(),
        limits: limits_text(limits),
        params: fewest.params,
        macs: fewest.macs,
    };
    let one = |setting: Setting| Fit { nearest: setting.clone(), even: setting };
    match &entry.knob {
        Knob::None(suffix) | Knob::Whole(suffix) => {
            let setting = maker.setting(suffix).ok_or_else(none)?;
            match limits.allow(&setting.counts) {
                true => Ok(one(setting)),
                false => Err(fewest(setting.counts)),
            }
        }
        Knob::Number { write, range } | Knob::WholeNumber { write, range } => {
            let make = |number| maker.setting(&write(&facts, number));
            let smallest = number::smallest(&range(&facts), &make).ok_or_else(none)?;
            let best = best_number(&range(&facts), &make, limits);
            best.map(one).ok_or_else(|| fewest(smallest.counts))
        }
        Knob::Pair { write, most } => {
            let make = |[first, second]: [usize; 2]| maker.setting(&write(first, second));
            let pairs = Pairs::measure(&make).ok_or_else(none)?;
            let built = |pair: [usize; 2]| check_built(make(pair), pairs.counts(pair), entry.key);
            let nearest = pairs.best(*most, limits, &|_| true);
            let nearest = nearest.ok_or_else(|| fewest(pairs.fewest()))?;
            let even = pairs
                .best(*most, limits, &|[first, second]| first <= 2 * second && second <= 2 * first);
            // One by one is even.
            Ok(Fit { even: built(even.unwrap_or(nearest)), nearest: built(nearest) })
        }
        Knob::Stages { write, full } => {
            let full: Vec<usize> = facts.stages.iter().map(full).collect();
            let make = |numbers: &[usize]| maker.setting(&write(&list(numbers)));
            let stages = match Stages::measure(&full, &make) {
                Ok(stages) => stages,
                Err(StagesError::NoForm) => return Err(none()),
                Err(StagesError::TooMany) => {
                    return Err(FitError::TooMany { key: entry.key, network: network.to_string() });
                }
            };
            let nearest = stages.nearest(limits).ok_or_else(|| fewest(stages.fewest()))?;
            let even = stages.even(limits).ok_or_else(|| fewest(stages.fewest()))?;
            let built =
                |numbers: &[usize]| check_built(make(numbers), stages.counts(numbers), entry.key);
            Ok(Fit { nearest: built(&nearest), even: built(&even) })
        }
    }
}

/// What was built of a setting that was chosen by counts.
fn check_built(setting: Option<Setting>, expected: Counts, key: &str) -> Setting {
    match setting {
        Some(setting)
            if (setting.counts.params, setting.counts.macs) == (expected.params, expected.macs) =>
        {
            setting
        }
        other => panic!("{key}: expected {expected:?}, found {other:?}"),
    }
}

fn entry(key: &str) -> Result<&'static MethodEntry, FitError> {
    METHODS.iter().find(|method| method.key == key).ok_or_else(|| FitError::unknown(key))
}

/// Makes the models of a method.
struct Maker<'a> {
    network: &'a ModelName,
    entry: &'static MethodEntry,
    blocks: Blocks,
    device: &'a Device,
}

impl Maker<'_> {
    /// The model of a suffix, counted; `None` where the network has none such.
    fn setting(&self, suffix: &str) -> Option<Setting> {
        let name = match suffix {
            "" => self.network.clone(),
            suffix => {
                let all = self.blocks == Blocks::All && !self.entry.ignores_blocks();
                let all = if all { "-all" } else { "" };
                self.network.with_sharing(&format!("{suffix}{all}")).ok()?
            }
        };
        let counts = Counts::of(&name, self.device);
        Some(Setting { suffix: name.suffix().unwrap_or_default(), counts, name })
    }

    /// Any model of the method.
    fn some(&self, facts: &Facts) -> Option<Setting> {
        match &self.entry.knob {
            Knob::None(suffix) | Knob::Whole(suffix) => self.setting(suffix),
            Knob::Number { write, range } | Knob::WholeNumber { write, range } => {
                number::smallest(&range(facts), &|number| self.setting(&write(facts, number)))
            }
            Knob::Pair { write, .. } => self.setting(&write(1, 1)),
            Knob::Stages { write, .. } => self.setting(&write(&list(&vec![1; facts.stages.len()]))),
        }
    }
}

fn list(numbers: &[usize]) -> String {
    numbers.iter().map(usize::to_string).collect::<Vec<_>>().join(",")
}

fn limits_text(limits: Limits) -> String {
    let macs = limits.macs.map(|macs| format!(" and {macs} multiply-accumulates"));
    format!("{} parameters{}", limits.params, macs.unwrap_or_default())
}

#[cfg(test)]
mod tests;
