//! Where windows fit.

/// How many positions a window has along an axis: the length of a convolution's or a pooling's
/// output.
///
/// # Panics
///
/// If the axis with its padding is shorter than the window.
pub(crate) fn positions(
    length: usize,
    [before, after]: [usize; 2],
    window: usize,
    stride: usize,
) -> usize {
    let padded = length + before + after;
    assert!(
        padded >= window,
        "an input of {length} pixels with {before} + {after} of padding is smaller than a window of \
         {window}"
    );
    (padded - window) / stride + 1
}
