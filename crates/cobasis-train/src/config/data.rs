//! `[data]`: which images, where they are, and how they are fed.

use std::path::PathBuf;

use cobasis_data::choice::choices;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::error::{ConfigError, count, expect};
use crate::data::{Augment, Crop, DatasetName, Source, View};

/// More padding than this exceeds the side of the largest images of one size known here.
const MAX_PAD: usize = 32;
/// Sides of images that networks of the zoo can have, in pixels.
const SIZES: std::ops::RangeInclusive<usize> = 16..=1024;
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

choices! {
    /// How training images are cropped at random.
    CropKind {
        /// A window of the image's own size after zeros were put around it.
        Padded = "padded",
        /// A part of random area and shape, resized: torchvision's RandomResizedCrop.
        Resized = "resized",
    }
}

/// The data set, preprocessing and loading.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DataConfig {
    /// The data set; must fit the model.
    pub name: DatasetName,
    /// Directory of the data set; `--data` on the command line takes precedence.
    pub dir: Option<PathBuf>,
    /// Which images evaluate every epoch and select the best one: paper = the test set, as the
    /// authors do; train/val = a validation set of `val_images` training images, which are not
    /// trained on.
    pub split: Protocol,
    /// Size of the validation set held out with split = "train/val", at least 1; absent = every
    /// tenth training image (5,000 for CIFAR).
    pub val_images: Option<usize>,
    /// Train on a random subset of this many training images, at least 1; the subset is the same in
    /// every run, whatever the seed; absent = all.
    pub train_images: Option<usize>,
    /// Whether to download the data set if its files are missing, into `dir` or the cache.
    pub download: bool,
    /// Side of the network's input images in pixels, 16 to 1024; only for image folders; absent =
    /// the model's input size.
    pub size: Option<usize>,
    /// Length in pixels to which the shorter side of a test image is resized before the centre
    /// crop; only for image folders; absent = `size` * 256 / 224.
    pub resize: Option<usize>,
    /// Random crop of training images: padded, or resized as torchvision's RandomResizedCrop (only
    /// for image folders).
    pub crop: CropKind,
    /// Zero padding in pixels on each side before a padded crop, at most 32; 0 = no crop.
    pub pad: usize,
    /// Random horizontal flip of training images, with probability 1/2.
    pub flip: bool,
    /// Data loader threads, at most 256; 0 = load in the training thread.
    pub workers: usize,
}

impl Default for DataConfig {
    fn default() -> Self {
        Self {
            name: DatasetName::Cifar10,
            dir: None,
            split: Protocol::Paper,
            val_images: None,
            train_images: None,
            download: false,
            size: None,
            resize: None,
            crop: CropKind::Padded,
            pad: 4,
            flip: true,
            workers: 2,
        }
    }
}

impl DataConfig {
    pub(super) fn full() -> Self {
        Self {
            dir: Some(PathBuf::from("DIR")),
            val_images: Some(5000),
            train_images: Some(10_000),
            size: Some(224),
            resize: Some(256),
            ..Self::default()
        }
    }

    /// The random changes to training images.
    pub fn augment(&self) -> Augment {
        let crop = match self.crop {
            CropKind::Padded => Crop::Padded(self.pad),
            CropKind::Resized => Crop::Resized,
        };
        Augment { crop, flip: self.flip }
    }

    /// Where the images come from, for a model made for images of side `side`.
    pub(super) fn source(&self, side: usize) -> Source {
        let view = View::of_size(self.size.unwrap_or(side));
        let view = View { resize: self.resize.unwrap_or(view.resize), ..view };
        Source { name: self.name, dir: self.dir.clone(), view }
    }

    /// Checks how the keys fit together.
    pub(super) fn check_together(&self) -> Result<(), ConfigError> {
        let only = |key: &str, value: &str| {
            let problem = format!("only for images in folders, not for \"{}\"", self.name);
            Err(ConfigError::at(key, format!("{value} is {problem}")))
        };
        if !self.name.is_folder() {
            if let Some(size) = self.size {
                return only("data.size", &size.to_string());
            }
            if let Some(resize) = self.resize {
                return only("data.resize", &resize.to_string());
            }
            if self.crop == CropKind::Resized {
                return only("data.crop", "\"resized\"");
            }
        }
        let pad_fits = self.crop == CropKind::Padded || self.pad == 0;
        expect("data.pad", self.pad, pad_fits, "0 with data.crop = \"resized\"")
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        if let Some(dir) = &self.dir {
            expect("data.dir", dir, !dir.as_os_str().is_empty(), "a directory")?;
        }
        if let Some(images) = self.val_images {
            count("data.val_images", images, "at least 1")?;
        }
        if let Some(images) = self.train_images {
            count("data.train_images", images, "at least 1; leave it out for all")?;
        }
        if let Some(size) = self.size {
            expect("data.size", size, SIZES.contains(&size), "16 to 1024 pixels")?;
        }
        if let Some(resize) = self.resize {
            let least = self.size.unwrap_or(*SIZES.start());
            let expected = match self.size {
                Some(size) => format!("{size} (data.size) to 4096 pixels"),
                None => format!("{least} to 4096 pixels"),
            };
            let fits = (least..=4096).contains(&resize);
            expect("data.resize", resize, fits, &expected)?;
        }
        expect("data.pad", self.pad, self.pad <= MAX_PAD, "at most 32 pixels")?;
        expect("data.workers", self.workers, self.workers <= MAX_WORKERS, "at most 256 threads")
    }
}
