//! `[sharing]`: how blocks that share filters are made.

use cobasis_zoo::{ModelName, Norms};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::error::{ConfigError, expect};

/// How blocks that share filters are built; the model's name says which filters they share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SharingConfig {
    /// Whether blocks that share filters have all their batch norms. If false, only the last one of
    /// each block is left, as in the paper's ablation; only for ResNets with basic blocks and
    /// bases.
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
