//! Why a dense network can't be made one that shares.

use cobasis::ortho::JointError;

use super::budget::BudgetError;
use crate::adapter::AdapterKind;
use crate::name::ModelNameError;
use crate::state::StateError;

/// Why a dense network can't be written as one that shares filters.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum FactoriseError {
    /// The network to start from shares filters already.
    #[error("{model} shares filters already; expected a dense network")]
    NotDense {
        /// Its name.
        model: String,
    },
    /// A model is a task on a frozen base, whose filters are computed.
    #[error("{model} has the adapter {kind}; expected a model that is nobody's task")]
    Task {
        /// The model.
        model: String,
        /// Its adapter.
        kind: AdapterKind,
    },
    /// The networks are not of one architecture.
    #[error("expected a sharing form of {from}, got {to}")]
    Other {
        /// The dense network.
        from: String,
        /// The one to make.
        to: String,
    },
    /// The network to make has layers that are no sums of filters.
    #[error(
        "{path}: only layers with shared and unique filters and coefficients can be computed from dense ones"
    )]
    Method {
        /// The layer.
        path: String,
    },
    /// Filters in groups that have no room for the dense ones.
    #[error(
        "{path}: {filters} filters of {channels} channels each can't hold dense ones of {dense} channels; \
         expected lower ranks"
    )]
    Groups {
        /// The first layer of those that share.
        path: String,
        /// Shared or unique filters.
        filters: usize,
        /// The channels of one.
        channels: usize,
        /// The channels of a dense filter.
        dense: usize,
    },
    /// torchvision's MobileNetV2 and the authors' are different networks.
    #[error(
        "{model}: torchvision's variant of a MobileNetV2 and the others have different layers; expected \
         one variant for both networks"
    )]
    Variant {
        /// The network to make.
        model: String,
    },
    /// The network to make lacks batch norms that the dense one has.
    #[error(
        "{model} with norms \"{norms}\": expected all batch norms, or those of basic blocks without the ones \
         inside their layers"
    )]
    Norms {
        /// The network to make.
        model: String,
        /// Which norms it has.
        norms: &'static str,
    },
    /// A tensor has a number that no network can use.
    #[error("tensor {path:?} has a number that is not finite, or a negative variance")]
    NotFinite {
        /// Its path.
        path: String,
    },
    /// A layer's dense filters are not there.
    #[error("tensor {path:?} is missing in the dense network")]
    NotThere {
        /// Its path.
        path: String,
    },
    /// So many filters are not possible.
    #[error("{path}: {source}")]
    Ranks {
        /// The first layer of those that share.
        path: String,
        /// Why.
        source: JointError,
    },
    /// The network has no form that shares.
    #[error("{model} has no form that shares filters")]
    NoForm {
        /// The dense network.
        model: String,
    },
    /// No form is small enough.
    #[error("{model}: {source}")]
    Budget {
        /// The dense network.
        model: String,
        /// What is too much, and the least there is.
        source: BudgetError,
    },
    /// The form that is asked for does not exist.
    #[error(transparent)]
    Name(#[from] ModelNameError),
    /// The tensors do not make up the network.
    #[error(transparent)]
    State(#[from] StateError),
}
