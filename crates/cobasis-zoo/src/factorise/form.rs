//! The ways in which a dense network becomes one that shares.

use std::collections::BTreeSet;

use super::FactoriseError;
use super::borrowers::Borrowers;
use super::targets::Targets;
use crate::adapter::AdapterConfig;
use crate::config::ModelConfig;
use crate::model::Model;
use crate::registry::Entry;
use crate::sharing::Sharing;
use crate::spec::{Architecture, BlockKind, Norms, Variant};

/// What stands for a layer's dense filters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// Sums of shared and unique filters.
    Sums,
    /// A bank of filters, as they are.
    Whole,
    /// Shared and unique filters in groups, as they are.
    Grouped,
}

/// Whether a network is a ResNeXt, whose blocks have a convolution in groups.
pub(super) fn is_in_groups(entry: &Entry) -> bool {
    matches!(&entry.architecture, Architecture::ResNet(spec) if spec.block == BlockKind::ResNeXt)
}

impl Form {
    /// How a dense network becomes that of a configuration.
    ///
    /// # Errors
    ///
    /// If the networks are not of one architecture, or one of them shares what it should not or nothing.
    pub(super) fn of(dense: &Model, config: &ModelConfig) -> Result<Self, FactoriseError> {
        let (from, to) = (&dense.config.name, &config.name);
        if let Some(AdapterConfig { kind, .. }) =
            dense.config.adapter.as_ref().or(config.adapter.as_ref())
        {
            return Err(FactoriseError::Task { model: from.to_string(), kind: *kind });
        }
        if from.sharing().is_some() {
            return Err(FactoriseError::NotDense { model: from.to_string() });
        }
        if to.dense() != *from || to.sharing().is_none() {
            return Err(FactoriseError::Other { from: from.to_string(), to: to.to_string() });
        }
        let architecture = &from.entry().architecture;
        let torchvision = [dense.config.variant, config.variant].map(|v| v == Variant::Torchvision);
        if matches!(architecture, Architecture::MobileNetV2(_)) && torchvision[0] != torchvision[1]
        {
            return Err(FactoriseError::Variant { model: to.to_string() });
        }
        let without_inner = config.norms == Norms::WithoutInner && to.can_be_without_norms();
        if config.norms != Norms::All && !without_inner {
            let (model, norms) = (to.to_string(), config.norms.name());
            return Err(FactoriseError::Norms { model, norms });
        }
        Ok(Self::of_config(config))
    }

    pub(super) fn of_config(config: &ModelConfig) -> Self {
        match config.name.sharing() {
            Some(Sharing::Whole(_)) => Form::Whole,
            Some(Sharing::Ranks(_)) if is_in_groups(config.name.entry()) => Form::Grouped,
            _ => Form::Sums,
        }
    }

    /// The paths of the layers of a network of this form that stand for dense ones.
    pub(super) fn layers(self, skeleton: &Model) -> Result<BTreeSet<String>, FactoriseError> {
        match self {
            Form::Sums => Ok(Targets::of(skeleton)?.paths()),
            Form::Whole | Form::Grouped => {
                let layers = Borrowers::of(skeleton).layers.into_iter();
                Ok(layers.map(|layer| layer.path).collect())
            }
        }
    }
}
