//! Data sets, and the loader that turns them into batches.
//!
//! A [`Source`] gives an [`ImageSet`]: bytes in memory, or the names of image files. A [`Loader`]
//! cuts it into [`Batch`]es of normalised floats, epoch by epoch, decoding files as it goes.
//!
//! # Determinism
//!
//! A batch is a pure function of the image set, the [`LoaderConfig`] without its number of
//! workers, the epoch and the number of the batch:
//!
//! - the order of an epoch is drawn from `(seed, epoch)`,
//! - crop and flip of an image are drawn from `(seed, epoch, index of the image)`,
//! - threads share no generator, and their batches are handed over in order.
//!
//! No generator lives from one draw to the next. A resumed run therefore sees what an uninterrupted
//! one would have seen, by asking for [`Loader::epoch_from`] at the place where it stopped, and
//! has no state of the loader to save. The generator is part of this module, so that no update of a
//! library changes a run.

mod augment;
mod batch;
pub mod boxes;
pub mod choice;
mod cifar;
mod class_counts;
pub mod csv;
mod decode;
mod digits;
mod error;
pub mod fetch;
mod files;
mod fnv;
mod folder;
mod geometry;
mod idx;
mod image_op;
mod image_set;
mod loader;
mod locate;
pub mod nearest;
pub mod number;
mod picture;
mod prefetch;
mod record_file;
pub mod regular;
mod resample;
mod rng;
mod set_info;
mod split;
mod strong;
pub mod text;
pub mod text_file;
mod unlabelled;

use std::path::PathBuf;

use crate::choice::choices;

pub use augment::{Augment, AugmentKey, Crop};
pub use batch::{Batch, Unreadable};
pub use class_counts::{ClassCount, class_counts};
pub use decode::{ImageError, Rgb, read as read_image};
pub use error::DataError;
pub use folder::holds_images;
pub use geometry::{Geometry, Target};
pub use image_set::{Dataset, ImageSet};
pub use loader::{Epoch, Loader, LoaderConfig};
pub use prefetch::Prefetch;
pub use rng::SplitMix64;
pub use set_info::SetInfo;
pub use split::{hold_out, take_images};
pub use strong::StrongAugment;
pub use unlabelled::unlabelled;

choices! {
    /// The data sets that the program knows.
    DatasetName {
        /// 1,437 and 360 grey images of 8×8 in 10 classes; part of the program.
        Digits = "digits",
        /// 50,000 and 10,000 colour images of 32×32 in 10 classes; from a directory.
        Cifar10 = "cifar10",
        /// 50,000 and 10,000 colour images of 32×32 in 100 classes; from a directory.
        Cifar100 = "cifar100",
        /// 60,000 and 10,000 grey images of 28×28 in 10 classes; from a directory.
        Mnist = "mnist",
        /// 60,000 and 10,000 grey images of 28×28 in 10 classes; from a directory.
        FashionMnist = "fashion-mnist",
        /// 1,281,167 and 50,000 colour images of all sizes in 1,000 classes; from folders.
        ImageNet = "imagenet",
        /// Any other images in folders that name their classes.
        Folder = "folder",
        /// Images with boxes around things, told by files of COCO's format.
        Coco = "coco",
        /// Images with boxes around things, in folders like Pascal VOC's.
        Voc = "voc",
    }
}

impl DatasetName {
    /// Whether models are named after it. Other sets go with any model, whose classes and input
    /// channels are then the set's.
    pub fn has_models(self) -> bool {
        let others = [Self::Mnist, Self::FashionMnist, Self::Folder, Self::Coco, Self::Voc];
        !others.contains(&self)
    }

    /// Whether its images have boxes instead of one class each: they are read with
    /// [`read_coco`](boxes::read_coco) and [`read_voc`](boxes::read_voc).
    pub fn has_boxes(self) -> bool {
        matches!(self, Self::Coco | Self::Voc)
    }

    /// Whether its images are files of all sizes in folders.
    pub fn is_folder(self) -> bool {
        matches!(self, Self::ImageNet | Self::Folder)
    }

    /// What is true of its images, those of all sizes seen in this view, by what is known without
    /// its files: the names of ImageNet's classes are not.
    pub fn info(self, view: View) -> SetInfo {
        match self {
            DatasetName::Digits => digits::info(),
            DatasetName::Cifar10 => cifar::CIFAR10.info(),
            DatasetName::Cifar100 => cifar::CIFAR100.info(),
            DatasetName::Mnist => idx::MNIST.info(),
            DatasetName::FashionMnist => idx::FASHION_MNIST.info(),
            DatasetName::ImageNet | DatasetName::Folder | DatasetName::Coco | DatasetName::Voc => {
                folder::info(self.as_str(), Vec::new(), view)
            }
        }
    }
}

/// The two halves of a data set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Split {
    /// Images to learn from.
    Train,
    /// Images to judge by.
    Test,
}

/// How images of all sizes become images of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct View {
    /// Side of the square that the network gets, in pixels.
    pub size: usize,
    /// Length of an image's shorter side before the centre is cut out to judge by, in pixels.
    pub resize: usize,
}

