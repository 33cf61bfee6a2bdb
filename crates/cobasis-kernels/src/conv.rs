//! Convolutions on slices in channels-last order: forward, input gradient and filter gradient.

mod depthwise;
mod depthwise_filter;
mod direct;
mod direct_filter;
mod finish;
mod outer;
mod panels;
mod phase;
mod rows;
mod shape;
mod tile;
mod window;
mod winograd;

use std::sync::Arc;

pub use shape::{Activation, Algorithm, ConvShape, Epilogue, Pass};

/// How a convolution of this shape is computed in this pass.
///
/// The choice follows what was measured, see `docs/kernels.md`.
pub fn choose(shape: &ConvShape, pass: Pass) -> Algorithm {
    if depthwise::fits(shape) {
        return Algorithm::Depthwise;
    }
    // With few channels the transforms cost more than the products.
    let channels = shape.channels_in.min(shape.channels_out) >= 16;
    // Transformed weights are four times as large: with few tiles, reading them costs most.
    let tiles = if pass == Pass::BackwardFilter { 1 } else { 4 };
    if winograd::fits(shape) && channels && winograd::gains(shape, tiles) {
        Algorithm::Winograd
    } else {
        Algorithm::Direct
    }
}

/// Whether an algorithm computes this shape.
pub fn fits(algorithm: Algorithm, shape: &ConvShape) -> bool {
    match algorithm {
        Algorithm::Direct => true,
        Algorithm::Winograd => winograd::fits(shape),
        Algorithm::Depthwise => depthwise::fits(shape),
    }
}

fn check_fit(algorithm: Algorithm, shape: &ConvShape) {
    assert!(fits(algorithm, shape), "{algorithm} does not compute {shape:?}");
}

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

/// A weight made ready for [`forward`] once and used many times.
#[derive(Debug, Clone)]
pub struct PackedWeight {
    form: Form,
    /// Number of filters.
    filters: usize,
    filter: Filter,
}

/// What a filter acts on: input channels, kernel and groups.
type Filter = (usize, [usize; 2], usize);

fn filter(shape: &ConvShape) -> Filter {
    (shape.channels_in, shape.kernel, shape.groups)
}

