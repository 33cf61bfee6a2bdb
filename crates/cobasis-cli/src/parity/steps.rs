//! The training steps of a fixture, taken by our model.

use std::collections::BTreeMap;

use burn::module::{Module, ModuleMapper, Param, ParamId};
use burn::optim::decay::WeightDecayConfig;
use burn::optim::momentum::MomentumConfig;
use burn::optim::{GradientsParams, SgdConfig};
use burn::tensor::{DType, Device, Tensor, TensorData};
use cobasis_train::tensors::{host, labels};
use cobasis_train::train::{Objective, Targets};
use cobasis_zoo::Model;
use cobasis_zoo::cobasis::ortho::Counted;

use crate::parity::fill::{self, fill};
use crate::parity::fixture::Fixture;

/// The steps of a fixture, with numbers of one type.
pub(super) struct Steps<'a> {
    fixture: &'a Fixture,
    objective: Objective,
    input: Tensor<4>,
    device: &'a Device,
}

/// What the first step computes.
pub(super) struct FirstStep {
    pub(super) logits: Vec<f32>,
    pub(super) loss: f64,
    /// By path in our module tree; `None`: it takes no part.
    pub(super) gradient_norms: Vec<(String, Option<f64>)>,
    pub(super) running_norms: RunningNorms,
    pub(super) gradients: GradientsParams,
}

/// The norm of each running mean and variance, by path.
pub(super) type RunningNorms = BTreeMap<String, f64>;

impl<'a> Steps<'a> {
    pub(super) fn new(fixture: &'a Fixture, device: &'a Device, dtype: DType) -> Self {
        let counted = match fixture.regularizer_with_unique {
            Some(_) => Counted::SharedAndUnique,
            None => Counted::Shared,
        };
        let input = Tensor::from_data(fill("input", &fixture.input), (device, dtype));
        Self { fixture, objective: Objective::with(counted, device), input, device }
    }

    /// The first step, but for the update. The model's numbers are of the steps' type.
    pub(super) fn first(&self, model: &Model) -> FirstStep {
        let (logits, total) = self.forward(model);
        let loss = total.clone().detach().into_data().iter::<f64>().sum();
        let gradients = GradientsParams::from_grads(total.backward(), model);
        let tensors = model.tensors().into_iter();
        let norm = |id, rank| gradient(&gradients, id, rank).map(|data| norm(&data));
        let norms = tensors.map(|tensor| (tensor.path, norm(tensor.id, tensor.shape.len())));
        FirstStep {
            logits: host(logits.detach()),
            loss,
            gradient_norms: norms.collect(),
            running_norms: running_norms(model),
            gradients,
        }
    }

    /// The running statistics after all steps, for the model and the gradients of the first.
    pub(super) fn running_after(&self, model: Model, gradients: GradientsParams) -> RunningNorms {
        let sgd = self.fixture.sgd;
        let momentum = MomentumConfig::new().with_momentum(sgd.momentum).with_dampening(0.0);
        let mut optimizer = SgdConfig::new()
            .with_momentum(Some(momentum))
            .with_weight_decay(Some(WeightDecayConfig::new(sgd.weight_decay as f32)))
            .init();
        let mut model = optimizer.step(sgd.lr, model, gradients);
        for _ in 2..self.fixture.trajectory.len() {
            let (_, total) = self.forward(&model);
            let gradients = GradientsParams::from_grads(total.backward(), &model);
            model = optimizer.step(sgd.lr, model, gradients);
        }
        self.forward(&model);
        running_norms(&model)
    }

    /// Logits and loss.
    fn forward(&self, model: &Model) -> (Tensor<2>, Tensor<1>) {
        let Self { fixture, objective, input, device } = self;
        let targets = fill::labels(fixture.input[0], fixture.num_classes);
        let targets = Targets::Labels(labels(&targets, device));
        let logits = model.forward(input.clone());
        let losses = objective.losses(model, logits.clone(), targets, 0);
        (logits, losses.total(fixture.lambda_))
    }
}

fn running_norms(model: &Model) -> RunningNorms {
    let state = model.valid().state().into_iter();
    let running = state.filter(|(path, _)| path.contains("running_"));
    running.map(|(path, data)| (path, norm(&data))).collect()
}

fn gradient(gradients: &GradientsParams, id: ParamId, rank: usize) -> Option<TensorData> {
    match rank {
        1 => gradients.get::<1>(id).map(Tensor::into_data),
        2 => gradients.get::<2>(id).map(Tensor::into_data),
        3 => gradients.get::<3>(id).map(Tensor::into_data),
        _ => gradients.get::<4>(id).map(Tensor::into_data),
    }
}

fn norm(data: &TensorData) -> f64 {
    data.iter::<f64>().map(|value| value * value).sum::<f64>().sqrt()
}

/// Changes the type of a module's numbers.
pub(super) struct Cast(pub(super) DType);

impl ModuleMapper for Cast {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        param.map(|old| {
            let requires_grad = old.is_require_grad();
            old.cast(self.0).detach().set_require_grad(requires_grad)
        })
    }
}
