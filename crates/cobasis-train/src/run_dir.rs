//! The directory one training run writes to, never one that another run has written.

mod metrics;

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

pub use metrics::{EpochMetrics, MetricsCsv};

/// Parent of the runs that are not given a directory, below the working directory.
const DEFAULT_PARENT: &str = "runs";

/// What went wrong with a run's files, on one line that names the path.
#[derive(Debug, thiserror::Error)]
pub enum RunDirError {
    /// The directory asked for holds something.
    #[error(
        "{}: exists and is not empty; a run never overwrites another, choose a new --out",
        .path.display()
    )]
    NotEmpty {
        /// The directory asked for.
        path: PathBuf,
    },
    /// The path asked for is a file.
    #[error(
        "{}: expected a new or empty directory, got a file; choose another --out",
        .path.display()
    )]
    NotADirectory {
        /// The path asked for.
        path: PathBuf,
    },
    /// The system refused: disk full, no permission, directory gone.
    #[error("{}: cannot {action}: {source}", .path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What was tried, as in "cannot ...".
        action: &'static str,
        /// The system's reason.
        source: io::Error,
    },
}

impl RunDirError {
    /// Whether a different command line mends it, rather than a look at the disk.
    pub fn is_user_error(&self) -> bool {
        !matches!(self, Self::Io { .. })
    }

    fn io(path: &Path, action: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { path: path.to_owned(), action, source }
    }
}

/// A directory that belongs to this run alone.
#[derive(Debug)]
pub struct RunDir {
    path: PathBuf,
}

impl RunDir {
    /// Makes the directory `out`, or `runs/<model>-<number>` with the next free number, parents
    /// included.
    ///
    /// # Errors
    /// When `out` is a file or a directory that is not empty, or cannot be made.
    pub fn create(out: Option<&Path>, model: &str) -> Result<Self, RunDirError> {
        match out {
            Some(out) => Self::create_at(out),
            None => Self::create_numbered(Path::new(DEFAULT_PARENT), model),
        }
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes a file of this directory whole or not at all; see [`cobasis_zoo::write_atomic`].
    ///
    /// # Errors
    /// When the file cannot be written; it is named, and what was there before stays.
    pub fn write_atomic(&self, name: &str, bytes: &[u8]) -> Result<(), RunDirError> {
        let path = self.path.join(name);
        let written = cobasis_zoo::write_atomic(&path, bytes);
        written.map_err(RunDirError::io(&path, "write the file"))
    }

    fn create_at(out: &Path) -> Result<Self, RunDirError> {
        create_parents(out)?;
        let path = out.to_owned();
        match fs::create_dir(out) {
            Ok(()) => Ok(Self { path }),
            Err(err) if err.kind() != ErrorKind::AlreadyExists => {
                Err(RunDirError::io(out, "create the run directory")(err))
            }
            Err(_) if !out.is_dir() => Err(RunDirError::NotADirectory { path }),
            Err(_) => {
                let entries = fs::read_dir(out);
                let entries = entries.map_err(RunDirError::io(out, "list the run directory"))?;
                match entries.count() {
                    0 => Ok(Self { path }),
                    _ => Err(RunDirError::NotEmpty { path }),
                }
            }
        }
    }

    fn create_numbered(parent: &Path, model: &str) -> Result<Self, RunDirError> {
        let name = file_name(model);
        fs::create_dir_all(parent).map_err(RunDirError::io(parent, "create the directory"))?;
        let mut number = last_number(parent, &name)? + 1;
        loop {
            let path = parent.join(format!("{name}-{number:03}"));
            match fs::create_dir(&path) {
                Ok(()) => return Ok(Self { path }),
                // Another run was faster: only the system's answer settles whose number it is.
                Err(err) if err.kind() == ErrorKind::AlreadyExists => number += 1,
                Err(err) => return Err(RunDirError::io(&path, "create the run directory")(err)),
            }
        }
    }
}

fn create_parents(path: &Path) -> Result<(), RunDirError> {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => {
            fs::create_dir_all(parent).map_err(RunDirError::io(parent, "create the directory"))
        }
        _ => Ok(()),
    }
}

