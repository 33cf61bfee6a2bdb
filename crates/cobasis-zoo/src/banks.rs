//! The banks of a network: whose they are, how they start, which are kept orthonormal together.

use cobasis::{BankId, Bases, Pass, Place, Start};

use crate::state::TensorInfo;

/// A bank of shared filters, before it has any.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BankSpec {
    /// Where it belongs.
    pub scope: Scope,
    /// The shape of its tensor; for filters `[filters, channels, kernel_height, kernel_width]`.
    pub shape: [usize; 4],
    /// How it starts.
    pub start: Start,
    /// Which family of the penalty it belongs to: the penalty is a mean over each family, and the
    /// banks of one stage and family are kept orthonormal jointly. `None`: it is not kept
    /// orthonormal.
    pub family: Option<usize>,
}

/// Where a bank belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scope {
    /// The whole network.
    Network,
    /// A stage.
    Stage(usize),
    /// The head of a detector.
    Head,
}

/// All banks of a network, in the order of their numbers: those of the whole network, then stage by
/// stage, then those of a detector's head.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Banks {
    specs: Vec<BankSpec>,
}

impl Banks {
    /// Puts banks in order; those of one scope stay in theirs.
    pub(crate) fn new(mut specs: Vec<BankSpec>) -> Self {
        specs.sort_by_key(|spec| spec.scope);
        Self { specs }
    }

    /// The banks in the order of their numbers.
    pub fn iter(&self) -> impl Iterator<Item = (BankId, &BankSpec)> {
        self.specs.iter().enumerate().map(|(index, spec)| (BankId(index), spec))
    }

    /// The banks of a stage or of the network.
    pub fn of(&self, scope: Scope) -> impl Iterator<Item = BankId> {
        self.iter().filter(move |(_, spec)| spec.scope == scope).map(|(id, _)| id)
    }

    /// The bank of this place in its scope's list.
    ///
    /// # Panics
    ///
    /// Panics if the method that asks for it has made none.
    pub fn find(&self, scope: Scope, index: usize) -> BankId {
        let bank = self.of(scope).nth(index);
        bank.unwrap_or_else(|| panic!("the method made no bank {index} of {scope:?}"))
    }

    /// The path of a bank in files: `stages.1.bases.0`, or `bases.0` for one of the whole network.
    pub fn path(&self, id: BankId) -> String {
        let scope = self.specs[id.0].scope;
        let index = self.of(scope).take_while(|&other| other != id).count();
        match scope {
            Scope::Stage(stage) => format!("stages.{stage}.bases.{index}"),
            Scope::Network => format!("bases.{index}"),
            Scope::Head => format!("head.bases.{index}"),
        }
    }

    /// The groups of banks that are kept orthonormal together, family by family and in each by scope.
    pub fn families(&self) -> Vec<Vec<(Scope, Vec<BankId>)>> {
        let count =
            self.specs.iter().filter_map(|spec| spec.family).max().map_or(0, |last| last + 1);
        let mut groups: Vec<Vec<(Scope, Vec<BankId>)>> = vec![Vec::new(); count];
        for (id, spec) in self.iter() {
            let Some(family) = spec.family else { continue };
            match groups[family].last_mut() {
                Some((scope, banks)) if *scope == spec.scope => banks.push(id),
                _ => groups[family].push((spec.scope, vec![id])),
            }
        }
        groups
    }
}

/// What a model's tensors are called in files, where banks stand with their stages.
impl Banks {
    /// The name of a tensor by its path in the model's tree.
    pub(crate) fn file_name(&self, path: String) -> String {
        if let Some(layer) = path.strip_prefix("network.") {
            return layer.to_string();
        }
        let bank = path.strip_prefix("bases.banks.").and_then(|rest| rest.split_once('.'));
        match bank.and_then(|(index, leaf)| Some((index.parse().ok()?, leaf))) {
            Some((index, leaf)) => format!("{}.{leaf}", self.path(BankId(index))),
            None => path,
        }
    }

    /// A model's tensors, each bank before the first layer of its stage.
    pub(crate) fn in_order(&self, tensors: Vec<TensorInfo>) -> Vec<TensorInfo> {
        let (banks, layers) = tensors.split_at(self.specs.len());
        let mut scopes = self.specs.iter().map(|spec| spec.scope).zip(banks).peekable();
        let mut ordered = Vec::with_capacity(tensors.len());
        for layer in layers {
            let number = layer.path.strip_prefix("stages.").and_then(|rest| rest.split('.').next());
            let stage = number.and_then(|number| number.parse().ok()).map(Scope::Stage);
            let elsewhere = match layer.path.starts_with("head.") {
                true => Scope::Head,
                false => Scope::Network,
            };
            let reached = stage.unwrap_or(elsewhere);
            while let Some((_, bank)) = scopes.next_if(|(scope, _)| *scope <= reached) {
                ordered.push(bank.clone());
            }
            ordered.push(layer.clone());
        }
        ordered
    }
}

/// The filters of a network's banks, and what there is to know about them.
#[derive(Clone, Copy)]
pub(crate) struct Shared<'a> {
    pub(crate) bases: &'a Bases,
    pub(crate) banks: &'a Banks,
}

impl Shared<'_> {
    /// Tells a pass of the banks of a scope, before the layers that use them.
    pub(crate) fn enter<P: Pass>(&self, scope: Scope, pass: &mut P) {
        let root = Place::ROOT;
        let owner = match scope {
            Scope::Stage(stage) => root.item("stages", stage),
            Scope::Network => root,
            Scope::Head => root.field("head"),
        };
        for (index, id) in self.banks.of(scope).enumerate() {
            pass.bank(&owner.item("bases", index), &self.bases[id]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bank(scope: Scope, family: Option<usize>) -> BankSpec {
        BankSpec { scope, shape: [1; 4], start: Start::Orthonormal, family }
    }

    #[test]
    fn banks_have_paths_and_groups() {
        let [first, second] = [0, 1].map(Scope::Stage);
        let banks = Banks::new(vec![
            bank(first, Some(0)),
            bank(first, Some(1)),
            bank(second, Some(0)),
            bank(second, Some(0)),
            bank(Scope::Network, None),
        ]);
        let paths: Vec<String> = banks.iter().map(|(id, _)| banks.path(id)).collect();
        assert_eq!(
            paths,
            [
                "bases.0",
                "stages.0.bases.0",
                "stages.0.bases.1",
                "stages.1.bases.0",
                "stages.1.bases.1"
            ]
        );
        assert_eq!(banks.find(second, 1), BankId(4));
        let ids =
            |numbers: &[usize]| numbers.iter().map(|&number| BankId(number)).collect::<Vec<_>>();
        let families = banks.families();
        assert_eq!(families[0], [(first, ids(&[1])), (second, ids(&[3, 4]))]);
        assert_eq!(families[1], [(first, ids(&[2]))]);
    }
}
