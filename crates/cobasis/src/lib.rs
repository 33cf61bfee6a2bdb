//! Convolution layers that share one orthonormal filter basis, for [Burn](burn).
//!
//! A `k×k` convolution is split into a *basis* convolution, batch norm, and a `1×1` *coefficient*
//! convolution. Of the basis filters, some are shared by every layer of a stage and some are
//! unique to the layer; batch norm and coefficients are always the layer's own (Kang & Kim,
//! *Deeply Shared Filter Bases for Parameter-Efficient Convolutional Neural Networks*, NeurIPS
//! 2021).
//!
//! # Who owns the basis
//!
//! A [`FilterBasis`] has one owner in the module tree, the stage, and each [`BasisConv2d`] borrows
//! it in `forward`. Cloning a basis into the layers that use it would be wrong in silence: Burn
//! gives every clone a gradient and an update of its own, so the copies drift apart and the file
//! holds all of them. A network with many bases can keep them beside its layers, in [`Bases`], where
//! a layer names its own by number.
//!
//! ```
//! use burn::module::Module;
//! use burn::nn::PaddingConfig2d;
//! use burn::tensor::{Device, Tensor};
//! use cobasis::{BasisConv2d, BasisConv2dConfig, FilterBasis, FilterBasisConfig};
//!
//! /// A stage of 64 channels: four convolutions on one basis of 16 filters.
//! #[derive(Module, Debug)]
//! struct Stage {
//!     basis: FilterBasis,
//!     convs: Vec<BasisConv2d>,
//! }
//!
//! impl Stage {
//!     fn new(device: &Device) -> Self {
//!         let conv = BasisConv2dConfig::new([64, 64], [3, 3], 16, 1)
//!             .with_padding(PaddingConfig2d::Same);
//!         Self {
//!             basis: FilterBasisConfig::new(16, 64, [3, 3]).init(device),
//!             convs: (0..4).map(|_| conv.init(device)).collect(),
//!         }
//!     }
//!
//!     fn forward(&self, input: Tensor<4>) -> Tensor<4> {
//!         self.convs.iter().fold(input, |x, conv| conv.forward(x, &self.basis))
//!     }
//! }
//!
//! let device = Device::flex();
//! let output = Stage::new(&device).forward(Tensor::zeros([1, 64, 8, 8], &device));
//! assert_eq!(output.dims(), [1, 64, 8, 8]);
//! ```
//!
//! Layers after one another are faster with [`Maps`], which stay as the device's operations keep them:
//!
//! ```
//! use burn::tensor::{Device, Tensor};
//! use cobasis::{BasisConv2dConfig, FilterBasisConfig, Maps};
//!
//! let device = Device::flex();
//! let basis = FilterBasisConfig::new(8, 16, [3, 3]).init(&device);
//! let convs = [(); 2].map(|()| BasisConv2dConfig::new([16, 16], [3, 3], 8, 1).init(&device));
//! let mut maps = Maps::from(Tensor::zeros([1, 16, 8, 8], &device));
//! for conv in &convs {
//!     maps = conv.forward_maps(maps, &basis);
//! }
//! assert_eq!(maps.into_tensor().dims(), [1, 16, 4, 4]);
//! ```
//!
//! During training, [`cobasis_ortho::penalty`] keeps the shared filters orthonormal.
//!
//! # What a layer costs, and other readings
//!
//! A layer describes itself once, in `pass`. A [`Pass`] decides what comes of it: [`Forward`]
//! computes, a [`CostTable`] lists trainable parameters (each shared tensor once), buffers and
//! multiply-accumulates. A layer of your own tells its pass a [`Convolution`] and has both.
//! [`ParameterCount`] counts the parameters of any module.
#![warn(clippy::unwrap_used)]

mod bases;
mod basis;
mod convolution;
mod cost;
mod count;
mod forward;
mod inner_filters;
mod layers;
mod pass;
mod place;

pub use bases::{BankId, Bases, Lent};
pub use basis::{FilterBasis, FilterBasisConfig};
pub use cobasis_kernels::{Activation, ConvOptions, Lookup, Maps, Windows};
pub use cobasis_ortho as ortho;
pub use convolution::{
    Compose, Composed, Composition, Convolution, Filters, Geometry, Prior, Role, Source, Start,
};
pub use cost::{Cost, CostRow, CostTable, Part};
pub use count::ParameterCount;
pub use forward::Forward;
pub use inner_filters::{CodedFilters, InnerFilters, PlainFilters};
pub use layers::{
    BasisConv2d, BasisConv2dConfig, DepthwiseBasisConv2d, DepthwiseBasisConv2dConfig,
    PartlySharedConv2d, PartlySharedConv2dConfig, SharedConv2d, SharedConv2dConfig,
};
pub use pass::Pass;
pub use place::Place;

/// The README's example, compiled like any other.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
