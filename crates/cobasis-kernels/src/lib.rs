//! Convolution arithmetic on the CPU in single precision, channels last.

pub mod conv;
mod isa;
mod scratch;
mod shared;

pub use isa::vector_unit;
