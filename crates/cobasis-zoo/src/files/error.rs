//! What can be wrong with a model file.

use std::io;
use std::path::{Path, PathBuf};

use super::weights::KNOWN;
use crate::adapter::{AdapterError, AdapterKind, AdapterKindError};
use crate::name::{ModelName, ModelNameError};
use crate::short::{listed, quoted, shortened};
use crate::state::StateError;

/// Why a model file can't be read or written.
#[derive(Debug, thiserror::Error)]
#[error("{}: {problem}", .path.display())]
pub struct FileError {
    /// The file.
    pub path: PathBuf,
    /// What is wrong.
    #[source]
    pub problem: Box<FileProblem>,
}

/// What can be wrong with a model file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileProblem {
    /// The system can't read or write it.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// It is of neither format.
    #[error("neither a valid safetensors file nor a PyTorch checkpoint")]
    Unknown,
    /// It is a damaged safetensors file.
    #[error("not a valid safetensors file: {}", shortened(.0))]
    Safetensors(String),
    /// It is a pipe or a device.
    #[error("not a regular file")]
    NoFile,
    /// It is larger than any model.
    #[error("expected at most {limit} bytes, got {got}")]
    TooLarge {
        /// The most bytes that are read.
        limit: u64,
        /// The file's.
        got: u64,
    },
    /// It does not say which model it holds, as files do that are not ours.
    #[error("the file does not say which model it holds")]
    Unnamed,
    /// It is one of ours and does not say which model it holds.
    #[error("the file does not say which model it holds (no metadata {0:?})")]
    Metadata(&'static str),
    /// A number of its metadata is none.
    #[error("metadata {key:?}: expected a number from 1 to 65536, got {}", quoted(.got))]
    Number {
        /// The entry.
        key: &'static str,
        /// Its text.
        got: String,
    },
    /// It is of a variant that this version does not know.
    #[error("metadata \"variant\": expected \"authors\", \"torchvision\" or nothing, got {}", quoted(.0))]
    Variant(String),
    /// It is without batch norms that its model can't be without, or says of them what this version
    /// does not know.
    #[error(
        "metadata \"norms\": expected nothing, or \"false\" or \"without-inner\" for a model with bases in \
         basic blocks, got {}", quoted(.0)
    )]
    Norms(String),
    /// What it says of its network makes none.
    #[error("metadata \"network\": {}", shortened(.0))]
    Network(String),
    /// It holds another model than the one that was asked for.
    #[error("expected model {expected}, got {got}")]
    OtherModel {
        /// The model that was asked for.
        expected: Box<ModelName>,
        /// The model that it holds.
        got: Box<ModelName>,
    },
    /// It has no weights, or none under the key that was asked for.
    #[error("{}", no_weights(.found, .asked.as_deref()))]
    NoWeights {
        /// What it has or is instead, in words.
        found: String,
        /// The key that was asked for.
        asked: Option<String>,
    },
    /// It has several weights, and it is not known which are meant.
    #[error("there are weights under {}, and it does not say which to take", listed(.keys))]
    SeveralWeights {
        /// Their keys.
        keys: Vec<String>,
    },
    /// It has moving averages of weights only, which are taken when they are asked for.
    #[error("the only weights are moving averages, under {}, which are not taken unasked", listed(.keys))]
    OnlyAverages {
        /// Their keys.
        keys: Vec<String>,
    },
    /// What it says of images makes no sense.
    #[error("metadata \"images\": {}", shortened(.0))]
    Preparation(String),
    /// What it says of a detector makes none.
    #[error("metadata \"detector\": {}", shortened(.0))]
    Detector(String),
    /// It is of an adapter that this version does not know.
    #[error("metadata \"adapter\": {0}")]
    AdapterKind(AdapterKindError),
    /// It is of an adapter that its network can't have.
    #[error(transparent)]
    Adapter(AdapterError),
    /// What it says of its base's SHA-256 is none.
    #[error("metadata \"base_sha256\": expected 64 hexadecimal digits, got {}", quoted(.0))]
    Sha256(String),
    /// It holds what is a task's alone, and is opened with the base that it is for.
    #[error(
        "the file holds a task and not its network: it is for the base {model} with the SHA-256 {base_sha256}"
    )]
    Task {
        /// The network of the base.
        model: Box<ModelName>,
        /// The SHA-256 of the base.
        base_sha256: String,
    },
    /// It holds no task.
    #[error("the file does not hold a task")]
    NotTask,
    /// A model that is to be a task has no adapter.
    #[error("the model {model} has no adapter, and so nothing that is a task's alone")]
    NoAdapter {
        /// The model.
        model: Box<ModelName>,
    },
    /// It holds a task for another base than the one that was given.
    #[error(
        "expected the base {expected_model} with the SHA-256 {expected}, for which the task was made, got \
         {got_model} with {got}"
    )]
    OtherBase {
        /// The network of the base that the task is for.
        expected_model: Box<ModelName>,
        /// The SHA-256 of the base that the task is for.
        expected: String,
        /// The network of the base that was given.
        got_model: Box<ModelName>,
        /// The SHA-256 of the base that was given.
        got: String,
    },
    /// What was given as the base of a task is a task itself.
    #[error("the base of a task has no adapter, got a model with the adapter {0}")]
    AdaptedBase(AdapterKind),
    /// It says of factorised layers what this version does not know.
    #[error(
        "metadata \"factorised\": expected \"fewest-macs\", \"keep\" or \"compose\", got {}",
        quoted(.0)
    )]
    Factorised(String),
    /// What it says of layers whose ranks training found are not numbers of filters that they can have.
    #[error(
        "metadata \"inner_filters\": expected the number of filters of each layer whose rank training \
         found, with commas between, got {}", quoted(.0)
    )]
    InnerFilters(String),
    /// The list of forms is not that of the model's factorised layers.
    #[error(
        "metadata \"composed\": expected 0 or 1 for each factorised layer, got {}", quoted(.0)
    )]
    Composed(String),
    /// Its weights are not of the form that a deployed file says, or not whole.
    #[error(transparent)]
    Weights(cobasis_run::Error),
    /// It holds a deployed model where one with batch norms is needed.
    #[error("the file holds a deployed model, whose batch norms are permanently folded")]
    Deployed,
    /// It holds no deployed model.
    #[error("the file does not hold a deployed model")]
    NotDeployed,
    /// It holds a model that is not in the registry.
    #[error(transparent)]
    Name(#[from] ModelNameError),
    /// Its tensors are not those of the model.
    #[error("not the tensors of {model}: {problem}")]
    State {
        /// The model.
        model: Box<ModelName>,
        /// What does not fit.
        problem: StateError,
    },
    /// It is not a PyTorch checkpoint, or a damaged one.
    #[error("not a valid PyTorch checkpoint: {0}")]
    Pickle(String),
}

