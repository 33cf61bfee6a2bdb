//! The last convolutions of a ResNeXt's blocks, by least squares on images: they make good what they can of
//! the channels that are lost.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use burn::nn::BatchNorm;
use burn::tensor::Tensor;
use cobasis::ortho::ridge;
use cobasis::{Convolution, Maps, Place};

use super::borrowers::Borrowers;
use super::calibrate::Statistics;
use super::channels::Filters;
use super::form::Form;
use super::renorm::renormed;
use super::{FactoriseError, tensor};
use crate::model::Model;
use crate::observe::{Observe, Observing};

impl Model {
    /// A network as [`factorise`](super::factorise) made it of a dense one, fitted on images, batches of shape
    /// `[batch, channels, height, width]`, as far as that needs no training:
    ///
    /// - where whole filters are shared, the batch norms after them give outputs of the mean and the spread
    ///   that they have in the dense network;
    /// - in ResNeXts, the batch norm after shared and unique filters has the statistics of the images, and
    ///   the last convolution of each block that shares gives what is nearest to the dense block's, for
    ///   the same input of the block.
    ///
    /// Each batch is normalised by its own statistics on the way, as in training, so batches should not be
    /// small. Networks of other forms stay as they are.
    ///
    /// # Errors
    ///
    /// If `dense` can't become this network.
    ///
    /// # Panics
    ///
    /// As [`forward`](Self::forward).
    pub fn refitted(
        self,
        dense: &Model,
        images: impl IntoIterator<Item = Tensor<4>>,
    ) -> Result<Self, FactoriseError> {
        match Form::of(dense, &self.config)? {
            Form::Sums => return Ok(self),
            Form::Whole => return renormed(self, dense, images),
            Form::Grouped => {}
        }
        let layers = Borrowers::of(&self).layers;
        let paths = layers.iter().map(|layer| format!("{}.conv3", layer.block()));
        let paths: BTreeSet<String> = paths.collect();
        let norms: Vec<_> = layers.into_iter().filter_map(|layer| layer.norm).collect();
        let mut fit = Fit {
            statistics: Statistics::renewing(norms.iter().map(|(gamma, _)| *gamma)),
            wanted: BTreeMap::new(),
            sums: BTreeMap::new(),
        };
        for batch in images {
            let mut record = Record { paths: &paths, outputs: BTreeMap::new() };
            dense.walk(&mut Observing::new(&mut record), batch.clone().into());
            fit.wanted = record.outputs;
            self.walk(&mut Observing::new(&mut fit), batch.into());
        }
        let mut state = self.state();
        norms.iter().for_each(|norm| fit.statistics.put(norm, &mut state));
        for (path, Sums { gram, cross }) in fit.sums {
            let mut conv = Filters::read(&state, &path)?;
            conv.values = ridge(gram, &cross, &conv.values);
            state.insert(format!("{path}.weight"), tensor(&conv.values, conv.shape));
        }
        // A network of its own: clones have their running statistics in common.
        Ok(self.config.init_from(state, &self.head.device())?)
    }
}

/// Keeps the outputs of convolutions, by their paths.
struct Record<'a> {
    paths: &'a BTreeSet<String>,
    outputs: BTreeMap<String, Tensor<4>>,
}

impl Observe for Record<'_> {
    fn output(&mut self, at: &Place, y: Maps) -> Maps {
        let path = at.to_string();
        if self.paths.contains(&path) {
            self.outputs.insert(path, y.clone().into_tensor());
        }
        y
    }
}

/// Sums for the least squares, while wanted outputs go on in the place of the network's own.
struct Fit {
    statistics: Statistics,
    /// By the paths of convolutions.
    wanted: BTreeMap<String, Tensor<4>>,
    sums: BTreeMap<String, Sums>,
}

/// Sums over positions.
struct Sums {
    /// Of `h hᵀ`.
    gram: Vec<f64>,
    /// Of `y hᵀ`.
    cross: Vec<f64>,
}

impl Observe for Fit {
    fn conv(&mut self, at: &Place, _conv: &Convolution<'_>, x: &Maps) {
        let path = at.to_string();
        let Some(y) = self.wanted.get(&path) else { return };
        let columns = |maps: Tensor<4>| {
            let [batch, channels, height, width] = maps.dims();
            maps.swap_dims(0, 1).reshape([channels, batch * height * width])
        };
        let (h, y) = (columns(x.clone().into_tensor()), columns(y.clone()));
        let products = |a: Tensor<2>| -> Vec<f64> {
            a.matmul(h.clone().transpose()).into_data().iter::<f64>().collect()
        };
        let (gram, cross) = (products(h.clone()), products(y));
        let zeros = |like: &[f64]| vec![0.0; like.len()];
        let sums = self
            .sums
            .entry(path)
            .or_insert_with(|| Sums { gram: zeros(&gram), cross: zeros(&cross) });
        for (sum, added) in [(&mut sums.gram, gram), (&mut sums.cross, cross)] {
            sum.iter_mut().zip(added).for_each(|(sum, added)| *sum += added);
        }
    }

    fn output(&mut self, at: &Place, y: Maps) -> Maps {
        self.wanted.get(&at.to_string()).map_or(y, |wanted| wanted.clone().into())
    }

    fn norm(&mut self, norm: &BatchNorm, x: &Maps) -> Option<BatchNorm> {
        self.statistics.norm(norm, x)
    }
}
