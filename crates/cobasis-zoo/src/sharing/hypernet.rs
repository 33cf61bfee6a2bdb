//! Filters that a small network of all layers makes: `-hypernet64`.

#[cfg(test)]
mod tests;

use std::fmt;

use burn::module::{Initializer, Module, Param};
use burn::tensor::Tensor;
use cobasis::{
    BankId, Bases, Composed, Composition, Convolution, Filters, Geometry, Pass, Place, Role,
    Source, Start,
};

use super::method::{MadeWith, Method};
use super::rank::number;
use crate::banks::{BankSpec, Scope};
use crate::on_bases::OnBases;
use crate::slot::Slot;
use crate::spec::Architecture;

/// Input and output channels of a tile.
const TILE: usize = 16;
/// Weights of a tile's filter: 16 channels of 3×3.
const FILTER: usize = TILE * 9;
/// The most numbers that a name may ask for of each tile.
const MAX_CODE: usize = 4096;

/// The filters of a layer are tiles of 16×16 channels, each made of its own code `z` by a network of two
/// linear layers that the whole network shares: `h = z W₂ + b₂`, one row for each output channel, and
/// `K = h W₁ + b₁`. What is left over of tiles where channels are no multiple of 16 is cut off.
///
/// Source: static hypernetworks (Ha, Dai and Le 2017), but for the start: `W₁` and `W₂` are normal with
/// variance `1/Z`, so that a kernel's variance is that of its code, which starts with the dense
/// convolution's; `b₁` and `b₂` start at 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Hypernet {
    /// The numbers in a code, `Z`.
    pub code: usize,
}

impl Method for Hypernet {
    type Layer = HypernetConv2d;

    fn syntax(architecture: &Architecture) -> Option<&'static str> {
        architecture.has_basic_blocks().then_some("-hypernet<CODE>")
    }

    fn parse(suffix: &str, architecture: &Architecture) -> Option<Result<Self, &'static str>> {
        Self::syntax(architecture)?;
        match number(suffix.strip_prefix("hypernet")?)? {
            code @ 1..=MAX_CODE => Some(Ok(Self { code })),
            _ => Some(Err("expected a code of 1 to 4096 numbers")),
        }
    }

    fn banks(&self, _: &[Slot]) -> Vec<BankSpec> {
        let code = self.code;
        let weights = Start::Normal((1.0 / code as f64).sqrt());
        let bank = |shape, start| BankSpec { scope: Scope::Network, shape, start, family: None };
        vec![
            bank([TILE * code, code, 1, 1], weights),
            bank([TILE * code, 1, 1, 1], Start::Constant(0.0)),
            bank([FILTER, code, 1, 1], weights),
            bank([FILTER, 1, 1, 1], Start::Constant(0.0)),
        ]
    }

    fn layer(&self, slot: &Slot, made_with: &MadeWith) -> Option<HypernetConv2d> {
        let shape @ [outputs, inputs, ..] = slot.filter_shape();
        let tiles = outputs.div_ceil(TILE) * inputs.div_ceil(TILE);
        Some(HypernetConv2d {
            // Their initial values follow from the `Source` below.
            codes: Initializer::Zeros.init([tiles, self.code], made_with.device),
            shape,
            geometry: slot.geometry(),
            banks: [0, 1, 2, 3].map(|index| made_with.banks.find(Scope::Network, index)),
        })
    }

    fn fits_first_blocks(&self, _: &Architecture) -> bool {
        true
    }
}

/// The suffix, without its dash.
impl fmt::Display for Hypernet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "hypernet{}", self.code)
    }
}

/// A convolution whose filters a network makes.
#[derive(Module, Debug)]
pub struct HypernetConv2d {
    /// The codes of the tiles, `[tiles, code]`, row by row of the kernel: all tiles of the first 16
    /// output channels, then those of the next.
    pub codes: Param<Tensor<2>>,
    /// The shape of the kernel, `[channels_out, channels_in, height, width]`.
    #[module(skip)]
    pub shape: [usize; 4],
    /// Stride, padding, dilation and groups.
    #[module(skip)]
    pub geometry: Geometry,
    /// `W₂`, `b₂`, `W₁`, `b₁`.
    #[module(skip)]
    banks: [BankId; 4],
}

impl HypernetConv2d {
    /// The filters that the network of these banks makes.
    fn filters(&self, bases: &Bases) -> Tensor<4> {
        let [outputs, inputs, ..] = self.shape;
        let [tiles, code] = self.codes.lazy_shape().dims();
        let [w2, b2, w1, b1] = self.banks.map(|bank| bases[bank].weight.val());
        let w2 = w2.reshape([TILE * code, code]).transpose();
        let w1 = w1.reshape([FILTER, code]).transpose();
        let rows = self.codes.val().matmul(w2) + b2.reshape([1, TILE * code]);
        let filters = rows.reshape([tiles * TILE, code]).matmul(w1) + b1.reshape([1, FILTER]);
        let [down, across] = [outputs, inputs].map(|channels| channels.div_ceil(TILE));
        let rows = filters.reshape([down, across, TILE, FILTER]).swap_dims(1, 2);
        let filters = rows.reshape([down * TILE, across * TILE, 3, 3]);
        filters.slice([0..outputs, 0..inputs])
    }
}

impl OnBases for HypernetConv2d {
    fn pass<P: Pass>(&self, pass: &mut P, at: &Place, bases: &Bases, x: P::Map) -> P::Map {
        let shape @ [outputs, _, height, width] = self.shape;
        let [tiles, code] = self.codes.lazy_shape().dims::<2>().map(|size| size as u64);
        let macs = tiles * TILE as u64 * code * (code + FILTER as u64);
        let start = Start::Normal((2.0 / (outputs * height * width) as f64).sqrt());
        let filters = Filters::Composed(Composed {
            shape,
            own: vec![Source::new(&self.codes, start)],
            shared: self.banks.iter().map(|&bank| &bases[bank]).collect(),
            composition: Composition { macs, ..Composition::default() },
            value: Box::new(|| self.filters(bases)),
        });
        let geometry = self.geometry.clone();
        pass.conv(at, Convolution { filters, bias: None, geometry, role: Role::Layer }, x)
    }
}
