//! What the program `cobasis` does beyond training and reporting.
//!
//! - [`parity`]: comparison with what the paper's authors' code computes;
//! - [`catalogue`]: what there is to know about the models of the zoo;
//! - [`mod@bench`]: how fast they are here.
//!
//! Nothing here prints: the program does, in its binary, and maps an [`Error`] to a line and an
//! exit code.

pub mod bench;
pub mod catalogue;
pub mod error;
pub mod parity;

pub use error::Error;
