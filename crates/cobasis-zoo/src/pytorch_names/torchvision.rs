//! The names of torchvision's MobileNetV2, `features.2.conv.0.0.weight`; those of its ResNets are
//! the authors' but for the shortcut.

use super::mobilenet::name_in_unit;
use super::norm_name;
use crate::config::ModelConfig;
use crate::spec::{Architecture, Variant};
use crate::spec::{MobileNetV2Spec, blocks_before};

/// What all names of its convolutions start with.
const FEATURES: &str = "features.";
/// Its last convolution, after the first one and 17 blocks.
const LAST: usize = 18;

/// The network as torchvision builds it, where that is not as the authors do.
pub(super) fn variant_of(config: &ModelConfig) -> Option<ModelConfig> {
    let large = Architecture::MobileNetV2(MobileNetV2Spec::Large);
    let differs = config.name.entry().architecture == large && config.name.sharing().is_none();
    differs.then(|| config.clone().with_variant(Variant::Torchvision))
}

/// Whether a name is one of torchvision's MobileNetV2.
pub(super) fn is_one(name: &str) -> bool {
    name.starts_with(FEATURES)
}

/// torchvision's name of a tensor by its path, if it has one.
pub(super) fn name(path: &[&str]) -> Option<String> {
    Some(match path {
        ["stem", rest @ ..] => format!("{FEATURES}0.{}", name_in_unit(rest)?),
        ["last", rest @ ..] => format!("{FEATURES}{LAST}.{}", name_in_unit(rest)?),
        ["head", leaf] => format!("classifier.1.{leaf}"),
        ["stages", stage, "blocks", block, layer, leaf] => {
            let [stage, block]: [usize; 2] = [stage.parse().ok()?, block.parse().ok()?];
            let index = 1 + blocks_before(stage) + block;
            // The first block does not expand, so that its layers count from the second one.
            let layers = if stage == 0 { &LAYERS[2..] } else { &LAYERS[..] };
            let (_, [place, in_first]) = layers.iter().find(|(known, _)| known == layer)?;
            let place = if stage == 0 { in_first } else { place };
            format!("{FEATURES}{index}.conv.{place}.{}", norm_name(leaf))
        }
        _ => return None,
    })
}

/// The layers of a block, and where they are in torchvision's blocks and in its first one.
const LAYERS: [(&str, [&str; 2]); 6] = [
    ("conv1", ["0.0", ""]),
    ("norm1", ["0.1", ""]),
    ("conv2", ["1.0", "0.0"]),
    ("norm2", ["1.1", "0.1"]),
    ("conv3", ["2", "1"]),
    ("norm3", ["3", "2"]),
];

#[cfg(test)]
mod tests {
    use crate::pytorch_names::pytorch_tensors;
    use crate::{ModelConfig, Variant};
    use burn::tensor::Device;

    #[test]
    fn names_shapes_and_counts_are_torchvisions() {
        let name = "imagenet/mobilenet-v2".parse().expect("a name");
        let config = ModelConfig::new(name).with_variant(Variant::Torchvision);
        let device = Device::flex();
        // What `torchvision.models.mobilenet_v2()` counts.
        assert_eq!(config.cost([224, 224], &device).total().params, 3_504_872);
        let tensors = pytorch_tensors(&config, &device).expect("names");
        for (name, shape) in [
            ("features.0.0.weight", vec![32, 3, 3, 3]),
            ("features.0.1.running_mean", vec![32]),
            ("features.1.conv.0.0.weight", vec![32, 1, 3, 3]),
            ("features.1.conv.0.1.weight", vec![32]),
            ("features.1.conv.1.weight", vec![16, 32, 1, 1]),
            ("features.1.conv.2.bias", vec![16]),
            ("features.2.conv.0.0.weight", vec![96, 16, 1, 1]),
            ("features.2.conv.1.0.weight", vec![96, 1, 3, 3]),
            ("features.2.conv.2.weight", vec![24, 96, 1, 1]),
            ("features.2.conv.3.running_var", vec![24]),
            ("features.17.conv.3.weight", vec![320]),
            ("features.18.0.weight", vec![1280, 320, 1, 1]),
            ("classifier.1.weight", vec![1000, 1280]),
        ] {
            let tensor = tensors.iter().find(|tensor| tensor.name == name);
            assert_eq!(tensor.map(|tensor| &tensor.shape), Some(&shape), "{name}");
        }
    }
}
