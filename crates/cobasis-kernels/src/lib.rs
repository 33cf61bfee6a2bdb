//! Fast operations of convolutional networks on the processor, for Burn.
//!
//! Burn's Flex backend does a network's work in general operations. Here are the few of which such
//! networks consist, each with its own gradient, on [`Maps`]: feature maps in the layout that suits
//! the device. On Flex in single precision those are channels-last and the work is done here; on
//! every other device, and in other precisions, it is left to Burn. Callers see no difference.
//!
//! [`conv`] is the arithmetic of convolutions on slices, without Burn.

mod buffer;
pub mod conv;
mod isa;
mod maps;
mod norm;
mod ops;
mod pool;
mod scratch;
mod vectorised;

pub use conv::Activation;
pub use maps::Maps;
pub use ops::{ConvOptions, Epilogue};
