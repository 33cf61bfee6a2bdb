//! `[augment]`: changes to training images beyond crop and flip.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::error::{ConfigError, expect};

/// Shapes of the beta distribution above these are as good as a constant, and slow to draw from;
/// below, all but a few draws are 0 or 1, and of the smallest every draw is lost to rounding.
const SHAPES: std::ops::RangeInclusive<f64> = 0.001..=8.0;
/// The scale of magnitudes, as in the literature.
const MAX_MAGNITUDE: usize = 30;

/// Augmentation beyond random crop and flip; all off by default.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AugmentConfig {
    /// Mixup alpha: parameter of the beta distribution from which the mixing ratio of a batch is
    /// drawn, 0.001 to 8; 0 = off.
    pub mixup: f64,
    /// CutMix alpha: parameter of the beta distribution from which the size of the pasted box is
    /// drawn, 0.001 to 8; 0 = off. If mixup is set too, each batch uses one of them with equal
    /// probability.
    pub cutmix: f64,
    /// Random erasing: probability that an image has a box erased, at most 1; 0 = off.
    pub erase: f64,
    /// Number of RandAugment-style operations applied to each image, at most 4; 0 = off.
    pub rand_ops: usize,
    /// Magnitude of the RandAugment-style operations, 0 to 30.
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
