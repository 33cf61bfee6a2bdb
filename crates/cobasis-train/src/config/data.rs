//! `[data]`: which images, where they are, and how they are fed.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::error::{ConfigError, expect};
use crate::choice::choices;
use crate::data::DatasetName;

/// More padding than this exceeds the side of the largest images known here.
const MAX_PAD: usize = 32;
/// Each worker is a thread with its own batch in memory; a larger number is a slip.
const MAX_WORKERS: usize = 256;

choices! {
    /// Which images choose the best epoch.
    Protocol {
        /// The test set, as the authors have it: the best epoch's number is optimistic.
        Paper = "paper",
        /// A part of the training set; the test set is looked at once, after the last epoch.
        TrainVal = "train/val",
    }
}

/// The images and how they are fed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DataConfig {
    /// The data set; it has to be the one the model is for.
    pub name: DatasetName,
    /// Directory of the data set's files; the command line's `--data` goes first.
    pub dir: Option<PathBuf>,
    /// Which images judge every epoch and choose the best: paper = the test set, as the authors
    /// have it; train/val = `val_images` of the training images, which are not trained on.
    pub split: Protocol,
    /// Training images held out with split = "train/val", at least 1; absent = every tenth (5,000
    /// of CIFAR).
    pub val_images: Option<usize>,
    /// Zero padding on each side before the random crop, pixels, at most 32; 0 = no crop.
    pub pad: usize,
    /// Whether half of the training images are mirrored left to right.
    pub flip: bool,
    /// Loader threads, at most 256; 0 = load in the training thread.
    pub workers: usize,
}

impl Default for DataConfig {
    fn default() -> Self {
        Self {
            name: DatasetName::Cifar10,
            dir: None,
            split: Protocol::Paper,
            val_images: None,
            pad: 4,
            flip: true,
            workers: 2,
        }
    }
}

impl DataConfig {
    pub(super) fn full() -> Self {
        Self { dir: Some(PathBuf::from("DIR")), val_images: Some(5000), ..Self::default() }
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        if let Some(dir) = &self.dir {
            expect("data.dir", dir, !dir.as_os_str().is_empty(), "a directory")?;
        }
        if let Some(images) = self.val_images {
            expect("data.val_images", images, images >= 1, "at least 1")?;
        }
        expect("data.pad", self.pad, self.pad <= MAX_PAD, "at most 32 pixels")?;
        expect("data.workers", self.workers, self.workers <= MAX_WORKERS, "at most 256 threads")
    }
}
