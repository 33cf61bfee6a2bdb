//! The one kind of configuration error: one line that says where, which key, and what is wrong.

use std::fmt::Debug;

use cobasis_data::text::{printable, short_words, shortened, shortened_to};

/// Characters of a file's path, or of a problem, in a message, and of a word in it.
const SHOWN: usize = 1000;
const WORD: usize = 300;
/// Characters of an override, of which a message may name several.
const SHOWN_SET: usize = 100;

/// A fault in a configuration, shown as `place: key: problem` on one line.
///
/// Always the user's to mend: nothing here is an internal failure.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{}{problem}", prefix(.place.clone()), prefix(.key.as_deref().map(shown)))]
pub struct ConfigError {
    place: Option<String>,
    key: Option<String>,
    problem: String,
}

impl ConfigError {
    /// A fault of one key, a dotted path like `train.epochs`. For checks the caller adds.
    pub fn at(key: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { place: None, key: Some(key.into()), problem: one_line(&problem.into()) }
    }

    /// The key at fault, if it is a key: `train.epochs`, `schedule.milestones[1]`.
    pub fn key(&self) -> Option<&str> {
        self.key.as_deref()
    }

    /// Names the file (or the `--set` text) the fault is in, unless it is known already.
    pub fn in_place(mut self, place: &str) -> Self {
        self.place.get_or_insert_with(|| one_line(place));
        self
    }

    /// A fault of the same key in a table that is part of another, such as `tasks[0]`.
    pub(super) fn within(mut self, table: &str) -> Self {
        self.key = self.key.map(|key| format!("{table}.{key}"));
        self
    }

    /// Names what the fault is of: of several alike, a number says little.
    pub(super) fn of_named(mut self, name: &str) -> Self {
        self.problem = one_line(&format!("{name:?}: {}", self.problem));
        self
    }

    /// A fault of a whole file or argument rather than of a key.
    pub(super) fn of(place: &str, problem: impl Into<String>) -> Self {
        Self { place: Some(one_line(place)), key: None, problem: one_line(&problem.into()) }
    }

    /// A fault of a whole file, whose name is to follow.
    pub(super) fn whole(problem: impl Into<String>) -> Self {
        Self { place: None, key: None, problem: one_line(&problem.into()) }
    }

    pub(super) fn not_toml(err: toml::ser::Error) -> Self {
        Self::of("configuration", format!("cannot be written as TOML: {err}"))
    }
}

/// Refuses `value` unless `ok`.
pub(super) fn expect(
    key: impl Into<String>,
    value: impl Debug,
    ok: bool,
    expected: &str,
) -> Result<(), ConfigError> {
    match ok {
        true => Ok(()),
        false => {
            let got = shortened(&format!("{value:?}"));
            Err(ConfigError::at(key, format!("expected {expected}, got {got}")))
        }
    }
}

/// Smallest and largest of numbers that go into arithmetic of 32 bits, where those beyond become
/// zeros and infinities.
const SINGLE: std::ops::RangeInclusive<f64> = 1e-30..=1e30;
/// The largest share of the past, of a target, or of what is dropped, that arithmetic of 32 bits tells
/// from all of it.
const MAX_SHARE: f64 = 0.999_999;
/// The most of anything that is counted: batches, epochs, steps. More is a slip.
const MAX_COUNT: usize = 1_000_000_000;

/// Refuses a number that is not above 0, or that 32 bits can't hold.
pub(super) fn above_0(key: impl Into<String>, number: f64) -> Result<(), ConfigError> {
    expect(key, number, SINGLE.contains(&number), "a number above 0, 1e-30 to 1e30")
}

/// Refuses a number below 0, or one that 32 bits can't hold.
pub(super) fn at_least_0(key: impl Into<String>, number: f64) -> Result<(), ConfigError> {
    let fits = number == 0.0 || SINGLE.contains(&number);
    expect(key, number, fits, "a number of at least 0: 0, or 1e-30 to 1e30")
}

/// Refuses what is no share, or all.
pub(super) fn share_below_1(key: impl Into<String>, share: f64) -> Result<(), ConfigError> {
    let fits = (0.0..=MAX_SHARE).contains(&share);
    expect(key, share, fits, "at least 0 and below 1, 0.999999 at most")
}

/// Refuses counts of none, and those beyond all measure.
pub(super) fn count(
    key: impl Into<String>,
    count: usize,
    expected: &str,
) -> Result<(), ConfigError> {
    let key = key.into();
    expect(key.as_str(), count, count >= 1, expected)?;
    expect(key, count, count <= MAX_COUNT, "at most 1000000000")
}

/// How an error names the override it is in.
pub(super) fn place(set: &str) -> String {
    format!("--set {}", shortened_to(set, SHOWN_SET))
}

fn shown(key: &str) -> String {
    printable(&shortened(key))
}

fn prefix(part: Option<String>) -> String {
    part.map(|part| format!("{part}: ")).unwrap_or_default()
}

/// Other people's messages (the TOML parser's, the caller's) may span lines, or be a megabyte.
fn one_line(text: &str) -> String {
    let line = text
        .split(['\n', '\r'])
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join(" ");
    printable(&shortened_to(&short_words(&line, WORD), SHOWN))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_place_named_stays() {
        let err = ConfigError::at("seed", "expected\nless\n").in_place("a.toml").in_place("b.toml");
        assert_eq!(err.to_string(), "a.toml: seed: expected less");
        assert_eq!(ConfigError::of("c.toml", "is empty").to_string(), "c.toml: is empty");
    }

    #[test]
    fn messages_are_short_and_printable_whatever_the_key_and_the_value() {
        let long = "x".repeat(1_000_000);
        let shown = expect(long.as_str(), &long, false, "less").unwrap_err();
        assert_eq!(shown.key(), Some(long.as_str()));
        let shown = shown.in_place(&place(&long)).to_string();
        assert!(shown.len() < 400, "{}", shown.len());
        assert!(shown.ends_with("xxx… (1000002 characters)"), "{shown}");
        let shown = ConfigError::of("\x1b[2J\n.toml", "is\x07 empty\r").to_string();
        assert_eq!(shown, "\\u{1b}[2J .toml: is\\u{7} empty");
    }
}
