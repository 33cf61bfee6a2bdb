//! Parity with the authors' code: what their models compute, for weights that a rule makes.

mod check;
mod fill;
mod fixture;

pub use check::{Check, Report, check};
pub use fixture::Fixture;
