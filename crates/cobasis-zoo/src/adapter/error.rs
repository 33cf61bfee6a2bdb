//! Why a model can't have an adapter.

use super::kind::AdapterKind;
use crate::name::ModelName;

/// Why a model can't have an adapter.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AdapterError {
    /// It has one.
    #[error("the model has the adapter {kind} already; a task needs its base")]
    Adapted {
        /// The one that it has.
        kind: AdapterKind,
    },
    /// Training finds the ranks of the network, so that its filters may be cut.
    #[error("{model} can't have the adapter {kind}: training cuts its filters")]
    LearnedRanks {
        /// The model.
        model: Box<ModelName>,
        /// What was asked for.
        kind: AdapterKind,
    },
    /// No layer has what the adapter would change.
    #[error(
        "{model} can't have the adapter {kind}: no layer there has unique filters beside shared ones"
    )]
    NoUniqueFilters {
        /// The model.
        model: Box<ModelName>,
        /// What was asked for.
        kind: AdapterKind,
    },
    /// A task is of another network.
    #[error("a task of {task} can't be done by {model}")]
    OtherNetwork {
        /// The network of the task.
        task: Box<ModelName>,
        /// The network that was to do it.
        model: Box<ModelName>,
    },
}
