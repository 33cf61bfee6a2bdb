//! The names of DenseNets.
//!
//! Dense ones have other names than those that share: their layers are sequences of numbered layers,
//! ReLUs among them, and their last stage is not called as the others are.

use std::fmt::Display;

use super::{norm_name, one_based, resnet};
use crate::families::densenet::lender;
use crate::spec::{DenseNetSpec, Variant};

/// The authors' name of a tensor by its path, if they have one; `shares`: the layers of a stage share filters.
pub(super) fn name(path: &[&str], spec: &DenseNetSpec, shares: bool) -> Option<String> {
    Some(match path {
        ["stem", leaf] => format!("conv1.{leaf}"),
        ["stages", _, "bases", ..] => return resnet::name(path, false),
        ["stages", stage, "layers", layer, rest @ ..] => {
            let last = (spec.layers.len() - 1).to_string();
            let in_layer =
                if shares { name_in_sharing_layer(rest) } else { name_in_dense_layer(rest) }?;
            match !shares && *stage == last {
                true => format!("features.dense_block{stage}.bottle_neck_layer_{layer}.{in_layer}"),
                false => format!("{}.{in_layer}", layer_name(stage, layer)),
            }
        }
        ["stages", stage, "transition", "norm", leaf] => {
            format!("features.transition_layer_{stage}.down_sample.0.{}", norm_name(leaf))
        }
        ["stages", stage, "transition", "conv", leaf] => {
            format!("features.transition_layer_{stage}.down_sample.1.{leaf}")
        }
        ["norm", leaf] => format!("features.bn.{}", norm_name(leaf)),
        ["head", leaf] => format!("linear.{leaf}"),
        _ => return None,
    })
}

fn layer_name(stage: impl Display, layer: impl Display) -> String {
    format!("features.dense_block_layer_{stage}.bottle_neck_layer_{layer}")
}

fn name_in_dense_layer(path: &[&str]) -> Option<String> {
    let function = |index: usize, leaf: &str| Some(format!("residual_function.{index}.{leaf}"));
    match path {
        ["norm1", leaf] => function(0, norm_name(leaf)),
        ["conv1", leaf] => function(2, leaf),
        ["norm2", leaf] => function(3, norm_name(leaf)),
        ["conv2", leaf] => function(5, leaf),
        _ => None,
    }
}

fn name_in_sharing_layer(path: &[&str]) -> Option<String> {
    match path {
        // They count a layer's batch norms from 0 and its convolutions from 1.
        ["norm1", leaf] => Some(format!("bn0.{}", norm_name(leaf))),
        ["norm2", leaf] => Some(format!("bn1.{}", norm_name(leaf))),
        other => resnet::name_in_block(other),
    }
}

/// The names of a basis in the layers that use it in the authors' code.
pub(super) fn copies(spec: &DenseNetSpec, stage: &str) -> Vec<String> {
    let owner = one_based(stage) - 1;
    let count = spec.layers.len();
    (0..count)
        .filter(|&stage| lender(stage, count, Variant::Authors) == owner)
        .flat_map(|stage| (0..spec.layers[stage]).map(move |layer| layer_name(stage, layer)))
        .map(|layer| format!("{layer}.shared_basis.weight"))
        .collect()
}

#[cfg(test)]
mod tests {
    use crate::ModelConfig;
    use crate::pytorch_names::pytorch_tensors;
    use burn::tensor::Device;

    #[test]
    fn the_last_stage_copies_the_basis_of_the_one_before_it() {
        let config = ModelConfig::new("cifar100/densenet121-s16u1".parse().expect("a name"));
        let tensors = pytorch_tensors(&config, &Device::flex()).expect("names");
        let copies = |path: &str| {
            let tensor = tensors.iter().find(|tensor| tensor.path == path);
            tensor.map(|tensor| tensor.copies.clone()).unwrap_or_default()
        };
        assert_eq!(copies("stages.1.bases.0.weight").len(), 12);
        let third = copies("stages.2.bases.0.weight");
        let last = "features.dense_block_layer_3.bottle_neck_layer_15.shared_basis.weight";
        assert_eq!((third.len(), third[39].as_str()), (24 + 16, last));
        assert!(copies("stages.3.bases.0.weight").is_empty());
    }

    #[test]
    fn dense_networks_number_the_layers_of_their_sequences() {
        let config = ModelConfig::new("cifar100/densenet121".parse().expect("a name"));
        let tensors = pytorch_tensors(&config, &Device::flex()).expect("names");
        let name = |path: &str| {
            let tensor = tensors.iter().find(|tensor| tensor.path == path);
            tensor.map(|tensor| tensor.name.clone()).unwrap_or_default()
        };
        let features = |rest: &str| format!("features.{rest}.weight");
        assert_eq!(
            name("stages.0.layers.5.norm1.gamma"),
            features("dense_block_layer_0.bottle_neck_layer_5.residual_function.0")
        );
        assert_eq!(
            name("stages.3.layers.0.conv2.weight"),
            features("dense_block3.bottle_neck_layer_0.residual_function.5")
        );
    }
}
