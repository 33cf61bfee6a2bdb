//! `[sharing]`: how blocks that share filters are made.

use cobasis_zoo::{ModelName, Norms};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::error::{ConfigError, expect};

/// How blocks that share filters are made; which filters they share, the model's name says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SharingConfig {
    /// Whether such a block has all its batch norms. Without, as in the paper's ablation, only the
    /// last one of the block is left; only for ResNets of basic blocks with bases.
    pub norms: bool,
}

impl Default for SharingConfig {
    fn default() -> Self {
        Self { norms: true }
    }
}

impl SharingConfig {
    /// The batch norms of such blocks.
    pub fn norms(&self) -> Norms {
        if self.norms { Norms::All } else { Norms::LastOnly }
    }

    /// Checks that the model can be so.
    pub(super) fn check_with(&self, model: &ModelName) -> Result<(), ConfigError> {
        let fits = self.norms || model.can_be_without_norms();
        let expected = format!("true for {model}, which has no basic blocks with bases");
        expect("sharing.norms", self.norms, fits, &expected)
    }
}
