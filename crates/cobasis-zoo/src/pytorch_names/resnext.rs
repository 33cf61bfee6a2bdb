//! The names of ResNeXts.

use super::{norm_name, one_based, resnet};

/// The authors' name of a tensor by its path, if they have one; `shares`: blocks after the first of a stage share
/// filters.
///
/// Their dense blocks are sequences of numbered layers, ReLUs among them.
pub(super) fn name(path: &[&str], shares: bool) -> Option<String> {
    match path {
        ["stages", stage, "blocks", block, rest @ ..] => {
            let dense = !shares || *block == "0";
            let name = if dense { in_dense_block(rest) } else { in_sharing_block(rest) };
            Some(format!("layer{}.{block}.{}", one_based(stage), name?))
        }
        ["head", leaf] => Some(format!("linear.{leaf}")),
        other => resnet::name(other, false),
    }
}

fn in_dense_block(path: &[&str]) -> Option<String> {
    let function = |index: usize, leaf: &str| Some(format!("residual_function.{index}.{leaf}"));
    match path {
        ["conv1", leaf] => function(0, leaf),
        ["norm1", leaf] => function(1, norm_name(leaf)),
        ["conv2", leaf] => function(3, leaf),
        ["norm2", leaf] => function(4, norm_name(leaf)),
        ["conv3", leaf] => function(6, leaf),
        ["norm3", leaf] => function(7, norm_name(leaf)),
        other => resnet::name_in_block(other),
    }
}

fn in_sharing_block(path: &[&str]) -> Option<String> {
    match path {
        ["conv2", "unique", leaf] => Some(format!("basis_conv2.{leaf}")),
        other => resnet::name_in_block(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dense_blocks_are_numbered_and_sharing_ones_named() {
        let name = |path: &str, shares| name(&path.split('.').collect::<Vec<_>>(), shares);
        for (path, shared, dense) in [
            ("stages.1.blocks.0.norm2.gamma", "layer2.0.residual_function.4.weight", None),
            ("stages.0.blocks.0.shortcut.norm.beta", "layer1.0.shortcut.1.bias", None),
            (
                "stages.3.blocks.2.conv3.weight",
                "layer4.2.conv3.weight",
                Some("layer4.2.residual_function.6.weight"),
            ),
            ("head.bias", "linear.bias", None),
            ("stem.norm.running_var", "bn1.running_var", None),
        ] {
            assert_eq!(name(path, true).as_deref(), Some(shared));
            assert_eq!(name(path, false).as_deref(), dense.or(Some(shared)));
        }
        let unique = name("stages.2.blocks.1.conv2.unique.weight", true);
        assert_eq!(unique.as_deref(), Some("layer3.1.basis_conv2.weight"));
        let basis = name("stages.2.bases.0.weight", true);
        assert_eq!(basis.as_deref(), Some("shared_basis_3.weight"));
    }
}
