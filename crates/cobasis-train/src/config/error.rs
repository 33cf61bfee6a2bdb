//! The one kind of configuration error: one line that says where, which key, and what is wrong.

use std::fmt::Debug;

/// A fault in a configuration, shown as `place: key: problem` on one line.
///
/// Always the user's to mend: nothing here is an internal failure.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{}{problem}", prefix(.place), prefix(.key))]
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

    /// A fault of a whole file or argument rather than of a key.
    pub(super) fn of(place: &str, problem: impl Into<String>) -> Self {
        Self { place: Some(one_line(place)), key: None, problem: one_line(&problem.into()) }
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
        false => Err(ConfigError::at(key, format!("expected {expected}, got {value:?}"))),
    }
}

fn prefix(part: &Option<String>) -> String {
    part.as_ref().map(|part| format!("{part}: ")).unwrap_or_default()
}

/// Other people's messages (the TOML parser's, the caller's) may span lines.
fn one_line(text: &str) -> String {
    text.split(['\n', '\r'])
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
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
}
