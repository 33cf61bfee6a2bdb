//! What sets the names of a file of PyTorch apart from those of the authors' networks.

use std::collections::{BTreeMap, BTreeSet};

/// Where the authors' blocks and torchvision's keep the shortcut.
const SHORTCUTS: [&str; 2] = [".shortcut.", ".downsample."];
/// What the tensors of a network are called within their layers.
const WEIGHTS: [&str; 4] = ["weight", "bias", "running_mean", "running_var"];

/// How a file names the tensors of a network.
#[derive(Clone, Debug)]
pub(crate) struct Naming {
    prefix: String,
    torchvision: bool,
}

impl Naming {
    /// The naming of a file with these names, which may hold tensors of the given names.
    ///
    /// What wraps a network puts something before all names: parallel training `module.`, compilation
    /// `_orig_mod.`, a class of one's own `model.`, one after the other. So parts that all names start
    /// with are no names of the network's, unless one of its own starts so.
    pub(crate) fn of<'a>(
        names: impl Iterator<Item = &'a str>,
        known: &BTreeMap<String, Vec<usize>>,
    ) -> Self {
        let known: BTreeSet<&str> = known.keys().filter_map(|name| first_part(name)).collect();
        let mut names: Vec<&str> = names.filter(|name| is_weight(name)).collect();
        let torchvision = names.iter().any(|name| name.contains(SHORTCUTS[1]));
        let mut prefix = String::new();
        while let Some(part) = names.first().and_then(|name| first_part(name)) {
            let shared = names.iter().all(|name| first_part(name) == Some(part));
            if !shared || known.contains(part) {
                break;
            }
            prefix += part;
            prefix.push('.');
            names = names.iter().map(|name| &name[part.len() + 1..]).collect();
        }
        Self { prefix, torchvision }
    }

    /// What stands before all names, and is none of the network's.
    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// What the file calls the authors' tensor of this name.
    pub(crate) fn in_file(&self, name: &str) -> String {
        let name = match self.torchvision {
            true => name.replace(SHORTCUTS[0], SHORTCUTS[1]),
            false => name.to_string(),
        };
        format!("{}{name}", self.prefix)
    }

    /// What the authors call the file's tensor of this name.
    pub(crate) fn in_authors(&self, name: &str) -> String {
        name.strip_prefix(&*self.prefix).unwrap_or(name).replace(SHORTCUTS[1], SHORTCUTS[0])
    }
}

/// A name up to its first point.
fn first_part(name: &str) -> Option<&str> {
    name.split_once('.').map(|(part, _)| part)
}

/// Whether a tensor is called what the tensors of a network are.
pub(crate) fn is_weight(name: &str) -> bool {
    WEIGHTS.contains(&name.rsplit('.').next().unwrap_or_default())
}

/// The counter of batches that PyTorch's batch norm has and ours has not, by the name of one of
/// the norm's tensors; `None` by the names of others.
pub(crate) fn counter(name: &str) -> Option<String> {
    Some(format!("{}.num_batches_tracked", name.strip_suffix(".running_mean")?))
}

/// Whether a tensor is such a counter.
pub(crate) fn is_counter(name: &str) -> bool {
    name.ends_with(".num_batches_tracked")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_before_all_names_are_prefixes_unless_the_network_has_them() {
        let known = ["conv1.weight", "layer1.0.conv1.weight", "fc.weight", "fc.bias"];
        let known = known.map(|name| (name.to_string(), Vec::new())).into();
        let prefix =
            |names: &[&str]| Naming::of(names.iter().copied(), &known).prefix().to_string();
        for expected in ["", "module.", "model._orig_mod.module.", "_orig_mod.backbone."] {
            let names = ["conv1.weight", "fc.bias"].map(|name| format!("{expected}{name}"));
            // What averages and profilers leave behind has no prefix, or another.
            let names = [&names[0], &names[1], "n_averaged", "total_ops"];
            assert_eq!(prefix(&names), expected);
        }
        assert_eq!(prefix(&["fc.weight", "fc.bias"]), "");
        assert_eq!(prefix(&["module.fc.weight", "conv1.weight"]), "");
        assert_eq!(prefix(&[]), "");
    }
}
