//! Data sets from the net: download, check, unpack.
//!
//! An archive is downloaded to a file that ends in `.part`, which a later try resumes; checked
//! against its SHA-256; unpacked to a folder beside the final one; and moved there. Whatever
//! interrupts that, the final folder has whole files or none.

mod cache;
#[cfg(feature = "fetch")]
mod download;
mod error;
#[cfg(all(test, feature = "fetch"))]
mod server;
#[cfg(all(test, feature = "fetch"))]
mod tests;
#[cfg(feature = "fetch")]
mod transfer;
mod unpack;

use std::fs;
use std::path::Path;
#[cfg(feature = "fetch")]
use std::time::Duration;

use super::DatasetName;
use super::cifar::{self, Layout};
use super::regular;
pub use cache::cache_dir;
pub use error::FetchError;

/// Where a data set is published.
#[derive(Debug, Clone)]
pub struct Archive {
    /// Address of the archive.
    pub url: String,
    /// SHA-256 of the archive, 64 hexadecimal digits.
    pub sha256: String,
    /// Size of the archive in bytes, if it is known.
    pub bytes: Option<u64>,
    layout: &'static Layout,
}

/// How far a download is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// Bytes that are there, and all of them, if the server says.
    Downloading {
        /// Bytes that are there, those of an earlier try included.
        done: u64,
        /// All of them.
        total: Option<u64>,
    },
    /// The connection broke; another try follows.
    Retrying {
        /// Why.
        problem: String,
    },
    /// The archive is compared with its SHA-256.
    Checking,
    /// The archive is unpacked.
    Unpacking,
}

impl Archive {
    /// The archive in which the authors of a data set publish it; none where there is no single one
    /// that anybody may download.
    pub fn of(name: DatasetName) -> Option<Self> {
        // Sizes and SHA-256 as TensorFlow Datasets and others list them.
        let (layout, file, sha256, bytes) = match name {
            DatasetName::Cifar10 => (
                &cifar::CIFAR10,
                "cifar-10-binary.tar.gz",
                "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
                170_052_171,
            ),
            DatasetName::Cifar100 => (
                &cifar::CIFAR100,
                "cifar-100-binary.tar.gz",
                "58a81ae192c23a4be8b1804d68e518ed807d710a4eb253b1f2a199162a40d8ec",
                168_513_733,
            ),
            DatasetName::Digits
            | DatasetName::Mnist
            | DatasetName::FashionMnist
            | DatasetName::ImageNet
            | DatasetName::Folder
            | DatasetName::Coco
            | DatasetName::Voc => return None,
        };
        let url = format!("https://www.cs.toronto.edu/~kriz/{file}");
        Some(Self { url, sha256: sha256.to_string(), bytes: Some(bytes), layout })
    }

    /// The same archive from elsewhere.
    pub fn with_url(self, url: String) -> Self {
        Self { url, ..self }
    }

    /// The same data in another archive.
    pub fn with_sha256(self, sha256: &str) -> Self {
        Self { sha256: sha256.to_ascii_lowercase(), bytes: None, ..self }
    }

    /// Whether `dir`, or the archive's folder inside it, has all files in their published sizes.
    pub fn is_in(&self, dir: &Path) -> bool {
        [dir.to_path_buf(), dir.join(self.layout.folder)].iter().any(|place| {
            let fits = |(name, bytes): (&str, u64)| {
                fs::metadata(place.join(name)).is_ok_and(|file| file.len() == bytes)
            };
            self.layout.files().all(fits)
        })
    }

    /// Downloads the archive and unpacks it to its folder in `dir`, which is made. Does nothing
    /// where the [files are there](Self::is_in). `watch` is told how far it is.
    ///
    /// # Errors
    ///
    /// Where the server cannot be reached or has no such file, where the archive has another
    /// SHA-256 or holds something else than the data set, where the disk is full, and where another
    /// program downloads to the same place. What was downloaded stays for the next try, unless it
    /// is not what it should be.
    #[cfg(feature = "fetch")]
    pub fn fetch(&self, dir: &Path, watch: &mut dyn FnMut(Progress)) -> Result<(), FetchError> {
        self.fetch_with(dir, Duration::from_secs(2), watch)
    }

    /// Unpacks an archive that is there already to its folder in `dir`, which must be there.
    ///
    /// Only files that the data set has are written. Whether the archive is the published one, its
    /// SHA-256 would tell; here only names and sizes are compared.
    ///
    /// # Errors
    ///
    /// Where the archive can't be read or holds something else than the data set, and where the disk
    /// is full.
    pub fn unpack(&self, archive: &Path, dir: &Path) -> Result<(), FetchError> {
        let mut file = regular::open(archive).map_err(FetchError::io(archive, "open the file"))?;
        unpack::unpack(&mut file, archive, self.layout, dir)
    }
}
