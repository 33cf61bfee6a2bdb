//! The optimizer that a configuration asks for, with groups of parameters that decay on their own.

use std::sync::Arc;

use burn::module::{ParamGroup, ParamId};
use burn::optim::{AdamW, AdamWConfig, ModuleOptimizer};
use burn::tensor::Device;
use cobasis_kernels::Sgd;
use cobasis_zoo::cobasis::InnerFilters;
use cobasis_zoo::{InnerLayer, Model, ModelConfig};

use crate::config::{OptimizerConfig, OptimizerKind, WeightDecayScale};
use crate::train::gradients::Parameter;
use crate::train::kept_momentum::{Momentum, Reachable};
use crate::train::sgd::{FixedRate, ModuleSgd};

/// Parameters whose weight decay may be set apart.
#[derive(Clone, Debug)]
pub(crate) struct Groups {
    /// Weights and biases of norms, biases of layers: all that have one dimension.
    norms: Vec<ParamId>,
    /// The shared bases.
    bases: Vec<ParamId>,
    /// The other parameters that a sharing method has put in the place of dense ones.
    compressed: Vec<ParamId>,
    /// What the weight decay of compressed parameters, bases among them, is multiplied by.
    factor: f64,
}

/// What the weight decay of a model's compressed parameters is multiplied by; 1 where there are none.
pub(crate) fn decay_factor(config: &OptimizerConfig, model: &ModelConfig) -> f64 {
    match config.weight_decay_scale {
        WeightDecayScale::Ratio if model.has_compressed(&Device::flex()) => {
            model.compression(&Device::flex())
        }
        WeightDecayScale::None | WeightDecayScale::Ratio => 1.0,
    }
}

impl Groups {
    pub(crate) fn of(config: &OptimizerConfig, model: &Model) -> Self {
        let tensors = model.tensors().into_iter();
        let norms = tensors.filter(|tensor| tensor.shape.len() == 1).map(|tensor| tensor.id);
        let norms: Vec<ParamId> = norms.collect();
        let bases = model.bases().into_iter().map(|(_, basis)| basis.weight.id);
        let bases: Vec<ParamId> = bases.collect();
        let mut compressed = model.compressed();
        // No parameter is in two groups that decay apart.
        compressed.retain(|id| !bases.contains(id) && (config.decay_norms || !norms.contains(id)));
        Self { norms, bases, compressed, factor: decay_factor(config, &model.config) }
    }

    /// Adds what further tasks have for themselves of one dimension.
    pub(crate) fn add_norms(&mut self, parameters: impl IntoIterator<Item = Parameter>) {
        let norms = parameters.into_iter().filter(|(_, dimensions)| *dimensions == 1);
        self.norms.extend(norms.map(|(id, _)| id));
    }
}

/// The optimizer with nothing learnt yet.
pub(crate) fn optimizer(config: &OptimizerConfig, groups: Groups) -> ModuleOptimizer {
    let decay = config.weight_decay;
    let mut apart = Vec::new();
    if !config.decay_norms {
        apart.push((groups.norms, 0.0));
    }
    let scaled = config.weight_decay_scale != WeightDecayScale::None;
    if scaled || config.basis_weight_decay.is_some() {
        apart.push((groups.bases, basis_decay(config, groups.factor)));
    }
    if scaled {
        apart.push((groups.compressed, decay * groups.factor));
    }
    let apart = apart.into_iter().map(|(ids, decay)| (ParamGroup::from_ids(ids), decay));
    match config.kind {
        OptimizerKind::Sgd => apart.fold(sgd(config, decay).into(), |all, (group, decay)| {
            ModuleOptimizer::with_group(all, group, sgd(config, decay), None)
        }),
        OptimizerKind::AdamW => apart.fold(adamw(config, decay).into(), |all, (group, decay)| {
            ModuleOptimizer::with_group(all, group, adamw(config, decay), None)
        }),
    }
}

/// The weight decay of bases.
fn basis_decay(config: &OptimizerConfig, factor: f64) -> f64 {
    config.basis_weight_decay.unwrap_or(config.weight_decay) * factor
}

/// The optimizer with plain SGD of a rate of its own for the autoencoders of filters, if the model has
/// any.
pub(crate) fn with_autoencoders(
    optimizer: ModuleOptimizer,
    model: &Model,
    rate: f64,
) -> ModuleOptimizer {
    let coding = coding(model);
    match coding.is_empty() {
        true => optimizer,
        false => optimizer.with_group(ParamGroup::from_ids(coding), FixedRate(rate), None),
    }
}

/// The parameters of the autoencoders of filters, which the task does not train.
pub(crate) fn coding(model: &Model) -> Vec<ParamId> {
    let layers = model.inner_layers().into_iter();
    let of = |layer: InnerLayer| match layer.inner {
        InnerFilters::Coded(coded) => coded.coding(),
        InnerFilters::Plain(_) => Vec::new(),
    };
    layers.flat_map(of).collect()
}

/// The optimizer with one of its own, as the configuration asks for it, for a basis whose momentum
/// is to be reached; `factor` is that of the [weight decay](decay_factor).
pub(crate) fn with_kept_momentum(
    optimizer: ModuleOptimizer,
    config: &OptimizerConfig,
    factor: f64,
    basis: ParamId,
) -> (ModuleOptimizer, Arc<dyn Momentum>) {
    let decay = basis_decay(config, factor);
    let group = ParamGroup::from_ids(vec![basis]);
    match config.kind {
        OptimizerKind::Sgd => {
            let (own, momentum) = Reachable::new(sgd(config, decay));
            (optimizer.with_group(group, own, None), momentum)
        }
        OptimizerKind::AdamW => {
            let (own, momentum) = Reachable::new(adamw(config, decay));
            (optimizer.with_group(group, own, None), momentum)
        }
    }
}

fn sgd(config: &OptimizerConfig, weight_decay: f64) -> ModuleSgd {
    let OptimizerConfig { momentum, nesterov, .. } = *config;
    ModuleSgd(Sgd { momentum, weight_decay, nesterov })
}

fn adamw(config: &OptimizerConfig, decay: f64) -> AdamW {
    AdamWConfig::new()
        .with_beta_1(config.betas[0] as f32)
        .with_beta_2(config.betas[1] as f32)
        .with_epsilon(config.epsilon as f32)
        .with_weight_decay(decay as f32)
        .build()
}

#[cfg(test)]
mod tests;
