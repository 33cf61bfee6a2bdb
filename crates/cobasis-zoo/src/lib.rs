//! Convolutional networks with shared filter bases, for [Burn](burn): the ResNets, ResNeXts,
//! MobileNetV2s and DenseNets of *Deeply Shared Filter Bases* (Kang & Kim, NeurIPS 2021) and their
//! dense parents.
//!
//! A [model's name](ModelName) says everything about it, `cifar10/resnet32-s16u1` for the ResNet-32
//! whose stages share 16 filters and whose layers have one of their own; [`registry`] lists the
//! networks. A [`Model`] knows its bases: [`Model::penalty`] is what a training loss adds to keep
//! them orthonormal, multiplied by λ = 10 in the paper.
//!
//! ```
//! use burn::module::Module;
//! use burn::nn::loss::CrossEntropyLossConfig;
//! use burn::optim::{GradientsParams, SgdConfig};
//! use burn::tensor::{Device, Distribution, Int, Tensor};
//! use cobasis_zoo::ModelConfig;
//!
//! let device = Device::flex().autodiff();
//! let config = ModelConfig::new("cifar10/resnet20-s8u1".parse()?);
//! let mut model = config.init(&device);
//! let mut optimizer = SgdConfig::new().init();
//!
//! let images = Tensor::<4>::random([2, 3, 32, 32], Distribution::Default, &device);
//! let labels = Tensor::<1, Int>::from_data([3, 7], &device);
//! let cross_entropy = CrossEntropyLossConfig::new().init(&device);
//! let mut loss = cross_entropy.forward(model.forward(images.clone()), labels);
//! if let Some(penalty) = model.penalty() {
//!     loss = loss + penalty * 10.0;
//! }
//! let gradients = GradientsParams::from_grads(loss.backward(), &model);
//! model = optimizer.step(0.1, model, gradients);
//!
//! let logits = model.valid().forward(images.without_autodiff());
//! assert_eq!(logits.dims(), [2, 10]);
//! # Ok::<(), cobasis_zoo::ModelNameError>(())
//! ```
//!
//! # Where things are
//!
//! - [`adapter`]: many tasks on one frozen network.
//! - [`files`]: [`save`], [`load`], any kind of file ([`files::open`]), bytes in the place of files.
//! - [`deploy`]: models folded for use, and as ONNX. [`Model::deploy`] makes them.
//! - [`detector`]: object detection on any network.
//! - [`factorise`]: from a trained dense network to one that shares.
//! - [`fit`]: the setting of a method for a budget.
//! - [`pytorch`]: the authors' checkpoints, torchvision's weights, and files for both.
//! - [`registry`] and [`spec`]: the networks as data, and [networks of your own](ModelName::own).
//! - [`sharing`]: the methods, and how to add one.
//! - [`layers`]: what the networks consist of.
#![warn(clippy::unwrap_used)]

pub mod adapter;
mod banks;
mod build;
mod compressed;
mod config;
mod conv2d;
pub mod deploy;
pub mod detector;
pub mod factorise;
mod families;
pub mod files;
pub mod fit;
mod freeze;
mod glob;
mod graph;
mod head;
mod init;
mod inner;
mod layer_types;
pub mod listing;
mod model;
mod name;
mod network;
mod observe;
mod on_bases;
mod parameter_group;
mod preparation;
mod pytorch_names;
pub mod registry;
pub mod sharing;
mod short;
mod slot;
pub mod spec;
mod stage_maps;
mod state;
mod unique;
mod visit;

pub use adapter::{Adapter, AdapterConfig, AdapterCount, AdapterError, AdapterKind, Task};
pub use cobasis;
pub use config::ModelConfig;
pub use deploy::Deployed;
pub use detector::{BoxCoding, DetectorConfig, HeadKind, Point};
pub use files::{load, save};
pub use head::Head;
pub use inner::InnerLayer;
pub use model::Model;
pub use name::{ModelName, ModelNameError};
pub use network::Network;
pub use parameter_group::PatternError;
pub use preparation::Preparation;
pub use sharing::Sharing;
pub use spec::{Norms, Variant};
pub use state::{State, StateError, TensorInfo};

/// What networks consist of: blocks, stages, shortcuts, and the families' own modules. All fields are
/// public, to look into a trained model.
pub mod layers {
    pub use crate::families::densenet::{DenseLayer, DenseNet, DenseStage, Transition};
    pub use crate::families::mobilenet::{ConvNorm, MobileNetV2};
    pub use crate::families::resnet::{ResNet, Stem};
    pub use crate::layer_types::attention::ChannelAttention;
    pub use crate::layer_types::block::{
        BasicBlock, Block, BottleneckBlock, InvertedResidualBlock,
    };
    pub use crate::layer_types::shortcut::{Identity, PadShortcut, ProjectionShortcut, Shortcut};
    pub use crate::layer_types::stage::Stage;
    pub use crate::sharing::{AlfConv2d, HingeConv2d, RanksLayer, SlotConv};
}

/// Files and tensors in the naming of PyTorch code: the authors', and torchvision's.
pub mod pytorch {
    pub use crate::files::{
        load_pytorch as load, pytorch_from_bytes as from_bytes, pytorch_to_bytes as to_bytes,
        save_pytorch as save,
    };
    pub use crate::pytorch_names::{PyTorchTensor, pytorch_tensors as tensors};
}

/// Examples of the READMEs and of the guides, compiled like any other.
#[cfg(doctest)]
mod documentation {
    #[doc = include_str!("../README.md")]
    struct Readme;
    #[doc = include_str!("../../../README.md")]
    struct ProjectReadme;
    #[doc = include_str!("../../../docs/fine-tuning.md")]
    struct FineTuning;
    #[doc = include_str!("../../../docs/pytorch.md")]
    struct Pytorch;
}
