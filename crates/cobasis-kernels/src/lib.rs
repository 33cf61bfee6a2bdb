//! Convolution arithmetic on the CPU in single precision, channels last.

pub mod conv;
mod isa;
mod scratch;
mod shared;
