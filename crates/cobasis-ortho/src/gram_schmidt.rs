//! Vectors made orthonormal on the host, in `f64`.

/// Filters that are orthogonalised together: each earlier vector is then read from memory once
/// per panel instead of once per filter.
const PANEL: usize = 8;

/// The vectors were linearly dependent: the one of this number, from 0, lies in the span of those
/// before it, or is zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Dependent(pub(crate) usize);

/// Orthonormalises the consecutive vectors of the given length, in order: by Gram–Schmidt, each
/// vector twice, which keeps them orthonormal to machine precision. They become the `Q` of a thin
/// `Q R` with a positive diagonal.
pub(crate) fn orthonormalise(vectors: &mut [f64], length: usize) -> Result<(), Dependent> {
    if vectors.is_empty() {
        return Ok(());
    }
    let count = vectors.len() / length;
    for start in (0..count).step_by(PANEL) {
        let (done, rest) = vectors.split_at_mut(start * length);
        let panel = &mut rest[..PANEL.min(count - start) * length];
        // Twice: the first pass leaves rounding errors as large as the condition number allows.
        for _ in 0..2 {
            for earlier in done.chunks_exact(length) {
                for vector in panel.chunks_exact_mut(length) {
                    subtract_projection(vector, earlier);
                }
            }
        }
        for index in 0..panel.len() / length {
            let (before, after) = panel.split_at_mut(index * length);
            let vector = &mut after[..length];
            let given = dot(vector, vector).sqrt();
            for _ in 0..2 {
                for earlier in before.chunks_exact(length) {
                    subtract_projection(vector, earlier);
                }
            }
            let norm = dot(vector, vector).sqrt();
            if norm.is_nan() || norm <= given * 1e-12 {
                return Err(Dependent(start + index));
            }
            vector.iter_mut().for_each(|v| *v /= norm);
        }
    }
    Ok(())
}

fn subtract_projection(vector: &mut [f64], unit: &[f64]) {
    let projection = dot(vector, unit);
    for (v, u) in vector.iter_mut().zip(unit) {
        *v -= projection * u;
    }
}

/// Dot product with independent partial sums, which the compiler can keep in vector registers.
pub(crate) fn dot(a: &[f64], b: &[f64]) -> f64 {
    const LANES: usize = 8;
    let mut sums = [0.0; LANES];
    let (a_chunks, b_chunks) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let tail: f64 = a_chunks.remainder().iter().zip(b_chunks.remainder()).map(|(x, y)| x * y).sum();
    for (x, y) in a_chunks.zip(b_chunks) {
        for lane in 0..LANES {
            sums[lane] += x[lane] * y[lane];
        }
    }
    sums.iter().sum::<f64>() + tail
}

pub(crate) fn transpose(matrix: &[f64], rows: usize, cols: usize) -> Vec<f64> {
    let mut out = vec![0.0; matrix.len()];
    for row in 0..rows {
        for col in 0..cols {
            out[col * rows + row] = matrix[row * cols + col];
        }
    }
    out
}
