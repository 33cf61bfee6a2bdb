//! Training steps of whole models, as numbers that devices agree about.

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{Device, Int, Tensor};
use cobasis_train::train::{Objective, Targets};
use cobasis_zoo::{Model, ModelConfig};

use crate::compare::{Step, Values, step, values};

/// Models and the shapes of their input.
pub const STEPS: [(&str, [usize; 4]); 2] =
    [("cifar10/resnet20-s8u1", [4, 3, 32, 32]), ("cifar100/mobilenet-v2-shared++", [4, 3, 8, 8])];

/// What a training step of a model with penalty comes to, with the lengths of all gradients.
pub fn training_step(device: &Device, name: &str, images: [usize; 4]) -> Values {
    let device = device.clone().autodiff();
    let model = config(name).init(&device).map(&mut Lift::default());
    let objective = Objective::with(model.config.name.entry().penalty, &device);
    let labels = Targets::Labels(Tensor::<1, Int>::from_data([3, 1, 4, 1], &device));
    let loss =
        |model: &Model, logits| objective.losses(model, logits, labels.clone(), 0).total(10.0);
    let Step { mut outputs, gradients } =
        step(&model, values(images, 0.5, &device), Model::forward, loss);
    let lengths = gradients.iter().map(|(_, gradient)| length(gradient)).collect();
    outputs.push(("lengths of gradients".to_string(), lengths));
    outputs
}

/// The model of this name, to be initialised.
pub fn config(name: &str) -> ModelConfig {
    ModelConfig::new(name.parse().expect("a model of the zoo"))
}

/// Shifts what batch norms give by three standard deviations.
///
/// Rounding decides about a ReLU whose input is next to zero, and every such input moves gradients
/// by a step. Here hardly any is.
#[derive(Default)]
struct Lift {
    path: Vec<String>,
}

impl ModuleMapper for Lift {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_string());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let lifted = self.path.last().is_some_and(|name| name == "beta");
        param.map(|old| match lifted {
            true => (old.clone() + 3.0).detach().set_require_grad(old.is_require_grad()),
            false => old,
        })
    }
}

fn length(values: &[f32]) -> f32 {
    values.iter().map(|value| value * value).sum::<f32>().sqrt()
}
