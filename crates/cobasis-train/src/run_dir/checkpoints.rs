//! Checkpoints of a run: directories that are there whole or not at all.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::lock::Lock;
use super::{RunDirError, remove_temporaries};

/// Checkpoints that are kept: the last, and the one before in case that the disk lost a part of it.
const KEPT: usize = 2;

/// The checkpoints of a run, `epoch-EEEE-step-SSSSSS` each: epochs that are done, and steps of the
/// next.
#[derive(Debug)]
pub struct Checkpoints {
    directory: PathBuf,
    /// That of the run which they belong to.
    lock: Option<Arc<Lock>>,
}

impl Checkpoints {
    /// The checkpoints in a directory, which need not exist.
    pub fn new(directory: PathBuf) -> Self {
        Self { directory, lock: None }
    }

    /// Those of a run, which are written as long as its directory is its own.
    pub(super) fn locked(directory: PathBuf, lock: Option<Arc<Lock>>) -> Self {
        Self { directory, lock }
    }

    /// Where the checkpoint after `epochs` epochs and `steps` steps of the next is.
    pub fn path(&self, epochs: usize, steps: usize) -> PathBuf {
        self.directory.join(format!("epoch-{epochs:04}-step-{steps:06}"))
    }

    /// The checkpoints that there are, the furthest first.
    ///
    /// # Errors
    /// When what killed writes have left can't be removed.
    pub fn list(&self) -> Result<Vec<PathBuf>, RunDirError> {
        remove_temporaries(&self.directory)?;
        // No directory means no checkpoint yet.
        let entries = fs::read_dir(&self.directory).into_iter().flatten().flatten();
        let paths = entries.map(|entry| entry.path());
        let mut found: Vec<_> = paths.filter_map(|path| Some((position(&path)?, path))).collect();
        found.sort();
        Ok(found.into_iter().rev().map(|(_, path)| path).collect())
    }

    /// Writes a checkpoint after `epochs` epochs and `steps` steps of the next: `fill` writes its
    /// files into the given directory. Then removes those before it that are no longer kept: all
    /// but one, and that of the best epoch, which the best model can be made from again. Those
    /// further on stay until they are written anew: they could not be read.
    ///
    /// # Errors
    /// Those of `fill`, and when the directory can't be written or is no longer the run's; then the
    /// checkpoints that were there stay.
    pub fn write<E: From<RunDirError>>(
        &self,
        epochs: usize,
        steps: usize,
        best: Option<usize>,
        fill: impl FnOnce(&Path) -> Result<(), E>,
    ) -> Result<(), E> {
        self.check()?;
        let path = self.path(epochs, steps);
        let temporary = self.directory.join(format!(".epoch-{epochs:04}-step-{steps:06}.tmp"));
        create(&self.directory)?;
        remove_temporaries(&self.directory)?;
        create(&temporary)?;
        let written = fill(&temporary).and_then(|()| {
            self.check()?;
            Ok(finish(&temporary, &path)?)
        });
        if written.is_err() {
            // The first error is the one to tell, unless the run's directory went just now.
            let _ = fs::remove_dir_all(&temporary);
            self.check()?;
        }
        written?;
        let before = |path: &PathBuf| position(path) <= Some((epochs, steps));
        let is_best = |path: &PathBuf| best.is_some_and(|best| *path == self.path(best, 0));
        for old in self.list()?.into_iter().filter(before).skip(KEPT).filter(|old| !is_best(old)) {
            remove(&old).map_err(RunDirError::io(&old, "remove an old checkpoint"))?;
        }
        Ok(())
    }

    fn check(&self) -> Result<(), RunDirError> {
        self.lock.as_ref().map_or(Ok(()), |lock| lock.check())
    }
}

/// Makes a directory; not those above it, which are gone if they are not there.
fn create(directory: &Path) -> Result<(), RunDirError> {
    match fs::create_dir(directory) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => {
            Err(RunDirError::io(directory, "create the directory")(error))
        }
        _ => Ok(()),
    }
}

/// Puts a directory whose files are on the disk in its place.
fn finish(temporary: &Path, path: &Path) -> Result<(), RunDirError> {
    sync(temporary)?;
    if fs::symlink_metadata(path).is_ok() {
        // Only a checkpoint that could not be read is ever written again.
        remove(path).map_err(RunDirError::io(path, "replace the checkpoint"))?;
    }
    fs::rename(temporary, path).map_err(RunDirError::io(path, "write the checkpoint"))?;
    path.parent().map_or(Ok(()), sync)
}

