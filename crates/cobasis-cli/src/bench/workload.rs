//! What is measured: training steps and inferences on random images.

use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};
use cobasis_data::Batch;
use cobasis_train::tensors::host;
use cobasis_train::train::{Recipe, StepAt, Trainer};
use cobasis_zoo::{Deployed, Model, ModelConfig, ModelName};

/// What a model is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// Training steps: forward, backward, and a step of the optimizer.
    Train,
    /// Logits, from the model as it was trained.
    Infer,
    /// Logits, from the model folded for use.
    InferDeployed,
}

/// A measurement to be made.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The model.
    pub model: ModelName,
    /// Images at a time.
    pub batch: usize,
    /// What it does.
    pub task: Task,
}

/// Work that can be repeated.
pub struct Workload {
    kind: Kind,
    /// Floating-point operations of one repetition, two to a multiply-accumulate.
    pub operations: u64,
}

enum Kind {
    Train(Box<Trainer>, Batch),
    Infer(Box<Model>, Tensor<4>),
    Deployed(Box<Deployed>, Tensor<4>),
}

impl Workload {
    /// The work of a setup, with the initial weights of seed 0.
    pub fn new(setup: &Setup, device: &Device) -> Self {
        let config = ModelConfig::new(setup.model.clone());
        Self::of(config.init(&device.clone().without_autodiff()), setup, device)
    }

    /// The work of a setup with a given model on the device.
    pub fn of(model: Model, setup: &Setup, device: &Device) -> Self {
        let [channels, height, width] = model.config.name.entry().input;
        let shape = [setup.batch, channels, height, width];
        let values = pixels(shape.iter().product());
        let images = || Tensor::from_data(TensorData::new(values.clone(), shape), device);
        let macs = |model: &Model| {
            let rows = model.cost([height, width]);
            rows.total().macs
        };
        let (kind, macs) = match setup.task {
            Task::Train => {
                // The forward pass, and the gradients of inputs and of filters.
                let macs = 3 * macs(&model);
                let classes = model.config.num_classes;
                let device = device.clone().autodiff();
                let own = model.config.init_from(model.state(), &device);
                let own = own.expect("a model has its own tensors");
                let trainer: Trainer = Trainer::with_model(Recipe::default(), own, device);
                let labels = (0..setup.batch).map(|image| (image % classes) as u16).collect();
                let indices = (0..setup.batch).collect();
                let unreadable = Vec::new();
                let batch = Batch { images: values.clone(), labels, indices, shape, unreadable };
                (Kind::Train(Box::new(trainer), batch), macs)
            }
            Task::Infer => {
                let macs = macs(&model);
                (Kind::Infer(Box::new(model.valid()), images()), macs)
            }
            Task::InferDeployed => {
                let deployed = model.deploy(device);
                let macs = deployed.macs([height, width]);
                (Kind::Deployed(Box::new(deployed), images()), macs)
            }
        };
        Self { kind, operations: 2 * macs * setup.batch as u64 }
    }

    /// Does the work once; gives logits `[batch, classes]`, row-major, or the loss of a step.
    pub fn run(&mut self) -> Vec<f32> {
        match &mut self.kind {
            Kind::Train(trainer, batch) => {
                // A rate at which many steps on one batch stay finite.
                let at = StepAt { epoch: 1, step: 1, lr: 1e-3, lambda: 10.0 };
                let report = trainer.step(std::slice::from_ref(batch), at).expect("no constraint");
                vec![report.score.mean_cross_entropy() as f32]
            }
            Kind::Infer(model, images) => host(model.forward(images.clone())),
            Kind::Deployed(model, images) => host(model.forward(images.clone())),
        }
    }
}

/// Numbers between -1 and 1, always the same.
pub(super) fn pixels(count: usize) -> Vec<f32> {
    let mut state = 1_u32;
    let mut next = || {
        state = state.wrapping_mul(1664525).wrapping_add(1013904223);
        (state >> 8) as f32 / (1 << 23) as f32 - 1.0
    };
    (0..count).map(|_| next()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_deployed_model_gives_the_logits_of_its_source() {
        let setup = |task| Setup {
            model: "digits/resnet14-s8u1".parse().expect("a model"),
            batch: 3,
            task,
        };
        let device = Device::flex();
        let mut source = Workload::new(&setup(Task::Infer), &device);
        let mut deployed = Workload::new(&setup(Task::InferDeployed), &device);
        let (expected, found) = (source.run(), deployed.run());
        assert_eq!(expected.len(), 30);
        for (found, expected) in found.iter().zip(&expected) {
            assert!((found - expected).abs() < 1e-4, "{found} is not {expected}");
        }
        assert!(deployed.operations <= source.operations);
    }
}
