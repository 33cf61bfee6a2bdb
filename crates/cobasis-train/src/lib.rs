//! Training, evaluation and use of networks with shared filter bases.
//!
//! - [`config`]: what a run is told to do, from TOML and the command line;
//! - [`data`]: data sets and the loader, the crate `cobasis-data`, and [`box_sets`]: those with boxes;
//! - [`train`]: the training loop, and [`run_dir`], the directory that it writes and what is read
//!   from it again;
//! - [`evaluate`]: losses and accuracies, and [`predict`], the classes of images without labels;
//! - [`detect`]: boxes in images, from what a detector says of them;
//! - [`memory`]: what all of that takes at least, to refuse what can't fit;
//! - [`metrics`]: what numbers of a run are called, and which way they are better;
//! - [`preparation`]: how images are prepared for a model, and [`classes`], which of its classes they
//!   are of;
//! - [`device`], [`machine`], [`date`], [`tensors`]: what all of these need.
//!
//! Nothing here prints.

pub mod box_sets;
pub mod classes;
pub mod config;
pub mod date;
pub mod detect;
pub mod device;
pub mod error;
pub mod evaluate;
pub mod machine;
pub mod memory;
pub mod metrics;
pub mod predict;
pub mod preparation;
pub mod run_dir;
pub mod tensors;
pub mod train;

pub use cobasis_data as data;
pub use device::DeviceName;
pub use error::Error;

/// The README's example, compiled like any other.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
