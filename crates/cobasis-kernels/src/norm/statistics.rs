//! Mean and variance of each channel.

use pulp::NullaryFnOnce;
use rayon::prelude::*;

use super::rows::Rows;
use crate::vectorised::vectorised;

/// Mean and biased variance of each channel.
#[derive(Debug, Default)]
pub(crate) struct Statistics {
    pub(crate) mean: Vec<f32>,
    pub(crate) variance: Vec<f32>,
}

/// The statistics of `x`, `[rows, channels]`.
///
/// Each chunk is read twice, first for its mean and then for what departs from it, so that a mean
/// that is large against the deviation costs no digits.
pub(crate) fn statistics(x: &[f32], channels: usize) -> Statistics {
    let rows = Rows::new(channels);
    let chunks: Vec<Vec<Moments>> =
        x.par_chunks(rows.chunk()).map(|x| vectorised(Chunk { rows, x }).moments()).collect();
    let total = |channel: usize| {
        let parts = chunks.iter().map(|chunk| chunk[channel]);
        parts.fold(Moments::default(), Moments::joined)
    };
    let moments: Vec<Moments> = (0..channels).map(total).collect();
    let count = (x.len() / channels) as f64;
    Statistics {
        mean: moments.iter().map(|moments| moments.mean as f32).collect(),
        variance: moments.iter().map(|moments| (moments.squares / count) as f32).collect(),
    }
}

/// The sum of each channel of `x`, `[rows, channels]`.
pub(crate) fn channel_sums(x: &[f32], channels: usize) -> Vec<f32> {
    let rows = Rows::new(channels);
    let chunks: Vec<Vec<f64>> =
        x.par_chunks(rows.chunk()).map(|x| rows.narrowed(&vectorised(Sums { rows, x }))).collect();
    let total = |channel: usize| chunks.iter().map(|chunk| chunk[channel]).sum::<f64>() as f32;
    (0..channels).map(total).collect()
}

/// Sums over a chunk, for each place of a wide row.
struct Sums<'a> {
    rows: Rows,
    x: &'a [f32],
}

impl NullaryFnOnce for Sums<'_> {
    type Output = Vec<f32>;

    #[inline(always)]
    fn call(self) -> Vec<f32> {
        let Self { rows, x } = self;
        let mut sum = vec![0.0_f32; rows.width()];
        for range in rows.wide(x.len()) {
            for (sum, &x) in sum.iter_mut().zip(&x[range]) {
                *sum += x;
            }
        }
        sum
    }
}

/// How many numbers there were, their mean, and the sum of squares of what departs from it.
#[derive(Clone, Copy, Default)]
struct Moments {
    count: f64,
    mean: f64,
    squares: f64,
}

impl Moments {
    fn joined(self, other: Self) -> Self {
        let count = self.count + other.count;
        let apart = other.mean - self.mean;
        Self {
            count,
            mean: self.mean + apart * other.count / count,
            squares: self.squares
                + other.squares
                + apart * apart * self.count * other.count / count,
        }
    }
}

struct Chunk<'a> {
    rows: Rows,
    x: &'a [f32],
}

/// Sums over a chunk of what departs from its mean, and of its square.
struct Deviations {
    rows: Rows,
    count: usize,
    mean: Vec<f64>,
    sum: Vec<f32>,
    squares: Vec<f32>,
}

impl NullaryFnOnce for Chunk<'_> {
    type Output = Deviations;

    #[inline(always)]
    fn call(self) -> Deviations {
        let Self { rows, x } = self;
        let count = x.len() / rows.channels;
        let mut sum = Sums { rows, x }.call();
        // Rounded, as what departs from it is summed too.
        let mean: Vec<f64> =
            rows.narrowed(&sum).iter().map(|&sum| f64::from((sum / count as f64) as f32)).collect();
        let wide_mean = rows.widened(|channel| mean[channel] as f32);
        sum.fill(0.0);
        let mut squares = vec![0.0_f32; rows.width()];
        for range in rows.wide(x.len()) {
            let sums = sum.iter_mut().zip(&mut squares);
            for (((sum, squares), &x), &mean) in sums.zip(&x[range]).zip(&wide_mean) {
                let apart = x - mean;
                *sum += apart;
                *squares += apart * apart;
            }
        }
        Deviations { rows, count, mean, sum, squares }
    }
}

impl Deviations {
    fn moments(self) -> Vec<Moments> {
        let count = self.count as f64;
        let sums = self.rows.narrowed(&self.sum).into_iter().zip(self.rows.narrowed(&self.squares));
        let moments = sums.zip(self.mean).map(|((sum, squares), mean)| {
            let squares = squares - sum * sum / count;
            // Not `max`, which would make a number of what is none.
            let squares = if squares < 0.0 { 0.0 } else { squares };
            Moments { count, mean: mean + sum / count, squares }
        });
        moments.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers around a mean, of which the last ones are few enough for a short row.
    fn numbers(rows: usize, channels: usize, mean: f32) -> Vec<f32> {
        let mut state = 1_u32;
        let mut next = || {
            state = state.wrapping_mul(1664525).wrapping_add(1013904223);
            (state >> 8) as f32 / (1 << 24) as f32 - 0.5
        };
        (0..rows * channels).map(|_| mean + next()).collect()
    }

    #[test]
    fn they_agree_with_sums_in_64_bits_far_from_zero() {
        for (rows, channels) in [(1, 1), (7, 3), (3000, 33), (5001, 17), (130, 512)] {
            let x = numbers(rows, channels, 25.0);
            let found = statistics(&x, channels);
            for channel in 0..channels {
                let values = || x[channel..].iter().step_by(channels).map(|&x| f64::from(x));
                let mean = values().sum::<f64>() / rows as f64;
                let variance = values().map(|x| (x - mean).powi(2)).sum::<f64>() / rows as f64;
                assert!((f64::from(found.mean[channel]) - mean).abs() < 2e-6);
                let error = (f64::from(found.variance[channel]) - variance).abs();
                assert!(error <= 1e-6 * variance, "{error} of {variance}");
            }
        }
    }

    #[test]
    fn threads_do_not_change_them() {
        let x = numbers(9000, 33, 1.0);
        let with = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
            pool.expect("threads").install(|| statistics(&x, 33))
        };
        let (one, three) = (with(1), with(3));
        assert_eq!((one.mean, one.variance), (three.mean, three.variance));
    }

    #[test]
    fn what_is_no_number_stays_none() {
        let found = statistics(&[1.0, f32::NAN, 2.0, 3.0], 2);
        assert!(found.mean[1].is_nan() && found.variance[1].is_nan());
        assert_eq!((found.mean[0], found.variance[0]), (1.5, 0.25));
    }
}
