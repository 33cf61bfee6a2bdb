//! What can go wrong on the way of a data set from the net to the disk.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// A data set that could not be fetched, on one line.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum FetchError {
    /// The server has no such file, or will not give it.
    #[error("{url}: the server answered {status}")]
    Status {
        /// The address.
        url: String,
        /// The answer, such as `404 Not Found`.
        status: String,
    },
    /// The address is none, or nobody answers there.
    #[error("{url}: {problem}")]
    Unreachable {
        /// The address.
        url: String,
        /// Why.
        problem: String,
    },
    /// The connection broke too often.
    #[error(
        "{url}: interrupted after {} MB of {}: {problem}; run the command again to resume",
        .got / 1_000_000, .expected.map_or("an unknown size".into(), |all| format!("{} MB", all / 1_000_000))
    )]
    Interrupted {
        /// The address.
        url: String,
        /// Bytes that are there.
        got: u64,
        /// All of them, if that is known.
        expected: Option<u64>,
        /// What broke.
        problem: String,
    },
    /// The server sends more than the archive has.
    #[error("{url}: expected at most {limit} bytes, got more")]
    TooLong {
        /// The address.
        url: String,
        /// The size of the archive.
        limit: u64,
    },
    /// The archive is another one.
    #[error("{url}: expected SHA-256 {expected}, got {got}; the file was removed")]
    WrongHash {
        /// The address.
        url: String,
        /// The published SHA-256.
        expected: String,
        /// That of the file.
        got: String,
    },
    /// The archive does not hold the data set.
    #[error("{}: {problem}", .path.display())]
    Archive {
        /// The archive.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// Another program downloads to the same place.
    #[error("{}: another download is in progress", .path.display())]
    Busy {
        /// The file that it writes.
        path: PathBuf,
    },
    /// The system refused: disk full, no permission.
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

impl FetchError {
    /// Whether other arguments mend it, rather than a look at the net or the disk.
    pub fn is_user_error(&self) -> bool {
        match self {
            Self::Status { .. } | Self::WrongHash { .. } | Self::Archive { .. } => true,
            // A file where a directory is to be.
            Self::Io { source, .. } => {
                matches!(source.kind(), io::ErrorKind::AlreadyExists | io::ErrorKind::NotADirectory)
            }
            _ => false,
        }
    }

    pub(super) fn io(path: &Path, action: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { path: path.to_owned(), action, source }
    }
}
