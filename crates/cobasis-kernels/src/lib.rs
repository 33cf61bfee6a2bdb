//! Feature maps of convolutional networks, and fast operations on them on the processor, for Burn.
//!
//! [`Maps`] are what flows through a network. On most devices they are tensors, and what is done
//! with them is left to Burn. With the feature `flex` they are kept channels-last on the device of
//! Burn's Flex backend, in single precision, and the few operations of which such networks consist
//! are done here, each with its own gradient. Callers see no difference.
//!
//! `conv` is the arithmetic of convolutions on slices, without Burn. [`allocator`] is for programs that say
//! a word when memory ends, [`standard_output`] for those that say so where nothing can be printed.

mod activation;
pub mod allocator;
mod lookup;
mod maps;
mod positions;
mod sgd;
pub mod standard_output;

#[cfg(feature = "flex")]
mod buffer;
#[cfg(feature = "flex")]
pub mod conv;
#[cfg(feature = "flex")]
mod flex;
#[cfg(feature = "flex")]
mod isa;
#[cfg(feature = "flex")]
mod line;
#[cfg(feature = "flex")]
mod norm;
#[cfg(feature = "flex")]
mod pool;
#[cfg(feature = "flex")]
pub mod profile;
#[cfg(feature = "flex")]
mod scratch;
#[cfg(feature = "flex")]
mod shared;
#[cfg(feature = "flex")]
mod vectorised;

pub use activation::Activation;
#[cfg(feature = "flex")]
pub use isa::vector_unit;
pub use lookup::Lookup;
#[cfg(feature = "flex")]
pub use maps::burn_only;
pub use maps::{ConvEpilogue, ConvOptions, Maps, Windows};
pub use sgd::Sgd;