#[derive(Debug, Clone)]
enum Form {
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

/// Some filters of a convolution made ready for [`backward_input_of_banks`].
#[derive(Debug, Clone)]
pub struct TransposedBank {
    filters: usize,
    filter: Filter,
    weight: winograd::Weight,
}

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

/// Computes `y = act(scale * conv(x, weight) + bias + residual)`.
///
/// # Shapes
/// - x: `[batch, height, width, channels_in]`
/// - y and residual: `[batch, out_height, out_width, channels_out]`
///
/// # Panics
/// If the length of a slice is not that of the shape, or the weight was packed for another.
pub fn forward(
    shape: &ConvShape,
    x: &[f32],
    weight: &PackedWeight,
    y: &mut [f32],
    epilogue: &Epilogue,
) {
    assert_eq!(y.len(), shape.output_len(), "length of the output");
    forward_into(shape, x, weight, (y, shape.channels_out), epilogue);
}

/// [`forward`] into the channels of larger maps: a pixel of the output begins every `pixel` values of
/// `y`, from the first on, and so does one of the residual.
///
/// # Panics
/// If the length of `x` is not that of the shape, `y` or the residual is too short, or the weight was
/// packed for another shape.
pub fn forward_into(
    shape: &ConvShape,
    x: &[f32],
    weight: &PackedWeight,
    (y, pixel): (&mut [f32], usize),
    epilogue: &Epilogue,
) {
    assert_eq!(x.len(), shape.input_len(), "length of the input");
    let pixels = shape.output_len() / shape.channels_out;
    let least = pixels.saturating_sub(1) * pixel + shape.channels_out;
    assert!(pixel >= shape.channels_out && y.len() >= least, "length of the output");
    let expected = (shape.channels_out, filter(shape));
    assert_eq!((weight.filters, weight.filter), expected, "filters that were packed");
    epilogue.check(shape, least);
    if pixels == 0 {
        return;
    }
    let y = (y, pixel);
    match &weight.form {
        Form::Direct(weight) => direct::forward(shape, x, weight, y, epilogue),
        Form::Winograd(weight) => {
            winograd::forward(shape, x, &[(shape.channels_in, weight)], y, epilogue)
        }
        Form::Depthwise(weight) => depthwise::forward(shape, x, weight, y, epilogue),
    }
}

/// Lines of 64 bytes that a thread needs for a task of [`forward`] at most, with the threads that there
/// are here.
pub(crate) fn workspace(shape: &ConvShape, weight: &PackedWeight) -> usize {
    match &weight.form {
        Form::Direct(_) => direct::workspace(shape),
        Form::Winograd(weight) => winograd::workspace(shape, weight),
        Form::Depthwise(_) => 0,
    }
}

/// Overwrites `dx` with the gradient of the loss with respect to the input.
///
/// # Shapes
/// - weight: `[channels_out, channels_in / groups, kernel height, kernel width]`
/// - dy: `[batch, out_height, out_width, channels_out]`
/// - dx: `[batch, height, width, channels_in]`
///
/// # Panics
/// If the length of a slice is not that of the shape.
pub fn backward_input(shape: &ConvShape, weight: &[f32], dy: &[f32], dx: &mut [f32]) {
    backward_input_with(choose(shape, Pass::BackwardInput), shape, weight, dy, dx);
}

/// [`backward_input`] by the Winograd algorithm, for filters that come in banks, one after another.
///
/// # Panics
/// If the length of a slice is not that of the shape, the banks do not have its filters, or the
/// algorithm does not fit it.
pub fn backward_input_of_banks(
    shape: &ConvShape,
    banks: &[Arc<TransposedBank>],
    dy: &[f32],
    dx: &mut [f32],
) {
    assert_eq!(dy.len(), shape.output_len(), "length of the output gradient");
    assert_eq!(dx.len(), shape.input_len(), "length of the input gradient");
    assert!(banks.iter().all(|bank| bank.filter == filter(shape)), "banks of other shapes");
    check_fit(Algorithm::Winograd, shape);
    let banks: Vec<_> = banks.iter().map(|bank| (bank.filters, &bank.weight)).collect();
    let filters: usize = banks.iter().map(|(filters, _)| filters).sum();
    assert_eq!(filters, shape.channels_out, "filters of the banks");
    winograd::backward_input(shape, &banks, dy, dx);
}

/// [`backward_input`] by an algorithm.
///
/// # Panics
/// If the length of a slice is not that of the shape, or the algorithm does not fit it.
pub fn backward_input_with(
    algorithm: Algorithm,
    shape: &ConvShape,
    weight: &[f32],
    dy: &[f32],
    dx: &mut [f32],
) {
    assert_eq!(weight.len(), shape.weight_len(), "length of the weight");
    assert_eq!(dy.len(), shape.output_len(), "length of the output gradient");
    assert_eq!(dx.len(), shape.input_len(), "length of the input gradient");
    check_fit(algorithm, shape);
    match algorithm {
        Algorithm::Direct => direct::backward_input(shape, weight, dy, dx),
        Algorithm::Winograd => {
            let weight = winograd::Weight::transposed(shape, weight);
            winograd::backward_input(shape, &[(shape.channels_out, &weight)], dy, dx);
        }
        Algorithm::Depthwise => depthwise::backward_input(shape, weight, dy, dx),
    }
}

/// Overwrites `dw` with the gradient of the loss with respect to the weight.
///
/// # Shapes
/// - x: `[batch, height, width, channels_in]`
/// - dy: `[batch, out_height, out_width, channels_out]`
/// - dw: `[channels_out, channels_in / groups, kernel height, kernel width]`
///
/// # Panics
/// If the length of a slice is not that of the shape.
pub fn backward_filter(shape: &ConvShape, x: &[f32], dy: &[f32], dw: &mut [f32]) {
    backward_filter_with(choose(shape, Pass::BackwardFilter), shape, x, dy, dw);
}

/// [`backward_filter`] by an algorithm.
///
/// # Panics
/// If the length of a slice is not that of the shape, or the algorithm does not fit it.
pub fn backward_filter_with(
    algorithm: Algorithm,
    shape: &ConvShape,
    x: &[f32],
    dy: &[f32],
    dw: &mut [f32],
) {
    assert_eq!(x.len(), shape.input_len(), "length of the input");
    assert_eq!(dy.len(), shape.output_len(), "length of the output gradient");
    assert_eq!(dw.len(), shape.weight_len(), "length of the weight gradient");
    check_fit(algorithm, shape);
    match algorithm {
        Algorithm::Winograd => winograd::backward_filter(shape, x, dy, dw),
        Algorithm::Depthwise => depthwise_filter::backward_filter(shape, x, dy, dw),
        Algorithm::Direct => direct_filter::backward_filter(shape, x, dy, dw),
    }
}
