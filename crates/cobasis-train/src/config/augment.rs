//! `[augment]`: changes to training images beyond crop and flip.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::error::{ConfigError, expect};

/// Shapes of the beta distribution above these are as good as a constant, and slow to draw from;
/// below, all but a few draws are 0 or 1, and of the smallest every draw is lost to rounding.
const SHAPES: std::ops::RangeInclusive<f64> = 0.001..=8.0;
/// The scale of magnitudes, as in the literature.
const MAX_MAGNITUDE: usize = 30;

/// Changes to training images beyond crop and flip; none unless asked for.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AugmentConfig {
    /// Mixup: shape of the beta distribution that a batch's share of mixing is drawn from, 0.001 to
    /// 8; 0 = none.
    pub mixup: f64,
    /// Cutmix: shape of the beta distribution that the size of the pasted box is drawn from, 0.001
    /// to 8; 0 = none. With mixup too, each batch gets either, as often.
    pub cutmix: f64,
    /// Random erasing: share of the images that lose a box, at most 1; 0 = none.
    pub erase: f64,
    /// Operations drawn for every image from a set like RandAugment's, at most 4; 0 = none.
    pub rand_ops: usize,
    /// Strength of those operations, 0 to 30.
    pub rand_magnitude: usize,
}

impl AugmentConfig {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let shape = |key, shape: f64| {
            let fits = shape == 0.0 || SHAPES.contains(&shape);
            expect(key, shape, fits, "at least 0 and at most 8: 0, or 0.001 to 8")
        };
        shape("augment.mixup", self.mixup)?;
        shape("augment.cutmix", self.cutmix)?;
        let share = (0.0..=1.0).contains(&self.erase);
        expect("augment.erase", self.erase, share, "at least 0 and at most 1")?;
        let (ops, magnitude) = (self.rand_ops, self.rand_magnitude);
        expect("augment.rand_ops", ops, ops <= 4, "at most 4 operations")?;
        let fits = magnitude <= MAX_MAGNITUDE;
        expect("augment.rand_magnitude", magnitude, fits, "at most 30")
    }
}
