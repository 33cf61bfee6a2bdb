//! Orthonormality of filter bases, for [Burn](burn) tensors and modules.
//!
//! A filter bank of shape `[filters, channels, kernel_height, kernel_width]` is read as a matrix
//! `B` with one flattened filter per row; it is *orthonormal* when `B Bᵀ = I`. Three things are
//! done with that here, each in a module of its own:
//!
//! - [`orthonormal`] draws such a matrix (the semantics of `torch.nn.init.orthogonal_`);
//! - [`penalty`] measures, differentiably, how far [groups of filters](FilterGroup) are from it:
//!   the regulariser that *Deeply Shared Filter Bases* (Kang & Kim, NeurIPS 2021) adds to the loss;
//! - [`Orthonormality`] reports the same without gradients: norms, overlaps, singular values.
//!
//! Nothing here knows models, layers or devices: the penalty is a function of bases, and whoever
//! owns the bases passes them.
//!
//! ```
//! use burn::tensor::{Device, Tensor, TensorData};
//! use cobasis_ortho::{Counted, FilterGroup, Orthonormality, orthonormal, penalty};
//!
//! let device = Device::flex();
//! // Any source of standard normal numbers; here a poor one, to need no other crate.
//! let mut state = 1_u64;
//! let mut normal = || {
//!     (0..12)
//!         .map(|_| {
//!             state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
//!             (state >> 40) as f64 / (1u64 << 24) as f64
//!         })
//!         .sum::<f64>()
//!         - 6.0
//! };
//! let values = orthonormal(8, 16 * 9, &mut normal);
//! let values: Vec<f32> = values.iter().map(|&v| v as f32).collect();
//! let basis = Tensor::<4>::from_data(TensorData::new(values, [8, 16, 3, 3]), &device);
//!
//! let report = Orthonormality::of(basis.clone());
//! assert!(report.frobenius < 1e-5);
//! let families = [vec![FilterGroup::shared([basis])]];
//! let loss = penalty(&families, Counted::Shared).expect("there is a basis");
//! assert!(loss.into_scalar::<f32>() < 1e-10);
//! ```
#![warn(clippy::unwrap_used)]

mod diagnostics;
mod init;
mod penalty;

pub use diagnostics::Orthonormality;
pub use init::{orthonormal, orthonormal_to};
pub use penalty::{Counted, Family, FilterGroup, penalty};

/// The README's example, compiled like any other.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
