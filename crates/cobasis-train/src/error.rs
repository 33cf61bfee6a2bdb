//! What can go wrong, and whose it is to mend.

use std::path::{Path, PathBuf};

use cobasis_data::text::{printable, short_words, shortened_to};
use cobasis_zoo::ModelNameError;
use cobasis_zoo::cobasis::ortho::ConstraintError;
use cobasis_zoo::files::FileError;

use crate::config::ConfigError;
use crate::data::DataError;
use crate::run_dir::RunDirError;

/// Characters of a line, and of a word in it; texts of others may be a megabyte.
const SHOWN: usize = 4000;
const WORD: usize = 1000;

/// What went wrong, shown on one line.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A data set.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A run's directory.
    #[error(transparent)]
    RunDir(#[from] RunDirError),
    /// A model file.
    #[error(transparent)]
    File(#[from] FileError),
    /// A model's name.
    #[error(transparent)]
    Name(#[from] ModelNameError),
    /// A device that this program was built without, or that the machine does not have.
    #[error("--device {device}: {problem}")]
    Device {
        /// The device's name.
        device: String,
        /// Why it can't be used.
        problem: String,
    },
    /// A checkpoint that can't be used.
    #[error("{}: cannot use the checkpoint: {problem}", .path.display())]
    Checkpoint {
        /// The checkpoint.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// The machine has less of something, such as memory, than was asked for.
    #[error("{0}")]
    Machine(String),
    /// What is asked for does not fit together.
    #[error("{0}")]
    Usage(String),
    /// Training produced a loss that is no number.
    #[error(
        "training diverged in epoch {epoch}, step {step}: the loss is {loss}; \
         a smaller optimizer.lr may help"
    )]
    Diverged {
        /// The epoch, counted from 1.
        epoch: usize,
        /// The step of the epoch, counted from 1.
        step: usize,
        /// The loss.
        loss: f64,
    },
    /// A model whose outputs on the images that judge it are NaN or infinite.
    #[error(
        "training diverged in epoch {epoch}: the model's outputs on {images} images are not finite; \
         a smaller optimizer.lr may help"
    )]
    NotFinite {
        /// The epoch, counted from 1.
        epoch: usize,
        /// Which images: `validation` or `test`.
        images: &'static str,
    },
    /// Processes that train together lost each other, or came apart.
    #[error("the ranks of this run: {0}")]
    Link(String),
    /// Another of the processes that train together has failed, which tells why.
    #[error("rank {rank} has ended the run")]
    OtherRank {
        /// Which.
        rank: usize,
        /// Its exit code.
        code: u8,
    },
    /// Bases that can't be kept orthonormal.
    #[error(
        "the constraint on the shared filters failed in epoch {epoch}, step {step}: {source}; \
         a smaller optimizer.lr may help"
    )]
    Constraint {
        /// The epoch, counted from 1.
        epoch: usize,
        /// The step of the epoch, counted from 1.
        step: usize,
        /// Why.
        source: ConstraintError,
    },
}

impl Error {
    pub(crate) fn checkpoint(path: &Path, problem: impl ToString) -> Self {
        Self::Checkpoint { path: path.to_owned(), problem: problem.to_string() }
    }

    /// 2 where the user's input is to blame, 1 otherwise.
    pub fn exit_code(&self) -> u8 {
        let user = match self {
            Error::OtherRank { code, .. } => return *code,
            Error::Data(error) => error.is_user_error(),
            Error::RunDir(error) => error.is_user_error(),
            Error::File(error) => error.is_user_error(),
            Error::Diverged { .. }
            | Error::NotFinite { .. }
            | Error::Constraint { .. }
            | Error::Link(_)
            | Error::Checkpoint { .. }
            | Error::Machine(_) => false,
            Error::Config(_) | Error::Name(_) | Error::Device { .. } | Error::Usage(_) => true,
        };
        if user { 2 } else { 1 }
    }

    /// Whether training came to numbers that nothing can be done with.
    pub(crate) fn is_divergence(&self) -> bool {
        matches!(self, Error::Diverged { .. } | Error::NotFinite { .. } | Error::Constraint { .. })
    }

    /// The error and its causes on one line.
    pub fn line(&self) -> String {
        line(self)
    }
}

/// An error and its causes on one line, without control characters and of bounded length.
pub fn line(error: &dyn std::error::Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        // Some messages tell their cause already.
        if !line.contains(&text) {
            line = format!("{line}: {text}");
        }
        cause = error.source();
    }
    let line = short_words(&line.replace(['\n', '\r'], " "), WORD);
    printable(&shortened_to(&line, SHOWN))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    #[test]
    fn a_line_tells_each_cause_once() {
        let disk_full = io::Error::from(io::ErrorKind::StorageFull);
        let error = Error::RunDir(RunDirError::Io {
            path: PathBuf::from("runs"),
            action: "write a row",
            source: disk_full,
        });
        assert_eq!(error.line(), "runs: cannot write a row: no storage space");
        assert_eq!(error.exit_code(), 1);
    }

    #[test]
    fn names_neither_break_the_line_nor_talk_to_the_terminal() {
        let line = |tail: String| Error::Usage(format!("a\nb\x1b[2J {tail} c")).line();
        let long = line("x".repeat(1_000_000));
        let expected = format!("a b\\u{{1b}}[2J {}… (1000000 characters) c", "x".repeat(60));
        assert_eq!(long, expected);
        assert!(line("x ".repeat(500_000)).len() < 4100);
    }

    #[test]
    fn wrong_input_is_the_users() {
        let error = Error::from("nothing".parse::<cobasis_zoo::ModelName>().unwrap_err());
        assert_eq!(error.exit_code(), 2);
    }
}
