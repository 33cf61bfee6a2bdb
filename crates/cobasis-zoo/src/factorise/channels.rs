//! Convolutions and batch norms on the host, whose channels can be put in another order and scaled without
//! a change of the function.

use super::{FactoriseError, tensor};
use crate::state::State;

/// Channels of which a ReLU leaves a smaller part than this are not enlarged any further: they are as good as
/// dead.
const SMALLEST: f64 = 1e-2;

/// The filters of a convolution.
#[derive(Clone, Debug)]
pub(super) struct Filters {
    pub(super) values: Vec<f64>,
    /// `[filters, channels, height, width]`, the channels of a group.
    pub(super) shape: [usize; 4],
}

/// A batch norm.
#[derive(Clone, Debug)]
pub(super) struct Norm {
    pub(super) gamma: Vec<f64>,
    pub(super) beta: Vec<f64>,
    pub(super) mean: Vec<f64>,
    pub(super) variance: Vec<f64>,
    pub(super) epsilon: f64,
}

/// The numbers of a tensor, and its shape.
fn read(state: &State, path: String) -> Result<(Vec<f64>, Vec<usize>), FactoriseError> {
    let Some(data) = state.get(&path) else { return Err(FactoriseError::NotThere { path }) };
    let values: Vec<f64> = data.iter::<f64>().collect();
    // Matching compares sums: it would never end with numbers that have no order.
    let least = if path.ends_with("running_var") { 0.0 } else { f64::MIN };
    match values.iter().all(|value| value.is_finite() && *value >= least) {
        true => Ok((values, data.shape().to_vec())),
        false => Err(FactoriseError::NotFinite { path }),
    }
}

/// Entries of `length` numbers each in another order: entry `i` of the result is entry `order[i]`.
fn reordered(values: &[f64], length: usize, order: &[usize]) -> Vec<f64> {
    order.iter().flat_map(|&at| values[at * length..(at + 1) * length].iter().copied()).collect()
}

impl Filters {
    pub(super) fn read(state: &State, layer: &str) -> Result<Self, FactoriseError> {
        let (values, shape) = read(state, format!("{layer}.weight"))?;
        let shape = shape.try_into().expect("filters have four dimensions");
        Ok(Self { values, shape })
    }

    pub(super) fn write(&self, state: &mut State, layer: &str) {
        state.insert(format!("{layer}.weight"), tensor(&self.values, self.shape));
    }

    /// Numbers of a filter.
    pub(super) fn length(&self) -> usize {
        self.shape[1..].iter().product()
    }

    pub(super) fn rows(&self) -> impl Iterator<Item = &[f64]> {
        self.values.chunks_exact(self.length())
    }

    /// Numbers of a channel of a filter.
    pub(super) fn area(&self) -> usize {
        self.shape[2] * self.shape[3]
    }

    /// The filters in another order.
    pub(super) fn reorder(&mut self, order: &[usize]) {
        self.values = reordered(&self.values, self.length(), order);
    }

    /// The channels of all filters in another order.
    pub(super) fn reorder_inputs(&mut self, order: &[usize]) {
        let area = self.area();
        self.values = self.rows().flat_map(|row| reordered(row, area, order)).collect();
    }

    /// Filters times numbers.
    pub(super) fn scale(&mut self, factors: &[f64]) {
        let length = self.length();
        for (row, factor) in self.values.chunks_exact_mut(length).zip(factors) {
            row.iter_mut().for_each(|number| *number *= factor);
        }
    }

    /// Channels of all filters divided by numbers, one for each channel of all groups.
    pub(super) fn divide_inputs(&mut self, divisors: &[f64]) {
        let [filters, channels, ..] = self.shape;
        let (length, area) = (self.length(), self.area());
        let groups = divisors.len() / channels;
        for (index, row) in self.values.chunks_exact_mut(length).enumerate() {
            let group = index * groups / filters;
            let divisors = &divisors[group * channels..];
            for (channel, divisor) in row.chunks_exact_mut(area).zip(divisors) {
                channel.iter_mut().for_each(|number| *number /= divisor);
            }
        }
    }

    /// What makes each filter's length one; one for filters of zeros.
    pub(super) fn to_unit(&self) -> Vec<f64> {
        let squares = self.rows().map(|row| row.iter().map(|number| number * number).sum::<f64>());
        squares.map(|square| if square > 0.0 { 1.0 / square.sqrt() } else { 1.0 }).collect()
    }

    /// The channels as rows: `[channels, filters × height × width]`.
    pub(super) fn by_inputs(&self) -> Vec<f64> {
        let area = self.area();
        let channels = 0..self.shape[1];
        let rows = channels.flat_map(|channel| {
            self.rows().flat_map(move |row| &row[channel * area..(channel + 1) * area])
        });
        rows.copied().collect()
    }
}