/// The model's name as a file name: no separators, nothing a shell would mind.
fn file_name(model: &str) -> String {
    let keep = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    model.chars().map(|c| if keep(c) { c } else { '-' }).collect()
}

/// The highest number in use, 0 for none. Gaps stay gaps, so that numbers follow time.
fn last_number(parent: &Path, name: &str) -> Result<u32, RunDirError> {
    let entries = fs::read_dir(parent).map_err(RunDirError::io(parent, "list the directory"))?;
    let numbers = entries.flatten().filter_map(|entry| {
        let entry = entry.file_name();
        let digits = entry.to_str()?.strip_prefix(name)?.strip_prefix('-')?;
        // More than six digits is somebody's own name, a date perhaps.
        let counts = digits.len() <= 6 && digits.bytes().all(|digit| digit.is_ascii_digit());
        if counts { digits.parse().ok() } else { None }
    });
    Ok(numbers.max().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODEL: &str = "cifar10/resnet32-s16u1";

    fn numbered(parent: &Path) -> String {
        let run = RunDir::create_numbered(parent, MODEL).unwrap();
        assert!(run.path().is_dir());
        run.path().strip_prefix(parent).unwrap().to_str().unwrap().to_owned()
    }

    #[test]
    fn numbers_go_up_and_gaps_stay() {
        let dir = tempfile::tempdir().unwrap();
        let parent = dir.path().join("runs");
        assert_eq!(numbered(&parent), "cifar10-resnet32-s16u1-001");
        assert_eq!(numbered(&parent), "cifar10-resnet32-s16u1-002");
        fs::remove_dir(parent.join("cifar10-resnet32-s16u1-001")).unwrap();
        fs::create_dir(parent.join("cifar10-resnet32-s16u1-double-007")).unwrap();
        fs::create_dir(parent.join("cifar10-resnet32-s16u1-20260101")).unwrap();
        assert_eq!(numbered(&parent), "cifar10-resnet32-s16u1-003");
        fs::write(parent.join("cifar10-resnet32-s16u1-999"), "").unwrap();
        assert_eq!(numbered(&parent), "cifar10-resnet32-s16u1-1000");
    }

    #[test]
    fn runs_started_at_once_get_their_own() {
        let dir = tempfile::tempdir().unwrap();
        let mut names: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| numbered(dir.path()))).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        names.sort();
        names.dedup();
        assert_eq!(names.len(), 8);
    }

    #[test]
    fn out_is_made_or_taken_when_empty_and_never_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("a/b");
        for _ in 0..2 {
            assert_eq!(RunDir::create(Some(&out), MODEL).unwrap().path(), out);
        }
        let run = RunDir::create(Some(&out), MODEL).unwrap();
        run.write_atomic("config.toml", b"seed = 1\n").unwrap();
        let file = out.join("config.toml");
        for (out, said) in [(&out, "exists and is not empty"), (&file, "got a file")] {
            let err = RunDir::create(Some(out), MODEL).unwrap_err();
            assert!(err.is_user_error());
            assert!(err.to_string().starts_with(out.to_str().unwrap()), "{err}");
            assert!(err.to_string().contains(said) && !err.to_string().contains('\n'), "{err}");
        }
        assert_eq!(fs::read(&file).unwrap(), b"seed = 1\n");
        let err = RunDir::create(Some(&file.join("below")), MODEL).unwrap_err();
        assert!(!err.is_user_error() && err.to_string().contains("cannot create"), "{err}");
    }

    #[test]
    fn a_models_name_cannot_leave_the_parent() {
        assert_eq!(file_name("../up\\a b\n"), "..-up-a-b-");
    }
}
