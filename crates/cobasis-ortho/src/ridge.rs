//! Least squares that stay near a given answer where inputs say little.

use crate::cholesky::Cholesky;

/// The part of the inputs' mean square that a departure from the given answer costs.
const DAMPING: f64 = 1e-3;

/// The factors `C` of the smallest `E ‖y − C h‖² + λ ‖C − C₀‖²`, `[outputs, inputs]`: `C₀` are given ones,
/// `gram` is the mean of `h hᵀ`, `[inputs, inputs]`, `cross` that of `y hᵀ`, `[outputs, inputs]`, and `λ` is a
/// thousandth of the inputs' mean square.
///
/// ```
/// use cobasis_ortho::ridge;
///
/// // Of two inputs the second one is always zero: its factor stays.
/// let factors = ridge(vec![1.0, 0.0, 0.0, 0.0], &[2.0, 0.0], &[1.0, 5.0]);
/// assert!((factors[0] - 2.0).abs() < 1e-3 && (factors[1] - 5.0).abs() < 1e-9);
/// ```
///
/// # Panics
///
/// Panics if there are other numbers of products than of factors.
pub fn ridge(mut gram: Vec<f64>, cross: &[f64], given: &[f64]) -> Vec<f64> {
    let size = gram.len().isqrt();
    assert!(size * size == gram.len() && cross.len() == given.len(), "products of inputs");
    if size == 0 {
        return Vec::new();
    }
    let trace: f64 = gram.iter().step_by(size + 1).sum();
    if trace <= 0.0 {
        return given.to_vec();
    }
    let cost = DAMPING * trace / size as f64;
    gram.iter_mut().step_by(size + 1).for_each(|entry| *entry += cost);
    let root = Cholesky::of(gram, size);
    let mut sums: Vec<f64> =
        cross.iter().zip(given).map(|(cross, given)| cross + cost * given).collect();
    root.solve(&mut sums);
    sums
}
