//! Batch norms between bases and coefficients, made the identity on images; and statistics of images.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};

use burn::module::{ParamId, RunningState};
use burn::nn::BatchNorm;
use burn::tensor::{Tensor, TensorData};
use cobasis::Maps;

use super::form::Form;
use super::targets::Targets;
use super::{FactoriseError, tensor};
use crate::model::Model;
use crate::observe::{Observe, Observing};
use crate::state::State;

impl Model {
    /// The model whose batch norms between bases and coefficients have the statistics of images, batches of
    /// shape `[batch, channels, height, width]`, and scales and shifts that undo them: to evaluate, it is the
    /// same function, and in training the norms normalise from the first step on without changing it.
    /// Networks of whole filters and ResNeXts, which have no such norms, stay as they are:
    /// [refit](Self::refitted) these.
    ///
    /// # Errors
    ///
    /// If layers share in another way than by bases and coefficients, or by whole filters.
    ///
    /// # Panics
    ///
    /// As [`forward`](Self::forward).
    pub fn calibrated(
        self,
        images: impl IntoIterator<Item = Tensor<4>>,
    ) -> Result<Self, FactoriseError> {
        if Form::of_config(&self.config) != Form::Sums {
            return Ok(self);
        }
        let targets = Targets::of(&self)?;
        let mut statistics = Statistics::renewing([]);
        for batch in images {
            self.walk(&mut Observing::new(&mut statistics), batch.into());
        }
        let mut state = self.state();
        for norm in targets.norms() {
            if let Some(sums) = statistics.norms.get(&norm.gamma) {
                let [mean, variance] = sums.statistics();
                state.extend(norm.identity(&mean, &variance));
            }
        }
        // A network of its own: clones have their running statistics in common.
        Ok(self.config.init_from(state, &self.head.device())?)
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
pub(super) struct Statistics {
    /// The norms that normalise by the batch on the way.
    renewed: HashSet<ParamId>,
    norms: HashMap<ParamId, Sums>,
}

/// Of each channel.
pub(super) struct Sums {
    count: f64,
    values: Vec<f64>,
    squares: Vec<f64>,
}

impl Observe for Statistics {
    fn norm(&mut self, norm: &BatchNorm, x: &Maps) -> Option<BatchNorm> {
        let sums = Sums::of(x.clone().into_tensor());
        let other = self.renewed.contains(&norm.gamma.id).then(|| sums.given_to(norm));
        match self.norms.entry(norm.gamma.id) {
            Entry::Occupied(all) => all.into_mut().add(sums),
            Entry::Vacant(none) => drop(none.insert(sums)),
        }
        other
    }
}

impl Statistics {
    /// Of norms that normalise by the batch on the way.
    pub(super) fn renewing(norms: impl IntoIterator<Item = ParamId>) -> Self {
        Self { renewed: norms.into_iter().collect(), norms: HashMap::new() }
    }

    /// Puts the statistics of a norm into a state.
    pub(super) fn put(&self, norm: &(ParamId, String), state: &mut State) {
        let (gamma, path) = norm;
        if let Some(sums) = self.norms.get(gamma) {
            let names = ["running_mean", "running_var"];
            for (name, values) in names.into_iter().zip(sums.statistics()) {
                state.insert(format!("{path}.{name}"), tensor(&values, [values.len()]));
            }
        }
    }
}

impl Sums {
    /// Of maps.
    pub(super) fn of(x: Tensor<4>) -> Self {
        let [batch, _, height, width] = x.dims();
        let count = (batch * height * width) as f64;
        // Means in 32 bits of one batch, sums in 64.
        let sums = |x: Tensor<4>| -> Vec<f64> {
            let means = x.mean_dim(0).mean_dim(2).mean_dim(3).into_data();
            means.iter::<f64>().map(|mean| mean * count).collect()
        };
        Self { count, values: sums(x.clone()), squares: sums(x.clone() * x) }
    }

    /// A norm with these statistics.
    fn given_to(&self, norm: &BatchNorm) -> BatchNorm {
        let device = norm.gamma.lazy_device();
        let [mean, variance] = self.statistics().map(|values| {
            RunningState::new(Tensor::from_data(tensor(&values, [values.len()]), &device))
        });
        BatchNorm { running_mean: mean, running_var: variance, ..norm.clone() }
    }

    pub(super) fn add(&mut self, other: Self) {
        self.count += other.count;
        for (sums, added) in [(&mut self.values, other.values), (&mut self.squares, other.squares)]
        {
            sums.iter_mut().zip(added).for_each(|(sum, added)| *sum += added);
        }
    }

    /// Means and variances, unbiased.
    pub(super) fn statistics(&self) -> [Vec<f64>; 2] {
        let mean: Vec<f64> = self.values.iter().map(|sum| sum / self.count).collect();
        let unbiased = self.count / (self.count - 1.0).max(1.0);
        let squares = self.squares.iter().zip(&mean);
        let variances = squares
            .map(|(squares, mean)| ((squares / self.count - mean * mean) * unbiased).max(0.0))
            .collect();
        [mean, variances]
    }
}
