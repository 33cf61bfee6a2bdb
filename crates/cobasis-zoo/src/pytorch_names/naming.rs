//! What sets the names of a file of PyTorch apart from those of the authors' networks.

/// Where the authors' blocks and torchvision's keep the shortcut.
const SHORTCUTS: [&str; 2] = [".shortcut.", ".downsample."];
/// What parallel training puts before every name.
const PARALLEL: &str = "module.";

/// How a file names the tensors of a network.
#[derive(Clone, Copy)]
pub(crate) struct Naming {
    prefix: &'static str,
    torchvision: bool,
}

impl Naming {
    /// The naming of a file with these names.
    pub(crate) fn of<'a>(names: impl Iterator<Item = &'a String> + Clone) -> Self {
        let torchvision = names.clone().any(|name| name.contains(SHORTCUTS[1]));
        let mut prefixed = names.map(|name| name.starts_with(PARALLEL));
        // A file without tensors has none.
        let all = prefixed.next() == Some(true) && prefixed.all(|prefixed| prefixed);
        Self { prefix: if all { PARALLEL } else { "" }, torchvision }
    }

    /// What the file calls the authors' tensor of this name.
    pub(crate) fn in_file(self, name: &str) -> String {
        let name = match self.torchvision {
            true => name.replace(SHORTCUTS[0], SHORTCUTS[1]),
            false => name.to_string(),
        };
        format!("{}{name}", self.prefix)
    }

    /// What the authors call the file's tensor of this name.
    pub(crate) fn in_authors(self, name: &str) -> String {
        name.strip_prefix(self.prefix).unwrap_or(name).replace(SHORTCUTS[1], SHORTCUTS[0])
    }
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
