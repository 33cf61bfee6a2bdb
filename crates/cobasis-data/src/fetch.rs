//! Data sets from the net: download, check, unpack.
//!
//! An archive is downloaded to a file that ends in `.part`, which a later try goes on with; checked
//! against its SHA-256; unpacked to a folder beside the final one; and moved there. Whatever
//! interrupts that, the final folder has whole files or none.

mod cache;
mod download;
mod error;
#[cfg(test)]
mod server;
#[cfg(test)]
mod tests;
mod unpack;

use std::fs::{self, File, TryLockError};
use std::io::{self, Seek};
use std::path::Path;
use std::time::Duration;

use sha2::{Digest, Sha256};

use super::DatasetName;
use super::cifar::{self, Layout};
use super::regular;
pub use cache::cache_dir;
use download::Download;
pub use error::FetchError;

/// Largest archive of unknown size that is downloaded.
const MAX_BYTES: u64 = 1 << 30;

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
            | DatasetName::Folder => return None,
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

    fn fetch_with(
        &self,
        dir: &Path,
        pause: Duration,
        watch: &mut dyn FnMut(Progress),
    ) -> Result<(), FetchError> {
        if self.is_in(dir) {
            return Ok(());
        }
        fs::create_dir_all(dir).map_err(FetchError::io(dir, "make the directory"))?;
        let path = dir.join(format!("{}.tar.gz.part", self.layout.folder));
        let mut part = open(&path)?;
        match part.try_lock() {
            Err(TryLockError::WouldBlock) => return Err(FetchError::Busy { path }),
            // A file system without locks: then nobody else can be told apart.
            Ok(()) | Err(TryLockError::Error(_)) => {}
        }
        let download = Download {
            url: &self.url,
            path: &path,
            bytes: self.bytes,
            limit: self.bytes.unwrap_or(MAX_BYTES),
            pause,
        };
        let resumed = length(&part, &path)? > 0;
        download.run(&mut part, watch)?;
        let mut got = sha256(&mut part, &path, watch)?;
        if got != self.sha256 && resumed {
            // The beginning was of another time, or of something else.
            truncate(&part, &path)?;
            download.run(&mut part, watch)?;
            got = sha256(&mut part, &path, watch)?;
        }
        if got != self.sha256 {
            let (url, expected) = (self.url.clone(), self.sha256.clone());
            remove(&path)?;
            return Err(FetchError::WrongHash { url, expected, got });
        }
        watch(Progress::Unpacking);
        unpack::unpack(&mut part, &path, self.layout, dir)?;
        remove(&path)
    }
}

fn open(path: &Path) -> Result<File, FetchError> {
    let mut options = File::options();
    let options = options.read(true).write(true).create(true).truncate(false);
    options.open(path).map_err(FetchError::io(path, "open the file"))
}

fn length(part: &File, path: &Path) -> Result<u64, FetchError> {
    let metadata = part.metadata().map_err(FetchError::io(path, "read the size"))?;
    Ok(metadata.len())
}

fn truncate(part: &File, path: &Path) -> Result<(), FetchError> {
    part.set_len(0).map_err(FetchError::io(path, "empty the file"))
}

fn remove(path: &Path) -> Result<(), FetchError> {
    fs::remove_file(path).map_err(FetchError::io(path, "remove the file"))
}

/// The SHA-256 of a file as hexadecimal digits.
fn sha256(
    part: &mut File,
    path: &Path,
    watch: &mut dyn FnMut(Progress),
) -> Result<String, FetchError> {
    watch(Progress::Checking);
    let mut hasher = Sha256::new();
    part.rewind()
        .and_then(|()| io::copy(part, &mut hasher))
        .map_err(FetchError::io(path, "read the file"))?;
    Ok(hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}
