//! The names of ResNets.

use super::{norm_name, one_based};
use crate::spec::ResNetSpec;

/// The authors' name of a tensor by its path, if they have one; `double`: the stages have two bases.
pub(super) fn name(path: &[&str], double: bool) -> Option<String> {
    Some(match path {
        ["stem", "conv", leaf] => format!("conv1.{leaf}"),
        ["stem", "norm", leaf] => format!("bn1.{}", norm_name(leaf)),
        ["stages", stage, "bases", index, leaf] if double => {
            format!("shared_basis_{}_{}.{leaf}", one_based(stage), one_based(index))
        }
        ["stages", stage, "bases", _, leaf] => {
            format!("shared_basis_{}.{leaf}", one_based(stage))
        }
        ["stages", stage, "blocks", block, rest @ ..] => {
            format!("layer{}.{block}.{}", one_based(stage), name_in_block(rest)?)
        }
        ["head", leaf] => format!("fc.{leaf}"),
        _ => return None,
    })
}

pub(super) fn name_in_block(path: &[&str]) -> Option<String> {
    Some(match path {
        ["shortcut", "conv", leaf] => format!("shortcut.0.{leaf}"),
        ["shortcut", "norm", leaf] => format!("shortcut.1.{}", norm_name(leaf)),
        [norm, leaf] if norm.starts_with("norm") => {
            format!("{}.{}", norm.replace("norm", "bn"), norm_name(leaf))
        }
        [conv, "weight"] => format!("{conv}.weight"),
        [conv, "unique"] => format!("basis_{conv}.weight"),
        [conv, "coefficients", leaf] => format!("coeff_{conv}.{leaf}"),
        [conv, "norm", leaf] => {
            format!("basis_{}.{}", conv.replace("conv", "bn"), norm_name(leaf))
        }
        _ => return None,
    })
}

/// The names of a basis in the blocks that use it: those after the first one, which is dense.
pub(super) fn copies(spec: &ResNetSpec, stage: &str, basis: &str, double: bool) -> Vec<String> {
    let stage = one_based(stage);
    let suffix = if double { format!("_{}", one_based(basis)) } else { String::new() };
    let blocks = 1..spec.blocks[stage - 1];
    blocks.map(|block| format!("layer{stage}.{block}.shared_basis{suffix}.weight")).collect()
}
