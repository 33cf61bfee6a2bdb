//! What is measured: training steps and inferences on random images.

use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};
use cobasis_data::Batch;
use cobasis_data::boxes::{Annotation, BoxKind, Boxes, Rect};
use cobasis_train::tensors::host;
use cobasis_train::train::{Detection, Recipe, StepAt, Trainer};
use cobasis_zoo::deploy::Runtime;
use cobasis_zoo::{Deployed, DetectorConfig, HeadKind, Model, ModelConfig, ModelName};

/// A step at a rate at which many of them on one batch stay finite.
const STEP: StepAt = StepAt { epoch: 1, step: 1, lr: 1e-3, lambda: 10.0 };

/// What a model is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// Training steps: forward, backward, and a step of the optimizer.
    Train,
    /// Logits, from the model as it was trained.
    Infer,
    /// Logits, from the model folded for use; on the processor by `cobasis-run`.
    InferDeployed,
    /// Logits from the same by Burn, operation by operation.
    InferByBurn,
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
    /// What finds things in the place of the model's classifier.
    pub detector: Option<DetectorConfig>,
}

impl Setup {
    /// The model's name, and the head of a detector.
    pub fn name(&self) -> String {
        let head = self.detector.as_ref().map(|detector| match detector.head {
            HeadKind::Dense => " detector with dense head",
            HeadKind::Shared { .. } => " detector with shared head",
        });
        format!("{}{}", self.model, head.unwrap_or_default())
    }

    /// The configuration of the model.
    pub fn config(&self) -> ModelConfig {
        let config = ModelConfig::new(self.model.clone());
        match &self.detector {
            Some(detector) => config.with_detector(detector.clone()),
            None => config,
        }
    }
}

impl Task {
    /// The same, operation by operation, which a profiler sees and which Burn can do alone.
    pub fn by_operations(self) -> Self {
        match self {
            Task::InferDeployed => Task::InferByBurn,
            other => other,
        }
    }
}

/// Work that can be repeated.
pub struct Workload {
    kind: Kind,
    /// Floating-point operations of one repetition, two to a multiply-accumulate.
    pub operations: u64,
}

enum Kind {
    Train(Box<Trainer>, Batch),
    TrainDetector(Box<Trainer<Detection>>, Batch<Boxes>),
    Infer(Box<Model>, Tensor<4>),
    Deployed(Box<Deployed>, Tensor<4>),
    Runtime(Box<Runtime>, Vec<f32>, [usize; 4]),
}

impl Workload {
    /// The work of a setup, with the initial weights of seed 0.
    pub fn new(setup: &Setup, device: &Device) -> Self {
        let config = setup.config();
        Self::of(config.init(&device.clone().without_autodiff()), setup, device)
    }

    /// The work of a setup with a given model on the device.
    pub fn of(model: Model, setup: &Setup, device: &Device) -> Self {
        let ([height, width], channels) = (model.config.image(), model.config.in_channels);
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
                let images = values.clone();
                let indices = (0..setup.batch).collect();
                let unreadable = Vec::new();
                let kind = if setup.detector.is_some() {
                    let trainer = Trainer::with_model(Recipe::default(), own, device);
                    let labels = (0..setup.batch).map(|image| Boxes {
                        size: [height, width],
                        boxes: objects(image, [height, width], classes),
                    });
                    let labels = labels.collect();
                    let batch = Batch { images, labels, indices, shape, unreadable };
                    Kind::TrainDetector(Box::new(trainer), batch)
                } else {
                    let trainer = Trainer::with_model(Recipe::default(), own, device);
                    let labels = (0..setup.batch).map(|image| (image % classes) as u16).collect();
                    let batch = Batch { images, labels, indices, shape, unreadable };
                    Kind::Train(Box::new(trainer), batch)
                };
                (kind, macs)
            }
            Task::Infer => {
                let macs = macs(&model);
                (Kind::Infer(Box::new(model.valid()), images()), macs)
            }
            Task::InferDeployed | Task::InferByBurn => {
                let deployed = model.deploy(device);
                let macs = deployed.macs([height, width]);
                let runtime = match setup.task == Task::InferDeployed && *device == Device::flex() {
                    true => deployed.runtime(rayon::current_num_threads()),
                    false => None,
                };
                let kind = match runtime {
                    Some(runtime) => Kind::Runtime(Box::new(runtime), values.clone(), shape),
                    None => Kind::Deployed(Box::new(deployed), images()),
                };
                (kind, macs)
            }
        };
        Self { kind, operations: 2 * macs * setup.batch as u64 }
    }

    /// Does the work once; gives logits `[batch, classes]`, row-major, or the loss of a step.
    pub fn run(&mut self) -> Vec<f32> {
        match &mut self.kind {
            Kind::Train(trainer, batch) => {
                let report =
                    trainer.step(std::slice::from_ref(batch), STEP).expect("no constraint");
                vec![report.score.mean_cross_entropy() as f32]
            }
            Kind::TrainDetector(trainer, batch) => {
                let report =
                    trainer.step(std::slice::from_ref(batch), STEP).expect("no constraint");
                vec![report.loss as f32]
            }
            Kind::Infer(model, images) => host(model.forward(images.clone())),
            Kind::Deployed(model, images) => host(model.forward(images.clone())),
            Kind::Runtime(runtime, images, shape) => {
                runtime.run(images, *shape).expect("images that fit the model")
            }
        }
    }
}

/// The boxes of an image, fourteen as in an image of BCCD; PyTorch's script has the same.
fn objects(image: usize, [height, width]: [usize; 2], classes: usize) -> Vec<Annotation> {
    let number = |number: usize| {
        let place = 14 * image + number;
        let (x, y) = (97 * place % (width - 64), 57 * place % (height - 64));
        let sides = [24 + 31 * number % 40, 24 + 17 * number % 40];
        let rect = Rect::from_xywh([x, y, sides[0], sides[1]].map(|number| number as f64));
        let class = (number % classes) as u16;
        Annotation { rect, class, kind: BoxKind::Object, area: rect.area() }
    };
    (0..14).map(number).collect()
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
            detector: None,
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
