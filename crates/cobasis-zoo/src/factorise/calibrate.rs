//! Batch norms between bases and coefficients, made the identity on images.

use std::collections::HashMap;

use burn::module::ParamId;
use burn::nn::BatchNorm;
use burn::tensor::{Tensor, TensorData};
use cobasis::Maps;

use super::targets::Targets;
use super::{FactoriseError, tensor};
use crate::model::Model;
use crate::observe::{Observe, Observing};
use crate::state::State;

impl Model {
    /// The model whose batch norms between bases and coefficients have the statistics of images,
    /// batches of shape `[batch, channels, height, width]`, and scales and shifts that undo them: to
    /// evaluate, it is the same function, and in training the norms normalise from the first step on
    /// without changing it.
    ///
    /// # Errors
    ///
    /// If layers share in another way than by bases and coefficients.
    ///
    /// # Panics
    ///
    /// As [`forward`](Self::forward).
    pub fn calibrated(
        self,
        images: impl IntoIterator<Item = Tensor<4>>,
    ) -> Result<Self, FactoriseError> {
        let targets = Targets::of(&self)?;
        let mut statistics = Statistics::default();
        for batch in images {
            self.walk(&mut Observing::new(&mut statistics), batch.into());
        }
        let mut state = self.state();
        for norm in targets.norms() {
            if let Some(sums) = statistics.norms.get(&norm.gamma) {
                sums.put(norm, &mut state);
            }
        }
        Ok(self.with_state(state)?)
    }
}

/// What a batch norm between a basis and its coefficients is made of.
#[derive(Clone, Debug)]
pub(super) struct InnerNorm {
    /// Burn's identity of its scale.
    pub(super) gamma: ParamId,
    /// Its path in files.
    pub(super) path: String,
    pub(super) epsilon: f64,
}

impl InnerNorm {
    /// The norm's tensors for statistics of its input, such that it gives its input.
    pub(super) fn identity(&self, mean: &[f64], variance: &[f64]) -> [(String, TensorData); 4] {
        let scale: Vec<f64> = variance.iter().map(|v| (v + self.epsilon).sqrt()).collect();
        let named = |name: &str, values: &[f64]| {
            (format!("{}.{name}", self.path), tensor(values, [values.len()]))
        };
        [
            named("gamma", &scale),
            named("beta", mean),
            named("running_mean", mean),
            named("running_var", variance),
        ]
    }
}

/// Sums over the inputs of batch norms, by the identity of the norms' scales.
#[derive(Default)]
struct Statistics {
    norms: HashMap<ParamId, Sums>,
}

/// Of each channel.
struct Sums {
    count: f64,
    values: Vec<f64>,
    squares: Vec<f64>,
}

impl Observe for Statistics {
    fn norm(&mut self, norm: &BatchNorm, x: &Maps) {
        let [batch, channels, height, width] = x.dims();
        let x = x.clone().into_tensor();
        let count = (batch * height * width) as f64;
        // Means in 32 bits of one batch, sums in 64.
        let sums = |x: Tensor<4>| -> Vec<f64> {
            let means = x.mean_dim(0).mean_dim(2).mean_dim(3).into_data();
            means.iter::<f64>().map(|mean| mean * count).collect()
        };
        let (values, squares) = (sums(x.clone()), sums(x.clone() * x));
        let zeros = || vec![0.0; channels];
        let all = self.norms.entry(norm.gamma.id).or_insert_with(|| Sums {
            count: 0.0,
            values: zeros(),
            squares: zeros(),
        });
        all.count += count;
        for (sum, added) in [(&mut all.values, values), (&mut all.squares, squares)] {
            sum.iter_mut().zip(added).for_each(|(sum, added)| *sum += added);
        }
    }
}

impl Sums {
    /// Puts a norm with these statistics into a state.
    fn put(&self, norm: &InnerNorm, state: &mut State) {
        let mean: Vec<f64> = self.values.iter().map(|sum| sum / self.count).collect();
        let unbiased = self.count / (self.count - 1.0).max(1.0);
        let variances = self
            .squares
            .iter()
            .zip(&mean)
            .map(|(squares, mean)| ((squares / self.count - mean * mean) * unbiased).max(0.0));
        state.extend(norm.identity(&mean, &variances.collect::<Vec<_>>()));
    }
}
