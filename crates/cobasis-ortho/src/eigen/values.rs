//! Eigenvalues of tridiagonal matrices.

use super::tridiagonal::Tridiagonal;

/// All of them, in no particular order.
pub(super) fn eigenvalues(matrix: &Tridiagonal) -> Vec<f64> {
    let (mut diagonal, mut off_diagonal) = (matrix.diagonal.clone(), matrix.off_diagonal.clone());
    let size = diagonal.len();
    for start in 0..size {
        // Each eigenvalue takes two or three sweeps; rounding can't prolong that to 60.
        for _ in 0..60 {
            let end = (start..size - 1)
                .find(|&i| {
                    let scale = diagonal[i].abs() + diagonal[i + 1].abs();
                    off_diagonal[i].abs() <= f64::EPSILON * scale
                })
                .unwrap_or(size - 1);
            if end == start {
                break;
            }
            ql_sweep(&mut diagonal, &mut off_diagonal, start, end);
        }
    }
    diagonal
}

/// One implicitly shifted QL sweep over the unreduced block `start..=end`.
fn ql_sweep(diagonal: &mut [f64], off_diagonal: &mut [f64], start: usize, end: usize) {
    let half = (diagonal[start + 1] - diagonal[start]) / (2.0 * off_diagonal[start]);
    let root = half.hypot(1.0);
    let shift = diagonal[start] - off_diagonal[start] / (half + root.copysign(half));
    let (mut sine, mut cosine, mut removed) = (1.0, 1.0, 0.0);
    let mut bulge = diagonal[end] - shift;
    for i in (start..end).rev() {
        let (rotated, kept) = (sine * off_diagonal[i], cosine * off_diagonal[i]);
        let radius = rotated.hypot(bulge);
        off_diagonal[i + 1] = radius;
        if radius == 0.0 {
            // The block splits here; the next sweep starts from the split.
            diagonal[i + 1] -= removed;
            off_diagonal[end] = 0.0;
            return;
        }
        (sine, cosine) = (rotated / radius, bulge / radius);
        let reduced = diagonal[i + 1] - removed;
        let mixed = (diagonal[i] - reduced) * sine + 2.0 * cosine * kept;
        removed = sine * mixed;
        diagonal[i + 1] = reduced + removed;
        bulge = cosine * mixed - kept;
    }
    diagonal[start] -= removed;
    off_diagonal[start] = bulge;
    off_diagonal[end] = 0.0;
}
