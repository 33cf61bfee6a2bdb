//! Ranks that training finds: columns of coefficients are made small as groups, or masks of filters by
//! autoencoders; then the weakest filters of all layers are cut until as many weights are left as the model's name says.

mod choice;

use std::collections::BTreeSet;

use burn::module::{Module, ModuleMapper, Param, ParamId};
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor};
use cobasis_zoo::cobasis::{InnerFilters, PlainFilters};
use cobasis_zoo::{InnerLayer, Model};

use crate::config::RanksConfig;
use crate::train::constraint::Replace;
use crate::train::{Recipe, StepAt};
use choice::{Candidates, keep};

/// Keeps a column of norm 0 from a division by it; the source's value.
const EPSILON: f64 = 1e-6;

/// The part of learned ranks in a training step.
///
/// It has no state that weights do not have: whether the model was cut can be read from them, since
/// the filters that are gone have exact zeros, and nothing else has.
pub(crate) struct LearnedRanks {
    config: RanksConfig,
    epochs_before_cut: usize,
    /// Weights that may be left.
    limit: usize,
    /// The share of all filters that is to go.
    goal: f64,
    /// What is left, once the model was cut.
    masks: Option<Masks>,
}

impl LearnedRanks {
    /// For a model whose name leaves the ranks open; `None` for others.
    pub(crate) fn of(recipe: &Recipe, model: &Model) -> Option<Self> {
        let limit = model.config.name.weight_limit()?;
        let layers = model.inner_layers();
        let all = layers.iter().map(|layer| layer.inner.count() * layer.inner.weights_of_one());
        let all: usize = all.sum();
        Some(Self {
            goal: 1.0 - limit as f64 / all as f64,
            config: recipe.ranks.clone(),
            epochs_before_cut: recipe.epochs_before_cut,
            limit,
            masks: (weights_left(&layers) <= limit).then(|| {
                let left = layers
                    .iter()
                    .map(|layer| layer.inner.gone().into_iter().map(|gone| !gone).collect());
                Masks::new(&layers, left.collect())
            }),
        })
    }

    /// Before a step: cuts the model where it is time to.
    pub(crate) fn before_step(&mut self, model: Model, at: StepAt) -> Model {
        if self.masks.is_some() || at.epoch <= self.epochs_before_cut {
            return model;
        }
        let layers = model.inner_layers();
        let candidates: Vec<Candidates> = layers.iter().map(Candidates::of).collect();
        let masks = Masks::new(&layers, keep(&candidates, self.limit));
        let model = masks.apply(model);
        self.masks = Some(masks);
        model
    }

    /// The loss that is added to the task's: that of autoencoders, which make their masks sparse until
    /// the cut.
    pub(crate) fn loss(&self, model: &Model) -> Option<Tensor<1>> {
        model.coding_loss(self.masks.is_none().then_some(self.goal))
    }

    /// After the optimizer: makes columns smaller, or keeps at 0 what was cut, which momentum would
    /// move.
    pub(crate) fn after_step(&self, model: Model, at: StepAt) -> Model {
        match &self.masks {
            Some(masks) => masks.apply(model),
            None if at.step.is_multiple_of(self.config.every) && self.config.lambda > 0.0 => {
                shrunk(model, self.config.lambda * at.lr)
            }
            None => model,
        }
    }

    /// The moving average after it took in the model: without what was cut.
    pub(crate) fn of_average(&self, average: Model) -> Model {
        match &self.masks {
            Some(masks) => masks.apply(average),
            None => average,
        }
    }
}

/// The weights of the filters that are not gone.
pub(crate) fn weights_left(layers: &[InnerLayer]) -> usize {
    let of = |layer: &InnerLayer| {
        let inner = &layer.inner;
        inner.gone().into_iter().filter(|gone| !gone).count() * inner.weights_of_one()
    };
    layers.iter().map(of).sum()
}

