//! Filters as rings of tensors that are sums of one basis: `-tbasis20r28`.

mod modes;
#[cfg(test)]
mod tests;

use std::fmt;

use burn::module::{Initializer, Module, Param};
use burn::tensor::{Device, Tensor};
use cobasis::{
    BankId, Bases, Composed, Composition, Convolution, FilterBasis, Filters, Geometry, Pass, Place,
    Role, Source, Start,
};

use super::method::{MadeWith, Method};
use super::rank::number;
use crate::banks::{BankSpec, Banks, Scope};
use crate::on_bases::OnBases;
use crate::slot::Slot;
use crate::spec::Architecture;
use modes::Modes;

/// The largest basis and rank that a name may ask for.
const MAX: usize = 256;

/// The weights of a layer are a tensor of modes of 9 entries, a ring of cores: each weight is the trace of
/// a product of matrices, one out of each core. A core is a sum of a basis of cores, which the whole network
/// shares, with coefficients of its own, times a factor `exp(ρ)` for each of its rows.
///
/// With `-all`, the classifier's weights are such a ring too; its bias is its own.
///
/// Source: T-Basis (Obukhov et al. 2020), layers and start. The basis starts with normal numbers, cut off
/// at three deviations; the coefficients too, times the one factor that gives the layer's filters the
/// deviation `sqrt(2 / inputs of an output)`; `ρ` at 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TBasis {
    /// The cores in the basis, `B`.
    pub cores: usize,
    /// The sides of the matrices, `R`.
    pub rank: usize,
}

impl Method for TBasis {
    type Layer = TBasisConv2d;

    fn syntax(architecture: &Architecture) -> Option<&'static str> {
        architecture.has_basic_blocks().then_some("-tbasis<CORES>r<RANK>")
    }

    fn parse(suffix: &str, architecture: &Architecture) -> Option<Result<Self, &'static str>> {
        Self::syntax(architecture)?;
        let (cores, rank) = suffix.strip_prefix("tbasis")?.split_once('r')?;
        match (number(cores)?, number(rank)?) {
            (cores @ 1..=MAX, rank @ 1..=MAX) => Some(Ok(Self { cores, rank })),
            _ => Some(Err("expected a basis of 1 to 256 cores and a rank of 1 to 256")),
        }
    }

    fn banks(&self, _: &[Slot]) -> Vec<BankSpec> {
        let Self { cores, rank } = *self;
        let start = Start::Clamped((1.0 / (cores * rank) as f64).sqrt());
        let shape = [cores, rank, 9, rank];
        vec![BankSpec { scope: Scope::Network, shape, start, family: None }]
    }

    fn layer(&self, slot: &Slot, made_with: &MadeWith) -> Option<TBasisConv2d> {
        let shape = slot.filter_shape();
        let modes = Modes::new(shape).count();
        // Their initial values follow from the `Source` below.
        Some(TBasisConv2d {
            coefficients: Initializer::Zeros.init([modes, self.cores], made_with.device),
            scales: Initializer::Zeros.init([modes, self.rank], made_with.device),
            shape,
            geometry: slot.geometry(),
            bank: made_with.banks.find(Scope::Network, 0),
        })
    }

    fn fits_first_blocks(&self, _: &Architecture) -> bool {
        true
    }
}

/// The suffix, without its dash.
impl fmt::Display for TBasis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "tbasis{}r{}", self.cores, self.rank)
    }
}

/// A convolution whose filters are a ring of cores.
#[derive(Module, Debug)]
pub struct TBasisConv2d {
    /// What the cores of the basis are multiplied by in each mode's sum, `[modes, cores]`.
    pub coefficients: Param<Tensor<2>>,
    /// The logarithms of the factors of each core's rows, `[modes, rank]`.
    pub scales: Param<Tensor<2>>,
    /// The shape of the kernel, `[channels_out, channels_in, height, width]`.
    #[module(skip)]
    pub shape: [usize; 4],
    /// Stride, padding, dilation and groups.
    #[module(skip)]
    pub geometry: Geometry,
    /// The basis, `[cores, rank, 9, rank]`.
    #[module(skip)]
    pub bank: BankId,
}

