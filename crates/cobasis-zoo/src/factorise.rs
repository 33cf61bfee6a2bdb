//! From a dense network to one that shares filters.
//!
//! Layers with coefficients, of basic ResNets and DenseNets, are written as sums of shared and unique
//! filters: the mathematics is [`joint_basis`]. Layers that borrow whole filters (`-shared`, `-shared++`)
//! have the mean of the dense ones, [`shared_mean`](cobasis::ortho::shared_mean), once the channels inside
//! the blocks are matched ([`Model::matched`]). Here is which of the network's tensors go into that and
//! where what comes out belongs.

mod assignment;
mod block;
mod borrowers;
mod budget;
mod calibrate;
mod channels;
mod choice;
mod error;
mod form;
mod grouped;
mod matching;
mod moments;
mod refit;
mod renorm;
mod targets;
#[cfg(test)]
mod tests;
mod whole;

use std::collections::BTreeMap;

use burn::tensor::{Device, TensorData};
pub use cobasis::ortho::Weighting;
use cobasis::ortho::{DenseFilters, JointBasis, LayerFactors, joint_basis};

use crate::config::ModelConfig;
use crate::model::Model;
use crate::state::State;
use borrowers::Borrowers;
pub use budget::{Budget, BudgetError, Costs};
pub use choice::{ChosenForm, FormOptions, any_form, check_budget, form_within};
pub use error::FactoriseError;
use form::Form;
use targets::{Target, Targets};

/// The second moments of the inputs of a network's layers, by the layers' paths, such as
/// `stages.0.blocks.1.conv1`: the mean of `x xᵀ` over the patches `x` that a filter is multiplied with,
/// `[length, length]`, the channels of a patch outermost; of a convolution in groups, one after the other for
/// each group.
pub type Moments = BTreeMap<String, Vec<f64>>;

/// What became of a layer.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerError {
    /// The layer's path, such as `stages.0.blocks.1.conv1`.
    pub path: String,
    /// `‖W − C B‖ / ‖W‖` of its filters; where whole filters are shared, `C` is a scale of each, and `W`
    /// are the filters of the block as it was matched, each of length one.
    pub filters: f64,
    /// The same of its outputs on the images that the moments are of, where there are any.
    pub outputs: Option<f64>,
}

/// The network `config` with the function of a dense one, as far as its ranks allow.
///
/// Tensors that both networks have are copied. Batch norms between bases and coefficients start as the
/// identity, and those after whole filters take back how these are scaled; on images,
/// [calibrate](Model::calibrated) the former and [refit](Model::refitted) the latter. Attention, which no
/// dense network has, starts as the identity.
///
/// # Errors
///
/// If the networks are not of one architecture, one of them shares what it should not or nothing, or
/// if the ranks are beyond the filters.
///
/// # Panics
///
/// Panics where a moment is of another length than its layer's inputs.
pub fn factorise(
    dense: &Model,
    config: ModelConfig,
    moments: &Moments,
    weighting: Weighting,
    device: &Device,
) -> Result<(Model, Vec<LayerError>), FactoriseError> {
    let form = Form::of(dense, &config)?;
    let skeleton = config.skeleton(device);
    match form {
        Form::Sums => sums(dense, skeleton, moments, weighting),
        Form::Whole => whole::factorise(dense, skeleton, moments, weighting),
        Form::Grouped => grouped::factorise(dense, skeleton, moments, weighting),
    }
}

impl Model {
    /// The same function with the channels inside blocks in another order and to another scale: those in
    /// which the filters that `config` shares whole are most alike, block by block of a stage. Unchanged
    /// where `config` shares no whole filters.
    ///
    /// ```
    /// use burn::tensor::{Device, Tensor};
    /// use cobasis_zoo::ModelConfig;
    ///
    /// let device = Device::flex();
    /// let dense = ModelConfig::new("cifar100/mobilenet-v2".parse()?).init(&device);
    /// let matched = dense.matched(&ModelConfig::new("cifar100/mobilenet-v2-shared".parse()?))?;
    /// assert_eq!(matched.config, dense.config);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    ///
    /// As [`factorise`]: where the network can't become that of `config`.
    pub fn matched(&self, config: &ModelConfig) -> Result<Model, FactoriseError> {
        let form = Form::of(self, config)?;
        if form == Form::Sums {
            return Ok(self.clone());
        }
        let mut state = self.state();
        let device = self.head.device();
        let borrowers = Borrowers::of(&config.skeleton(&device));
        let blocks = whole::matched_blocks(self, &state, &borrowers)?;
        blocks.values().for_each(|block| block.write(&mut state));
        // Not a clone of this one: clones have their running statistics in common.
        Ok(self.config.init_from(state, &device)?)
    }
}

/// The network whose layers are sums of shared and unique filters.
fn sums(
    dense: &Model,
    skeleton: Model,
    moments: &Moments,
    weighting: Weighting,
) -> Result<(Model, Vec<LayerError>), FactoriseError> {
    let targets = Targets::of(&skeleton)?;
    let mut state = dense.state();
    let mut errors = Vec::new();
    for group in targets.groups() {
        let layers = group.iter().map(|target| target.dense_filters(&state, moments));
        let layers: Vec<DenseFilters> = layers.collect::<Result<_, _>>()?;
        let first = &group[0];
        let joint = joint_basis(&layers, first.length(), first.shared, first.unique, weighting);
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
    lend_idle(&skeleton, &targets, &mut state);
    // In the order of the network, whatever the order of the banks.
    errors.sort_by_key(|error| targets.place(&error.path));
    Ok((skeleton.with_state(state)?, errors))
}

/// Fills a bank that no layer borrows, of the last stage of the authors' DenseNets: with that of another
/// stage which its own stage's layers borrow, so that it is orthonormal like any other.
fn lend_idle(skeleton: &Model, targets: &Targets, state: &mut State) {
    for (bank, _) in skeleton.bases() {
        let path = format!("{bank}.weight");
        let Some((stage, _)) = bank.split_once(".bases.") else { continue };
        if let Some(lent) = targets.bank_of(stage).filter(|_| !state.contains_key(&path))
            && let Some(filters) = state.get(lent).cloned()
        {
            state.insert(path, filters);
        }
    }
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
        Ok(DenseFilters { filters, second_moment: moments.get(&self.path).map(Into::into) })
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
