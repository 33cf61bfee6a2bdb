//! A parity fixture: what the authors' code computed for one model.

use std::collections::BTreeMap;

use cobasis_zoo::ModelName;
use serde::Deserialize;

use crate::parity::names::model_name;

/// The part of a fixture file that is compared.
#[derive(Clone, Debug, Deserialize)]
pub struct Fixture {
    /// The authors' module, `cifar10/resnet`.
    pub model: String,
    /// The authors' constructor, `ResNet32_SingleShared`.
    pub constructor: String,
    /// The constructor's arguments: ranks.
    pub args: Vec<usize>,
    /// Classes of the model.
    pub num_classes: usize,
    /// Shape of the input, `[batch, channels, height, width]`.
    pub input: [usize; 4],
    /// Distinct trainable parameters.
    pub num_params: u64,
    /// Logits with running statistics, `[batch][class]`.
    pub eval_logits: Vec<Vec<f64>>,
    /// Logits with batch statistics, `[batch][class]`.
    pub train_logits: Vec<Vec<f64>>,
    /// The penalty of each family, shared filters only; none where nothing is shared.
    pub regularizer_families: Vec<f64>,
    /// The penalty that counts the unique filters too, where the authors' objective does.
    pub regularizer_with_unique: Option<f64>,
    /// The weight of the penalty.
    pub lambda_: f64,
    /// Training steps; the loss of the first one is compared.
    pub trajectory: Vec<Step>,
    /// How the steps are taken.
    pub sgd: Sgd,
    /// The norm of each parameter's gradient in the first step; `None`: it takes no part.
    pub grad_l2: BTreeMap<String, Option<f64>>,
    /// The norm of each running mean and variance after the steps.
    pub running_after: BTreeMap<String, f64>,
    /// Shapes of the parameters by the authors' names.
    pub parameters: BTreeMap<String, Vec<usize>>,
    /// Shapes of the buffers by the authors' names.
    pub buffers: BTreeMap<String, Vec<usize>>,
    /// How far the authors' code in 32 bits is from the reference in 64.
    pub float32_error: Float32Error,
}

/// A training step of a fixture.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Step {
    /// Cross entropy + λ × penalty before the step.
    pub loss: f64,
}

/// Stochastic gradient descent as PyTorch does it.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Sgd {
    /// Learning rate.
    pub lr: f64,
    /// Momentum, without dampening.
    pub momentum: f64,
    /// Weight decay of all parameters.
    pub weight_decay: f64,
}

/// How far the authors' code in 32 bits is from the reference in 64.
#[derive(Clone, Debug, Deserialize)]
pub struct Float32Error {
    /// Of the evaluation logits, relative to the largest.
    pub eval_logits_max_rel_to_scale: f64,
    /// Of the training logits.
    pub train_logits_max_abs: f64,
    /// Of the loss of each step, relative.
    pub loss_rel: Vec<f64>,
    /// Of the norms of the gradients, relative to the largest.
    pub grad_l2_max_rel_to_largest: f64,
}

impl Fixture {
    /// Reads the text of a fixture.
    ///
    /// # Errors
    ///
    /// Why the text is no fixture.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let fixture: Self = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let rows = fixture.eval_logits.iter().chain(&fixture.train_logits);
        let complete = fixture.eval_logits.len() == fixture.input[0]
            && fixture.train_logits.len() == fixture.input[0]
            && rows.into_iter().all(|row| row.len() == fixture.num_classes)
            && fixture.trajectory.len() > 1
            && !fixture.float32_error.loss_rel.is_empty()
            && fixture.input.iter().product::<usize>() > 0;
        match complete {
            true => Ok(fixture),
            false => Err("its sizes contradict each other".to_string()),
        }
    }

    /// Our name for the authors' model.
    ///
    /// # Errors
    ///
    /// A description of the model, if the zoo does not have it.
    pub fn name(&self) -> Result<ModelName, String> {
        let dataset = self.model.split_once('/').map_or("", |(dataset, _)| dataset);
        model_name(dataset, &self.constructor, &self.args)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_fixture_is_refused() {
        for text in ["", "{}", "[1, 2]", "{\"model\": 3}", "\u{0}"] {
            assert!(Fixture::parse(text).is_err(), "{text}");
        }
    }
}
