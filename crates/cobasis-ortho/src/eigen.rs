//! Eigenvalues and eigenvectors of symmetric matrices, on the host in `f64`.
//!
//! Householder reflections bring a matrix to tridiagonal form, whose eigenvalues the implicitly
//! shifted QL iteration finds (Golub & Van Loan, *Matrix Computations*, §8.3), and whose eigenvectors
//! inverse iteration finds, only as many as are asked for (§8.2.2).

use crate::gram_schmidt::dot;
use crate::random::Normal;

/// Solutions of inverse iteration for a vector; two are enough, a third costs little.
const ITERATIONS: usize = 3;

/// The eigenvalues of a symmetric matrix, in no particular order.
pub(crate) fn symmetric_eigenvalues(matrix: Vec<f64>, size: usize) -> Vec<f64> {
    Tridiagonal::of(matrix, size).eigenvalues()
}

/// All eigenvalues of a symmetric matrix, from the largest to the smallest, and the eigenvectors of
/// the first `count`, orthonormal, one after the other.
pub(crate) fn leading_eigenvectors(
    matrix: Vec<f64>,
    size: usize,
    count: usize,
) -> (Vec<f64>, Vec<f64>) {
    let tridiagonal = Tridiagonal::of(matrix, size);
    let mut values = tridiagonal.eigenvalues();
    values.sort_unstable_by(|a, b| b.total_cmp(a));
    let mut vectors = tridiagonal.eigenvectors(&values[..count]);
    vectors.chunks_exact_mut(size.max(1)).for_each(|vector| tridiagonal.turn_back(vector));
    (values, vectors)
}

/// A symmetric matrix `Q T Qᵀ` with a tridiagonal `T`.
struct Tridiagonal {
    diagonal: Vec<f64>,
    /// One entry less than the diagonal, and a spare zero.
    off_diagonal: Vec<f64>,
    /// The vectors `v` of `Q`'s factors `I − 2 v vᵀ / vᵀv`, in the order of their columns, each for the
    /// entries after its column; empty where nothing was to be done.
    reflectors: Vec<Vec<f64>>,
}

impl Tridiagonal {
    fn of(mut matrix: Vec<f64>, size: usize) -> Self {
        let mut off_diagonal = vec![0.0; size];
        let mut reflectors = Vec::with_capacity(size);
        for step in 0..size.saturating_sub(2) {
            let below = step + 1;
            let mut reflector: Vec<f64> = (below..size).map(|i| matrix[i * size + step]).collect();
            let norm = dot(&reflector, &reflector).sqrt();
            if norm == 0.0 {
                reflectors.push(Vec::new());
                continue;
            }
            let image = if reflector[0] > 0.0 { -norm } else { norm };
            reflector[0] -= image;
            reflect(&mut matrix, size, below, &reflector);
            off_diagonal[step] = image;
            reflectors.push(reflector);
        }
        if size >= 2 {
            off_diagonal[size - 2] = matrix[(size - 1) * size + size - 2];
        }
        let diagonal = (0..size).map(|i| matrix[i * size + i]).collect();
        Self { diagonal, off_diagonal, reflectors }
    }

