//! Convolutions on slices in channels-last order: forward, input gradient and filter gradient.

mod generic;
mod shape;

pub use shape::{Activation, Algorithm, ConvShape, Epilogue, Pass};

/// How a convolution of this shape is computed in this pass on this machine.
pub fn choose(_shape: &ConvShape, _pass: Pass) -> Algorithm {
    Algorithm::Generic
}

/// A weight made ready for [`forward`] once and used many times.
#[derive(Debug, Clone)]
pub struct PackedWeight {
    generic: Vec<f32>,
}

impl PackedWeight {
    /// Packs `weight` `[channels_out, channels_in / groups, kernel height, kernel width]`.
    ///
    /// # Panics
    /// If the length of `weight` is not that of the shape.
    pub fn new(shape: &ConvShape, weight: &[f32]) -> Self {
        assert_eq!(weight.len(), shape.weight_len(), "length of the weight");
        Self { generic: generic::pack(shape, weight) }
    }
}

/// Computes `y = act(scale * conv(x, weight) + bias + residual)`.
///
/// # Shapes
/// - x: `[batch, height, width, channels_in]`
/// - y and residual: `[batch, out_height, out_width, channels_out]`
///
/// # Panics
/// If the length of a slice is not that of the shape.
pub fn forward(
    shape: &ConvShape,
    x: &[f32],
    weight: &PackedWeight,
    y: &mut [f32],
    epilogue: &Epilogue,
) {
    assert_eq!(x.len(), shape.input_len(), "length of the input");
    assert_eq!(y.len(), shape.output_len(), "length of the output");
    epilogue.check(shape);
    generic::forward(shape, x, &weight.generic, y, epilogue);
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
    assert_eq!(weight.len(), shape.weight_len(), "length of the weight");
    assert_eq!(dy.len(), shape.output_len(), "length of the output gradient");
    assert_eq!(dx.len(), shape.input_len(), "length of the input gradient");
    generic::backward_input(shape, weight, dy, dx);
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
    assert_eq!(x.len(), shape.input_len(), "length of the input");
    assert_eq!(dy.len(), shape.output_len(), "length of the output gradient");
    assert_eq!(dw.len(), shape.weight_len(), "length of the weight gradient");
    generic::backward_filter(shape, x, dy, dw);
}
