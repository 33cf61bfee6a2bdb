//! Asking every layer how its tensors start.

use std::collections::{HashMap, HashSet};

use burn::module::{Module, ModuleVisitor, Param, ParamId};
use burn::nn::conv::Conv1d;
use burn::nn::{BatchNorm, Linear};
use burn::tensor::Tensor;
use cobasis::{Composed, Convolution, Filters, Place, Role, Start};

use crate::visit::Visit;

/// The standard deviation of the weights of predictions (Lin et al. 2017, focal loss).
const PREDICTIONS: f64 = 0.01;

/// What a tensor starts with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Value {
    /// What it was made with: weights, biases and statistics of norms.
    Kept,
    /// What its layer or bank says.
    Starts(Start),
    /// Numbers within `±1/sqrt(inputs)`: biases, and linear layers.
    Uniform {
        /// The inputs of an output of the layer.
        inputs: usize,
    },
    /// Rows that are orthonormal to those of other tensors.
    WithOthers,
}

/// What the tensors of a model start with, by the parameters that they are.
#[derive(Default)]
pub(super) struct Starts {
    values: HashMap<ParamId, Value>,
    places: HashSet<String>,
}

impl Starts {
    pub(super) fn insert(&mut self, id: ParamId, value: Value) {
        self.values.insert(id, value);
    }

    /// What a tensor starts with, if its layer told.
    pub(super) fn of(&self, id: ParamId) -> Option<Value> {
        self.values.get(&id).copied()
    }
}

impl Visit for Starts {
    fn conv(&mut self, at: &Place, conv: &Convolution<'_>) {
        // Deployed models and ONNX files name tensors by it.
        let is_new = self.places.insert(at.to_string());
        assert!(is_new, "two convolutions are declared at {at}; each needs its own place");
        let prior = match conv.role {
            Role::Prediction(prior) => Some(prior),
            Role::Layer | Role::Basis | Role::Coefficients => None,
        };
        match &conv.filters {
            Filters::Stacked { own: Some(own), .. } => {
                let start = prior.map_or(Start::Filters, |_| Start::Normal(PREDICTIONS));
                self.insert(own.id, Value::Starts(start));
            }
            Filters::Stacked { own: None, .. } => {}
            Filters::Composed(composed) => {
                for source in &composed.own {
                    self.insert(source.id, Value::Starts(source.start));
                }
            }
        }
        if let Some(bias) = conv.bias {
            let inputs = conv.filters.shape()[1..].iter().product();
            let start = prior.map(|prior| Value::Starts(Start::Constant(prior.bias())));
            self.insert(bias.id, start.unwrap_or(Value::Uniform { inputs }));
        }
    }

    fn norm(&mut self, _: &Place, norm: &BatchNorm) {
        norm.visit(&mut Keep(self));
    }

    fn attention(&mut self, conv: &Conv1d) {
        self.insert(conv.weight.id, Value::Starts(Start::Filters));
    }

    fn composed_linear(&mut self, weights: &Composed<'_>, bias: &Param<Tensor<1>>) {
        for source in &weights.own {
            self.insert(source.id, Value::Starts(source.start));
        }
        self.insert(bias.id, Value::Uniform { inputs: weights.shape[1] });
    }

    fn linear(&mut self, linear: &Linear) {
        let inputs = linear.weight.lazy_shape()[0];
        let bias = linear.bias.iter().map(|bias| bias.id);
        for id in bias.chain([linear.weight.id]) {
            self.insert(id, Value::Uniform { inputs });
        }
    }
}

/// Notes the tensors of a module that stay as they are.
struct Keep<'a>(&'a mut Starts);

impl ModuleVisitor for Keep<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.0.insert(param.id, Value::Kept);
    }
}
