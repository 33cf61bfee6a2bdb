//! What the network families have in common.

use burn::module::Module;
use burn::nn::Linear;
use cobasis::FilterBasis;

use crate::densenet::DenseNet;
use crate::mobilenet::MobileNetV2;
use crate::pass::Pass;
use crate::resnet::ResNet;

/// The network families.
#[derive(Module, Debug)]
#[expect(clippy::large_enum_variant, reason = "Burn has no Module for Box, and a model has one")]
pub enum Network {
    /// Residual networks.
    ResNet(ResNet),
    /// MobileNetV2s.
    MobileNetV2(MobileNetV2),
    /// Densely connected networks.
    DenseNet(DenseNet),
}

impl Network {
    /// A pass from the images to the maps before global average pooling.
    pub(super) fn pass<P: Pass>(&self, pass: &mut P, images: P::Map) -> P::Map {
        match self {
            Network::ResNet(net) => net.pass(pass, images),
            Network::MobileNetV2(net) => net.pass(pass, images),
            Network::DenseNet(net) => net.pass(pass, images),
        }
    }

    /// The classifier.
    pub fn head(&self) -> &Linear {
        match self {
            Network::ResNet(net) => &net.head,
            Network::MobileNetV2(net) => &net.head,
            Network::DenseNet(net) => &net.head,
        }
    }

    pub(super) fn head_mut(&mut self) -> &mut Linear {
        match self {
            Network::ResNet(net) => &mut net.head,
            Network::MobileNetV2(net) => &mut net.head,
            Network::DenseNet(net) => &mut net.head,
        }
    }

    /// The bases, stage by stage.
    pub(super) fn bases(&self) -> Vec<&[FilterBasis]> {
        match self {
            Network::ResNet(net) => net.stages.iter().map(|stage| &stage.bases[..]).collect(),
            Network::MobileNetV2(net) => net.stages.iter().map(|stage| &stage.bases[..]).collect(),
            Network::DenseNet(net) => net.stages.iter().map(|stage| &stage.bases[..]).collect(),
        }
    }

    /// The bases, stage by stage.
    pub(crate) fn bases_mut(&mut self) -> Vec<&mut Vec<FilterBasis>> {
        match self {
            Network::ResNet(net) => net.stages.iter_mut().map(|stage| &mut stage.bases).collect(),
            Network::MobileNetV2(net) => {
                net.stages.iter_mut().map(|stage| &mut stage.bases).collect()
            }
            Network::DenseNet(net) => net.stages.iter_mut().map(|stage| &mut stage.bases).collect(),
        }
    }
}
