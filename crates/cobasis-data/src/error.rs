//! What can go wrong with a data set: each message is one line that says what was expected, where,
//! and what was found.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// A data set that cannot be loaded or used.
///
/// The cause of [`DataError::Io`] is its [`source`](std::error::Error::source) and not part of its
/// message, so that a report of the whole chain names it once.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DataError {
    /// A data set that lies in files was asked for without the directory of these files.
    #[error("{set}: no directory given (--data DIR, data.dir), expected one that holds {}", files.join(", "))]
    DirectoryNotGiven {
        /// Name of the data set.
        set: String,
        /// Names of the files that the directory must hold.
        files: Vec<String>,
    },

    /// The given directory does not exist, or is not a directory.
    #[error(
        "{set}: {} is not a directory, expected one that holds {}",
        .dir.display(), files.join(", ")
    )]
    NotADirectory {
        /// Name of the data set.
        set: String,
        /// The path that was given.
        dir: PathBuf,
        /// Names of the files that the directory must hold.
        files: Vec<String>,
    },

    /// Files of the data set are not where they should be.
    #[error("{set}: missing {}, looked in {}", files.join(", "), join_paths(looked_in))]
    MissingFiles {
        /// Name of the data set.
        set: String,
        /// Names of the files that were not found.
        files: Vec<String>,
        /// The directories that were searched.
        looked_in: Vec<PathBuf>,
    },

    /// A file that is truncated, too long, or another file altogether.
    #[error(
        "{}: expected {expected} bytes ({records} records of {record_bytes}), got {got} bytes",
        .path.display()
    )]
    WrongSize {
        /// The file.
        path: PathBuf,
        /// Size that the file must have, in bytes.
        expected: u64,
        /// Number of records that the file must hold.
        records: usize,
        /// Size of one record, in bytes.
        record_bytes: usize,
        /// Size that the file has, in bytes.
        got: u64,
    },

    /// A file whose header or length is not that of its data set.
    #[error("{}: expected {expected}, got {got}", .path.display())]
    WrongHeader {
        /// The file.
        path: PathBuf,
        /// What the file must begin with, or its length.
        expected: String,
        /// What it begins with, or its length.
        got: String,
    },

    /// A label byte in a file that stands for no class.
    #[error(
        "{}: record {record} (from 0): expected a {kind} label below {limit}, got {label}",
        .path.display()
    )]
    LabelOutOfRange {
        /// The file.
        path: PathBuf,
        /// Number of the record in the file, counted from 0.
        record: usize,
        /// Which label of the record: `class`, `coarse` or `fine`.
        kind: &'static str,
        /// The label found.
        label: u8,
        /// Number of classes; every label must be below it.
        limit: u8,
    },

    /// The file system refused.
    #[error("{}: cannot be read", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the file system said.
        source: io::Error,
    },

    /// A batch of which no image could be read: not a bad file, but a bad disk or set.
    #[error(
        "{set}: none of the {images} images of a batch could be read; the first: {first}: {problem}"
    )]
    NothingReadable {
        /// Name of the data set.
        set: String,
        /// Images of the batch.
        images: usize,
        /// The first of them.
        first: String,
        /// What is wrong with it.
        problem: String,
    },

    /// Values that do not fit together, in an image set or in the settings of a loader.
    #[error("{set}: {what}: expected {expected}, got {got}")]
    Inconsistent {
        /// Name of the image set.
        set: String,
        /// The value that does not fit.
        what: String,
        /// What would fit.
        expected: String,
        /// What was given.
        got: String,
    },
}

impl DataError {
    /// Whether other files or arguments mend it, rather than a look at the machine.
    pub fn is_user_error(&self) -> bool {
        match self {
            Self::Io { source, .. } => is_of_the_path(source) || is_of_the_content(source),
            _ => true,
        }
    }

    /// The error that the file system refused `path`.
    pub(crate) fn io(path: &Path) -> impl Fn(io::Error) -> Self {
        move |source| Self::Io { path: path.to_path_buf(), source }
    }
}

/// Whether the system refused the path that it was given.
fn is_of_the_path(error: &io::Error) -> bool {
    use io::ErrorKind::{InvalidFilename, IsADirectory, NotADirectory, NotFound, PermissionDenied};
    let kind = error.kind();
    // The kind of links that lead in circles has no stable name.
    matches!(kind, InvalidFilename | IsADirectory | NotADirectory | NotFound | PermissionDenied)
        || format!("{kind:?}") == "FilesystemLoop"
}

/// Whether a decoder refused what is in the file: a damaged archive, or none.
fn is_of_the_content(error: &io::Error) -> bool {
    use io::ErrorKind::{InvalidData, InvalidInput, UnexpectedEof};
    matches!(error.kind(), InvalidData | InvalidInput | UnexpectedEof)
}

/// The paths, separated by "and".
fn join_paths(paths: &[PathBuf]) -> String {
    let paths: Vec<_> = paths.iter().map(|path| path.display().to_string()).collect();
    paths.join(" and ")
}

#[cfg(test)]
mod tests {
    use std::error::Error;

    use super::*;

    #[test]
    fn messages_name_place_expectation_and_finding() {
        let size = DataError::WrongSize {
            path: "d/test.bin".into(),
            expected: 6146,
            records: 2,
            record_bytes: 3073,
            got: 6147,
        };
        let expected = "d/test.bin: expected 6146 bytes (2 records of 3073), got 6147 bytes";
        assert_eq!(size.to_string(), expected);

        let missing = DataError::MissingFiles {
            set: "cifar100".into(),
            files: vec!["train.bin".into(), "test.bin".into()],
            looked_in: vec!["d".into(), "d/cifar-100-binary".into()],
        };
        let expected = "cifar100: missing train.bin, test.bin, looked in d and d/cifar-100-binary";
        assert_eq!(missing.to_string(), expected);
    }

    #[test]
    fn the_cause_of_an_io_error_is_its_source() {
        let error = DataError::Io { path: "d/test.bin".into(), source: io::Error::other("broken") };
        assert_eq!(error.to_string(), "d/test.bin: cannot be read");
        assert_eq!(error.source().map(ToString::to_string).as_deref(), Some("broken"));
    }

    #[test]
    fn wrong_paths_and_damaged_files_are_the_users_and_broken_disks_are_not() {
        let is_user_error =
            |source: io::Error| DataError::io(Path::new("d"))(source).is_user_error();
        for kind in [io::ErrorKind::PermissionDenied, io::ErrorKind::InvalidInput] {
            assert!(is_user_error(kind.into()), "{kind}");
        }
        assert!(!is_user_error(io::ErrorKind::OutOfMemory.into()));
        assert!(!is_user_error(io::Error::other("broken")));
    }

    #[cfg(unix)]
    #[test]
    fn links_in_circles_and_names_too_long_are_the_users() {
        let dir = tempfile::tempdir().expect("a folder");
        let link = dir.path().join("loop");
        std::os::unix::fs::symlink(&link, &link).expect("a link");
        for path in [link, dir.path().join("x".repeat(5000))] {
            let source = std::fs::metadata(&path).expect_err("must be refused");
            assert!(DataError::io(&path)(source).is_user_error(), "{}", path.display());
        }
    }
}
