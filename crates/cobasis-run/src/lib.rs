//! Deployed networks on the processor, without Burn.
//!
//! [`Network`] runs what `cobasis deploy` writes: a file with weights and a [`plan`] of what is applied to
//! them. Nothing in a file is trusted: a plan is checked against its tensors before memory is given to it,
//! and errors say which node or tensor is wrong, what was expected and what is there.

mod boxes;
mod bytes;
mod error;
mod execute;
mod graph;
mod int8;
mod memory;
mod network;
mod packed;
mod places;
pub mod plan;
mod safetensors;
mod schedule;
mod sizes;
pub mod weights;

pub use boxes::Point;
pub use error::Error;
pub use network::Network;

/// The README's example, compiled like any other.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
