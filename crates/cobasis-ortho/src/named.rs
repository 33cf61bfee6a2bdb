//! Enumerations whose values have names in configurations, each with the method behind it.

/// A name that stands for none of the known values.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected}, got {got:?}")]
pub struct UnknownName {
    /// The known names, as `a | b | c`.
    pub expected: String,
    /// What was given.
    pub got: String,
}

/// Declares an enumeration: a line each for the value, its name, and the method that it stands
/// for.
macro_rules! named {
    (
        $(#[$meta:meta])*
        $name:ident: $method:ident {
            $( $(#[$variant_meta:meta])* $variant:ident = $text:literal => $value:expr, )+
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum $name { $( $(#[$variant_meta])* $variant, )+ }

        impl $name {
            /// Every value, in the order of the documentation.
            pub const ALL: &[Self] = &[$( Self::$variant, )+];

            /// The name of this value in configurations.
            pub const fn as_str(self) -> &'static str {
                match self { $( Self::$variant => $text, )+ }
            }

            fn method(self) -> &'static dyn $method {
                match self { $( Self::$variant => &$value, )+ }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::named::UnknownName;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let found = Self::ALL.iter().copied().find(|value| value.as_str() == text);
                found.ok_or_else(|| $crate::named::UnknownName {
                    expected: [$( $text, )+].join(" | "),
                    got: text.to_owned(),
                })
            }
        }
    };
}
pub(crate) use named;
