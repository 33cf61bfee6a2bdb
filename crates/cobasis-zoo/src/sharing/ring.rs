//! The weights of all layers out of one list of numbers: `-ring73584`.

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::{Arc, OnceLock};

use burn::module::Module;
use cobasis::{
    BankId, Bases, Composed, Composition, Convolution, Filters, Geometry, Lookup, Pass, Place,
    Role, Start,
};

use super::method::{MadeWith, Method};
use super::rank::number;
use super::tables::{Permutation, bits, mixed};
use crate::banks::{BankSpec, Scope};
use crate::on_bases::OnBases;
use crate::slot::Slot;
use crate::spec::Architecture;

/// The fan-out of the convolution that the ring starts as: 512 filters of 3×3.
const FAN_OUT: usize = 512 * 9;

/// One list of numbers for all layers. Each of their weights is one of the numbers, with a sign of its
/// own and to the scale of its layer; each number is used equally often, up to one. Which is where is as
/// good as random, and constant.
///
/// Source: recurrent parameter generators (Wang et al., WACV 2023). There the numbers that are used
/// once more are drawn; here they are the first ones. As numbers are alike, this is the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Ring {
    /// The numbers in the list.
    pub numbers: usize,
}

impl Method for Ring {
    type Layer = RingConv2d;

    fn syntax(architecture: &Architecture) -> Option<&'static str> {
        architecture.has_basic_blocks().then_some("-ring<NUMBERS>")
    }

    fn parse(suffix: &str, architecture: &Architecture) -> Option<Result<Self, &'static str>> {
        Self::syntax(architecture)?;
        match number(suffix.strip_prefix("ring")?)? {
            0 => Some(Err("a ring of 0 numbers leaves the layers without filters")),
            numbers => Some(Ok(Self { numbers })),
        }
    }

    fn check(&self, slots: &[Slot]) -> Result<(), &'static str> {
        match self.numbers <= slots.iter().map(Slot::weights).sum() {
            true => Ok(()),
            false => Err("expected at most as many numbers as the layers that share have weights"),
        }
    }

    fn banks(&self, _: &[Slot]) -> Vec<BankSpec> {
        let shape = [self.numbers, 1, 1, 1];
        let start = Start::Normal((2.0 / FAN_OUT as f64).sqrt());
        vec![BankSpec { scope: Scope::Network, shape, start, family: None }]
    }

    fn layer(&self, slot: &Slot, made_with: &MadeWith) -> Option<RingConv2d> {
        let sizes = made_with.slots.iter().map(Slot::weights);
        Some(RingConv2d {
            shape: slot.filter_shape(),
            geometry: slot.geometry(),
            bank: made_with.banks.find(Scope::Network, 0),
            numbers: self.numbers,
            first: sizes.clone().take(made_with.index(slot)).sum(),
            all: sizes.sum(),
            table: Arc::default(),
        })
    }

    fn fits_first_blocks(&self, _: &Architecture) -> bool {
        true
    }
}

/// The suffix, without its dash.
impl fmt::Display for Ring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ring{}", self.numbers)
    }
}

/// A convolution whose weights come out of the network's list.
#[derive(Module, Debug)]
pub struct RingConv2d {
    /// The shape of the kernel, `[channels_out, channels_in, height, width]`.
    #[module(skip)]
    pub shape: [usize; 4],
    /// Stride, padding, dilation and groups.
    #[module(skip)]
    pub geometry: Geometry,
    /// The list.
    #[module(skip)]
    pub bank: BankId,
    /// The numbers in it.
    #[module(skip)]
    numbers: usize,
    /// Weights of the layers before this one.
    #[module(skip)]
    first: usize,
    /// Weights of all layers.
    #[module(skip)]
    all: usize,
    /// Which number each weight is, made when it is first needed.
    #[module(skip)]
    table: Arc<OnceLock<Lookup>>,
}

impl RingConv2d {
    fn table(&self) -> &Lookup {
        self.table.get_or_init(|| {
            let [outputs, _, height, width] = self.shape;
            // The convolution's own initial deviation, where the ring has that of its fan-out.
            let scale = (FAN_OUT as f64 / (outputs * height * width) as f64).sqrt();
            let permutation = Permutation::new(self.all);
            let weights = self.first..self.first + self.shape.iter().product::<usize>();
            let places = weights.map(|weight| {
                // Other random bits than the permutation's.
                let negated = mixed(!(weight as u64)) >> 63 == 1;
                (permutation.at(weight) % self.numbers, negated)
            });
            Lookup::new(self.numbers, scale as f32, places)
        })
    }
}

impl OnBases for RingConv2d {
    fn pass<P: Pass>(&self, pass: &mut P, at: &Place, bases: &Bases, x: P::Map) -> P::Map {
        let (ring, shape) = (&bases[self.bank], self.shape);
        let weights = shape.iter().product::<usize>() as u64;
        // Of each weight a place and a sign.
        let index_bits = weights * (bits(self.numbers) + 1);
        let compose = || self.table().of(ring.weight.val().reshape([self.numbers])).reshape(shape);
        let filters = Filters::Composed(Composed {
            shape,
            own: Vec::new(),
            shared: vec![ring],
            composition: Composition { macs: weights, index_bits },
            value: Box::new(compose),
        });
        let geometry = self.geometry.clone();
        pass.conv(at, Convolution { filters, bias: None, geometry, role: Role::Layer }, x)
    }
}
