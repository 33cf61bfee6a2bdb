//! Training, evaluation and inspection of networks with shared filter bases: the library behind
//! the program `cobasis`.
//!
//! - [`config`]: what a run is told to do, from TOML and the command line;
//! - [`data`]: data sets and the loader, without Burn;
//! - [`train`]: the training loop, and [`run_dir`], the directory that it writes;
//! - [`evaluate`]: losses and accuracies, and [`predict`], the classes of images without labels;
//! - [`parity`]: comparison with what the paper's authors' code computes;
//! - [`catalogue`]: what there is to know about the models of the zoo;
//! - [`mod@bench`]: how fast they are here;
//! - [`mod@report`]: what runs found, as a page to look at.
//!
//! Nothing here prints: the program does, in its binary, and maps an [`Error`] to a line and an
//! exit code.

mod choice;
mod nearest;

pub mod bench;
pub mod catalogue;
pub mod config;
pub mod data;
pub mod date;
pub mod device;
pub mod error;
pub mod evaluate;
pub mod machine;
pub mod number;
pub mod parity;
pub mod predict;
pub mod report;
pub mod run_dir;
pub mod tensors;
pub mod train;

pub use device::DeviceName;
pub use error::Error;

/// The README's example, compiled like any other.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
