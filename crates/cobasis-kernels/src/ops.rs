//! Operations on maps: each where Burn's autodiff meets the arithmetic.

mod convolution;
mod epilogue;
mod flex;
mod joining;
mod mean;
mod norm;
mod packing;
mod pooling;

pub use convolution::ConvOptions;
pub use epilogue::Epilogue;
pub(crate) use flex::{contiguous, is_flex};
