//! Models: a training step of two, and logits of every kind of network.

use burn::tensor::{Device, Int, Tensor};
use cobasis_train::train::{Objective, Targets};
use cobasis_zoo::{Model, ModelConfig};

use crate::Check;
use crate::compare::{Step, against_flex, host, step, values};

pub fn checks() -> Vec<Check> {
    let trained = [
        training_step("cifar10/resnet20-s8u1", 0, [4, 3, 32, 32]),
        training_step("cifar100/mobilenet-v2-shared++", 5, [4, 3, 8, 8]),
    ];
    let others = [
        "imagenet/resnet18",
        "imagenet/resnet50-shared++",
        "imagenet/mobilenet-v2-shared++-eca",
        "cifar100/resnet34-s8u1-double",
        "cifar100/resnext50-32x4d-s64u4",
        "cifar100/densenet121-s16u1",
    ]
    .map(logits);
    trained.into_iter().chain(others).collect()
}

/// Rounding decides about a ReLU whose input is next to zero, and that moves numbers of a gradient
/// by a step. So gradients are compared by their lengths, and seeds are such that the processor's
/// two backends agree to 1e-5.
fn training_step(name: &'static str, seed: u64, images: [usize; 4]) -> Check {
    let check = move |device: &Device| {
        against_flex(device, |device| {
            let device = device.clone().autodiff();
            let model = config(name).with_seed(seed).init(&device);
            let objective = Objective::with(model.config.name.entry().penalty.into(), &device);
            let labels = Targets::Labels(Tensor::<1, Int>::from_data([3, 1, 4, 1], &device));
            let loss =
                |model: &Model, logits| objective.losses(model, logits, labels.clone()).total(10.0);
            let Step { mut outputs, gradients } =
                step(&model, values(images, 0.5, &device), Model::forward, loss);
            let lengths = gradients.iter().map(|(_, gradient)| length(gradient)).collect();
            outputs.push(("lengths of gradients".to_string(), lengths));
            outputs
        })
    };
    (format!("training step of {name}"), Box::new(check))
}

fn logits(name: &'static str) -> Check {
    let check = move |device: &Device| {
        against_flex(device, |device| {
            let logits = config(name).init(device).forward(values([2, 3, 32, 32], 0.5, device));
            vec![("logits".to_string(), host(logits))]
        })
    };
    (format!("logits of {name}"), Box::new(check))
}

fn length(values: &[f32]) -> f32 {
    values.iter().map(|value| value * value).sum::<f32>().sqrt()
}

fn config(name: &str) -> ModelConfig {
    ModelConfig::new(name.parse().expect("a model of the zoo"))
}
