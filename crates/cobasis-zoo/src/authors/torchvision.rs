//! The names of torchvision's MobileNetV2, `features.2.conv.0.0.weight`; those of its ResNets are
//! the authors' but for the shortcut.

use super::mobilenet::name_in_unit;
use super::norm_name;
use crate::mobilenet::{MobileNetV2Spec, blocks_before};
use crate::model::{ModelConfig, Variant};
use crate::registry::Architecture;

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

/// torchvision's name of a tensor by its path.
pub(super) fn name(path: &[&str]) -> String {
    match path {
        ["stem", rest @ ..] => format!("{FEATURES}0.{}", name_in_unit(rest)),
        ["last", rest @ ..] => format!("{FEATURES}{LAST}.{}", name_in_unit(rest)),
        ["head", leaf] => format!("classifier.1.{leaf}"),
        ["stages", stage, "blocks", block, layer, leaf] => {
            let [stage, block] = [stage, block].map(|index| index.parse().unwrap_or(0));
            let index = 1 + blocks_before(stage) + block;
            // The first block does not expand, so that its layers count from the second one.
            let skipped = usize::from(stage == 0);
            let (layer, number) = layer.split_at(4);
            let number = number.parse::<usize>().unwrap_or(0) - 1 - skipped;
            let place = match (layer, number + skipped) {
                ("conv", 2) => format!("{number}"),
                ("norm", 2) => format!("{}", number + 1),
                ("conv", _) => format!("{number}.0"),
                _ => format!("{number}.1"),
            };
            format!("{FEATURES}{index}.conv.{place}.{}", norm_name(leaf))
        }
        other => unreachable!("torchvision's MobileNetV2 has no tensor {}", other.join(".")),
    }
}

#[cfg(test)]
mod tests {
    use crate::{ModelConfig, Variant, authors_tensors};
    use burn::tensor::Device;

    #[test]
    fn names_shapes_and_counts_are_torchvisions() {
        let name = "imagenet/mobilenet-v2".parse().expect("a name");
        let config = ModelConfig::new(name).with_variant(Variant::Torchvision);
        let device = Device::flex();
        // What `torchvision.models.mobilenet_v2()` counts.
        assert_eq!(config.cost([224, 224], &device).total().params, 3_504_872);
        let tensors = authors_tensors(&config, &device);
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
