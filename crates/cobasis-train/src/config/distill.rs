//! `[distill]`: learning from a teacher.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::error::{ConfigError, expect};

/// Beyond these, softened logits are all alike, or their squares no numbers.
const TEMPERATURES: std::ops::RangeInclusive<f64> = 0.001..=1000.0;

/// Knowledge distillation from a trained model: the loss becomes (1 - weight) x cross entropy +
/// weight x temperature² x KL(teacher ‖ student), both softened by the temperature.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DistillConfig {
    /// Model file of the teacher, in our format; absent = no distillation.
    pub teacher: Option<PathBuf>,
    /// Distillation temperature: both models' logits are divided by it, 0.001 to 1000.
    pub temperature: f64,
    /// Weight of the distillation term in the loss, at least 0 and at most 1.
    pub weight: f64,
}

impl Default for DistillConfig {
    fn default() -> Self {
        Self { teacher: None, temperature: 4.0, weight: 0.5 }
    }
}

impl DistillConfig {
    pub(super) fn full() -> Self {
        Self { teacher: Some(PathBuf::from("FILE")), ..Self::default() }
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let (temperature, weight) = (self.temperature, self.weight);
        let fits = TEMPERATURES.contains(&temperature);
        expect("distill.temperature", temperature, fits, "a number above 0, 0.001 to 1000")?;
        let fits = (0.0..=1.0).contains(&weight);
        expect("distill.weight", weight, fits, "at least 0 and at most 1")?;
        if let Some(teacher) = &self.teacher {
            let fits = !teacher.as_os_str().is_empty();
            expect("distill.teacher", teacher, fits, "a model file")?;
        }
        Ok(())
    }
}
