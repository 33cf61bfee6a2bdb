//! What can be wrong with a file, or with images.

use std::io;
use std::path::PathBuf;

use crate::plan::VERSION;

/// Why there is no network, or no output.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The system can't read a file.
    #[error("{}: {source}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file holds no network that can run.
    #[error("{}: {problem}", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        problem: Box<Error>,
    },
    /// The bytes are not those of a whole safetensors file.
    #[error("not a valid safetensors file: {0}")]
    Safetensors(String),
    /// The file is no deployed model.
    #[error(
        "not a deployed model: expected the metadata \"format\" {FORMAT:?}, got {0}; `cobasis deploy` makes one"
    )]
    NotDeployed(String),
    /// The file is of a time when deployed models had no plan.
    #[error(
        "the file has no plan, since an older version of cobasis wrote it: deploy the trained model again, or \
         read the file with cobasis_zoo::files::load_deployed and write it with save_deployed"
    )]
    NoPlan,
    /// The plan is of a version that this one does not know.
    #[error("metadata \"plan\": expected version {VERSION}, got {0}")]
    Version(u64),
    /// The metadata hold no plan.
    #[error("metadata \"plan\": {0}")]
    Plan(String),
    /// The metadata say that the weights are of a form that this version does not know.
    #[error("metadata \"weights\": expected f32, f16, bf16 or int8, got {}", short(.0))]
    Weights(String),
    /// A node can't be computed.
    #[error("node {node}{}: {problem}", in_network(.at))]
    Node {
        /// Its number.
        node: usize,
        /// Where in the network it is.
        at: String,
        /// What was expected, and what it is.
        problem: String,
    },
    /// A tensor is not what the plan needs.
    #[error("tensor {}: {problem}", short(.name))]
    Tensor {
        /// Its name.
        name: String,
        /// What was expected, and what it is.
        problem: String,
    },
    /// Images are not what the network takes.
    #[error("images: {0}")]
    Images(String),
    /// There is too little memory.
    #[error(
        "the network needs {bytes} bytes for a batch of {batch} images, which the system has not"
    )]
    Memory {
        /// What it needs.
        bytes: usize,
        /// The images.
        batch: usize,
    },
}

/// What the metadata of deployed files say under `format`.
pub(crate) const FORMAT: &str = "cobasis-deployed-1";

/// ` (at PATH)`, or nothing.
fn in_network(path: &str) -> String {
    if path.is_empty() { String::new() } else { format!(" (at {})", short(path)) }
}

/// A text of a file, quoted, and cut where it is too long for a message.
pub(crate) fn short(text: &str) -> String {
    const LONGEST: usize = 80;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{:?}…", &text[..end]),
        None => format!("{text:?}"),
    }
}
