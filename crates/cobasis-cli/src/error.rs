//! What can go wrong in a command, and whose it is to mend.

use std::path::PathBuf;

use cobasis_data::DataError;
use cobasis_data::fetch::FetchError;
use cobasis_train::config::ConfigError;
use cobasis_train::run_dir::RunDirError;
use cobasis_zoo::ModelNameError;
use cobasis_zoo::files::FileError;

/// An error of a command, shown on one line.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Of training, and of what it reads and writes.
    #[error(transparent)]
    Train(#[from] cobasis_train::Error),
    /// A download.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// A parity fixture that can't be used.
    #[error("{}: {problem}", .path.display())]
    Fixture {
        /// The fixture.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// PyTorch, which a measurement compares with, could not be used.
    #[error("PyTorch: {0}")]
    Peer(String),
    /// What the command line asks for does not fit together.
    #[error("{0}")]
    Usage(String),
}

/// Errors that training knows too.
macro_rules! through_training {
    ($($error:ty),+) => {
        $(
            impl From<$error> for Error {
                fn from(error: $error) -> Self {
                    Self::Train(error.into())
                }
            }
        )+
    };
}
through_training!(ConfigError, DataError, FileError, ModelNameError, RunDirError);

impl Error {
    /// 2 where the user's input is to blame, 1 otherwise.
    pub fn exit_code(&self) -> u8 {
        match self {
            Error::Train(error) => error.exit_code(),
            Error::Fetch(error) if !error.is_user_error() => 1,
            Error::Peer(_) => 1,
            Error::Fetch(_) | Error::Fixture { .. } | Error::Usage(_) => 2,
        }
    }

    /// The error and its causes on one line.
    pub fn line(&self) -> String {
        cobasis_train::error::line(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_training_keep_their_line_and_their_code() {
        let error = || "nothing".parse::<cobasis_zoo::ModelName>().expect_err("no name");
        let (theirs, ours) = (cobasis_train::Error::from(error()), Error::from(error()));
        assert_eq!((ours.line(), ours.exit_code()), (theirs.line(), theirs.exit_code()));
    }
}
