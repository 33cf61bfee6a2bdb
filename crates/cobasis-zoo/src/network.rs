//! What the network families have in common.

use burn::module::Module;
use cobasis::Pass;

use crate::banks::Shared;
use crate::families::densenet::DenseNet;
use crate::families::mobilenet::{FEATURES, MobileNetV2};
use crate::families::resnet::ResNet;
use crate::name::ModelName;
use crate::sharing::{Filler, MadeWith};
use crate::slot::{Blocks, Slot};
use crate::spec::{Architecture, Variant};
use crate::stage_maps::StageMaps;

/// The network families: layers from the images to the last maps. Shared filters stand beside it.
#[derive(Module, Debug)]
#[expect(clippy::large_enum_variant, reason = "Burn has no Module for Box, and a model has one")]
#[non_exhaustive]
pub enum Network {
    /// Residual networks.
    ResNet(ResNet),
    /// MobileNetV2s.
    MobileNetV2(MobileNetV2),
    /// Densely connected networks.
    DenseNet(DenseNet),
}

impl Network {
    /// The network with its weights at zero.
    pub(crate) fn new(
        name: &ModelName,
        variant: Variant,
        in_channels: usize,
        made_with: MadeWith,
    ) -> Self {
        let fill = Filler::new(name, made_with);
        match &*name.architecture() {
            Architecture::ResNet(spec) => Network::ResNet(ResNet::new(spec, in_channels, fill)),
            &Architecture::MobileNetV2(spec) => {
                Network::MobileNetV2(MobileNetV2::new(spec, variant, in_channels, fill))
            }
            Architecture::DenseNet(spec) => {
                Network::DenseNet(DenseNet::new(spec, variant, in_channels, fill))
            }
        }
    }

    /// A pass from the images to the maps before global average pooling.
    pub(crate) fn pass<P: Pass>(
        &self,
        pass: &mut P,
        shared: Shared,
        images: P::Map,
        outputs: &mut StageMaps<P::Map>,
    ) -> P::Map {
        match self {
            Network::ResNet(net) => net.pass(pass, shared, images, outputs),
            Network::MobileNetV2(net) => net.pass(pass, shared, images, outputs),
            Network::DenseNet(net) => net.pass(pass, shared, images, outputs),
        }
    }
}

impl ModelName {
    /// The convolutions that the network offers to its sharing method.
    pub(crate) fn slots(&self, variant: Variant) -> Vec<Slot> {
        self.slots_of(self.blocks(), variant)
    }

    /// Those that it would offer if these blocks of stages shared.
    pub(crate) fn slots_of(&self, blocks: Blocks, variant: Variant) -> Vec<Slot> {
        match &*self.architecture() {
            Architecture::ResNet(spec) => spec.slots(blocks),
            Architecture::MobileNetV2(spec) => spec.slots(variant),
            Architecture::DenseNet(spec) => spec.slots(variant),
        }
    }
}

impl Architecture {
    /// Strides of the outputs of the stages, and of the last maps, against the images.
    pub(crate) fn strides(&self) -> Vec<usize> {
        match self {
            Architecture::ResNet(spec) => spec.strides(),
            Architecture::MobileNetV2(spec) => spec.strides_of_stages(),
            Architecture::DenseNet(spec) => {
                (0..spec.layers.len()).map(|stage| 1 << stage).collect()
            }
        }
    }

    /// Channels before the classifier.
    pub(crate) fn features(&self) -> usize {
        match self {
            Architecture::ResNet(spec) => spec.features(),
            Architecture::MobileNetV2(_) => FEATURES,
            Architecture::DenseNet(spec) => spec.features(),
        }
    }
}
