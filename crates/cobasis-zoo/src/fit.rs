//! The setting of a method that comes nearest to a budget from below.
//!
//! A method of comparison has a key, such as `lowrank` or `soft`, and at most one thing to choose: a number,
//! a number for each stage, or a pair of numbers. [`fit`] chooses it for a network and a budget, and counts
//! what it chose by building it.

mod error;
mod methods;
mod number;
mod stages;

use std::cmp::Reverse;

use burn::tensor::Device;
use cobasis::{Cost, CostRow, CostTable, Part};
use serde::Serialize;

use crate::config::ModelConfig;
use crate::name::ModelName;
use crate::sharing::Blocks;

pub use error::FitError;
use methods::{Facts, Knob, METHODS, MethodEntry};
use number::{best_number, best_pair};
use stages::{Stages, StagesError};

/// What a network costs at inference, for an image of its data set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Trainable parameters, each shared tensor once.
    pub params: u64,
    /// Multiply-accumulates of convolutions and the classifier.
    pub macs: u64,
    /// Multiply-adds that compute kernels from parameters, once a forward pass, whatever the number of
    /// images. They fall away in use, where kernels are computed beforehand.
    pub composition: u64,
    /// Bits of fixed tables, such as indices, which are no parameters. They need not be stored where a
    /// seed makes the table again.
    pub index_bits: u64,
    /// Whether parameters and multiply-accumulates are the most there may be, because training finds how
    /// many filters are left.
    pub at_most: bool,
}

impl Counts {
    /// Those of a network of the zoo, for an image of its data set.
    ///
    /// ```
    /// use cobasis_zoo::fit::Counts;
    ///
    /// let counts = Counts::of(&"cifar10/resnet32-lowrank3,5,11".parse()?);
    /// assert_eq!(counts.params, 150_042);
    /// # Ok::<(), cobasis_zoo::ModelNameError>(())
    /// ```
    pub fn of(name: &ModelName) -> Self {
        Self::of_config(&ModelConfig::new(name.clone()))
    }

    /// Those of a model, for an image as it is trained on.
    pub fn of_config(config: &ModelConfig) -> Self {
        let table = table(config);
        let counts = Self::of_table(&table);
        match config.name.weight_limit() {
            Some(limit) => counts.left_with(limit as u64, &table),
            None => counts,
        }
    }

    /// Those of a model in training, which may have more than inference needs.
    pub fn in_training(config: &ModelConfig) -> Self {
        Self::of_table(&table(config))
    }

    fn of_table(table: &CostTable) -> Self {
        let (total, made) = (table.total(), table.composition());
        Self {
            params: total.params,
            macs: total.macs,
            composition: made.macs,
            index_bits: made.index_bits,
            at_most: false,
        }
    }

    /// The most that is left where so many weights may be left in the layers whose ranks training finds:
    /// all of them where a weight takes the most multiply-accumulates.
    fn left_with(self, limit: u64, table: &CostTable) -> Self {
        let is_cut = |row: &&CostRow| matches!(row.part, Part::Unique | Part::Coefficients);
        let mut layers: Vec<Cost> =
            table.rows().iter().filter(is_cut).map(|row| row.cost).collect();
        let of_all = layers.iter().copied().sum::<Cost>();
        // Every weight of a layer is used as often as there are positions.
        let uses = |layer: &Cost| layer.macs / layer.params.max(1);
        layers.sort_by_key(|layer| Reverse(uses(layer)));
        let (mut free, mut macs) = (limit, 0);
        for layer in &layers {
            let taken = layer.params.min(free);
            free -= taken;
            macs += taken * uses(layer);
        }
        Self {
            params: self.params - of_all.params + limit,
            macs: self.macs - of_all.macs + macs,
            at_most: true,
            ..self
        }
    }
}

/// What a model costs, layer by layer.
fn table(config: &ModelConfig) -> CostTable {
    // Counting touches no weights; any device will do.
    config.cost(config.image(), &Device::flex())
}

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
pub fn is_for(network: &ModelName, key: &str, blocks: Blocks) -> bool {
    let Ok(entry) = entry(key) else {
        return false;
    };
    Maker { network, entry, blocks }.some(&Facts::of(network, blocks)).is_some()
}

/// The settings of the method of a key that come nearest to a budget from below.
///
/// ```
/// use cobasis_zoo::fit::{Limits, fit};
/// use cobasis_zoo::sharing::Blocks;
///
/// let network = "cifar10/resnet20".parse()?;
/// let limits = Limits { params: 125_074, macs: None };
/// let fit = fit(&network, "lowrank", Blocks::AfterFirst, limits)?;
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
) -> Result<Fit, FitError> {
    let (entry, network) = (entry(key)?, network.dense());
    let maker = Maker { network: &network, entry, blocks };
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
            let smallest = make([1, 1]).ok_or_else(none)?;
            let nearest = best_pair(*most, &make, limits, &|_| true);
            let nearest = nearest.ok_or_else(|| fewest(smallest.counts))?;
            let even = best_pair(*most, &make, limits, &|[first, second]| {
                first <= 2 * second && second <= 2 * first
            });
            // One by one is even.
            Ok(Fit { even: even.unwrap_or_else(|| nearest.clone()), nearest })
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
            let built = |numbers: &[usize]| {
                let setting = make(numbers);
                let expected = stages.counts(numbers);
                let found = setting.as_ref().map(|setting| setting.counts);
                assert!(
                    found.is_some_and(|found| {
                        (found.params, found.macs) == (expected.params, expected.macs)
                    }),
                    "{key} of {network} at {numbers:?}: expected {expected:?}, found {found:?}"
                );
                setting.unwrap_or_else(|| unreachable!("it has counts"))
            };
            Ok(Fit { nearest: built(&nearest), even: built(&even) })
        }
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
        let counts = Counts::of(&name);
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
