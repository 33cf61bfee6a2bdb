//! Data sets, and the loader that turns them into batches.
//!
//! [`load`] reads a data set into memory as bytes, an [`ImageSet`]. A [`Loader`] cuts it into
//! [`Batch`]es of normalised floats, epoch by epoch.
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
mod cifar;
mod digits;
mod error;
mod image_op;
mod image_set;
mod loader;
mod locate;
mod prefetch;
mod record_file;
mod rng;
mod split;
mod strong;

use std::path::Path;

use crate::choice::choices;

pub use augment::{Augment, AugmentKey};
pub use batch::Batch;
pub use error::DataError;
pub use image_set::{Dataset, ImageSet, SetInfo};
pub use loader::{Epoch, Loader, LoaderConfig};
pub(crate) use rng::SplitMix64;
pub use split::hold_out;
pub use strong::StrongAugment;

choices! {
    /// The data sets that the program knows.
    DatasetName {
        /// 1,437 and 360 grey images of 8×8 in 10 classes; part of the program.
        Digits = "digits",
        /// 50,000 and 10,000 colour images of 32×32 in 10 classes; from a directory.
        Cifar10 = "cifar10",
        /// 50,000 and 10,000 colour images of 32×32 in 100 classes; from a directory.
        Cifar100 = "cifar100",
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

/// Loads one split of a data set.
///
/// `dir` is where the files of CIFAR lie: the folder that its archive unpacks to, or the folder
/// that has this folder in it. Only the files of the split need to be there. Digits need no
/// directory and ignore one.
///
/// # Errors
///
/// Where no directory is given but needed, where files are missing, cannot be read or have another
/// size than the published ones, and where a label stands for no class.
pub fn load(name: DatasetName, dir: Option<&Path>, split: Split) -> Result<ImageSet, DataError> {
    match name {
        DatasetName::Digits => digits::load(split),
        DatasetName::Cifar10 => cifar::CIFAR10.load(dir, split),
        DatasetName::Cifar100 => cifar::CIFAR100.load(dir, split),
    }
}

impl Dataset {
    /// Loads both splits; see [`load`].
    ///
    /// # Errors
    ///
    /// Those of [`load`].
    pub fn load(name: DatasetName, dir: Option<&Path>) -> Result<Self, DataError> {
        Ok(Self { train: load(name, dir, Split::Train)?, test: load(name, dir, Split::Test)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_load_without_a_directory() -> Result<(), DataError> {
        let digits = Dataset::load(DatasetName::Digits, None)?;
        assert_eq!((digits.train.len(), digits.test.len()), (1437, 360));
        Ok(())
    }

    #[test]
    fn cifar_asks_for_its_directory() {
        for name in [DatasetName::Cifar10, DatasetName::Cifar100] {
            let error = load(name, None, Split::Test).expect_err("must be refused");
            assert!(matches!(error, DataError::DirectoryNotGiven { .. }), "{error}");
        }
    }
}
