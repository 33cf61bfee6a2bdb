//! The layers of a network that have whole filters of a bank in the place of their own.

use std::collections::HashMap;

use burn::module::ParamId;
use burn::nn::BatchNorm;
use cobasis::{Convolution, Filters, Place};

use crate::model::Model;
use crate::visit::{Visit, Visiting};

/// A layer that borrows its filters.
#[derive(Clone, Debug)]
pub(super) struct Borrower {
    /// Its path, which is that of the dense convolution.
    pub(super) path: String,
    /// The path of the bank's tensor.
    pub(super) bank: String,
    /// The norm after it, by Burn's identity of its scale, and its path.
    pub(super) norm: Option<(ParamId, String)>,
}

/// All of a network, in the order of the computation.
pub(super) struct Borrowers {
    pub(super) layers: Vec<Borrower>,
    /// What batch norms add to variances, by their paths.
    pub(super) epsilons: HashMap<String, f64>,
}

impl Borrower {
    /// The path of the block that it is in.
    pub(super) fn block(&self) -> &str {
        self.path.rsplit_once('.').map_or("", |(block, _)| block)
    }

    /// Which of the block's convolutions it is, from 0.
    pub(super) fn conv(&self) -> usize {
        ["conv1", "conv2"].iter().position(|name| self.path.ends_with(name)).unwrap_or(2)
    }

    /// The path of its stage.
    pub(super) fn stage(&self) -> &str {
        self.path.split_once(".blocks.").map_or("", |(stage, _)| stage)
    }
}

impl Borrowers {
    pub(super) fn of(model: &Model) -> Self {
        let paths = model.tensors().into_iter().map(|tensor| (tensor.id, tensor.path)).collect();
        let found = Borrowers { layers: Vec::new(), epsilons: HashMap::new() };
        let mut finder = Finder { paths, found };
        model.walk(&mut Visiting(&mut finder), ());
        finder.found
    }

    /// Which layer of the network this is.
    pub(super) fn place(&self, path: &str) -> Option<usize> {
        self.layers.iter().position(|layer| layer.path == path)
    }

    /// Those of one kind, together, in the order of the first ones: the layers of a bank, or a stage.
    pub(super) fn grouped<'a>(
        &'a self,
        kind: impl Fn(&'a Borrower) -> &'a str,
    ) -> Vec<Vec<&'a Borrower>> {
        let mut groups: Vec<Vec<&Borrower>> = Vec::new();
        for layer in &self.layers {
            match groups.iter_mut().find(|group| kind(group[0]) == kind(layer)) {
                Some(group) => group.push(layer),
                None => groups.push(vec![layer]),
            }
        }
        groups
    }
}

struct Finder {
    paths: HashMap<ParamId, String>,
    found: Borrowers,
}

impl Visit for Finder {
    fn conv(&mut self, at: &Place, conv: &Convolution<'_>) {
        if let Filters::Stacked { own: None, shared } = &conv.filters
            && let [bank] = shared.as_slice()
        {
            let bank = self.paths[&bank.weight.id].clone();
            // Of a layer with unique filters too, those it borrows are a part.
            let path = at.to_string().trim_end_matches(".shared").to_string();
            self.found.layers.push(Borrower { path, bank, norm: None });
        }
    }

    fn norm(&mut self, _: &Place, norm: &BatchNorm) {
        let gamma = &self.paths[&norm.gamma.id];
        let path = gamma.trim_end_matches(".gamma").to_string();
        self.found.epsilons.insert(path.clone(), norm.epsilon);
        if let Some(last) = self.found.layers.last_mut().filter(|last| last.norm.is_none()) {
            last.norm = Some((norm.gamma.id, path));
        }
    }
}
