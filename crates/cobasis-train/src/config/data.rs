//! `[data]`: which images, where they are, and how they are fed.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::error::{ConfigError, expect};
use crate::data::DatasetName;

/// More padding than this exceeds the side of the largest images known here.
const MAX_PAD: usize = 32;
/// Each worker is a thread with its own batch in memory; a larger number is a slip.
const MAX_WORKERS: usize = 256;

/// The images and how they are fed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DataConfig {
    /// The data set; it has to be the one the model is for.
    pub name: DatasetName,
    /// Directory of the data set's files; the command line's `--data` goes first.
    pub dir: Option<PathBuf>,
    /// Zero padding on each side before the random crop, pixels, at most 32; 0 = no crop.
    pub pad: usize,
    /// Whether half of the training images are mirrored left to right.
    pub flip: bool,
    /// Loader threads, at most 256; 0 = load in the training thread.
    pub workers: usize,
}

impl Default for DataConfig {
    fn default() -> Self {
        Self { name: DatasetName::Cifar10, dir: None, pad: 4, flip: true, workers: 2 }
    }
}

impl DataConfig {
    pub(super) fn full() -> Self {
        Self { dir: Some(PathBuf::from("DIR")), ..Self::default() }
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        if let Some(dir) = &self.dir {
            expect("data.dir", dir, !dir.as_os_str().is_empty(), "a directory")?;
        }
        expect("data.pad", self.pad, self.pad <= MAX_PAD, "at most 32 pixels")?;
        expect("data.workers", self.workers, self.workers <= MAX_WORKERS, "at most 256 threads")
    }
}