/// A linear layer whose weights are a ring of cores.
#[derive(Module, Debug)]
pub struct TBasisLinear {
    /// What the cores of the basis are multiplied by in each mode's sum, `[modes, cores]`.
    pub coefficients: Param<Tensor<2>>,
    /// The logarithms of the factors of each core's rows, `[modes, rank]`.
    pub scales: Param<Tensor<2>>,
    /// The summands of the outputs, `[outputs]`.
    pub bias: Param<Tensor<1>>,
    /// Inputs and outputs.
    #[module(skip)]
    pub channels: [usize; 2],
    /// The basis, `[cores, rank, 9, rank]`.
    #[module(skip)]
    pub bank: BankId,
}

impl TBasis {
    /// The classifier of a network all of whose blocks share, from features to classes.
    pub(crate) fn classifier(
        &self,
        channels: [usize; 2],
        banks: &Banks,
        device: &Device,
    ) -> TBasisLinear {
        let [inputs, outputs] = channels;
        let modes = Modes::new([outputs, inputs, 1, 1]).count();
        TBasisLinear {
            coefficients: Initializer::Zeros.init([modes, self.cores], device),
            scales: Initializer::Zeros.init([modes, self.rank], device),
            bias: Initializer::Zeros.init([outputs], device),
            channels,
            bank: banks.find(Scope::Network, 0),
        }
    }
}

impl TBasisLinear {
    pub(crate) fn pass<P: Pass>(
        &self,
        pass: &mut P,
        at: &Place,
        bases: &Bases,
        x: P::Vector,
    ) -> P::Vector {
        let Self { coefficients, scales, bias, channels: [inputs, outputs], bank } = self;
        let weights = ring([*outputs, *inputs, 1, 1], coefficients, scales, &bases[*bank]);
        pass.composed_linear(at, weights, bias, x)
    }
}

/// Filters of this shape as a ring of cores: how they are composed of a layer's coefficients and scales,
/// and the network's basis.
fn ring<'a>(
    shape: [usize; 4],
    coefficients: &'a Param<Tensor<2>>,
    scales: &'a Param<Tensor<2>>,
    basis: &'a FilterBasis,
) -> Composed<'a> {
    let modes = Modes::new(shape);
    let [cores, rank, ..] = basis.weight.lazy_shape().dims::<4>();
    let inputs: usize = shape[1..].iter().product();
    let start = Start::Composing { deviation: (2.0 / inputs as f64).sqrt(), degree: modes.count() };
    // The sums and their factors, then the products.
    let sums = modes.count() * 9 * rank * rank * (cores + 1);
    let macs = sums as u64 + modes.macs(rank);
    let compose = move || {
        let count = modes.count();
        let basis = basis.weight.val().reshape([cores, 9 * rank * rank]);
        let sums = coefficients.val().matmul(basis).reshape([count, rank, 9, rank]);
        modes.product(sums * scales.val().exp().reshape([count, rank, 1, 1]))
    };
    Composed {
        shape,
        own: vec![Source::new(coefficients, start), Source::new(scales, Start::Constant(0.0))],
        shared: vec![basis],
        composition: Composition { macs, ..Composition::default() },
        value: Box::new(compose),
    }
}

impl OnBases for TBasisConv2d {
    fn pass<P: Pass>(&self, pass: &mut P, at: &Place, bases: &Bases, x: P::Map) -> P::Map {
        let Self { coefficients, scales, shape, geometry, bank } = self;
        let filters = Filters::Composed(ring(*shape, coefficients, scales, &bases[*bank]));
        let geometry = geometry.clone();
        pass.conv(at, Convolution { filters, bias: None, geometry, role: Role::Layer }, x)
    }
}
