//! What an adapter changes, and which base it is for.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::short::quoted;

/// Ranks and hidden widths beyond these are a slip or an attack.
const MAX_RANK: usize = 64;
const MAX_HIDDEN: usize = 1024;
/// The hidden numbers of `mlp`.
const HIDDEN: usize = 8;

/// What an adapter changes of a frozen network. All but `full` leave every number of the base as it is,
/// and all have a classifier of their own.
///
/// ```
/// use cobasis_zoo::AdapterKind;
///
/// assert_eq!("rank1".parse(), Ok(AdapterKind::Rank(1)));
/// assert_eq!(AdapterKind::Mlp { hidden: 8 }.to_string(), "mlp");
/// assert_eq!("unique1-3".parse(), Ok(AdapterKind::Unique { stages: Some([1, 3]) }));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[non_exhaustive]
pub enum AdapterKind {
    /// `head`: nothing but the classifier; batch norms keep the base's statistics.
    Head,
    /// `norms`: batch norms of the task's own, weights, biases and statistics.
    Norms,
    /// `film`: a [factor and a summand](super::Film) for each output channel of each convolution; batch
    /// norms stay the base's, statistics too.
    Film,
    /// `rank1`: [filters scaled by a matrix of this rank](super::Rank), and batch norms.
    Rank(usize),
    /// `mask`: [filters scaled tap by tap](super::Mask), and batch norms.
    Mask,
    /// `mix`: [taps of a filter mixed](super::Mix) by one matrix for each convolution, and batch norms.
    Mix,
    /// `mlp`, or `mlp16`: filters changed by [a small network](super::Mlp) of so many hidden numbers, and
    /// batch norms.
    Mlp {
        /// Hidden numbers, 8 where the name has none.
        hidden: usize,
    },
    /// `unique`, or `unique1-3` for some stages only: [unique filters](super::Unique) of the task's own
    /// beside the shared ones, and batch norms.
    Unique {
        /// The first and the last stage that has them, counted from 1; all where there are none.
        stages: Option<[usize; 2]>,
    },
    /// `full`: all of the network is the task's.
    Full,
}

/// A text that names no adapter.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected \"head\", \"norms\", \"film\", \"rank1\" (to \"rank{MAX_RANK}\"), \"mask\", \"mix\", \"mlp\" (or \
     \"mlp16\", at most {MAX_HIDDEN}), \"unique\" (or \"unique1-3\", of stages) or \"full\", got {}",
    quoted(.got)
)]
pub struct AdapterKindError {
    /// The text.
    pub got: String,
}

/// An adapter and its base, as configurations and files have them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct AdapterConfig {
    /// What it changes.
    pub kind: AdapterKind,
    /// The SHA-256 of the base, [as `sha256sum` has it](crate::files::sha256) of its file, in hexadecimal.
    pub base_sha256: String,
    /// The classes of the base.
    pub base_classes: usize,
}

impl AdapterKind {
    /// One of each kind, in the order in which their tables have them.
    pub const ALL: [AdapterKind; 9] = [
        AdapterKind::Head,
        AdapterKind::Norms,
        AdapterKind::Film,
        AdapterKind::Rank(1),
        AdapterKind::Mask,
        AdapterKind::Mix,
        AdapterKind::Mlp { hidden: HIDDEN },
        AdapterKind::Unique { stages: None },
        AdapterKind::Full,
    ];

    /// Whether the task has batch norms of its own.
    pub(crate) fn has_norms(self) -> bool {
        !matches!(self, AdapterKind::Head | AdapterKind::Film | AdapterKind::Full)
    }

    /// Whether it changes filters by what it computes from them.
    pub(crate) fn modulates(self) -> bool {
        use AdapterKind::{Film, Mask, Mix, Mlp, Rank};
        matches!(self, Film | Rank(_) | Mask | Mix | Mlp { .. })
    }

    /// Whether the task has unique filters in the stage of this index.
    pub(crate) fn has_unique_in(self, stage: Option<usize>) -> bool {
        match self {
            AdapterKind::Unique { stages: None } => true,
            AdapterKind::Unique { stages: Some([first, last]) } => {
                stage.is_some_and(|stage| (first..=last).contains(&(stage + 1)))
            }
            _ => false,
        }
    }
}

/// Its name.
impl fmt::Display for AdapterKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            AdapterKind::Head => write!(f, "head"),
            AdapterKind::Norms => write!(f, "norms"),
            AdapterKind::Film => write!(f, "film"),
            AdapterKind::Rank(rank) => write!(f, "rank{rank}"),
            AdapterKind::Mask => write!(f, "mask"),
            AdapterKind::Mix => write!(f, "mix"),
            AdapterKind::Mlp { hidden: HIDDEN } => write!(f, "mlp"),
            AdapterKind::Mlp { hidden } => write!(f, "mlp{hidden}"),
            AdapterKind::Unique { stages: None } => write!(f, "unique"),
            AdapterKind::Unique { stages: Some([first, last]) } => {
                write!(f, "unique{first}-{last}")
            }
            AdapterKind::Full => write!(f, "full"),
        }
    }
}

/// A number as names have it: without signs and without zeros before it.
fn number(text: &str, allowed: RangeInclusive<usize>) -> Option<usize> {
    let number: usize = text.parse().ok().filter(|number| allowed.contains(number))?;
    (number.to_string() == text).then_some(number)
}

/// A name with a number or stages after it.
fn with_numbers(text: &str) -> Option<AdapterKind> {
    if let Some(rank) = text.strip_prefix("rank") {
        return Some(AdapterKind::Rank(number(rank, 1..=MAX_RANK)?));
    }
    if let Some(hidden) = text.strip_prefix("mlp") {
        return Some(AdapterKind::Mlp { hidden: number(hidden, 1..=MAX_HIDDEN)? });
    }
    let (first, last) = text.strip_prefix("unique")?.split_once('-')?;
    let last = number(last, 1..=99)?;
    Some(AdapterKind::Unique { stages: Some([number(first, 1..=last)?, last]) })
}

impl FromStr for AdapterKind {
    type Err = AdapterKindError;

    fn from_str(text: &str) -> Result<Self, AdapterKindError> {
        let known = Self::ALL.into_iter().find(|kind| kind.to_string() == text);
        let kind = known.or_else(|| with_numbers(text));
        kind.ok_or_else(|| AdapterKindError { got: text.to_string() })
    }
}

impl TryFrom<String> for AdapterKind {
    type Error = AdapterKindError;

    fn try_from(text: String) -> Result<Self, AdapterKindError> {
        text.parse()
    }
}

impl From<AdapterKind> for String {
    fn from(kind: AdapterKind) -> String {
        kind.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        let more = [
            AdapterKind::Rank(64),
            AdapterKind::Mlp { hidden: 16 },
            AdapterKind::Unique { stages: Some([2, 2]) },
        ];
        for kind in AdapterKind::ALL.into_iter().chain(more) {
            assert_eq!(kind.to_string().parse(), Ok(kind));
        }
        let wrong = [
            "",
            "Norms",
            "rank",
            "rank0",
            "rank01",
            "rank+1",
            "rank65",
            "mlp0",
            "mlp9999",
            "unique3-1",
            "unique0-1",
            "unique1-",
            "unique1-1000",
            "heads",
        ];
        for text in wrong {
            let error = text.parse::<AdapterKind>().expect_err(text).to_string();
            assert!(error.ends_with(&format!("got {text:?}")), "{error}");
        }
    }
}
