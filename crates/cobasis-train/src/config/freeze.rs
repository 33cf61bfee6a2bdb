//! `train.freeze`: parts of a model that training leaves as they are.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::error::{ConfigError, expect};

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
        struct OneOrMore;

        impl<'de> Visitor<'de> for OneOrMore {
            type Value = Freeze;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a string or an array of strings")
            }

            fn visit_str<E>(self, pattern: &str) -> Result<Freeze, E> {
                Ok(Freeze(vec![pattern.to_owned()]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Freeze, A::Error> {
                let mut patterns = Vec::new();
                while let Some(pattern) = seq.next_element()? {
                    patterns.push(pattern);
                }
                Ok(Freeze(patterns))
            }
        }

        deserializer.deserialize_any(OneOrMore)
    }
}

impl JsonSchema for Freeze {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Freeze".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "array"], "items": { "type": "string" } })
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
