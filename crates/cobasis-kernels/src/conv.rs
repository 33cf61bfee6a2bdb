//! Convolutions on slices in channels-last order: forward, input gradient and filter gradient.

#[cfg(feature = "gradients")]
mod backward;
mod before;
mod depthwise;
#[cfg(feature = "gradients")]
mod depthwise_filter;
mod direct;
#[cfg(feature = "gradients")]
mod direct_filter;
mod expanded;
mod finish;
mod merge;
#[cfg(feature = "gradients")]
mod outer;
mod packed;
mod panels;
#[cfg(feature = "gradients")]
mod phase;
mod placement;
mod rows;
mod shape;
mod stencil;
mod tile;
mod window;
#[cfg_attr(
    not(feature = "gradients"),
    allow(dead_code, reason = "parts of it serve gradients only")
)]
mod winograd;

#[cfg(feature = "gradients")]
pub use backward::{
    backward_filter, backward_filter_with, backward_input, backward_input_of_banks,
    backward_input_with,
};
pub use before::Before;
#[cfg(feature = "gradients")]
pub use packed::TransposedBank;
use packed::{Form, filter};
pub use packed::{PackedWeight, Packing, banks_part_well};
pub use shape::{Activation, Algorithm, ConvShape, Epilogue, Pass, Residual};

/// How a convolution of this shape is computed in this pass.
///
/// The choice follows what was measured, see `docs/kernels.md`.
pub fn choose(shape: &ConvShape, pass: Pass) -> Algorithm {
    if depthwise::fits(shape) {
        return Algorithm::Depthwise;
    }
    // With few channels the transforms cost more than the products.
    let channels = shape.channels_in.min(shape.channels_out) >= 16;
    // Transformed weights are four times as large: with few tiles, reading them costs most, and more if
    // they come from main memory.
    let tiles = match pass {
        Pass::BackwardFilter => 1,
        _ if shape.channels_in * shape.channels_out >= 1 << 16 => 9,
        _ => 4,
    };
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

/// Whether [`forward_expanded`] computes these: a convolution of single pixels, all of them, and 3×3 filters
/// of one channel each after it, with a stride of 1 or 2.
pub fn takes_expansion(first: &ConvShape, second: &ConvShape) -> bool {
    expanded::fits(first, second) && choose(first, Pass::Forward) == Algorithm::Direct
}

/// A convolution of single pixels, which widens maps, and what is done to its output.
#[derive(Debug, Clone, Copy)]
pub struct Expansion<'a> {
    /// Its sizes.
    pub shape: &'a ConvShape,
    /// Its filters.
    pub weight: &'a PackedWeight,
    /// What is done to its output; without a residual.
    pub epilogue: Epilogue<'a>,
}

/// [`forward_into`] of a depthwise convolution that takes the output of another one, which is not kept.
///
/// # Panics
/// As [`forward_into`], for both, and if [`takes_expansion`] says no.
pub fn forward_expanded(
    x: &[f32],
    first: &Expansion,
    shape: &ConvShape,
    weight: &PackedWeight,
    y: (&mut [f32], usize),
    epilogue: &Epilogue,
) {
    let Expansion { shape: expansion, weight: panels, epilogue: between } = first;
    assert!(takes_expansion(expansion, shape), "{expansion:?} does not go with {shape:?}");
    assert_eq!(x.len(), expansion.input_len(), "length of the input");
    let packed = (expansion.channels_out, filter(expansion));
    assert_eq!((panels.filters, panels.filter), packed, "filters that were packed");
    assert!(matches!(between.residual, Residual::None), "a residual in between");
    between.check(expansion, 0);
    if check_output(shape, weight, &y, epilogue) {
        return;
    }
    match (&panels.form, &weight.form) {
        (Form::Direct(panels), Form::Depthwise(weight)) => {
            let pair = expanded::Pair {
                first: expansion,
                panels: panels.panels(),
                expansion: between,
                second: shape,
                weight,
                epilogue,
            };
            expanded::forward(&pair, x, y);
        }
        _ => panic!("{} and {} are not one pass", panels.algorithm(), weight.algorithm()),
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

/// Memory that a thread needs for a task at most, with the threads that there are here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Room {
    /// In lines of 64 bytes.
    pub(crate) lines: usize,
}

impl Room {
    /// That of [`forward`].
    pub fn of(shape: &ConvShape, weight: &PackedWeight) -> Self {
        let lines = match &weight.form {
            // As much as if something came before it.
            Form::Direct(_) if takes_before(shape) => direct::workspace_after(shape),
            Form::Direct(_) => direct::workspace(shape),
            Form::Winograd(weight) => winograd::workspace(shape, weight),
            Form::Depthwise(_) => 0,
        };
        Self { lines }
    }

    /// That of [`forward_expanded`], whose depthwise convolution has this shape.
    pub fn of_expanded(shape: &ConvShape) -> Self {
        Self { lines: expanded::room(shape) }
    }
}
