//! Orthonormality of filter bases, for [Burn](burn) tensors and modules.
//!
//! A filter bank of shape `[filters, channels, kernel_height, kernel_width]` is read as a matrix
//! `B` with one flattened filter per row; it is *orthonormal* when `B Bᵀ = I`. Five things are
//! done with that here, each in a module of its own:
//!
//! - [`orthonormal`] draws such a matrix (the semantics of `torch.nn.init.orthogonal_`);
//! - a [`Penalty`] measures, differentiably, how far [groups of filters](FilterGroup) are from it.
//!   [`penalty`] is the regulariser that *Deeply Shared Filter Bases* (Kang & Kim, NeurIPS 2021)
//!   adds to the loss;
//! - a [`Constraint`] keeps filters orthonormal in training, to rounding or within a band: it acts on
//!   gradients, weights and momentum;
//! - [`joint_basis`] writes the dense filters of several layers as sums of filters that they share, a
//!   [`JointProfile`] says what every number of them would lose, and [`shared_mean`] puts one bank in
//!   the place of all;
//! - [`Orthonormality`] and [`Gram`] report without gradients: norms, overlaps, singular values.
//!
//! Nothing here knows models, layers or devices: all are functions of bases, and whoever owns the
//! bases passes them.
//!
//! ```
//! use burn::tensor::{Device, Tensor, TensorData};
//! use cobasis_ortho::{Counted, FilterGroup, Orthonormality, orthonormal_seeded, penalty};
//!
//! let device = Device::flex();
//! let values = orthonormal_seeded(8, 16 * 9, 1);
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

mod cholesky;
mod constraint;
mod diagnostics;
mod eigen;
mod gram;
mod gram_schmidt;
mod init;
mod joint;
mod named;
mod orthonormal;
mod penalty;
mod product;
mod random;
mod ridge;
mod rows;
mod shared_mean;
mod solve;
#[cfg(test)]
mod testing;

pub use constraint::{Constraint, ConstraintError, Settings as ConstraintSettings};
pub use diagnostics::Orthonormality;
pub use gram::Gram;
pub use init::{orthonormal, orthonormal_seeded, orthonormal_to};
pub use joint::{
    DenseFilters, JointBasis, JointError, JointProfile, LayerFactors, Weighting, joint_basis,
    ranks_to_try,
};
pub use named::UnknownName;
pub use penalty::{Counted, Family, FilterGroup, Penalty, penalty};
pub use ridge::ridge;
pub use shared_mean::{LayerScales, SharedMean, shared_mean};

/// The README's example, compiled like any other.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
