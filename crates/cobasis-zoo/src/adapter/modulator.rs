//! What changes the filters of a convolution.

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor};
use cobasis::{Compose, Composed, Composition, Convolution, Filters, Source, Start};

use super::kind::AdapterKind;
use super::{Film, Mask, Mix, Mlp, Rank, Unique};

/// Computes a task's filters from the base's.
pub(super) trait Modulate {
    /// The parameters that go into the filters, and how they start.
    fn sources(&self) -> Vec<Source>;

    /// Multiply-accumulates that computing filters of this shape takes.
    fn macs(&self, shape: [usize; 4]) -> u64;

    /// The task's filters, of the shape of the base's.
    fn filters(&self, base: Tensor<4>) -> Tensor<4>;

    /// The task's summand for each output channel, `[channels_out]`, in the place of the base's.
    fn bias(&self) -> Option<&Param<Tensor<1>>> {
        None
    }
}

/// What a task has in the place of a convolution's filters.
#[derive(Module, Debug)]
#[non_exhaustive]
pub enum LayerAdapter {
    /// A factor and a summand for each output channel.
    Film(Film),
    /// Factors of low rank.
    Rank(Rank),
    /// Factors of each filter's taps.
    Mask(Mask),
    /// Mixed taps.
    Mix(Mix),
    /// A small network.
    Mlp(Mlp),
    /// Unique filters.
    Unique(Unique),
}

impl LayerAdapter {
    /// One for filters of this shape, without numbers; for unique filters, theirs.
    ///
    /// # Panics
    ///
    /// Panics if adapters of this kind have none.
    pub(super) fn new(kind: AdapterKind, shape: [usize; 4], device: &Device) -> Self {
        match kind {
            AdapterKind::Film => LayerAdapter::Film(Film::new(shape, device)),
            AdapterKind::Rank(rank) => LayerAdapter::Rank(Rank::new(rank, shape, device)),
            AdapterKind::Mask => LayerAdapter::Mask(Mask::new(shape, device)),
            AdapterKind::Mix => LayerAdapter::Mix(Mix::new(shape, device)),
            AdapterKind::Mlp { hidden } => LayerAdapter::Mlp(Mlp::new(hidden, shape, device)),
            AdapterKind::Unique { .. } => LayerAdapter::Unique(Unique::new(shape, device)),
            AdapterKind::Head | AdapterKind::Norms | AdapterKind::Full => {
                panic!("{kind} changes no filters")
            }
        }
    }

    /// What computes filters; `None` where they are the task's own.
    fn modulate(&self) -> Option<&dyn Modulate> {
        match self {
            LayerAdapter::Film(film) => Some(film),
            LayerAdapter::Rank(rank) => Some(rank),
            LayerAdapter::Mask(mask) => Some(mask),
            LayerAdapter::Mix(mix) => Some(mix),
            LayerAdapter::Mlp(mlp) => Some(mlp),
            LayerAdapter::Unique(_) => None,
        }
    }

    /// The parameters that are drawn, and how they start. Others stay at zero, or start as the base's.
    pub(crate) fn sources(&self) -> Vec<Source> {
        self.modulate().map(Modulate::sources).unwrap_or_default()
    }

    /// The convolution as the task has it.
    pub(super) fn adapt<'a>(&'a self, conv: Convolution<'a>) -> Convolution<'a> {
        let modulate = match (self, self.modulate()) {
            (LayerAdapter::Unique(unique), _) => return unique.adapt(conv),
            (_, Some(modulate)) => modulate,
            (_, None) => return conv,
        };
        let bias = modulate.bias().or(conv.bias);
        let filters = Filters::Composed(composed(modulate, conv.filters));
        Convolution { filters, bias, ..conv }
    }
}

/// Filters that are computed from a base's, whatever these are.
fn composed<'a>(modulate: &'a dyn Modulate, base: Filters<'a>) -> Composed<'a> {
    let shape = base.shape();
    let shared = base.banks().to_vec();
    let (mut own, mut composition) = match &base {
        Filters::Stacked { own, .. } => {
            let own = own.iter().map(|weight| Source::new(weight, Start::Filters));
            (own.collect(), Composition::default())
        }
        Filters::Composed(composed) => (composed.own.clone(), composed.composition),
    };
    own.extend(modulate.sources());
    composition.macs += modulate.macs(shape);
    let value = Box::new(Modulated { modulate, base });
    Composed { shape, own, shared, composition, value }
}

/// The filters of a base, changed.
struct Modulated<'a> {
    modulate: &'a dyn Modulate,
    base: Filters<'a>,
}

impl Compose for Modulated<'_> {
    fn filters(&self) -> Tensor<4> {
        self.modulate.filters(joined(self.base.tensors()))
    }

    fn banks(&self) -> Vec<Tensor<4>> {
        let banks = self.base.tensors();
        let sizes: Vec<usize> = banks.iter().map(|bank| bank.dims()[0]).collect();
        let filters = self.modulate.filters(joined(banks));
        match sizes.len() {
            1 => vec![filters],
            _ => filters.split_with_sizes(sizes, 0),
        }
    }
}

/// The filters of all banks, one bank after another.
fn joined(mut banks: Vec<Tensor<4>>) -> Tensor<4> {
    match banks.len() {
        1 => banks.remove(0),
        _ => Tensor::cat(banks, 0),
    }
}
