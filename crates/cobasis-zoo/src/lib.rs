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
//! if let Some(penalty) = model.penalty(config.name.entry().penalty.into()) {
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
//! Weights: [`save`] and [`load`] for our own safetensors, which say which model they hold;
//! [`load_authors`] and [`save_authors`] for the tensors of PyTorch.
#![warn(clippy::unwrap_used)]

mod attention;
mod authors;
mod block;
mod densenet;
mod deploy;
mod file;
mod graph;
mod init;
mod mobilenet;
mod model;
mod name;
mod pass;
mod pickle;
mod preparation;
pub mod registry;
mod resnet;
mod shortcut;
mod stage;
mod stage_conv;
mod state;

pub use attention::ChannelAttention;
pub use authors::{AuthorsTensor, authors_tensors};
pub use block::{BasicBlock, Block, BottleneckBlock, InvertedResidualBlock};
pub use cobasis;
pub use densenet::{DenseLayer, DenseNet, DenseNetSpec, DenseStage, Transition};
pub use deploy::{Affine, Deployed, DeployedConfig, FoldedConv};
pub use file::{
    FileError, FileProblem, load, load_authors, load_deployed, save, save_authors, save_deployed,
    write_atomic,
};
pub use graph::{FactorisedLayer, FactorisedLayers};
pub use mobilenet::{ConvNorm, MobileNetV2, MobileNetV2Spec};
pub use model::{Model, ModelConfig, Network, Variant};
pub use name::{ModelName, ModelNameError, Ranks, Sharing};
pub use preparation::Preparation;
pub use resnet::{BlockKind, ResNet, ResNetSpec, ShortcutKind, Stem, StemKind};
pub use shortcut::{Identity, PadShortcut, ProjectionShortcut, Shortcut};
pub use stage::Stage;
pub use stage_conv::StageConv;
pub use state::{State, StateError, TensorInfo};

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
