//! The hold of a run on its directory.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use super::RunDirError;

/// The file that a run holds locked. It is empty, and stays when the run is over.
pub(super) const LOCK: &str = "run.lock";
/// How often the lock is tried: the file may be replaced meanwhile, and a report that looks whether the
/// run goes on holds it for a moment.
const TRIES: usize = 10;
/// The time between two tries.
const PAUSE: Duration = Duration::from_millis(20);

/// A lock that lives with a directory: where the directory goes, so does the lock.
#[derive(Debug)]
pub(super) struct Lock {
    directory: PathBuf,
    /// Held open: the system gives the lock back however the process ends.
    file: File,
}

impl Lock {
    /// Takes the lock of a directory. File systems without locks do without.
    ///
    /// # Errors
    /// When another process has it, or the file can't be made.
    pub(super) fn take(directory: &Path) -> Result<Self, RunDirError> {
        let path = directory.join(LOCK);
        for tries in 1..=TRIES {
            if fs::metadata(&path).is_ok_and(|metadata| !metadata.is_file()) {
                let problem = std::io::Error::new(ErrorKind::InvalidInput, "not a regular file");
                return Err(RunDirError::io(&path, "lock the run")(problem));
            }
            let file = OpenOptions::new().write(true).create(true).truncate(false).open(&path);
            let file = file.map_err(RunDirError::io(&path, "lock the run"))?;
            if let Err(TryLockError::WouldBlock) = file.try_lock() {
                if tries == TRIES {
                    return Err(RunDirError::Busy { path: directory.to_owned() });
                }
                thread::sleep(PAUSE);
                continue;
            }
            let lock = Self { directory: directory.to_owned(), file };
            // Somebody may have removed it in between.
            if lock.check().is_ok() {
                return Ok(lock);
            }
        }
        Err(RunDirError::Gone { path: directory.to_owned() })
    }

    /// Whether the directory is still the one that was locked.
    ///
    /// # Errors
    /// When it was removed, moved or emptied, or another run lives there.
    pub(super) fn check(&self) -> Result<(), RunDirError> {
        let there = match fs::metadata(self.directory.join(LOCK)) {
            Ok(metadata) => is_same(&metadata, &self.file),
            // What the system can't say at the moment, the next write will tell.
            Err(error) => !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory),
        };
        if there { Ok(()) } else { Err(RunDirError::Gone { path: self.directory.clone() }) }
    }
}

#[cfg(unix)]
fn is_same(there: &fs::Metadata, held: &File) -> bool {
    use std::os::unix::fs::MetadataExt;
    held.metadata().map_or(true, |held| (held.dev(), held.ino()) == (there.dev(), there.ino()))
}

#[cfg(not(unix))]
fn is_same(_: &fs::Metadata, _: &File) -> bool {
    true
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn it_goes_with_the_directory() {
        let parent = tempfile::tempdir().unwrap();
        let [path, away] = ["run", "away"].map(|name| parent.path().join(name));
        fs::create_dir(&path).unwrap();
        let lock = Lock::take(&path).unwrap();
        lock.check().unwrap();
        assert!(matches!(Lock::take(&path), Err(RunDirError::Busy { .. })));
        fs::rename(&path, &away).unwrap();
        let error = lock.check().unwrap_err();
        assert!(!error.is_user_error() && error.to_string().contains("/run: "), "{error}");
        // Another run in the same place has a lock of its own.
        fs::create_dir(&path).unwrap();
        let other = Lock::take(&path).unwrap();
        assert!(lock.check().is_err() && other.check().is_ok());
        assert!(matches!(Lock::take(&away), Err(RunDirError::Busy { .. })));
        drop(lock);
        Lock::take(&away).unwrap();
    }

    #[test]
    fn a_directory_that_was_emptied_is_gone() {
        let path = tempfile::tempdir().unwrap();
        let lock = Lock::take(path.path()).unwrap();
        fs::remove_file(path.path().join(LOCK)).unwrap();
        lock.check().unwrap_err();
    }

    #[test]
    fn a_folder_in_its_place_is_named() {
        let path = tempfile::tempdir().unwrap();
        fs::create_dir(path.path().join(LOCK)).unwrap();
        let error = Lock::take(path.path()).unwrap_err().to_string();
        assert!(error.contains("run.lock: cannot lock the run: not a regular file"), "{error}");
    }
}
