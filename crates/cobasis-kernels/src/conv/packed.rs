//! Weights made ready for convolutions.

use std::sync::Arc;

use super::{Algorithm, ConvShape, Pass, check_fit, choose, depthwise, direct, panels, winograd};

/// How a weight is packed for a shape. What is packed for one serves all shapes of the same channels,
/// kernel and groups with an equal packing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Packing {
    algorithm: Algorithm,
    /// Whether Winograd's weights are transformed each time.
    few_tiles: bool,
}

impl Packing {
    /// That of [`PackedWeight::new`] and [`PackedWeight::bank`].
    pub fn of(shape: &ConvShape) -> Self {
        let algorithm = choose(shape, Pass::Forward);
        Self {
            algorithm,
            few_tiles: algorithm == Algorithm::Winograd && winograd::few_tiles(shape),
        }
    }
}

/// A weight made ready for [`forward`](super::forward) once and used many times.
#[derive(Debug, Clone)]
pub struct PackedWeight {
    pub(super) form: Form,
    /// Number of filters.
    pub(super) filters: usize,
    pub(super) filter: Filter,
}

/// What a filter acts on: input channels, kernel and groups.
pub(super) type Filter = (usize, [usize; 2], usize);

pub(super) fn filter(shape: &ConvShape) -> Filter {
    (shape.channels_in, shape.kernel, shape.groups)
}

#[derive(Debug, Clone)]
pub(super) enum Form {
    Direct(direct::Weight),
    Winograd(winograd::Weight),
    Depthwise(depthwise::Weight),
}

impl PackedWeight {
    /// Packs `weight` `[channels_out, channels_in / groups, kernel height, kernel width]` for the
    /// algorithm that [`choose`] names.
    ///
    /// # Panics
    /// If the length of `weight` is not that of the shape.
    pub fn new(shape: &ConvShape, weight: &[f32]) -> Self {
        Self::with(choose(shape, Pass::Forward), shape, weight)
    }

    /// Packs `weight` for an algorithm.
    ///
    /// # Panics
    /// If the length of `weight` is not that of the shape, or the algorithm does not fit it.
    pub fn with(algorithm: Algorithm, shape: &ConvShape, weight: &[f32]) -> Self {
        assert_eq!(weight.len(), shape.weight_len(), "length of the weight");
        check_fit(algorithm, shape);
        let form = match algorithm {
            Algorithm::Winograd => Form::Winograd(winograd::Weight::new(shape, weight)),
            Algorithm::Depthwise => Form::Depthwise(depthwise::Weight::new(shape, weight)),
            Algorithm::Direct => Form::Direct(direct::Weight::new(shape, weight)),
        };
        Self { form, filters: shape.channels_out, filter: filter(shape) }
    }

    /// Packs some of the filters, `[filters, channels_in, kernel height, kernel width]`, to be
    /// [joined](Self::join) with others of the same shape.
    ///
    /// # Panics
    /// If the filters do not have the shape's size, or the shape has groups.
    pub fn bank(shape: &ConvShape, filters: &[f32]) -> Self {
        let count = check_bank(shape, filters);
        let form = match choose(shape, Pass::Forward) {
            Algorithm::Winograd => Form::Winograd(winograd::Weight::new(shape, filters)),
            _ => Form::Direct(direct::Weight::new(shape, filters)),
        };
        Self { form, filters: count, filter: filter(shape) }
    }

    /// All filters of a shape from its [banks](Self::bank), whose memory it shares.
    ///
    /// # Panics
    /// If there are none, or they are of several shapes.
    pub fn join(banks: &[Arc<Self>]) -> Self {
        let first = &banks[0];
        let same =
            |bank: &Arc<Self>| bank.filter == first.filter && bank.algorithm() == first.algorithm();
        assert!(banks.iter().all(same), "banks of several shapes");
        let winograd = banks.iter().filter_map(|bank| match &bank.form {
            Form::Winograd(weight) => Some(weight),
            _ => None,
        });
        let direct = banks.iter().filter_map(|bank| match &bank.form {
            Form::Direct(weight) => Some(weight),
            _ => None,
        });
        let form = match first.form {
            Form::Winograd(_) => Form::Winograd(winograd::Weight::join(winograd)),
            _ => Form::Direct(direct::Weight::join(direct)),
        };
        let filters = banks.iter().map(|bank| bank.filters).sum();
        Self { form, filters, filter: first.filter }
    }

    /// The weight that was packed, `[channels_out, channels_in / groups, kernel height, kernel width]`, if it
    /// is here number by number: some algorithms change it.
    pub fn unpack(&self) -> Option<Vec<f32>> {
        let (channels, [height, width], groups) = self.filter;
        match &self.form {
            Form::Direct(weight) => Some(weight.unpack(channels / groups, height * width)),
            Form::Winograd(weight) => weight.unpack(channels),
            Form::Depthwise(_) => None,
        }
    }

    /// Whether [`unpack`](Self::unpack) gives the weight.
    pub fn holds_weight(&self) -> bool {
        match &self.form {
            Form::Direct(_) => true,
            Form::Winograd(weight) => !weight.is_transformed(),
            Form::Depthwise(_) => false,
        }
    }

    /// The algorithm that the weight is packed for.
    pub fn algorithm(&self) -> Algorithm {
        match self.form {
            Form::Direct(_) => Algorithm::Direct,
            Form::Winograd(_) => Algorithm::Winograd,
            Form::Depthwise(_) => Algorithm::Depthwise,
        }
    }
}

/// Whether banks with these numbers of filters are as fast packed separately as together.
pub fn banks_part_well(shape: &ConvShape, filters: &[usize]) -> bool {
    let run = match choose(shape, Pass::Forward) {
        Algorithm::Winograd => shape.channels_in,
        _ => direct::run(shape),
    };
    shape.groups == 1 && panels::part_well(filters, run)
}

/// Some filters of a convolution made ready for [`backward_input_of_banks`](super::backward_input_of_banks).
#[cfg(feature = "gradients")]
#[derive(Debug, Clone)]
pub struct TransposedBank {
    pub(super) filters: usize,
    pub(super) filter: Filter,
    pub(super) weight: winograd::Weight,
}

#[cfg(feature = "gradients")]
impl TransposedBank {
    /// Packs `[filters, channels_in, kernel height, kernel width]` for the Winograd algorithm.
    ///
    /// # Panics
    /// If the filters do not have the shape's size, or the algorithm does not fit it.
    pub fn new(shape: &ConvShape, filters: &[f32]) -> Self {
        check_fit(Algorithm::Winograd, shape);
        let count = check_bank(shape, filters);
        let weight = winograd::Weight::transposed(shape, filters);
        Self { filters: count, filter: filter(shape), weight }
    }
}

/// The number of filters of a bank.
fn check_bank(shape: &ConvShape, filters: &[f32]) -> usize {
    let size = shape.weight_len() / shape.channels_out;
    assert!(shape.groups == 1, "banks of a convolution with {} groups", shape.groups);
    assert!(filters.len().is_multiple_of(size), "length of a bank");
    filters.len() / size
}