/// Removes a checkpoint, or what lies in its place.
fn remove(path: &Path) -> std::io::Result<()> {
    match fs::symlink_metadata(path)?.is_dir() {
        true => fs::remove_dir_all(path),
        false => fs::remove_file(path),
    }
}

/// Waits until the names in a directory are on the disk too, where the system can do that.
fn sync(directory: &Path) -> Result<(), RunDirError> {
    match File::open(directory) {
        Ok(file) => file.sync_all().map_err(RunDirError::io(directory, "write to the disk")),
        Err(_) => Ok(()),
    }
}

/// Epochs and steps in a checkpoint's name.
pub(crate) fn position(path: &Path) -> Option<(usize, usize)> {
    let name = path.file_name()?.to_str()?.strip_prefix("epoch-")?;
    let (epochs, steps) = name.split_once("-step-")?;
    Some((epochs.parse().ok()?, steps.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(checkpoints: &Checkpoints, epochs: usize, steps: usize) {
        let fill = |directory: &Path| -> Result<(), RunDirError> {
            fs::write(directory.join("model"), [epochs as u8, steps as u8]).unwrap();
            Ok(())
        };
        checkpoints.write(epochs, steps, None, fill).unwrap();
    }

    fn names(checkpoints: &Checkpoints) -> Vec<String> {
        let paths = checkpoints.list().unwrap().into_iter();
        paths.map(|path| path.file_name().unwrap().to_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn the_last_two_are_kept_by_position_not_by_name() {
        let dir = tempfile::tempdir().unwrap();
        let checkpoints = Checkpoints::new(dir.path().join("checkpoints"));
        assert!(names(&checkpoints).is_empty());
        for (epochs, steps) in [(0, 5), (1, 0), (9999, 1_000_000), (10_000, 0)] {
            write(&checkpoints, epochs, steps);
        }
        let kept = ["epoch-10000-step-000000", "epoch-9999-step-1000000"];
        assert_eq!(names(&checkpoints), kept);
        write(&checkpoints, 10_000, 0);
        assert_eq!(names(&checkpoints), kept);
    }

    #[test]
    fn a_write_that_fails_or_was_killed_leaves_the_others() {
        let dir = tempfile::tempdir().unwrap();
        let checkpoints = Checkpoints::new(dir.path().to_owned());
        write(&checkpoints, 1, 0);
        let failed = checkpoints.write(2, 0, None, |directory| {
            fs::write(directory.join("model"), "half").unwrap();
            Err(RunDirError::NotEmpty { path: directory.to_owned() })
        });
        failed.unwrap_err();
        fs::create_dir(dir.path().join(".epoch-0003-step-000000.tmp")).unwrap();
        assert_eq!(names(&checkpoints), ["epoch-0001-step-000000"]);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        assert_eq!(fs::read(dir.path().join("epoch-0001-step-000000/model")).unwrap(), [1, 0]);
    }

    #[test]
    fn that_of_the_best_epoch_is_kept_too() {
        let dir = tempfile::tempdir().unwrap();
        let checkpoints = Checkpoints::new(dir.path().to_owned());
        for (epochs, best) in [(1, 1), (2, 2), (3, 2), (4, 2), (5, 2)] {
            let fill = |_: &Path| -> Result<(), RunDirError> { Ok(()) };
            checkpoints.write(epochs, 0, Some(best), fill).unwrap();
        }
        let kept = [5, 4, 2].map(|epoch| format!("epoch-000{epoch}-step-000000"));
        assert_eq!(names(&checkpoints), kept);
    }

    #[test]
    fn what_lies_further_on_costs_no_checkpoint_and_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let checkpoints = Checkpoints::new(dir.path().to_owned());
        fs::write(checkpoints.path(4, 0), "a file in the place of a checkpoint").unwrap();
        for epochs in 1..=4 {
            write(&checkpoints, epochs, 0);
            assert_eq!(names(&checkpoints).len(), if epochs == 1 || epochs == 4 { 2 } else { 3 });
        }
        assert!(checkpoints.path(4, 0).join("model").is_file());
    }
}
