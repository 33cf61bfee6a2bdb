//! Feature maps of convolutional networks, and fast operations on them on the processor, with Burn and
//! without.
//!
//! With the feature `burn`, `Maps` are what flows through a network. On most devices they are tensors, and what is done
//! with them is left to Burn. With the feature `flex` they are kept channels-last on the device of
//! Burn's Flex backend, in single precision, and the few operations of which such networks consist
//! are done here, each with its own gradient. Callers see no difference.
//!
//! With the feature `slices`, `conv` is the arithmetic of convolutions on slices, which needs no Burn; with
//! `gradients`, which `flex` has, there are also those passes that only training needs. [`allocator`] is for programs that say
//! a word when memory ends, [`standard_output`] for those that say so where nothing can be printed.

mod activation;
pub mod allocator;
#[cfg(feature = "burn")]
mod lookup;
#[cfg(feature = "burn")]
mod maps;
#[cfg(any(feature = "burn", feature = "slices"))]
mod positions;
#[cfg(feature = "burn")]
mod sgd;
pub mod standard_output;

#[cfg(feature = "slices")]
mod aligned;
#[cfg(feature = "slices")]
pub mod conv;
#[cfg(feature = "slices")]
mod isa;
#[cfg(feature = "slices")]
mod line;
#[cfg(feature = "slices")]
mod parallel;
#[cfg(feature = "slices")]
pub mod pixels;
#[cfg(feature = "slices")]
mod scratch;
#[cfg(feature = "slices")]
mod shared;
#[cfg(feature = "slices")]
mod team;
#[cfg(feature = "slices")]
mod vectorised;
#[cfg(feature = "slices")]
mod workspace;

#[cfg(feature = "flex")]
mod buffer;
#[cfg(feature = "flex")]
mod flex;
#[cfg(feature = "flex")]
mod norm;
#[cfg(feature = "flex")]
mod pool;
#[cfg(feature = "flex")]
pub mod profile;

pub use activation::Activation;
#[cfg(feature = "slices")]
pub use aligned::{Aligned, OutOfMemory};
#[cfg(feature = "slices")]
pub use isa::vector_unit;
#[cfg(feature = "burn")]
pub use lookup::Lookup;
#[cfg(feature = "flex")]
pub use maps::burn_only;
#[cfg(feature = "burn")]
pub use maps::{ConvEpilogue, ConvOptions, Maps, Windows};
#[cfg(feature = "burn")]
pub use sgd::Sgd;
#[cfg(feature = "slices")]
pub use team::Team;
