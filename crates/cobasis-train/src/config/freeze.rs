//! `train.freeze`: parts of a model that training leaves as they are.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize};

use super::error::{ConfigError, expect};
use super::one_or_more;

/// More patterns, or bytes of one, than any list of a model's parts needs.
const MAX_PATTERNS: usize = 1000;
const MAX_PATTERN: usize = 200;

/// Patterns of names of tensors, as [`Model::parameter_group`](cobasis_zoo::Model::parameter_group) takes
/// them; one of them may stand alone.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Freeze(pub Vec<String>);

impl Freeze {
    /// The patterns.
    pub fn patterns(&self) -> Vec<&str> {
        self.0.iter().map(String::as_str).collect()
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let (fits, expected) = (self.0.len() <= MAX_PATTERNS, "at most 1000 paths");
        expect("train.freeze", self.0.len(), fits, expected)?;
        for pattern in &self.0 {
            let fits = !pattern.is_empty() && pattern.len() <= MAX_PATTERN;
            expect("train.freeze", pattern, fits, "paths of 1 to 200 characters")?;
        }
        Ok(())
    }
}

impl<'de> Deserialize<'de> for Freeze {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        one_or_more::deserialize(deserializer).map(Self)
    }
}

impl JsonSchema for Freeze {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Freeze".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        one_or_more::schema(generator)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Config;

    fn freeze(text: &str) -> Result<Vec<String>, String> {
        let config = Config::from_table(&text.parse().unwrap());
        config.map(|config| config.train.freeze.0).map_err(|err| err.to_string())
    }

    #[test]
    fn it_is_a_word_or_a_list() {
        assert_eq!(freeze(""), Ok(Vec::new()));
        assert_eq!(freeze("train.freeze = 'backbone'"), freeze("train.freeze = ['backbone']"));
        assert_eq!(freeze("train.freeze = ['stem', 'stages.0.*']").unwrap().len(), 2);
        for (text, said) in [
            ("train.freeze = true", "expected an array in [ ], got boolean true"),
            ("train.freeze = [3]", "train.freeze[0]: expected a string, got integer 3"),
            ("train.freeze = ''", "expected paths of 1 to 200 characters, got \"\""),
        ] {
            let shown = freeze(text).unwrap_err();
            assert!(shown.contains(said), "{shown}");
        }
    }
}
