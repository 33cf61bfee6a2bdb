//! What distinguishes one detector from another on the same network.

use cobasis::Start;
use serde::{Deserialize, Serialize};

use crate::banks::{BankSpec, Scope};
use crate::name::ModelName;

/// The most levels.
const MAX_LEVELS: usize = 3;
/// Channels of the neck and the head.
const WIDTHS: std::ops::RangeInclusive<usize> = 1..=1024;
/// Sides of pictures, in pixels.
const SIDES: std::ops::RangeInclusive<usize> = 16..=8192;

/// Configuration of a [detector](crate::detector): what a model has in the place of a classifier.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct DetectorConfig {
    /// Height and width of the pictures that it is trained on, in pixels.
    pub input: [usize; 2],
    /// Levels, 1 to 3: the coarsest scales of the network.
    pub levels: usize,
    /// Channels of the neck and of the head.
    pub width: usize,
    /// The filters of the head.
    pub head: HeadKind,
    /// What the four numbers of a box mean.
    pub coding: BoxCoding,
}

/// The filters of a head's 3×3 convolutions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HeadKind {
    /// Each has its own.
    Dense,
    /// All share a basis, across levels and branches.
    Shared {
        /// Filters that all share.
        shared: usize,
        /// Filters that each has besides.
        unique: usize,
    },
}

/// What the four predicted numbers of a box mean, at a point of stride s.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BoxCoding {
    /// Its centre from the upper left corner of the point's pixel, in strides, and the logarithms of its
    /// width and height in strides: YOLOX.
    Centre,
    /// The logarithms of its distances to the left, top, right and bottom from the point, in strides:
    /// FCOS. Its factor for each level is in the weights, of which each level has its own here.
    Sides,
}

impl DetectorConfig {
    /// Two levels of 32 channels with a dense head, for pictures of `[height, width]`.
    pub fn new(input: [usize; 2]) -> Self {
        Self { input, levels: 2, width: 32, head: HeadKind::Dense, coding: BoxCoding::Centre }
    }

    /// Changes height and width of the pictures.
    pub fn with_input(self, input: [usize; 2]) -> Self {
        Self { input, ..self }
    }

    /// Changes the number of levels.
    pub fn with_levels(self, levels: usize) -> Self {
        Self { levels, ..self }
    }

    /// Changes the channels of neck and head.
    pub fn with_width(self, width: usize) -> Self {
        Self { width, ..self }
    }

    /// Changes the filters of the head.
    pub fn with_head(self, head: HeadKind) -> Self {
        Self { head, ..self }
    }

    /// Changes what the numbers of a box mean.
    pub fn with_coding(self, coding: BoxCoding) -> Self {
        Self { coding, ..self }
    }

    /// Refuses what is no detector on this network, or one so large that it can only be a slip or an
    /// attack.
    ///
    /// # Errors
    ///
    /// What is wrong, in words.
    pub fn check(&self, network: &ModelName) -> Result<(), String> {
        let Self { input, levels, width, head, .. } = self;
        let mut strides = network.architecture().strides();
        strides.dedup();
        let most = strides.len().min(MAX_LEVELS);
        if !(1..=most).contains(levels) {
            return Err(format!("levels: expected 1 to {most} on {network}, got {levels}"));
        }
        let doubled = strides[strides.len() - levels..].windows(2).all(|two| two[1] == 2 * two[0]);
        if !doubled {
            return Err(format!(
                "levels: the scales of {network} are not each half the one before"
            ));
        }
        if !WIDTHS.contains(width) {
            return Err(format!("width: expected 1 to {} channels, got {width}", WIDTHS.end()));
        }
        if let Some(side) = input.iter().find(|side| !SIDES.contains(side)) {
            let [least, most] = [SIDES.start(), SIDES.end()];
            return Err(format!("input: expected sides of {least} to {most} pixels, got {side}"));
        }
        match *head {
            HeadKind::Shared { shared: 0, .. } => {
                Err("shared: expected at least one filter, got 0".to_string())
            }
            // More can't be orthonormal, and no filter is left that would be another one.
            HeadKind::Shared { shared, unique } if shared.saturating_add(unique) > 9 * width => {
                let most = 9 * width;
                Err(format!(
                    "shared and unique: expected at most {most} filters of {width} channels, got \
                     {shared} and {unique}"
                ))
            }
            HeadKind::Dense | HeadKind::Shared { .. } => Ok(()),
        }
    }

    /// The bank of the head's basis, if it has one.
    pub(crate) fn bank(&self) -> Option<BankSpec> {
        match self.head {
            HeadKind::Dense => None,
            HeadKind::Shared { shared, .. } => Some(BankSpec {
                scope: Scope::Head,
                shape: [shared, self.width, 3, 3],
                start: Start::Orthonormal,
                family: Some(0),
            }),
        }
    }
}
