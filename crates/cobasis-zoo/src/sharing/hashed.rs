//! Filters whose weights are few numbers, by a hash: `-hashed73584`.

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::{Arc, OnceLock};

use burn::module::{Initializer, Module, Param};
use burn::tensor::Tensor;
use cobasis::{
    Bases, Composed, Composition, Convolution, Filters, Geometry, Lookup, Pass, Place, Role,
    Source, Start,
};

use super::method::{MadeWith, Method};
use super::rank::number;
use super::tables::{below, bits, mixed};
use crate::banks::BankSpec;
use crate::on_bases::OnBases;
use crate::slot::Slot;
use crate::spec::Architecture;

/// A layer keeps fewer numbers than its filters have weights; a hash of the weight's place says which
/// of them it is: `W[i] = w[h(i)]`. Layers share nothing with each other.
///
/// Source: hashed weights (Chen et al. 2015) without the hash of signs, as Gray et al. have them; each
/// number can be drawn, and there is no bias.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Hashed {
    /// The numbers that all layers keep together: each in proportion to its size.
    pub numbers: usize,
}

impl Method for Hashed {
    type Layer = HashedConv2d;

    fn syntax(architecture: &Architecture) -> Option<&'static str> {
        architecture.has_basic_blocks().then_some("-hashed<NUMBERS>")
    }

    fn parse(suffix: &str, architecture: &Architecture) -> Option<Result<Self, &'static str>> {
        Self::syntax(architecture)?;
        Some(Ok(Self { numbers: number(suffix.strip_prefix("hashed")?)? }))
    }

    fn check(&self, slots: &[Slot]) -> Result<(), &'static str> {
        let weights: usize = slots.iter().map(Slot::weights).sum();
        if self.numbers < slots.len() {
            return Err("expected at least one number for each layer that shares");
        }
        match self.numbers <= weights {
            true => Ok(()),
            false => Err("expected at most as many numbers as the layers that share have weights"),
        }
    }

    fn banks(&self, _: &[Slot]) -> Vec<BankSpec> {
        Vec::new()
    }

    fn layer(&self, slot: &Slot, made_with: &MadeWith) -> Option<HashedConv2d> {
        let sizes: Vec<usize> = made_with.slots.iter().map(Slot::weights).collect();
        let layer = made_with.index(slot);
        let numbers = shares(self.numbers, &sizes)[layer];
        Some(HashedConv2d {
            // Their initial values follow from the `Source` below.
            numbers: Initializer::Zeros.init([numbers], made_with.device),
            shape: slot.filter_shape(),
            geometry: slot.geometry(),
            layer,
            table: Arc::default(),
        })
    }

    fn fits_first_blocks(&self, _: &Architecture) -> bool {
        true
    }
}

/// Numbers divided in proportion to sizes, by largest remainders, at least one for each.
///
/// There are at least as many numbers as sizes, and no more than the sizes' sum, so that no share is
/// above its size.
fn shares(numbers: usize, sizes: &[usize]) -> Vec<usize> {
    let all: u128 = sizes.iter().map(|&size| size as u128).sum();
    let exact = |size: usize| numbers as u128 * size as u128;
    let mut shares: Vec<usize> = sizes.iter().map(|&size| (exact(size) / all) as usize).collect();
    let left = numbers - shares.iter().sum::<usize>();
    let mut order: Vec<usize> = (0..sizes.len()).collect();
    // Stable: of equal remainders, the earlier layer's.
    order.sort_by_key(|&layer| std::cmp::Reverse(exact(sizes[layer]) % all));
    order.into_iter().take(left).for_each(|layer| shares[layer] += 1);
    while let Some(empty) = shares.iter().position(|&share| share == 0) {
        let most = shares.iter().copied().max().unwrap_or(0);
        if let Some(largest) = shares.iter().position(|&share| share == most) {
            shares[largest] -= 1;
            shares[empty] = 1;
        }
    }
    shares
}

/// The suffix, without its dash.
impl fmt::Display for Hashed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "hashed{}", self.numbers)
    }
}

/// A convolution whose weights are few numbers.
#[derive(Module, Debug)]
pub struct HashedConv2d {
    /// The numbers, `[numbers]`.
    pub numbers: Param<Tensor<1>>,
    /// The shape of the kernel, `[channels_out, channels_in, height, width]`.
    #[module(skip)]
    pub shape: [usize; 4],
    /// Stride, padding, dilation and groups.
    #[module(skip)]
    pub geometry: Geometry,
    /// Its number among the layers of the method: each has a hash of its own.
    #[module(skip)]
    layer: usize,
    /// Which number each weight is, made when it is first needed.
    #[module(skip)]
    table: Arc<OnceLock<Lookup>>,
}

impl HashedConv2d {
    fn table(&self) -> &Lookup {
        self.table.get_or_init(|| {
            let numbers = self.numbers.lazy_shape()[0];
            let seed = mixed(self.layer as u64);
            let weights = 0..self.shape.iter().product::<usize>() as u64;
            let place = |weight| below(mixed(seed.wrapping_add(weight)), numbers);
            Lookup::new(numbers, 1.0, weights.map(|weight| (place(weight), false)))
        })
    }
}

impl OnBases for HashedConv2d {
    fn pass<P: Pass>(&self, pass: &mut P, at: &Place, _: &Bases, x: P::Map) -> P::Map {
        let shape @ [outputs, _, height, width] = self.shape;
        let weights = shape.iter().product::<usize>() as u64;
        let index_bits = weights * bits(self.numbers.lazy_shape()[0]);
        // As the dense convolution's own filters.
        let start = Start::Normal((2.0 / (outputs * height * width) as f64).sqrt());
        let filters = Filters::Composed(Composed {
            shape,
            own: vec![Source::new(&self.numbers, start)],
            shared: Vec::new(),
            composition: Composition { macs: 0, index_bits },
            value: Box::new(|| self.table().of(self.numbers.val()).reshape(shape)),
        });
        let geometry = self.geometry.clone();
        pass.conv(at, Convolution { filters, bias: None, geometry, role: Role::Layer }, x)
    }
}