impl View {
    /// The usual view for a network that gets squares of side `size`: of ImageNet's 224, the centre
    /// of images whose shorter side has 256 pixels.
    pub fn of_size(size: usize) -> Self {
        Self { size, resize: (size * 256).div_ceil(224) }
    }
}

/// Where a data set comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// The data set.
    pub name: DatasetName,
    /// The directory of its files. That of CIFAR is the folder that its archive unpacks to, or the
    /// folder that has this folder in it; that of image folders has `train/CLASS/IMAGE` and
    /// `val/CLASS/IMAGE`. Digits need none and ignore one.
    pub dir: Option<PathBuf>,
    /// How images of all sizes become images of one; ignored by sets that have one size.
    pub view: View,
    /// Side of the square that images of one size are resized to, in pixels; `None` = as they are.
    pub side: Option<usize>,
    /// Channels that images are to have, of which grey ones make three; `None` = their own.
    pub channels: Option<usize>,
}

impl Source {
    /// A data set in a directory, for a network that gets images of side `size` where they have
    /// no size of their own.
    pub fn new(name: DatasetName, dir: Option<PathBuf>, size: usize) -> Self {
        Self { name, dir, view: View::of_size(size), side: None, channels: None }
    }

    /// Loads one split; only its files need to be there.
    ///
    /// Image folders are listed, not read: their images are decoded by the [`Loader`]. Classes are
    /// the folders of `train/`, sorted by name. What is left out is logged as a warning.
    ///
    /// # Errors
    ///
    /// Where no directory is given but needed, where files are missing, cannot be read or have
    /// another size than the published ones, where a label stands for no class, and where images can't have the
    /// channels or the size that is asked for.
    pub fn load(&self, split: Split) -> Result<ImageSet, DataError> {
        let dir = self.dir.as_deref();
        let set = match self.name {
            DatasetName::Digits => digits::load(split),
            DatasetName::Cifar10 => cifar::CIFAR10.load(dir, split),
            DatasetName::Cifar100 => cifar::CIFAR100.load(dir, split),
            DatasetName::Mnist => idx::MNIST.load(dir, split),
            DatasetName::FashionMnist => idx::FASHION_MNIST.load(dir, split),
            DatasetName::ImageNet | DatasetName::Folder => {
                folder::load(self.name.as_str(), dir, split, self.view)
            }
            DatasetName::Coco | DatasetName::Voc => Err(DataError::Inconsistent {
                set: self.name.to_string(),
                what: "images".to_string(),
                expected: "a set whose images have one class each".to_string(),
                got: "one whose images have boxes, which are for task = \"detect\"".to_string(),
            }),
        };
        self.shown(set?)
    }

    /// The images as they are asked for.
    fn shown(&self, set: ImageSet) -> Result<ImageSet, DataError> {
        let set = match self.side {
            Some(side) if !set.is_in_files() => set.resized(side)?,
            _ => set,
        };
        match self.channels {
            Some(channels) => set.with_channels(channels),
            None => Ok(set),
        }
    }

    /// The test images by themselves: as [`load`](Self::load), but the classes of an image folder are
    /// the folders that they are in, whatever `train/` has. For models that know classes by name.
    ///
    /// # Errors
    ///
    /// Those of [`load`](Self::load).
    pub fn load_test_alone(&self) -> Result<ImageSet, DataError> {
        match self.name.is_folder() {
            true => {
                let dir = self.dir.as_deref();
                self.shown(folder::load_test_alone(self.name.as_str(), dir, self.view)?)
            }
            false => self.load(Split::Test),
        }
    }
}

impl Dataset {
    /// Loads both splits; see [`Source::load`].
    ///
    /// # Errors
    ///
    /// Those of [`Source::load`].
    pub fn load(source: &Source) -> Result<Self, DataError> {
        let [train, test] = [source.load(Split::Train)?, source.load(Split::Test)?];
        Ok(Self { train, val: None, test })
    }
}

/// The README's example, compiled like any other.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

#[cfg(test)]
mod tests {
    use super::*;

    fn source(name: DatasetName) -> Source {
        Source::new(name, None, 224)
    }

    #[test]
    fn digits_load_without_a_directory() -> Result<(), DataError> {
        let digits = Dataset::load(&source(DatasetName::Digits))?;
        assert_eq!((digits.train.len(), digits.test.len()), (1437, 360));
        Ok(())
    }

    #[test]
    fn the_usual_view_of_imagenet_is_the_papers() {
        assert_eq!(View::of_size(224), View { size: 224, resize: 256 });
        assert_eq!(View::of_size(32).resize, 37);
    }

    #[test]
    fn sets_with_boxes_have_no_class_for_an_image() {
        for name in [DatasetName::Coco, DatasetName::Voc] {
            let error = source(name).load(Split::Train).expect_err("must be refused").to_string();
            assert!(error.contains("boxes, which are for task = \"detect\""), "{error}");
        }
    }

    #[test]
    fn all_others_ask_for_their_directory() {
        let asks = |name: DatasetName| name != DatasetName::Digits && !name.has_boxes();
        for &name in DatasetName::ALL.iter().filter(|name| asks(**name)) {
            let error = source(name).load(Split::Test).expect_err("must be refused");
            assert!(matches!(error, DataError::DirectoryNotGiven { .. }), "{error}");
        }
    }
}
