//! `[detect]`: how a detector is made, what it minimises, and what of it is kept.

use cobasis_data::choice::choices;
use cobasis_zoo::{BoxCoding, DetectorConfig, HeadKind, ModelName};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::error::{ConfigError, expect};

/// Sides of the network's pictures, in pixels.
const SIDES: std::ops::RangeInclusive<usize> = 32..=2048;
/// Channels of neck and head.
const WIDTHS: std::ops::RangeInclusive<usize> = 8..=512;
/// More epochs at the end are a slip.
const MAX_EPOCHS: usize = 1_000_000_000;
/// More filters than any basis of a head can have: 9 places in a window of 512 channels.
const MAX_FILTERS: usize = 4608;

choices! {
    /// Whether the convolutions of a head share filters.
    Head {
        /// Each has its own.
        Dense = "dense",
        /// All are composed of one basis, across levels and branches.
        Shared = "shared",
    }
}

choices! {
    /// What a detector minimises, and which points stand for a box.
    DetectionLosses {
        /// IoU, objectness and classes, with SimOTA's assignment.
        Yolox = "yolox",
        /// Focal loss, GIoU and centreness, with points in the middle of boxes by size.
        Fcos = "fcos",
    }
}

/// How a detector is made of the model's network, what it minimises, and which detections are kept; for
/// task = "detect" only.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DetectConfig {
    /// Height and width of the pictures that the network gets, 32 to 2048 pixels each: images are
    /// resized to fit and have grey around them.
    pub input: [usize; 2],
    /// Number of resolutions at which things are found, 1 to 3: those of the network's last stages.
    pub levels: usize,
    /// Channels of neck and head, 8 to 512.
    pub width: usize,
    /// Head: dense = every 3x3 convolution has its own filters; shared = all of them, across levels and
    /// branches, are composed of one basis.
    pub head: Head,
    /// Shared filters of the head's basis, at least 1; only for head = "shared".
    pub shared: usize,
    /// Filters that each convolution of the head adds to the basis, at least 0; only for head =
    /// "shared".
    pub unique: usize,
    /// Losses, assignment and coding of boxes: yolox = IoU, objectness and classes, SimOTA, centre and
    /// size; fcos = focal loss, GIoU and centreness, centre sampling, distances to the four sides.
    pub losses: DetectionLosses,
    /// Score above which detections are kept, at least 0 and below 1.
    pub confidence: f64,
    /// Non-maximum suppression: IoU above which the weaker of two detections of a class is left out,
    /// above 0 and at most 1.
    pub nms: f64,
    /// Number of epochs at the end without mosaics and, with losses = "yolox", with an L1 loss of the
    /// boxes; 0 = none. A run that has no more epochs than that has no mosaics.
    pub last_epochs: usize,
}

impl Default for DetectConfig {
    fn default() -> Self {
        Self {
            input: [256, 320],
            levels: 2,
            width: 32,
            head: Head::Dense,
            shared: 32,
            unique: 1,
            losses: DetectionLosses::Yolox,
            confidence: 0.01,
            nms: 0.65,
            last_epochs: 15,
        }
    }
}

impl DetectConfig {
    /// The detector, for any network.
    pub fn detector(&self) -> DetectorConfig {
        let head = match self.head {
            Head::Dense => HeadKind::Dense,
            Head::Shared => HeadKind::Shared { shared: self.shared, unique: self.unique },
        };
        let coding = match self.losses {
            DetectionLosses::Yolox => BoxCoding::Centre,
            DetectionLosses::Fcos => BoxCoding::Sides,
        };
        DetectorConfig::new(self.input)
            .with_levels(self.levels)
            .with_width(self.width)
            .with_head(head)
            .with_coding(coding)
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        for (index, side) in self.input.into_iter().enumerate() {
            let key = format!("detect.input[{index}]");
            expect(key, side, SIDES.contains(&side), "32 to 2048 pixels")?;
        }
        expect("detect.levels", self.levels, (1..=3).contains(&self.levels), "1 to 3")?;
        expect("detect.width", self.width, WIDTHS.contains(&self.width), "8 to 512 channels")?;
        let filters = 1..=MAX_FILTERS;
        expect("detect.shared", self.shared, filters.contains(&self.shared), "1 to 4608 filters")?;
        let fits = self.unique <= MAX_FILTERS;
        expect("detect.unique", self.unique, fits, "at most 4608 filters")?;
        let share = (0.0..1.0).contains(&self.confidence);
        expect("detect.confidence", self.confidence, share, "at least 0 and below 1")?;
        let share = self.nms > 0.0 && self.nms <= 1.0;
        expect("detect.nms", self.nms, share, "above 0 and at most 1")?;
        let fits = self.last_epochs <= MAX_EPOCHS;
        expect("detect.last_epochs", self.last_epochs, fits, "at most 1000000000 epochs")
    }

    /// Checks that such a detector can be made of the network.
    pub(super) fn check_with(&self, model: &ModelName) -> Result<(), ConfigError> {
        // "levels: expected …": keys here are called as fields there.
        let refused = |problem: String| match problem.split_once(": ") {
            Some((keys, problem)) => {
                // Of two, "shared and unique", the first.
                let key = keys.split(' ').next().unwrap_or(keys);
                ConfigError::at(format!("detect.{key}"), problem)
            }
            None => ConfigError::at("detect", problem),
        };
        self.detector().check(model).map_err(refused)
    }
}
