//! The names of MobileNetV2s.
//!
//! Bases are counted from the first stage that shares, the third one; stages of one block are not
//! lists in the authors' code.

use super::{norm_name, one_based, resnet};
use crate::spec::MobileNetV2Spec;
use crate::state::TensorInfo;

/// The stages before the first one that shares.
const BEFORE_SHARING: usize = 2;

/// The authors' name of a tensor by its path, if they have one; `double`: the stages have two bases.
pub(super) fn name(path: &[&str], double: bool, spec: MobileNetV2Spec) -> Option<String> {
    Some(match path {
        ["stem", rest @ ..] => format!("pre.{}", name_in_unit(rest)?),
        ["last", rest @ ..] => format!("conv1.{}", name_in_unit(rest)?),
        ["stages", stage, "bases", index, leaf] => {
            let stage = one_based(stage) - BEFORE_SHARING;
            let index = if double { format!("_{}", one_based(index)) } else { String::new() };
            format!("shared_basis_{stage}{index}.{leaf}")
        }
        ["stages", stage @ ("0" | "6"), "blocks", _, rest @ ..] => {
            format!("stage{}.{}", one_based(stage), name_in_block(rest)?)
        }
        ["stages", stage, "blocks", block, rest @ ..] => {
            format!("stage{}.{block}.{}", one_based(stage), name_in_block(rest)?)
        }
        ["head", leaf] => match spec {
            MobileNetV2Spec::Small => format!("conv2.{leaf}"),
            MobileNetV2Spec::Large => format!("classifier.1.{leaf}"),
        },
        _ => return None,
    })
}

/// The name of a tensor in a convolution with batch norm.
pub(super) fn name_in_unit(path: &[&str]) -> Option<String> {
    match path {
        ["conv", leaf] => Some(format!("0.{leaf}")),
        ["norm", leaf] => Some(format!("1.{}", norm_name(leaf))),
        _ => None,
    }
}

fn name_in_block(path: &[&str]) -> Option<String> {
    match path {
        ["attention", rest @ ..] => Some(format!("chan_attention.{}", rest.join("."))),
        other => resnet::name_in_block(other),
    }
}

/// The names of a basis in the blocks that use it: those after the first one of its stage, which is
/// dense.
pub(super) fn copies(tensors: &[TensorInfo], stage: &str, basis: &str) -> Vec<String> {
    let numbers = tensors.iter().filter_map(|tensor| {
        let rest = tensor.path.strip_prefix("stages.")?.strip_prefix(stage)?;
        rest.strip_prefix(".blocks.")?.split('.').next()?.parse::<usize>().ok()
    });
    let blocks = 1..=numbers.max().unwrap_or(0);
    let (stage, basis) = (one_based(stage), one_based(basis));
    blocks.map(|block| format!("stage{stage}.{block}.shared_basis{basis}.weight")).collect()
}

#[cfg(test)]
mod tests {
    use crate::pytorch_names::pytorch_tensors;
    use crate::{ModelConfig, State};
    use burn::tensor::{Device, TensorData};

    fn config(name: &str) -> ModelConfig {
        ModelConfig::new(name.parse().expect("a name"))
    }

    #[test]
    fn names_are_those_of_the_authors_modules() {
        let names = |name: &str| -> Vec<String> {
            let tensors = pytorch_tensors(&config(name), &Device::flex()).expect("names");
            let all = tensors.into_iter().flat_map(|tensor| [vec![tensor.name], tensor.copies]);
            all.flatten().collect()
        };
        let large = names("imagenet/mobilenet-v2-shared++-eca");
        for name in [
            "pre.0.bias",
            "stage1.bn3.weight",
            "shared_basis_1_2.weight",
            "stage3.1.shared_basis1.weight",
            "stage6.2.shared_basis2.weight",
            "stage5.2.chan_attention.conv.weight",
            "conv1.1.running_var",
            "classifier.1.weight",
        ] {
            assert!(large.contains(&name.to_string()), "{name} in {large:?}");
        }
        let small = names("cifar100/mobilenet-v2-shared");
        for name in ["shared_basis_4.weight", "stage7.shortcut.0.weight", "conv2.bias"] {
            assert!(small.contains(&name.to_string()), "{name} in {small:?}");
        }
    }

    #[test]
    fn a_classifier_that_is_a_convolution_loads_as_a_linear_layer() {
        let device = Device::flex();
        let config = config("cifar100/mobilenet-v2-shared++").with_num_classes(7);
        let tensors = pytorch_tensors(&config, &device).expect("names").into_iter().map(|tensor| {
            let count = tensor.shape.iter().product::<usize>();
            let values: Vec<f32> = (0..count).map(|i| i as f32).collect();
            (tensor.name, TensorData::new(values, tensor.shape))
        });
        let tensors: State = tensors.collect();
        assert_eq!(tensors["conv2.weight"].shape().to_vec(), [7, 1280, 1, 1]);
        let model = config.init_from_pytorch(tensors, &device).expect("all there");
        let head: Vec<f32> = model.state()["head.weight"].iter::<f32>().collect();
        assert_eq!(head[..3], [0.0, 1280.0, 2560.0], "row 0 is their column 0");
    }
}