impl Norm {
    pub(super) fn read(state: &State, layer: &str, epsilon: f64) -> Result<Self, FactoriseError> {
        let vector = |name: &str| read(state, format!("{layer}.{name}")).map(|(values, _)| values);
        Ok(Self {
            gamma: vector("gamma")?,
            beta: vector("beta")?,
            mean: vector("running_mean")?,
            variance: vector("running_var")?,
            epsilon,
        })
    }

    pub(super) fn write(&self, state: &mut State, layer: &str) {
        let Self { gamma, beta, mean, variance, .. } = self;
        for (name, values) in
            [("gamma", gamma), ("beta", beta), ("running_mean", mean), ("running_var", variance)]
        {
            state.insert(format!("{layer}.{name}"), tensor(values, [values.len()]));
        }
    }

    /// Channels in another order, or some of them.
    pub(super) fn reorder(&mut self, order: &[usize]) {
        for values in [&mut self.gamma, &mut self.beta, &mut self.mean, &mut self.variance] {
            *values = reordered(values, 1, order);
        }
    }

    /// The norm that gives the same where its input is multiplied by numbers, which may be negative.
    pub(super) fn scale_input(&mut self, factors: &[f64]) {
        for (channel, &factor) in factors.iter().enumerate() {
            let variance = self.variance[channel];
            let scaled = factor * factor * variance;
            // The summand of the variance does not grow with it: the scale makes good for that.
            let deviations = ((scaled + self.epsilon) / (variance + self.epsilon)).sqrt();
            self.gamma[channel] *= deviations / factor;
            self.mean[channel] *= factor;
            self.variance[channel] = scaled;
        }
    }

    /// The norm whose output is that of this one times numbers.
    pub(super) fn scale_output(&mut self, factors: &[f64]) {
        for values in [&mut self.gamma, &mut self.beta] {
            values.iter_mut().zip(factors).for_each(|(value, factor)| *value *= factor);
        }
    }

    /// What the norm multiplies its input by.
    pub(super) fn slopes(&self) -> Vec<f64> {
        let slopes = self.gamma.iter().zip(&self.variance);
        slopes.map(|(gamma, variance)| gamma / (variance + self.epsilon).sqrt()).collect()
    }

    /// What makes the root of the mean square of each channel one after a ReLU, if the norm's outputs are
    /// normal numbers.
    pub(super) fn to_unit_after_relu(&self) -> Vec<f64> {
        let channels = self.gamma.iter().zip(&self.beta);
        let sizes = channels.map(|(gamma, mean)| {
            let floor = SMALLEST * gamma.hypot(*mean);
            rectified_square(*mean, gamma.abs()).sqrt().max(floor)
        });
        sizes.map(|size| if size > 0.0 { 1.0 / size } else { 1.0 }).collect()
    }
}

/// The mean square of `max(x, 0)` for a normal `x`.
fn rectified_square(mean: f64, deviation: f64) -> f64 {
    if deviation == 0.0 {
        return mean.max(0.0).powi(2);
    }
    let t = mean / deviation;
    let density = (-0.5 * t * t).exp() / (2.0 * std::f64::consts::PI).sqrt();
    // Abramowitz and Stegun 26.2.17, exact to 1e-7.
    let k = 1.0 / (1.0 + 0.231_641_9 * t.abs());
    let factors = [0.319_381_530, -0.356_563_782, 1.781_477_937, -1.821_255_978, 1.330_274_429];
    let tail = density * factors.iter().rev().fold(0.0, |sum, factor| (sum + factor) * k);
    let above = if t >= 0.0 { 1.0 - tail } else { tail };
    ((mean * mean + deviation * deviation) * above + mean * deviation * density).max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn norms_take_scales_back() {
        let norm = Norm {
            gamma: vec![0.5, -2.0],
            beta: vec![0.1, 0.2],
            mean: vec![1.0, -3.0],
            variance: vec![1e-5, 4.0],
            epsilon: 1e-5,
        };
        let of = |norm: &Norm, x: [f64; 2]| -> Vec<f64> {
            let slopes = norm.slopes();
            (0..2).map(|at| (x[at] - norm.mean[at]) * slopes[at] + norm.beta[at]).collect()
        };
        let mut scaled = norm.clone();
        scaled.scale_input(&[3.0, -0.1]);
        let (expected, got) = (of(&norm, [2.0, 5.0]), of(&scaled, [6.0, -0.5]));
        assert!(expected.iter().zip(got).all(|(a, b)| (a - b).abs() < 1e-12 * a.abs()));
    }

    #[test]
    fn squares_after_a_relu() {
        // Half of a normal number's square; almost all of it; almost nothing.
        assert!((rectified_square(0.0, 2.0) - 2.0).abs() < 1e-6);
        assert!((rectified_square(5.0, 1.0) - 26.0).abs() < 1e-4);
        assert!(rectified_square(-5.0, 1.0) < 1e-6);
        assert_eq!(rectified_square(-1.0, 0.0), 0.0);
    }
}
