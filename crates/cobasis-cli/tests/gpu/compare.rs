//! What a module computes, on two devices.

use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Device, Gradients, Tensor, TensorData};

/// What a computation came to: numbers on the host, by name.
pub type Values = Vec<(String, Vec<f32>)>;

/// What a training step came to.
pub struct Step {
    /// Output, loss, and the output in evaluation, with the running statistics that the step left.
    pub outputs: Values,
    /// The gradients of every parameter and of the input.
    pub gradients: Values,
}

/// How far off a value may be, relative to the largest of its kind.
pub const BOUND: f64 = 1e-3;

/// The largest difference of two computations, relative to the largest number of the same name.
pub struct Difference {
    /// The value that differs most.
    pub what: String,
    /// By how much.
    pub error: f64,
    /// By how much it may differ.
    pub bound: f64,
}

impl Difference {
    /// The one that takes more of its bound; unlike with `f64::max`, what is no number stays.
    pub fn or(self, other: Self) -> Self {
        let [ours, theirs] = [&self, &other].map(|difference| difference.error / difference.bound);
        if theirs.is_nan() || theirs > ours { other } else { self }
    }
}

/// Runs a computation on the device and on Flex.
pub fn against_flex(device: &Device, compute: impl Fn(&Device) -> Values) -> Difference {
    let reference = compute(&Device::flex());
    let values = compute(device);
    let names = |values: &Values| {
        values.iter().map(|(name, values)| (name.clone(), values.len())).collect::<Vec<_>>()
    };
    assert_eq!(names(&values), names(&reference), "other values than on Flex");
    let differences = values.into_iter().zip(reference).map(|((what, values), (_, reference))| {
        let scale = largest(&reference);
        assert!(scale > 0.0, "{what} is zero");
        let errors = values.iter().zip(&reference).map(|(a, b)| f64::from(a - b).abs() / scale);
        Difference { what, error: errors.fold(0.0, worse), bound: BOUND }
    });
    differences.reduce(Difference::or).expect("something is computed")
}

fn largest(values: &[f32]) -> f64 {
    values.iter().map(|value| f64::from(value.abs())).fold(0.0, f64::max)
}

/// The larger error; unlike `f64::max`, an error that is no number stays one.
fn worse(a: f64, b: f64) -> f64 {
    if a.is_nan() || a > b { a } else { b }
}

/// Values in (−1, 1) that depend on the seed only.
pub fn values<const D: usize>(shape: [usize; D], seed: f64, device: &Device) -> Tensor<D> {
    let count = shape.iter().product::<usize>();
    let value = |index| ((index as f64 * 12.9898 + seed).sin() * 43758.5453).fract() as f32;
    let values: Vec<f32> = (1..=count).map(value).collect();
    Tensor::from_data(TensorData::new(values, shape), device)
}

/// A training step of a module whose input is on an autodiff device.
pub fn step<M: Module, const D: usize>(
    module: &M,
    input: Tensor<4>,
    forward: impl Fn(&M, Tensor<4>) -> Tensor<D>,
    loss: impl Fn(&M, Tensor<D>) -> Tensor<1>,
) -> Step {
    let input = input.require_grad();
    let output = forward(module, input.clone());
    let loss = loss(module, output.clone());
    let of_step = [("output", host(output)), ("loss", host(loss.clone()))];
    let gradients = loss.backward();
    let mut reader = GradientReader { gradients: &gradients, path: Vec::new(), found: Vec::new() };
    module.visit(&mut reader);
    let of_input = input.grad(&gradients).map(|gradient| ("input".to_string(), host(gradient)));
    let evaluated = forward(&module.valid(), input.without_autodiff());
    let outputs = of_step.into_iter().chain([("output in evaluation", host(evaluated))]);
    Step {
        outputs: outputs.map(|(name, values)| (name.to_string(), values)).collect(),
        gradients: reader.found.into_iter().chain(of_input).collect(),
    }
}

/// A tensor's values on the host, row-major.
pub fn host<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().iter::<f32>().collect()
}

/// Collects the gradients of a module's parameters.
struct GradientReader<'a> {
    gradients: &'a Gradients,
    path: Vec<String>,
    found: Values,
}

impl ModuleVisitor for GradientReader<'_> {
    fn enter_module(&mut self, name: &str, _container_type: &str) {
        self.path.push(name.to_string());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(gradient) = param.val().grad(self.gradients) {
            self.found.push((self.path.join("."), host(gradient)));
        }
    }
}
