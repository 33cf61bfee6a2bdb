//! From an archive on the net to its folder on the disk.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Seek};
use std::path::Path;
use std::time::Duration;

use sha2::{Digest, Sha256};

use super::download::Download;
use super::error::FetchError;
use super::{Archive, Progress, unpack};

/// Largest archive of unknown size that is downloaded.
const MAX_BYTES: u64 = 1 << 30;

impl Archive {
    /// [`Archive::fetch`] with a pause of one's own between tries.
    pub(super) fn fetch_with(
        &self,
        dir: &Path,
        pause: Duration,
        watch: &mut dyn FnMut(Progress),
    ) -> Result<(), FetchError> {
        if self.is_in(dir) {
            return Ok(());
        }
        fs::create_dir_all(dir).map_err(FetchError::io(dir, "create the directory"))?;
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

pub(super) fn length(part: &File, path: &Path) -> Result<u64, FetchError> {
    let metadata = part.metadata().map_err(FetchError::io(path, "read the size"))?;
    Ok(metadata.len())
}

pub(super) fn truncate(part: &File, path: &Path) -> Result<(), FetchError> {
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
    let failed = FetchError::io(path, "read the file");
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    let mut feed = || -> io::Result<()> {
        part.rewind()?;
        loop {
            match part.read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(read) => hasher.update(&buffer[..read]),
                // A signal came; the bytes are still there.
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    };
    feed().map_err(failed)?;
    Ok(hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}