    fn eigenvalues(&self) -> Vec<f64> {
        let (mut diagonal, mut off_diagonal) = (self.diagonal.clone(), self.off_diagonal.clone());
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

    /// Orthonormal eigenvectors of `T`, one after the other, for its largest eigenvalues.
    fn eigenvectors(&self, values: &[f64]) -> Vec<f64> {
        let size = self.diagonal.len();
        let norm =
            self.diagonal.iter().chain(&self.off_diagonal).fold(0.0, |m: f64, v| m.max(v.abs()));
        let tiny = if norm == 0.0 { f64::MIN_POSITIVE } else { norm * f64::EPSILON };
        let mut draw = Normal::new(0x5ba5_1500);
        let mut vectors: Vec<f64> = Vec::with_capacity(values.len() * size);
        for &value in values {
            let solver = Shifted::factorise(&self.diagonal, &self.off_diagonal, value, tiny);
            let mut vector: Vec<f64> = (0..size).map(|_| draw.next()).collect();
            for _ in 0..ITERATIONS {
                // Equal eigenvalues give one vector after the other only if the earlier are taken out.
                orthogonalise(&mut vector, &vectors);
                solver.solve(&mut vector);
                normalise(&mut vector);
            }
            orthogonalise(&mut vector, &vectors);
            normalise(&mut vector);
            vectors.extend(vector);
        }
        vectors
    }

    /// `Q` times a vector.
    fn turn_back(&self, vector: &mut [f64]) {
        for (step, reflector) in self.reflectors.iter().enumerate().rev() {
            if reflector.is_empty() {
                continue;
            }
            let part = &mut vector[step + 1..];
            let factor = 2.0 * dot(reflector, part) / dot(reflector, reflector);
            part.iter_mut().zip(reflector).for_each(|(p, r)| *p -= factor * r);
        }
    }
}

/// `A ← H A H` with `H = I − 2 v vᵀ / vᵀv` for the rows and columns from `below` on, as the rank-two
/// update `A − v wᵀ − w vᵀ`.
fn reflect(matrix: &mut [f64], size: usize, below: usize, reflector: &[f64]) {
    let scale = 2.0 / dot(reflector, reflector);
    let trailing = |row: usize| row * size + below..(row + 1) * size;
    let mut update: Vec<f64> =
        (below..size).map(|row| scale * dot(&matrix[trailing(row)], reflector)).collect();
    let correction = scale / 2.0 * dot(&update, reflector);
    update.iter_mut().zip(reflector).for_each(|(u, v)| *u -= correction * v);
    for row in below..size {
        let (v, w) = (reflector[row - below], update[row - below]);
        let entries = matrix[trailing(row)].iter_mut();
        for (entry, (vj, wj)) in entries.zip(reflector.iter().zip(&update)) {
            *entry -= v * wj + w * vj;
        }
    }
}

/// `T − λ I`, factorised by Gaussian elimination with exchanges of neighbouring rows.
struct Shifted {
    /// The diagonal, and the two above it, of the triangular factor.
    upper: Vec<[f64; 3]>,
    /// Of each step, whether the rows were exchanged, and the factor of the upper one.
    steps: Vec<(bool, f64)>,
}

impl Shifted {
    fn factorise(diagonal: &[f64], off_diagonal: &[f64], value: f64, tiny: f64) -> Self {
        let size = diagonal.len();
        let entry = |row: usize| if row + 1 < size { off_diagonal[row] } else { 0.0 };
        let pivot = |number: f64| if number.abs() < tiny { tiny } else { number };
        let mut upper = Vec::with_capacity(size);
        let mut steps = Vec::with_capacity(size);
        // The row at hand, from its diagonal on.
        let mut row = [diagonal[0] - value, entry(0), 0.0];
        for next in 1..size {
            let below = off_diagonal[next - 1];
            let lower = [below, diagonal[next] - value, entry(next)];
            let exchanged = below.abs() > row[0].abs();
            let (top, bottom) = if exchanged { (lower, row) } else { (row, lower) };
            let top = [pivot(top[0]), top[1], top[2]];
            let factor = bottom[0] / top[0];
            row = [bottom[1] - factor * top[1], bottom[2] - factor * top[2], 0.0];
            upper.push(top);
            steps.push((exchanged, factor));
        }
        upper.push([pivot(row[0]), 0.0, 0.0]);
        Self { upper, steps }
    }

