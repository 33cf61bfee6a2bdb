//! Models: a training step of two, and logits of every kind of network.

use burn::tensor::Device;

use crate::Check;
use crate::compare::{against_flex, host, values};
use crate::steps::{STEPS, config, training_step};

pub fn checks() -> Vec<Check> {
    let others = [
        "imagenet/resnet18",
        "imagenet/resnet50-shared++",
        "imagenet/mobilenet-v2-shared++-eca",
        "cifar100/resnet34-s8u1-double",
        "cifar100/resnext50-32x4d-s64u4",
        "cifar100/densenet121-s16u1",
    ]
    .map(logits);
    STEPS.map(step).into_iter().chain(others).collect()
}

fn step((name, images): (&'static str, [usize; 4])) -> Check {
    let check =
        move |device: &Device| against_flex(device, |device| training_step(device, name, images));
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
