//! Why there is no setting.

use super::keys;
use crate::short::shortened;

/// Why no setting of a method is within a budget.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FitError {
    /// No method has this key.
    #[error("unknown method {key:?}; the methods are {known}")]
    Unknown {
        /// The key.
        key: String,
        /// Those there are.
        known: String,
    },
    /// The network has no form of the method.
    #[error("{network} has no form of the method {key}{blocks}")]
    NoForm {
        /// The method's key.
        key: &'static str,
        /// The network.
        network: String,
        /// Which blocks were to share, in words.
        blocks: &'static str,
    },
    /// The smallest form is too large.
    #[error(
        "no setting of {key} gives {network} at most {limits}: its smallest form has {params} \
         parameters and {macs} multiply-accumulates"
    )]
    TooSmall {
        /// The method's key.
        key: &'static str,
        /// The network.
        network: String,
        /// The most allowed, in words.
        limits: String,
        /// The fewest parameters that the method needs.
        params: u64,
        /// The multiply-accumulates of that form.
        macs: u64,
    },
    /// More settings than can be compared.
    #[error("{network} has too many settings of {key} to compare them all")]
    TooMany {
        /// The method's key.
        key: &'static str,
        /// The network.
        network: String,
    },
}

impl FitError {
    pub(super) fn unknown(key: &str) -> Self {
        let known: Vec<&str> = keys().collect();
        Self::Unknown { key: shortened(key), known: known.join(", ") }
    }
}
