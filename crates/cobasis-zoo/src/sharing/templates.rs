//! Kernels that are sums of a stage's templates: `-templates2`.

use std::fmt;

// ANCHOR: uses
use burn::module::{Initializer, Module, Param};
use burn::tensor::Tensor;
use cobasis::{
    BankId, Bases, Composed, Composition, Convolution, Filters, Geometry, Pass, Place, Role,
    Source, Start,
};

use super::method::{MadeWith, Method};
use super::rank::Rank;
use crate::banks::{BankSpec, Scope};
use crate::on_bases::OnBases;
use crate::slot::Slot;
use crate::spec::Architecture;
// ANCHOR_END: uses

// ANCHOR: method
/// The kernel of a layer is a sum of its stage's templates, weighted by the layer's coefficients:
/// `W = Σ aⱼ Tⱼ`. The templates are not kept orthonormal; the coefficients of a stage's layers start as
/// an orthonormal matrix. A layer that changes the shape has a kernel of its own.
///
/// Source: soft sharing (Savarese & Maire, *Learning Implicitly Recurrent CNNs Through Parameter
/// Sharing*, ICLR 2019).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Templates {
    /// The number of templates of each stage: the same in all of them, or a list.
    pub count: Rank,
}

impl Method for Templates {
    type Layer = TemplatesConv2d;

    fn syntax(architecture: &Architecture) -> Option<&'static str> {
        architecture.has_basic_blocks().then_some("-templates<COUNT>")
    }

    fn parse(suffix: &str, architecture: &Architecture) -> Option<Result<Self, &'static str>> {
        Self::syntax(architecture)?;
        // Templates are as wide as their stage, so later stages need no more of them.
        let scales = vec![1; architecture.scales().len()];
        let count = Rank::of_layers(suffix.strip_prefix("templates")?, &scales)?;
        Some(count.map(|count| Self { count }))
    }

    fn banks(&self, slots: &[Slot]) -> Vec<BankSpec> {
        let mut banks: Vec<BankSpec> = Vec::new();
        for slot in slots.iter().filter(|slot| !slot.changes_shape()) {
            let [filters, channels, height, width] = slot.filter_shape();
            let shape = [self.count.at(slot.stage, 1) * filters, channels, height, width];
            // Kaiming initialisation by the number of inputs, as for a convolution.
            let start = Start::Normal((2.0 / (channels * height * width) as f64).sqrt());
            let bank = BankSpec { scope: Scope::Stage(slot.stage), shape, start, family: None };
            if !banks.contains(&bank) {
                banks.push(bank);
            }
        }
        banks
    }

    fn layer(&self, slot: &Slot, made_with: &MadeWith) -> Option<TemplatesConv2d> {
        if slot.changes_shape() {
            return None;
        }
        let count = self.count.at(slot.stage, 1);
        Some(TemplatesConv2d {
            // Their initial values follow from the `Source` below.
            coefficients: Initializer::Zeros.init([count], made_with.device),
            shape: slot.filter_shape(),
            geometry: slot.geometry(),
            bank: made_with.stage_bank(slot, 0),
        })
    }

    fn fits_first_blocks(&self, architecture: &Architecture) -> bool {
        architecture.has_basic_blocks()
    }
}

/// The suffix, without its dash.
impl fmt::Display for Templates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "templates{}", self.count)
    }
}
// ANCHOR_END: method

// ANCHOR: layer
/// A convolution whose kernel is a sum of templates.
#[derive(Module, Debug)]
pub struct TemplatesConv2d {
    /// The weights of the templates in the sum, `[templates]`.
    pub coefficients: Param<Tensor<1>>,
    /// The shape of the kernel, `[channels_out, channels_in, height, width]`.
    #[module(skip)]
    pub shape: [usize; 4],
    /// Stride, padding, dilation and groups.
    #[module(skip)]
    pub geometry: Geometry,
    /// The bank of templates that the layer borrows.
    #[module(skip)]
    pub bank: BankId,
}

impl OnBases for TemplatesConv2d {
    fn pass<P: Pass>(&self, pass: &mut P, at: &Place, bases: &Bases, x: P::Map) -> P::Map {
        let (templates, shape) = (&bases[self.bank], self.shape);
        let count = self.coefficients.lazy_shape()[0];
        let numbers = shape.iter().product::<usize>();
        let composition = Composition { macs: (count * numbers) as u64, ..Composition::default() };
        let compose = || {
            let templates = templates.weight.val().reshape([count, numbers]);
            let coefficients = self.coefficients.val().reshape([1, count]);
            coefficients.matmul(templates).reshape(shape)
        };
        let filters = Filters::Composed(Composed {
            shape,
            own: vec![Source::new(&self.coefficients, Start::OrthonormalInStage)],
            shared: vec![templates],
            composition,
            value: Box::new(compose),
        });
        let geometry = self.geometry.clone();
        pass.conv(at, Convolution { filters, bias: None, geometry, role: Role::Layer }, x)
    }
}
// ANCHOR_END: layer
