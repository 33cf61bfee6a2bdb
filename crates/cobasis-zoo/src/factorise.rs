//! From a dense network to one whose layers share bases: filters as sums of shared and unique ones.
//!
//! The mathematics is [`joint_basis`]; here is which of the network's tensors go into it and where what
//! comes out belongs.

mod budget;
mod calibrate;
mod error;
mod moments;
mod targets;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use burn::tensor::{Device, TensorData};
use cobasis::ortho::{DenseFilters, JointBasis, LayerFactors, joint_basis};

use crate::config::ModelConfig;
use crate::model::Model;
use crate::state::State;
pub use budget::{Budget, BudgetError, Costs, RankChoice, RankOption, choose_ranks};
pub use error::FactoriseError;
use targets::{Target, Targets};

/// The second moments of the inputs of a network's layers, by the layers' paths, such as
/// `stages.0.blocks.1.conv1`: the mean of `x xᵀ` over the patches `x` that a filter is multiplied with,
/// `[length, length]`, the channels of a patch outermost.
pub type Moments = BTreeMap<String, Vec<f64>>;

/// What became of a layer.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerError {
    /// The layer's path, such as `stages.0.blocks.1.conv1`.
    pub path: String,
    /// `‖W − C B‖ / ‖W‖` of its filters.
    pub filters: f64,
    /// The same of its outputs on the images that the moments are of, where there are any.
    pub outputs: Option<f64>,
}

/// The network `config` with the function of a dense one, as far as its ranks allow.
///
/// Tensors that both networks have are copied. Batch norms between bases and coefficients start as
/// the identity; on images, [calibrate](Model::calibrated) them.
///
/// # Errors
///
/// If the networks are not of one architecture, one of them shares what it should not or nothing, or
/// if the ranks are beyond the filters.
pub fn factorise(
    dense: &Model,
    config: ModelConfig,
    moments: &Moments,
    device: &Device,
) -> Result<(Model, Vec<LayerError>), FactoriseError> {
    let (from, to) = (&dense.config.name, &config.name);
    if from.sharing().is_some() {
        return Err(FactoriseError::NotDense { model: from.to_string() });
    }
    if to.dense() != *from {
        return Err(FactoriseError::Other { from: from.to_string(), to: to.to_string() });
    }
    let skeleton = config.skeleton(device);
    let targets = Targets::of(&skeleton)?;
    let mut state = dense.state();
    let mut errors = Vec::new();
    for group in targets.groups() {
        let layers = group.iter().map(|target| target.dense_filters(&state, moments));
        let layers: Vec<DenseFilters> = layers.collect::<Result<_, _>>()?;
        let first = &group[0];
        let joint = joint_basis(&layers, first.length(), first.shared, first.unique);
        let joint =
            joint.map_err(|source| FactoriseError::Ranks { path: first.path.clone(), source })?;
        let JointBasis { shared, layers, .. } = joint;
        if let Some(bank) = &first.bank {
            state.insert(bank.clone(), first.filters(&shared));
        }
        for (target, factors) in group.iter().zip(layers) {
            errors.push(LayerError {
                path: target.path.clone(),
                filters: factors.filter_error,
                outputs: factors.output_error,
            });
            target.fill(&mut state, factors);
        }
    }
    // In the order of the network, whatever the order of the banks.
    errors.sort_by_key(|error| targets.place(&error.path));
    Ok((skeleton.with_state(state)?, errors))
}

impl Target {
    /// The dense filters that this layer is to replace.
    fn dense_filters<'a>(
        &self,
        state: &State,
        moments: &'a Moments,
    ) -> Result<DenseFilters<'a>, FactoriseError> {
        let path = format!("{}.weight", self.path);
        let missing = || FactoriseError::NotThere { path: path.clone() };
        let weight = state.get(&path).ok_or_else(missing)?;
        let filters = weight.iter::<f64>().collect();
        Ok(DenseFilters { filters, second_moment: moments.get(&self.path).map(Vec::as_slice) })
    }

    /// Takes the dense filters out of a state and puts the layer's tensors in.
    fn fill(&self, state: &mut State, factors: LayerFactors) {
        state.remove(&format!("{}.weight", self.path));
        if let Some(unique) = &self.unique_path {
            state.insert(unique.clone(), self.filters(&factors.unique));
        }
        let rank = self.shared + self.unique;
        let outputs = factors.coefficients.len() / rank;
        let coefficients = tensor(&factors.coefficients, [outputs, rank, 1, 1]);
        state.insert(self.coefficients.clone(), coefficients);
        if let Some(norm) = &self.norm {
            state.extend(norm.identity(&vec![0.0; rank], &vec![1.0; rank]));
        }
    }

    /// Filters, one after the other, as a tensor.
    fn filters(&self, rows: &[f64]) -> TensorData {
        let [channels, height, width] = self.filter;
        tensor(rows, [rows.len() / self.length(), channels, height, width])
    }
}

fn tensor<const D: usize>(values: &[f64], shape: [usize; D]) -> TensorData {
    TensorData::new(values.iter().map(|&value| value as f32).collect(), shape)
}
