//! The gradients of all tensors, shared ones among them, are the slopes of the loss, in 64 bits.

use std::collections::HashMap;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param, ParamId};
use burn::optim::GradientsParams;
use burn::tensor::{DType, Device, Tensor, TensorData};
use cobasis_zoo::{AdapterKind, Model, ModelConfig};
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};

/// One of each sharing method.
const NAMES: &[&str] = &[
    "digits/resnet14-s4u1",
    "digits/resnet14-s4u1-double-all",
    "digits/resnet14-lowrank3-all",
    "digits/resnet14-tied",
    "digits/resnet14-tied-pairs-all",
    "digits/resnet14-templates2-all",
    "digits/resnet14-tai3-all",
    "digits/resnet14-tucker3-all",
    "digits/resnet14-jointsvd3-double-all",
    "digits/resnet14-filterbasis5x4-all",
    "digits/resnet14-filterbasis9-all",
    "digits/resnet14-width5",
    "digits/resnet14-hashed400-all",
    "digits/resnet14-ring400-all",
    "digits/resnet14-hypernet5-all",
    "digits/resnet14-tbasis2r3-all",
    "digits/resnet14-hinge30000-all",
];

/// Parameters in 64 bits.
struct Wide;

impl ModuleMapper for Wide {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        param.map(|values| {
            let learns = values.is_require_grad();
            Tensor::from_inner(values.inner().cast(DType::F64)).set_require_grad(learns)
        })
    }
}

/// Parameters, each moved along a direction of its own by a step.
struct Moved<'a> {
    directions: &'a HashMap<ParamId, Vec<f64>>,
    step: f64,
}

impl ModuleMapper for Moved<'_> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Some(direction) = self.directions.get(&param.id) else { return param };
        let (step, device) = (self.step, param.lazy_device());
        param.map(|values| {
            let data = TensorData::new(direction.clone(), values.dims());
            let direction = Tensor::<D>::from_data(data, (&device, DType::F64));
            Tensor::from_inner(values.inner() + direction.inner() * step).require_grad()
        })
    }
}

/// A random direction for each parameter, and the gradient along it.
struct Slopes<'a> {
    rng: Xoshiro256PlusPlus,
    gradients: &'a GradientsParams,
    directions: HashMap<ParamId, Vec<f64>>,
    slopes: HashMap<ParamId, f64>,
}

impl ModuleVisitor for Slopes<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let Some(gradient) = self.gradients.get::<D>(param.id) else { return };
        let gradient: Vec<f64> = gradient.into_data().iter::<f64>().collect();
        let direction: Vec<f64> =
            gradient.iter().map(|_| self.rng.random_range(-1.0..1.0)).collect();
        let slope = gradient.iter().zip(&direction).map(|(a, b)| a * b).sum();
        self.slopes.insert(param.id, slope);
        self.directions.insert(param.id, direction);
    }
}

/// A smooth function of the logits, so that each parameter matters.
fn loss(model: &Model, device: &Device) -> Tensor<1> {
    let values: Vec<f64> = (0..3 * 64).map(|i| (i * 37 % 101) as f64 / 50.0 - 1.0).collect();
    let images = TensorData::new(values, [3, 1, 8, 8]);
    let images = Tensor::<4>::from_data(images, (device, DType::F64));
    let logits = model.forward(images);
    let weights: Vec<f64> = (0..30).map(|i| (i * 17 % 31) as f64 / 15.0 - 1.0).collect();
    let weights = Tensor::<2>::from_data(TensorData::new(weights, [3, 10]), (device, DType::F64));
    (logits.clone() * weights).sum() + logits.square().sum() * 0.1
}

#[test]
fn gradients_are_the_slopes_of_the_loss() {
    #[allow(deprecated)] // NdArray computes in 64 bits.
    let device = Device::ndarray().autodiff();
    for name in NAMES {
        let config = ModelConfig::new(name.parse().expect("a name"));
        let model = config.init(&device).map(&mut Wide);
        let slopes = check(name, &model, &device);
        let shared: Vec<ParamId> = model.bases().iter().map(|(_, basis)| basis.weight.id).collect();
        assert!(shared.iter().all(|id| slopes.contains(id)), "{name}: a bank has no gradient");
    }
}

#[test]
fn gradients_of_tasks_are_the_slopes_of_the_loss() {
    #[allow(deprecated)] // NdArray computes in 64 bits.
    let device = Device::ndarray().autodiff();
    for name in ["digits/resnet14", "digits/resnet14-s4u1", "digits/resnet14-templates2"] {
        for kind in AdapterKind::ALL {
            let base = ModelConfig::new(name.parse().expect("a name")).init(&device);
            let Ok(task) = base.with_adapter(kind, 10) else { continue };
            let task = with_an_effect(task, &device).map(&mut Wide);
            let name = format!("{name} {kind}");
            let slopes = check(&name, &task, &device);
            for tensor in task.tensors() {
                let of_task = ["adapter.", "head."].iter().any(|it| tensor.path.starts_with(it));
                let is_statistic = tensor.path.contains(".running_");
                let learns = (of_task || kind == AdapterKind::Full) && !is_statistic;
                assert_eq!(slopes.contains(&tensor.id), learns, "{name}: {}", tensor.path);
            }
        }
    }
}

/// The model with an adapter that changes something.
fn with_an_effect(model: Model, device: &Device) -> Model {
    let mut rng = Xoshiro256PlusPlus::seed_from_u64(5);
    let mut state = model.state();
    for (name, data) in state.iter_mut() {
        if name.starts_with("adapter.") && !name.contains(".running_") {
            let values = data.iter::<f32>().map(|value| value + rng.random_range(-0.2..0.2));
            *data = TensorData::new(values.collect::<Vec<f32>>(), data.shape().to_vec());
        }
    }
    model.config.init_from(state, device).expect("its own tensors")
}

/// Compares the gradients of a model with slopes; the parameters that have one.
fn check(name: &str, model: &Model, device: &Device) -> Vec<ParamId> {
    let gradients = loss(model, device).backward();
    let gradients = GradientsParams::from_grads(gradients, model);
    let mut found = Slopes {
        rng: Xoshiro256PlusPlus::seed_from_u64(11),
        gradients: &gradients,
        directions: HashMap::new(),
        slopes: HashMap::new(),
    };
    model.visit(&mut found);
    let Slopes { directions, slopes, .. } = found;
    for (id, slope) in &slopes {
        let at = |step: f64| -> f64 {
            let direction = HashMap::from([(*id, directions[id].clone())]);
            let moved = model.clone().map(&mut Moved { directions: &direction, step });
            loss(&moved, device).into_data().iter::<f64>().sum()
        };
        // A kink of ReLU between the two points spoils a step, but not all of them.
        let steps = [1e-5, 1e-6, 1e-7, 1e-8];
        let found = steps.map(|step| (at(step) - at(-step)) / (2.0 * step));
        let is_close = |expected: &f64| (slope - expected).abs() < 1e-5 * expected.abs().max(1e-1);
        assert!(found.iter().any(is_close), "{name}: {slope}, not {found:?}");
    }
    slopes.into_keys().collect()
}
