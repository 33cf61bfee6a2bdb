//! Gradients: the convolution's input's and its weight's.

use std::sync::Arc;

use super::packed::filter;
use super::{
    Algorithm, ConvShape, Pass, TransposedBank, check_fit, choose, depthwise, depthwise_filter,
    direct, direct_filter, winograd,
};

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
