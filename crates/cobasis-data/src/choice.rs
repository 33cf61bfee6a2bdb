//! Enumerations written as strings, in configs and on the command line: the variants, their texts
//! and a helpful refusal in one place.

use crate::nearest::nearest;
use crate::text::shortened;

/// Declares an enumeration whose variants are written as the given texts, in TOML and on screen.
#[doc(hidden)] // Found as `choice::choices`: macros are exported at the crate's root.
#[macro_export]
macro_rules! __choices {
    (
        $(#[$meta:meta])*
        $name:ident { $( $(#[$variant_meta:meta])* $variant:ident = $text:literal, )+ }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name { $( $(#[$variant_meta])* $variant, )+ }

        impl $name {
            /// Every value, in the order of the documentation.
            pub const ALL: &[Self] = &[$( Self::$variant, )+];

            /// The text that stands for this value in a configuration.
            pub const fn as_str(self) -> &'static str {
                match self { $( Self::$variant => $text, )+ }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = String;

            fn from_str(text: &str) -> Result<Self, String> {
                let found = Self::ALL.iter().copied().find(|choice| choice.as_str() == text);
                found.ok_or_else(|| $crate::choice::refusal(text, &[$( $text, )+]))
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string", "enum": [$( $text, )+] })
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}
pub use crate::__choices as choices;

/// Why `got` is none of the choices, with the nearest one.
pub fn refusal(got: &str, choices: &[&str]) -> String {
    let expected = choices.join(" | ");
    let got = &shortened(got);
    match nearest(got, choices) {
        Some(near) => format!("expected {expected}, got {got:?}; did you mean {near:?}?"),
        None => format!("expected {expected}, got {got:?}"),
    }
}

#[cfg(test)]
mod tests {
    use crate::DatasetName;

    #[test]
    fn texts_parse_back() {
        for &name in DatasetName::ALL {
            assert_eq!(name.to_string().parse(), Ok(name));
        }
    }

    #[test]
    fn a_refusal_lists_the_choices_and_the_nearest() {
        assert_eq!(
            "CIFAR-10".parse::<DatasetName>().unwrap_err(),
            "expected digits | cifar10 | cifar100 | mnist | fashion-mnist | imagenet | folder | coco | voc, got \"CIFAR-10\"; did you mean \"cifar10\"?"
        );
        assert!(!"svhn".parse::<DatasetName>().unwrap_err().contains("mean"));
    }

    #[test]
    fn a_refusal_of_a_megabyte_is_short() {
        let refused = "x".repeat(1_000_000).parse::<DatasetName>().unwrap_err();
        assert!(refused.ends_with("x… (1000000 characters)\"") && refused.len() < 250, "{refused}");
    }
}
