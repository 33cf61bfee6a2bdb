//! What can be wrong with a name.

use crate::short::quoted;

/// Why a text is not the name of a model.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ModelNameError {
    /// No network of this name is in the registry.
    #[error("unknown model {}{}", quoted(.name), did_you_mean(.nearest))]
    Unknown {
        /// The name asked for.
        name: String,
        /// The most similar name of the registry, if one is similar.
        nearest: Option<String>,
    },
    /// The part after the network's name is not a sharing suffix.
    #[error("model {}: expected {expected} after {network:?}, got {}", quoted(.name), quoted(.suffix))]
    Suffix {
        /// The name asked for.
        name: String,
        /// The part that names the network.
        network: String,
        /// The suffixes that the network has.
        expected: String,
        /// The part that was not understood.
        suffix: String,
    },
    /// A network of one's own can't have this name, or can't be built.
    #[error("network {}: {problem}", quoted(.name))]
    Own {
        /// Its name.
        name: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The ranks make no layer.
    #[error("model {}: {problem}", quoted(.name))]
    Ranks {
        /// The name asked for.
        name: String,
        /// What is wrong with the ranks.
        problem: &'static str,
    },
}

fn did_you_mean(nearest: &Option<String>) -> String {
    match nearest {
        Some(nearest) => format!("; did you mean {nearest:?}?"),
        None => "; run `cobasis models list` to see all models".to_string(),
    }
}
