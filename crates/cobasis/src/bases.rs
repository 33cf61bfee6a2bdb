//! The banks of filters of a network, in one place, and how layers name them.

use std::ops::Index;

use burn::module::Module;

use crate::basis::FilterBasis;

/// Which of a network's banks a layer borrows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct BankId(pub usize);

/// All banks of a network: the one owner of its shared filters.
///
/// Layers name a bank by its [`BankId`] and borrow it in `forward`.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use cobasis::{BankId, Bases, BasisConv2dConfig, FilterBasisConfig};
///
/// let device = Device::flex();
/// let basis = FilterBasisConfig::new(8, 16, [3, 3]);
/// let bases = Bases { banks: vec![basis.init(&device), basis.init(&device)] };
/// let conv = BasisConv2dConfig::new([16, 32], [3, 3], 8, 1).init(&device).on_bank(BankId(1));
/// let output = conv.forward(Tensor::zeros([1, 16, 8, 8], &device), &bases);
/// assert_eq!(output.dims(), [1, 32, 6, 6]);
/// ```
#[derive(Module, Debug, Default)]
pub struct Bases {
    /// The banks, in the order of their numbers.
    pub banks: Vec<FilterBasis>,
}

impl Index<BankId> for Bases {
    type Output = FilterBasis;

    /// # Panics
    ///
    /// Panics if there is no such bank.
    fn index(&self, BankId(index): BankId) -> &FilterBasis {
        let count = self.banks.len();
        self.banks
            .get(index)
            .unwrap_or_else(|| panic!("expected a bank with index {index}, got {count} banks"))
    }
}

/// What is lent to a layer in `forward`: one basis, all banks of a network, or nothing.
#[derive(Clone, Copy, Debug)]
pub enum Lent<'a> {
    /// Nothing: for layers that share nothing.
    Nothing,
    /// One basis, whatever number the layer names.
    Basis(&'a FilterBasis),
    /// All banks of the network.
    Bases(&'a Bases),
}

impl<'a> Lent<'a> {
    /// The bank of this number, if anything is lent.
    ///
    /// # Panics
    ///
    /// Panics if there is no such bank.
    pub fn bank(self, id: BankId) -> Option<&'a FilterBasis> {
        match self {
            Lent::Nothing => None,
            Lent::Basis(basis) => Some(basis),
            Lent::Bases(bases) => Some(&bases[id]),
        }
    }
}

impl<'a> From<&'a FilterBasis> for Lent<'a> {
    fn from(basis: &'a FilterBasis) -> Self {
        Lent::Basis(basis)
    }
}

impl<'a> From<Option<&'a FilterBasis>> for Lent<'a> {
    fn from(basis: Option<&'a FilterBasis>) -> Self {
        basis.map_or(Lent::Nothing, Lent::Basis)
    }
}

impl<'a> From<&'a Option<FilterBasis>> for Lent<'a> {
    fn from(basis: &'a Option<FilterBasis>) -> Self {
        basis.as_ref().into()
    }
}

impl<'a> From<&'a Bases> for Lent<'a> {
    fn from(bases: &'a Bases) -> Self {
        Lent::Bases(bases)
    }
}
