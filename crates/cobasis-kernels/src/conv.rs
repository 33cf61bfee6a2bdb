//! Convolutions on slices in channels-last order: forward, input gradient and filter gradient.

mod before;
mod depthwise;
mod depthwise_filter;
mod direct;
mod direct_filter;
mod finish;
mod outer;
mod packed;
mod panels;
mod phase;
mod rows;
mod shape;
mod tile;
mod window;
mod winograd;

use std::sync::Arc;

pub use before::Before;
use packed::{Form, filter};
pub use packed::{PackedWeight, Packing, TransposedBank, banks_part_well};
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
    y: (&mut [f32], usize),
    epilogue: &Epilogue,
) {
    assert_eq!(x.len(), shape.input_len(), "length of the input");
    if check_output(shape, weight, &y, epilogue) {
        return;
    }
    match &weight.form {
        Form::Direct(weight) => direct::forward(shape, x, weight, y, epilogue),
        Form::Winograd(weight) => {
            winograd::forward(shape, x, &[(shape.channels_in, weight)], y, epilogue)
        }
        Form::Depthwise(weight) => depthwise::forward(shape, x, weight, y, epilogue),
    }
}

/// Whether [`forward_after`] computes this shape: single pixels, all of them, without groups.
pub fn takes_before(shape: &ConvShape) -> bool {
    let ConvShape { kernel, stride, padding, groups, .. } = *shape;
    (kernel, stride, padding, groups) == ([1, 1], [1, 1], [0, 0], 1)
        && choose(shape, Pass::Forward) == Algorithm::Direct
}

/// [`forward_into`] of what is made of `x` on the way: an affine map of each channel, and a function. A
/// pixel of `x` begins every `pixel` values.
///
/// # Panics
/// As [`forward_into`], and if [`takes_before`] says no.
pub fn forward_after(
    shape: &ConvShape,
    (x, pixel): (&[f32], usize),
    before: Before,
    weight: &PackedWeight,
    y: (&mut [f32], usize),
    epilogue: &Epilogue,
) {
    assert!(takes_before(shape), "nothing is done before {shape:?}");
    let pixels = shape.input_len() / shape.channels_in;
    let least = pixels.saturating_sub(1) * pixel + shape.channels_in;
    assert!(pixel >= shape.channels_in && x.len() >= least, "length of the input");
    let channels = [before.scale.len(), before.shift.len()];
    assert_eq!(channels, [shape.channels_in; 2], "length of what comes before");
    if check_output(shape, weight, &y, epilogue) {
        return;
    }
    match &weight.form {
        Form::Direct(weight) => {
            direct::forward_after(shape, (x, pixel), before, weight, y, epilogue);
        }
        _ => panic!("{} does nothing before", weight.algorithm()),
    }
}

/// Checks the arguments, and says whether there is nothing to compute.
fn check_output(
    shape: &ConvShape,
    weight: &PackedWeight,
    (y, pixel): &(&mut [f32], usize),
    epilogue: &Epilogue,
) -> bool {
    let pixels = shape.output_len() / shape.channels_out;
    let least = pixels.saturating_sub(1) * pixel + shape.channels_out;
    assert!(*pixel >= shape.channels_out && y.len() >= least, "length of the output");
    let expected = (shape.channels_out, filter(shape));
    assert_eq!((weight.filters, weight.filter), expected, "filters that were packed");
    epilogue.check(shape, least);
    pixels == 0
}

/// Lines of 64 bytes that a thread needs for a task of [`forward`] at most, with the threads that there
/// are here.
pub(crate) fn workspace(shape: &ConvShape, weight: &PackedWeight) -> usize {
    match &weight.form {
        // As much as if something came before it.
        Form::Direct(_) if takes_before(shape) => direct::workspace_after(shape),
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
