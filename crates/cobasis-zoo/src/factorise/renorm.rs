//! Batch norms after whole filters that blocks share: they give again what they gave in the dense network, in
//! mean and spread, channel by channel on images.
//!
//! Source: REPAIR (Jordan et al. 2022), which does so where networks are averaged.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use burn::module::{Param, ParamId, RunningState};
use burn::nn::BatchNorm;
use burn::tensor::{Device, Tensor};
use cobasis::Maps;

use super::borrowers::Borrowers;
use super::calibrate::Sums;
use super::channels::Norm;
use super::{FactoriseError, tensor};
use crate::model::Model;
use crate::observe::{Observe, Observing};

/// The model of whole filters with norms that give on images, in mean and spread, what those of the dense
/// network give. On the way each batch is normalised by its own statistics.
pub(super) fn renormed(
    model: Model,
    dense: &Model,
    images: impl IntoIterator<Item = Tensor<4>>,
) -> Result<Model, FactoriseError> {
    // Its channels are in the order of the model's, and no filter points the other way.
    let dense = dense.matched(&model.config)?;
    let Borrowers { layers, epsilons } = Borrowers::of(&model);
    let wanted: BTreeSet<String> =
        layers.into_iter().filter_map(|layer| layer.norm).map(|(_, path)| path).collect();
    let (mut state, given) = (model.state(), dense.state());
    let mut teachers = BTreeMap::new();
    for path in &wanted {
        let mut norm = Norm::read(&given, path, epsilons[path])?;
        // Attention starts as one half of every channel.
        let block = path.strip_suffix(".norm3").unwrap_or_default();
        if state.contains_key(&format!("{block}.attention.conv.weight")) {
            norm.scale_output(&vec![2.0; norm.gamma.len()]);
        }
        teachers.insert(path.clone(), norm);
    }
    let mut record = Record { paths: norms(&dense, &wanted), sums: BTreeMap::new() };
    let mut renorm = Renorm {
        teachers,
        paths: norms(&model, &wanted),
        given: BTreeMap::new(),
        totals: BTreeMap::new(),
    };
    for batch in images {
        dense.walk(&mut Observing::new(&mut record), batch.clone().into());
        renorm.given = std::mem::take(&mut record.sums);
        model.walk(&mut Observing::new(&mut renorm), batch.into());
    }
    for (path, [given, own]) in &renorm.totals {
        renorm.teachers[path].again(given, own).write(&mut state, path);
    }
    // A network of its own: clones have their running statistics in common.
    Ok(model.config.init_from(state, &model.head.device())?)
}

/// The paths of some norms by Burn's identity of their scales.
fn norms(model: &Model, wanted: &BTreeSet<String>) -> HashMap<ParamId, String> {
    let tensors = model.tensors().into_iter();
    let paths = tensors.filter_map(|tensor| {
        let path = tensor.path.strip_suffix(".gamma")?.to_string();
        wanted.contains(&path).then_some((tensor.id, path))
    });
    paths.collect()
}

impl Norm {
    /// The norm with the statistics of its own input, whose outputs have the mean and spread that those of
    /// this norm have on the input `given`.
    fn again(&self, given: &Sums, own: &Sums) -> Norm {
        let ([given_mean, given_variance], [mean, variance]) =
            (given.statistics(), own.statistics());
        let (mut norm, slopes) = (self.clone(), self.slopes());
        for (channel, slope) in slopes.into_iter().enumerate() {
            if variance[channel] > 0.0 {
                let deviations = variance[channel] + self.epsilon;
                let ratio = given_variance[channel] / variance[channel];
                norm.gamma[channel] = slope * (ratio * deviations).sqrt();
            }
            norm.beta[channel] += slope * (given_mean[channel] - self.mean[channel]);
        }
        Norm { mean, variance, ..norm }
    }

    /// The norm as Burn's.
    fn module(&self, like: &BatchNorm, device: &Device) -> BatchNorm {
        let vector =
            |values: &[f64]| Tensor::<1>::from_data(tensor(values, [values.len()]), device);
        BatchNorm {
            gamma: Param::from_tensor(vector(&self.gamma)),
            beta: Param::from_tensor(vector(&self.beta)),
            running_mean: RunningState::new(vector(&self.mean)),
            running_var: RunningState::new(vector(&self.variance)),
            ..like.clone()
        }
    }
}

/// Sums over the inputs of some norms of the dense network.
struct Record {
    paths: HashMap<ParamId, String>,
    sums: BTreeMap<String, Sums>,
}

impl Observe for Record {
    fn norm(&mut self, norm: &BatchNorm, x: &Maps) -> Option<BatchNorm> {
        let path = self.paths.get(&norm.gamma.id)?;
        self.sums.insert(path.clone(), Sums::of(x.clone().into_tensor()));
        None
    }
}

/// Norms that are set by each batch on the way.
struct Renorm {
    /// The dense network's.
    teachers: BTreeMap<String, Norm>,
    paths: HashMap<ParamId, String>,
    /// Of the dense network on this batch.
    given: BTreeMap<String, Sums>,
    /// Of the dense network and of this one on all batches.
    totals: BTreeMap<String, [Sums; 2]>,
}

impl Observe for Renorm {
    fn norm(&mut self, norm: &BatchNorm, x: &Maps) -> Option<BatchNorm> {
        let path = self.paths.get(&norm.gamma.id)?;
        let (given, own) = (self.given.remove(path)?, Sums::of(x.clone().into_tensor()));
        let other = self.teachers[path].again(&given, &own);
        let other = other.module(norm, &norm.gamma.lazy_device());
        match self.totals.get_mut(path) {
            Some([all_given, all_own]) => {
                all_given.add(given);
                all_own.add(own);
            }
            None => drop(self.totals.insert(path.clone(), [given, own])),
        }
        Some(other)
    }
}
