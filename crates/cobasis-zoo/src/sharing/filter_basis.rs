//! Filters of a few channels that a stage shares, on every part of the input channels:
//! `-filterbasis24x16`.

use std::fmt;

use burn::module::Module;
use burn::nn::conv::Conv2d;
use cobasis::{
    BankId, Bases, Composed, Composition, Convolution, Filters, Geometry, Pass, Place, Role, Start,
};

use super::method::{MadeWith, Method};
use super::rank::{MAX_RANK, Rank, number};
use crate::banks::{BankSpec, Scope};
use crate::conv2d::conv2d;
use crate::on_bases::OnBases;
use crate::slot::Slot;
use crate::spec::Architecture;

/// The input channels of a layer are split into parts, each of which the same filters of the stage are
/// applied to; a 1×1 convolution of the layer's own combines all that comes out. Nothing is in between,
/// and the filters are neither orthonormal nor fewer than channels.
///
/// A layer that changes the channels is on the filters of the stage before.
///
/// Source: Li et al., *Learning Filter Basis for Convolutional Neural Network Compression*, ICCV 2019,
/// without their biases, which the batch norm after the layer has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FilterBasis {
    /// Filters of each stage; one number is that of every stage where the channels are split.
    pub filters: Rank,
    /// Channels of a filter; `None`: all that the stage has.
    pub split: Option<usize>,
}

impl FilterBasis {
    fn scale(self, slot: &Slot) -> usize {
        if self.split.is_some() { 1 } else { slot.scale }
    }

    /// The stage whose filters a slot's layer is on.
    fn lender(slot: &Slot) -> usize {
        let [channels_in, channels_out] = slot.channels;
        slot.stage - usize::from(channels_in != channels_out && slot.stage > 0)
    }
}

impl Method for FilterBasis {
    type Layer = FilterBasisConv2d;

    fn syntax(architecture: &Architecture) -> Option<&'static str> {
        architecture
            .has_basic_blocks()
            .then_some("-filterbasis<FILTERS>, -filterbasis<FILTERS>x<CHANNELS>")
    }

    fn parse(suffix: &str, architecture: &Architecture) -> Option<Result<Self, &'static str>> {
        Self::syntax(architecture)?;
        let text = suffix.strip_prefix("filterbasis")?;
        let scales = architecture.scales();
        let Some((filters, split)) = text.split_once('x') else {
            let filters = Rank::of_layers(text, &scales)?;
            return Some(filters.map(|filters| Self { filters, split: None }));
        };
        let filters = Rank::of_layers(filters, &vec![1; scales.len()])?;
        let split = number(split)?;
        let Architecture::ResNet(spec) = architecture else { return None };
        let divides = (1..=MAX_RANK).contains(&split) && spec.width.is_multiple_of(split);
        Some(filters.and_then(|filters| match divides {
            true => Ok(Self { filters, split: Some(split) }),
            false => Err("the channels of a filter must divide those of the first stage"),
        }))
    }

    fn banks(&self, slots: &[Slot]) -> Vec<BankSpec> {
        let mut banks: Vec<BankSpec> = Vec::new();
        for slot in slots.iter().filter(|slot| slot.channels[0] == slot.channels[1]) {
            let [channels, _] = slot.channels;
            let filters = self.filters.at(slot.stage, self.scale(slot));
            let shape = [filters, self.split.unwrap_or(channels), slot.kernel, slot.kernel];
            let scope = Scope::Stage(slot.stage);
            let bank = BankSpec { scope, shape, start: Start::Filters, family: None };
            if !banks.contains(&bank) {
                banks.push(bank);
            }
        }
        banks
    }

    fn layer(&self, slot: &Slot, made_with: &MadeWith) -> Option<FilterBasisConv2d> {
        let [channels_in, channels_out] = slot.channels;
        let lender = Self::lender(slot);
        let scale =
            if lender == slot.stage { self.scale(slot) } else { self.scale(slot).div_ceil(2) };
        let filters = self.filters.at(lender, scale);
        let parts = self.split.map_or(1, |split| channels_in / split);
        let coefficients = conv2d([parts * filters, channels_out], 1, 1);
        Some(FilterBasisConv2d {
            coefficients: coefficients.init(made_with.device),
            geometry: Geometry { groups: parts, ..slot.geometry() },
            bank: made_with.banks.find(Scope::Stage(lender), 0),
        })
    }

    fn fits_first_blocks(&self, architecture: &Architecture) -> bool {
        architecture.has_basic_blocks()
    }
}

impl fmt::Display for FilterBasis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "filterbasis{}", self.filters)?;
        self.split.map_or(Ok(()), |split| write!(f, "x{split}"))
    }
}

/// Shared filters on each part of the input channels, and a 1×1 convolution.
#[derive(Module, Debug)]
pub struct FilterBasisConv2d {
    /// The 1×1 convolution from all filters on all parts to the output channels.
    pub coefficients: Conv2d,
    /// How the filters move; the groups are the parts.
    #[module(skip)]
    pub geometry: Geometry,
    /// The bank of filters.
    #[module(skip)]
    pub bank: BankId,
}

impl OnBases for FilterBasisConv2d {
    fn pass<P: Pass>(&self, pass: &mut P, at: &Place, bases: &Bases, x: P::Map) -> P::Map {
        let (filters, parts) = (&bases[self.bank], self.geometry.groups);
        let [count, rest @ ..] = filters.weight.lazy_shape().dims::<4>();
        let filters = match parts {
            1 => Filters::shared(filters),
            _ => Filters::Composed(Composed {
                shape: [parts * count, rest[0], rest[1], rest[2]],
                own: Vec::new(),
                shared: vec![filters],
                composition: Composition::default(),
                value: Box::new(move || filters.weight.val().repeat_dim(0, parts)),
            }),
        };
        let geometry = self.geometry.clone();
        let basis = Convolution { filters, bias: None, geometry, role: Role::Basis };
        let x = pass.conv(at, basis, x);
        let coefficients =
            Convolution { role: Role::Coefficients, ..Convolution::from(&self.coefficients) };
        pass.conv(&at.field("coefficients"), coefficients, x)
    }
}
