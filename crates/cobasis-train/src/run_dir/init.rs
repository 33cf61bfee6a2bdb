//! `init.json`: the model file that a run started from.

use serde::{Deserialize, Serialize};

/// The model file that a run started from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InitRecord {
    /// Its path, as it was given.
    pub file: String,
    /// The SHA-256 of its bytes, in hexadecimal.
    pub sha256: String,
    /// The model that it holds.
    pub model: String,
    /// What became of its classifier.
    pub classifier: Classifier,
}

/// What became of the classifier of the file that a run started from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Classifier {
    /// It is as it was.
    Kept,
    /// Its classes are in the order of the run's.
    Reordered,
    /// A new one was drawn, for other classes.
    New,
}
