//! `[augment]`: changes to training images beyond crop and flip.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::data::DataConfig;
use super::error::{ConfigError, expect};
use crate::data::boxes::{BoxAugment, HsvChange};

/// Shapes of the beta distribution above these are as good as a constant, and slow to draw from;
/// below, all but a few draws are 0 or 1, and of the smallest every draw is lost to rounding.
const SHAPES: std::ops::RangeInclusive<f64> = 0.001..=8.0;
/// The scale of magnitudes, as in the literature.
const MAX_MAGNITUDE: usize = 30;

/// The smallest and largest scale of images with boxes.
const SCALES: [f64; 2] = [1.0 / 64.0, 64.0];

/// Augmentation beyond random crop and flip; all off by default.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
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
    /// For task = "detect": probability that a picture is a mosaic of four images, at most 1; 0 = off.
    pub mosaic: f64,
    /// For task = "detect": smallest and largest scale of an image, relative to the one at which all of
    /// it just fits, 1/64 to 64; one is drawn for each image.
    pub scale: [f64; 2],
    /// For task = "detect": random vertical flip, with probability 1/2.
    pub flip_vertical: bool,
    /// For task = "detect": the most that hues turn either way, in degrees, at most 180; 0 = off.
    pub hue: f64,
    /// For task = "detect": saturation is multiplied by 1 plus or minus up to this, at most 1; 0 = off.
    pub saturation: f64,
    /// For task = "detect": brightness is multiplied by 1 plus or minus up to this, at most 1; 0 = off.
    pub value: f64,
}

impl Default for AugmentConfig {
    fn default() -> Self {
        Self {
            mixup: 0.0,
            cutmix: 0.0,
            erase: 0.0,
            rand_ops: 0,
            rand_magnitude: 0,
            mosaic: 0.0,
            scale: [1.0, 1.0],
            flip_vertical: false,
            hue: 0.0,
            saturation: 0.0,
            value: 0.0,
        }
    }
}

impl AugmentConfig {
    /// The random changes to training images with boxes, without mosaics from the epoch `mosaic_end` on,
    /// counted as the loader is asked for epochs.
    pub fn boxes(&self, data: &DataConfig, mosaic_end: u64) -> BoxAugment {
        let Self { scale, flip_vertical, hue, saturation, value, mosaic, .. } = *self;
        let hsv = HsvChange { hue, saturation, value };
        BoxAugment { scale, flip: [flip_vertical, data.flip], hsv, mosaic, mosaic_end }
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let shape = |key, shape: f64| {
            let fits = shape == 0.0 || SHAPES.contains(&shape);
            expect(key, shape, fits, "at least 0 and at most 8: 0, or 0.001 to 8")
        };
        shape("augment.mixup", self.mixup)?;
        shape("augment.cutmix", self.cutmix)?;
        for (key, share) in [
            ("augment.erase", self.erase),
            ("augment.mosaic", self.mosaic),
            ("augment.saturation", self.saturation),
            ("augment.value", self.value),
        ] {
            expect(key, share, (0.0..=1.0).contains(&share), "at least 0 and at most 1")?;
        }
        let degrees = (0.0..=180.0).contains(&self.hue);
        expect("augment.hue", self.hue, degrees, "at least 0 and at most 180 degrees")?;
        let [low, high] = self.scale;
        let fits = SCALES[0] <= low && low <= high && high <= SCALES[1];
        expect("augment.scale", self.scale, fits, "the smallest, then the largest, 1/64 to 64")?;
        let (ops, magnitude) = (self.rand_ops, self.rand_magnitude);
        expect("augment.rand_ops", ops, ops <= 4, "at most 4 operations")?;
        let fits = magnitude <= MAX_MAGNITUDE;
        expect("augment.rand_magnitude", magnitude, fits, "at most 30")
    }
}