    fn solve(&self, vector: &mut [f64]) {
        for (index, &(exchanged, factor)) in self.steps.iter().enumerate() {
            if exchanged {
                vector.swap(index, index + 1);
            }
            vector[index + 1] -= factor * vector[index];
        }
        for (index, row) in self.upper.iter().enumerate().rev() {
            let known = |ahead: usize| vector.get(index + ahead).copied().unwrap_or(0.0);
            vector[index] = (vector[index] - row[1] * known(1) - row[2] * known(2)) / row[0];
        }
        // What overflows had nothing but its direction to tell.
        let largest = vector.iter().fold(0.0, |m: f64, v| m.max(v.abs()));
        vector.iter_mut().for_each(|v| *v /= largest);
    }
}

/// Takes out of a vector what lies along orthonormal ones, twice against rounding.
fn orthogonalise(vector: &mut [f64], units: &[f64]) {
    for _ in 0..2 {
        for unit in units.chunks_exact(vector.len()) {
            let along = dot(vector, unit);
            vector.iter_mut().zip(unit).for_each(|(v, u)| *v -= along * u);
        }
    }
}

fn normalise(vector: &mut [f64]) {
    let norm = dot(vector, vector).sqrt();
    vector.iter_mut().for_each(|v| *v /= norm);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gram_schmidt::orthonormalise;

    /// `Q diag(values) Qᵀ` with random orthonormal columns.
    fn with_eigenvalues(values: &[f64], key: u64) -> Vec<f64> {
        let size = values.len();
        let mut draw = Normal::new(key);
        let mut rows: Vec<f64> = (0..size * size).map(|_| draw.next()).collect();
        orthonormalise(&mut rows, size).expect("independent");
        let mut matrix = vec![0.0; size * size];
        for (row, value) in rows.chunks(size).zip(values) {
            for i in 0..size {
                for j in 0..size {
                    matrix[i * size + j] += value * row[i] * row[j];
                }
            }
        }
        matrix
    }

    fn check(values: &[f64], count: usize) {
        let size = values.len();
        let matrix = with_eigenvalues(values, size as u64);
        let (found, vectors) = leading_eigenvectors(matrix.clone(), size, count);
        let mut sorted = values.to_vec();
        sorted.sort_unstable_by(|a, b| b.total_cmp(a));
        let scale = sorted[0].abs().max(1e-300);
        for (found, value) in found.iter().zip(&sorted) {
            assert!((found - value).abs() <= 1e-12 * scale, "{found} {value}");
        }
        for (i, vector) in vectors.chunks(size).enumerate() {
            for (j, other) in vectors.chunks(size).enumerate() {
                let product = dot(vector, other) - f64::from(u8::from(i == j));
                assert!(product.abs() < 1e-11, "{i} {j}: {product}");
            }
            let image = matrix.chunks(size).map(|row| dot(row, vector));
            let error = image.zip(vector).map(|(a, v)| (a - sorted[i] * v).abs());
            assert!(error.fold(0.0, f64::max) < 1e-10 * scale, "vector {i} of {size}");
        }
    }

    #[test]
    fn vectors_belong_to_their_values_and_are_orthonormal() {
        check(&[3.0], 1);
        check(&[3.0, -1.0], 2);
        check(&(0..40).map(|i| 1.5_f64.powi(-i)).collect::<Vec<_>>(), 40);
        check(&(0..60).map(f64::from).collect::<Vec<_>>(), 17);
    }

    #[test]
    fn equal_values_have_vectors_of_their_own() {
        check(&[2.0, 2.0, 2.0, 1.0, 1.0, 0.0, 0.0, 0.0], 8);
        check(&[1.0; 12], 12);
        check(&[0.0; 5], 5);
    }

    #[test]
    fn a_matrix_that_is_diagonal_already_is_no_special_case() {
        let (values, vectors) = leading_eigenvectors(vec![1.0, 0.0, 0.0, 4.0], 2, 2);
        assert_eq!(values, [4.0, 1.0]);
        assert!((vectors[1].abs() - 1.0).abs() < 1e-15 && vectors[0].abs() < 1e-15);
    }
}
