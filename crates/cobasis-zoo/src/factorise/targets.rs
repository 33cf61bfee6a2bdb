//! The layers of a network that stand for dense convolutions.

use std::collections::{BTreeSet, HashMap};

use burn::module::ParamId;
use burn::nn::BatchNorm;
use cobasis::{Convolution, Filters, Place, Role};

use super::FactoriseError;
use super::calibrate::InnerNorm;
use crate::model::Model;
use crate::sharing::Sharing;
use crate::visit::{Visit, Visiting};

/// A layer with shared and unique filters and coefficients.
#[derive(Clone, Debug)]
pub(super) struct Target {
    /// Its path, which is that of the dense convolution.
    pub(super) path: String,
    /// The path of its bank of shared filters.
    pub(super) bank: Option<String>,
    /// How many shared filters.
    pub(super) shared: usize,
    /// The path of its unique filters.
    pub(super) unique_path: Option<String>,
    /// How many.
    pub(super) unique: usize,
    /// The path of its coefficients.
    pub(super) coefficients: String,
    /// The batch norm in between.
    pub(super) norm: Option<InnerNorm>,
    /// Channels, height and width of a filter.
    pub(super) filter: [usize; 3],
}

impl Target {
    /// The stage that it is in.
    pub(super) fn stage(&self) -> usize {
        let number = self.path.strip_prefix("stages.").and_then(|rest| rest.split('.').next());
        number.and_then(|number| number.parse().ok()).unwrap_or(0)
    }

    /// Numbers of a filter.
    pub(super) fn length(&self) -> usize {
        self.filter.iter().product()
    }
}

/// All of a network, in the order of the computation.
pub(super) struct Targets(Vec<Target>);

impl Targets {
    pub(super) fn of(model: &Model) -> Result<Self, FactoriseError> {
        let paths = model.tensors().into_iter().map(|tensor| (tensor.id, tensor.path)).collect();
        let mut finder = Finder { paths, found: Vec::new(), refused: None };
        model.walk(&mut Visiting(&mut finder), ());
        let fits = match model.config.name.sharing() {
            None | Some(Sharing::Ranks(_) | Sharing::LowRank(_)) => true,
            Some(_) => false,
        };
        if !fits {
            let first = finder.found.first().map(|target| target.path.clone());
            let name = || model.config.name.to_string();
            finder.refused = finder.refused.or(Some(first.unwrap_or_else(name)));
        }
        match finder.refused {
            Some(path) => Err(FactoriseError::Method { path }),
            None => Ok(Self(finder.found)),
        }
    }

    /// All of them.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Target> {
        self.0.iter()
    }

    /// Those that share a bank, together; one without alone.
    pub(super) fn groups(&self) -> Vec<Vec<&Target>> {
        let mut groups: Vec<Vec<&Target>> = Vec::new();
        for target in &self.0 {
            let same =
                |group: &&mut Vec<&Target>| target.bank.is_some() && group[0].bank == target.bank;
            match groups.iter_mut().find(same) {
                Some(group) => group.push(target),
                None => groups.push(vec![target]),
            }
        }
        groups
    }

    /// The path of the bank that the layers of a stage borrow, by the path of the stage.
    pub(super) fn bank_of(&self, stage: &str) -> Option<&str> {
        let inside = |target: &&Target| {
            target.path.strip_prefix(stage).is_some_and(|rest| rest.starts_with('.'))
        };
        self.0.iter().find(inside)?.bank.as_deref()
    }

    /// The batch norms between bases and coefficients.
    pub(super) fn norms(&self) -> impl Iterator<Item = &InnerNorm> {
        self.0.iter().filter_map(|target| target.norm.as_ref())
    }

    /// The layers' paths.
    pub(super) fn paths(&self) -> BTreeSet<String> {
        self.0.iter().map(|target| target.path.clone()).collect()
    }

    /// Which layer of the network this is.
    pub(super) fn place(&self, path: &str) -> Option<usize> {
        self.0.iter().position(|target| target.path == path)
    }
}

struct Finder {
    paths: HashMap<ParamId, String>,
    found: Vec<Target>,
    /// A layer that shares in another way.
    refused: Option<String>,
}

impl Finder {
    fn path(&self, id: ParamId) -> String {
        self.paths[&id].clone()
    }
}

impl Visit for Finder {
    fn conv(&mut self, at: &Place, conv: &Convolution<'_>) {
        match (&conv.role, &conv.filters) {
            (Role::Basis, Filters::Stacked { own, shared }) if conv.geometry.groups == 1 => {
                let [filters, filter @ ..] = conv.filters.shape();
                let unique = own.map_or(0, |own| own.lazy_shape()[0]);
                self.found.push(Target {
                    path: at.to_string(),
                    bank: shared.first().map(|bank| self.path(bank.weight.id)),
                    shared: filters - unique,
                    unique_path: own.map(|own| self.path(own.id)),
                    unique,
                    coefficients: String::new(),
                    norm: None,
                    filter,
                });
            }
            (Role::Coefficients, Filters::Stacked { own: Some(own), .. }) => {
                let path = self.path(own.id);
                match self.found.last_mut() {
                    Some(basis) if basis.coefficients.is_empty() => basis.coefficients = path,
                    _ => self.refused = Some(at.to_string()),
                }
            }
            (Role::Layer, Filters::Stacked { own: Some(_), shared }) if shared.is_empty() => {}
            _ => self.refused = self.refused.take().or(Some(at.to_string())),
        }
    }

    fn norm(&mut self, _: &Place, norm: &BatchNorm) {
        // Between a basis and its coefficients: nothing else comes there.
        let inside = self.found.last().is_some_and(|basis| basis.coefficients.is_empty());
        if !inside {
            return;
        }
        let gamma = self.path(norm.gamma.id);
        let path = gamma.trim_end_matches(".gamma").to_string();
        if let Some(basis) = self.found.last_mut() {
            basis.norm = Some(InnerNorm { gamma: norm.gamma.id, path, epsilon: norm.epsilon });
        }
    }
}