/// Why there is nothing to take.
fn no_weights(found: &str, asked: Option<&str>) -> String {
    match asked {
        Some(asked) => format!("no weights under {}: {found}", quoted(asked)),
        None => format!(
            "no weights found: {found}; looked for tensors named \"….weight\", on top or in a dictionary \
             such as {}",
            listed(&KNOWN[..5])
        ),
    }
}

impl FileError {
    /// A problem with the file at this path.
    pub fn new(path: &Path, problem: impl Into<FileProblem>) -> Self {
        Self { path: path.to_path_buf(), problem: Box::new(problem.into()) }
    }

    /// Whether the file is to blame, rather than the system that reads or writes it.
    pub fn is_user_error(&self) -> bool {
        match &*self.problem {
            FileProblem::Io(error) => is_of_the_path(error),
            _ => true,
        }
    }
}

/// Whether the system says that a path is wrong: another one would do.
fn is_of_the_path(error: &io::Error) -> bool {
    use io::ErrorKind::{
        InvalidFilename, InvalidInput, IsADirectory, NotADirectory, NotFound, PermissionDenied,
    };
    // Links without end, which the standard library has no stable name for.
    let endless = if cfg!(any(target_os = "linux", target_os = "android")) { 40 } else { 62 };
    let of_the_path = matches!(
        error.kind(),
        InvalidFilename | InvalidInput | IsADirectory | NotADirectory | NotFound | PermissionDenied
    );
    of_the_path || (cfg!(unix) && error.raw_os_error() == Some(endless))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn a_wrong_path_is_the_users_and_a_full_disk_is_not() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| folder.path().join(name);
        std::os::unix::fs::symlink("loop", at("loop")).expect("a link");
        std::fs::write(at("file"), "").expect("written");
        for path in [at("loop"), at("none"), at("file/below"), at(&"x".repeat(300))] {
            let error = std::fs::metadata(&path).expect_err("no such file");
            assert!(FileError::new(&path, error).is_user_error(), "{path:?}");
        }
        let full = io::Error::from(io::ErrorKind::StorageFull);
        assert!(!FileError::new(&at("file"), full).is_user_error());
    }
}
