//! What can go wrong with the directory of a run.

use std::io;
use std::path::{Path, PathBuf};

/// What went wrong with a run's files, on one line that names the path.
#[derive(Debug, thiserror::Error)]
pub enum RunDirError {
    /// The directory asked for holds something else than a run.
    #[error(
        "{}: exists, is not empty, and holds no run to resume (no config.toml); choose another --out",
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
    /// The directory for several runs holds one.
    #[error("{}: expected a directory for several runs, got that of one", .path.display())]
    OneRun {
        /// The directory asked for.
        path: PathBuf,
    },
    /// Another process trains in the directory.
    #[error("{}: another process is training there", .path.display())]
    Busy {
        /// The directory.
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

    pub(crate) fn io(path: &Path, action: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { path: path.to_owned(), action, source }
    }
}