/// Refuses a model that is to be cut, and of which what is to be cut is frozen in part.
///
/// # Errors
///
/// What is wrong, in words.
pub(crate) fn check_uncut(model: &Model) -> Result<(), String> {
    let layers = model.inner_layers();
    let frozen: BTreeSet<ParamId> = model.frozen().into_iter().map(|tensor| tensor.id).collect();
    let is_frozen =
        |layer: &&InnerLayer| layer.inner.parameters().iter().any(|param| frozen.contains(param));
    let frozen = layers.iter().find(is_frozen);
    match (frozen, model.config.name.weight_limit()) {
        (Some(layer), Some(limit)) if weights_left(&layers) > limit => Err(format!(
            "training is to cut the layers of {} to {limit} weights, so {} can't be frozen",
            model.config.name, layer.path
        )),
        _ => Ok(()),
    }
}

/// The model whose columns of coefficients are shorter by `by` each, or 0 where they were no longer;
/// coded filters stay as they are.
fn shrunk(model: Model, by: f64) -> Model {
    let mut moved = GradientsParams::new();
    for layer in model.inner_layers() {
        if let InnerFilters::Plain(PlainFilters { coefficients, .. }) = layer.inner {
            moved.register(coefficients.id, soft_threshold(coefficients.val().inner(), by));
        }
    }
    model.map(&mut Replace(moved))
}

/// `z · max(1 − by / (‖z‖ + ε), 0)` for each column `z` of coefficients `[channels_out, inner, 1, 1]`.
///
/// Source: the proximal step of Hinge's group sparsity.
fn soft_threshold(coefficients: Tensor<4>, by: f64) -> Tensor<4> {
    let norms = coefficients.clone().square().sum_dim(0).sqrt();
    let factors = (norms + EPSILON).recip().mul_scalar(-by) + 1.0;
    coefficients * factors.clamp_min(0.0)
}

/// Ones for the filters that are left, zeros for those that are gone, for each parameter of a layer.
struct Masks(Vec<Mask>);

struct Mask {
    param: ParamId,
    /// Which dimension of the parameter counts filters.
    dim: usize,
    numbers: Tensor<1>,
}

impl Masks {
    fn new(layers: &[InnerLayer], left: Vec<Vec<bool>>) -> Self {
        let mut masks = Vec::new();
        for (layer, left) in layers.iter().zip(left) {
            let device: Device = layer.inner.filters().lazy_device().without_autodiff();
            let numbers: Vec<f32> = left.iter().map(|&left| f32::from(u8::from(left))).collect();
            let numbers = Tensor::<1>::from_floats(numbers.as_slice(), &device);
            let params = match &layer.inner {
                InnerFilters::Plain(plain) => {
                    vec![(plain.filters.id, 0), (plain.coefficients.id, 1)]
                }
                // No number of the mask, and the filter of the code is 0.
                InnerFilters::Coded(coded) => vec![(coded.mask.id, 0)],
            };
            for (param, dim) in params {
                masks.push(Mask { param, dim, numbers: numbers.clone() });
            }
        }
        Self(masks)
    }

    /// The model, on the autodiff device or off it, with exact zeros in the place of what is gone.
    fn apply(&self, model: Model) -> Model {
        model.map(&mut Masking(&self.0))
    }
}

struct Masking<'a>(&'a [Mask]);

impl ModuleMapper for Masking<'_> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some(mask) = self.0.iter().find(|mask| mask.param == param.id) else {
            return param;
        };
        let mut shape = [1; D];
        shape[mask.dim] = mask.numbers.dims()[0];
        let numbers = mask.numbers.clone().reshape(shape);
        param.map(|old| match old.device().is_autodiff() {
            true => {
                let masked = Tensor::from_inner(old.clone().inner() * numbers);
                masked.set_require_grad(old.is_require_grad())
            }
            false => old * numbers,
        })
    }
}

#[cfg(test)]
mod tests;
