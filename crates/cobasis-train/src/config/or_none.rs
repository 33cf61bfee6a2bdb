//! A choice among names that another crate lists, or none.

use std::fmt;

use cobasis_zoo::cobasis::ortho::{Constraint, Penalty};
use serde::{Deserialize, Serialize};

use cobasis_data::choice::refusal;

const NONE: &str = "none";

/// Values with names, of which a configuration may choose one.
pub trait Named: Copy + PartialEq + 'static {
    /// Every value.
    const VALUES: &'static [Self];

    /// The text that stands for it.
    fn name(self) -> &'static str;
}

impl Named for Penalty {
    const VALUES: &'static [Self] = Self::ALL;

    fn name(self) -> &'static str {
        self.as_str()
    }
}

impl Named for Constraint {
    const VALUES: &'static [Self] = Self::ALL;

    fn name(self) -> &'static str {
        self.as_str()
    }
}

/// One of the named values, or `none`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OrNone<T>(pub Option<T>);

impl<T: Named> OrNone<T> {
    /// The text that stands for this value in a configuration.
    pub fn as_str(self) -> &'static str {
        self.0.map_or(NONE, T::name)
    }

    fn texts() -> Vec<&'static str> {
        T::VALUES.iter().map(|value| value.name()).chain([NONE]).collect()
    }
}

impl<T: Named> fmt::Display for OrNone<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl<T: Named> Serialize for OrNone<T> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de, T: Named> Deserialize<'de> for OrNone<T> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let found = T::VALUES.iter().copied().find(|value| value.name() == text);
        match (found, text.as_str()) {
            (None, NONE) => Ok(Self(None)),
            (Some(_), _) => Ok(Self(found)),
            _ => Err(serde::de::Error::custom(refusal(&text, &Self::texts()))),
        }
    }
}

impl<T: Named> schemars::JsonSchema for OrNone<T> {
    // The schema of a key is written where the key is: values of two types have no common name.
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        Self::texts().join("-or-").into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "enum": Self::texts() })
    }
}
