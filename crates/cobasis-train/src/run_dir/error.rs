//! What can go wrong with the directory of a run.

use std::io;
use std::path::{Path, PathBuf};

use crate::config::ConfigError;

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
    #[error("{}: expected a directory for several runs, got the directory of one run", .path.display())]
    OneRun {
        /// The directory asked for.
        path: PathBuf,
    },
    /// Another process trains in the directory.
    #[error("{}: another process is training in this directory", .path.display())]
    Busy {
        /// The directory.
        path: PathBuf,
    },
    /// The directory is no longer the one that the run was started in.
    #[error(
        "{}: removed, emptied or another run's by now; this run ends, since nothing can be written \
         there any more",
        .path.display()
    )]
    Gone {
        /// The directory.
        path: PathBuf,
    },
    /// A run has results but no checkpoint.
    #[error(
        "{}: the run has results (metrics.csv) but no checkpoint to go on from; choose another --out",
        .path.display()
    )]
    NoCheckpoint {
        /// The directory.
        path: PathBuf,
    },
    /// The best model of a run is lost, and so is what it could be made from.
    #[error(
        "{}: lost or damaged, and no checkpoint of epoch {epoch} is left to make it again from; all \
         other files of the run are there",
        .path.display()
    )]
    BestLost {
        /// The model's file.
        path: PathBuf,
        /// Its epoch.
        epoch: usize,
    },
    /// A directory of runs was asked for and holds none.
    #[error("{}: not the directory of a run (no config.toml)", .path.display())]
    NoRun {
        /// The directory.
        path: PathBuf,
    },
    /// The run was broken off, or is still going on.
    #[error(
        "{}: the run is not finished (no summary.json); `cobasis train` with its --out resumes it",
        .path.display()
    )]
    Unfinished {
        /// The run's directory.
        path: PathBuf,
    },
    /// The configuration of a run is none.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A file of a run is missing, or cannot be read as part of a run.
    #[error("{}: cannot be read as part of a run: {problem}", .path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// What a run came to has no form in JSON.
    #[error("{}: cannot be written as JSON: {problem}", .path.display())]
    NotJson {
        /// The file.
        path: PathBuf,
        /// Why.
        problem: String,
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
        !matches!(
            self,
            Self::Io { .. } | Self::NotJson { .. } | Self::Gone { .. } | Self::BestLost { .. }
        )
    }

    /// A file that is missing, or cannot be read as part of a run.
    pub fn damaged(path: &Path, problem: impl ToString) -> Self {
        Self::Damaged { path: path.to_owned(), problem: problem.to_string() }
    }

    pub(crate) fn io(path: &Path, action: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { path: path.to_owned(), action, source }
    }
}
