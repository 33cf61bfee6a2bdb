//! Where the layers of an adapter are, and what files call them.

use std::collections::HashMap;

use cobasis::Place;

/// The places of layers in the module tree, in the order of their numbers.
#[derive(Clone, Debug, Default)]
pub(super) struct Places {
    paths: Vec<String>,
    numbers: HashMap<String, usize>,
}

impl Places {
    fn new(paths: Vec<String>) -> Self {
        let numbers = paths.iter().cloned().zip(0..).collect();
        Self { paths, numbers }
    }

    /// The number of the layer at a place.
    pub(super) fn number(&self, at: &Place) -> Option<usize> {
        // Places are written down only where somebody has a use for it.
        if self.paths.is_empty() {
            return None;
        }
        self.numbers.get(&at.to_string()).copied()
    }

    /// The name in files of a tensor of theirs, by the number and the rest of its path in the module tree.
    fn file_name(&self, path: &str) -> Option<String> {
        let (number, leaf) = path.split_once('.')?;
        let place = self.paths.get(number.parse::<usize>().ok()?)?;
        Some(format!("adapter.{place}.{leaf}"))
    }
}

/// The places of an adapter's layers, from which the names of its tensors in files come.
#[derive(Clone, Debug)]
pub(crate) struct AdapterNames {
    pub(super) layers: Places,
    pub(super) norms: Places,
}

impl AdapterNames {
    /// Of these places, in the order of the layers and norms.
    pub(super) fn new(layers: Vec<String>, norms: Vec<String>) -> Self {
        Self { layers: Places::new(layers), norms: Places::new(norms) }
    }

    /// The name in files of a tensor of the adapter, by its path in the module tree of a model.
    pub(crate) fn file_name(&self, path: &str) -> Option<String> {
        let path = path.strip_prefix("adapter.")?;
        let layer = || self.layers.file_name(path.strip_prefix("layers.")?);
        layer().or_else(|| self.norms.file_name(path.strip_prefix("norms.")?))
    }
}
