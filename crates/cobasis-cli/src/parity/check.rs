//! Comparing a model with a fixture.

use std::path::Path;

use burn::module::Module;
use burn::tensor::{DType, Device, Tensor};
use cobasis_train::device::has_64_bits;
use cobasis_train::tensors::host;
use cobasis_zoo::cobasis::ortho::Counted;
use cobasis_zoo::pytorch::{self, PyTorchTensor};
use cobasis_zoo::{Model, ModelConfig, State};
use serde::Serialize;

use crate::error::Error;
use crate::parity::file_name;
use crate::parity::fill::fill;
use crate::parity::fixture::Fixture;
use crate::parity::steps::{Cast, FirstStep, RunningNorms, Steps};

/// How much further from the reference than the authors' 32-bit code a value may be.
const SLACK: f64 = 10.0;
/// No logit or loss may be further off than this, however far off the authors' are.
const LOOSEST: f64 = 1e-4;
/// How much further than the authors' 32-bit code the logits of a training step may be where even
/// that is further off than [`LOOSEST`] allows: batch norms of a hundred layers magnify rounding.
const TRAIN_SLACK: f64 = 3.0;
/// The penalty's bound: fixtures give no 32-bit error for it, and it is a short sum.
const REGULARIZER_BOUND: f64 = 1e-6;
/// How far 32-bit rounding alone may move the norms of gradients, relative to the largest. A ReLU
/// whose input is within rounding of zero may open or close, which shifts gradients by a step
/// however good the arithmetic is: by up to 9e-4 in the fixtures' own 32-bit runs.
const ROUNDED_GRADIENTS: f64 = 2e-3;
/// The bound of running statistics after all steps in 64 bits, in which steps make of rounding up to
/// 4e-9. With the batch's biased variance, they would be off by 1e-4 and more.
const RUNNING_BOUND: f64 = 1e-6;
/// The bound of running statistics after the first step in 32 bits. After more of them, rounding
/// decides: the authors' own weights are then off by up to a tenth.
const ROUNDED_RUNNING: f64 = 1e-5;

/// One value that was compared.
#[derive(Clone, Debug, Serialize)]
pub struct Check {
    /// What was compared.
    pub what: &'static str,
    /// How far it is from the reference.
    pub error: f64,
    /// How far it may be.
    pub bound: f64,
}

/// All comparisons of a fixture.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The fixture's file.
    pub file: String,
    /// Our name of the model.
    pub model: String,
    /// The comparisons.
    pub checks: Vec<Check>,
}

impl Check {
    pub(crate) fn new(what: &'static str, error: f64, bound: f64) -> Self {
        Self { what, error, bound }
    }

    /// Whether the value is within its bound. What is no number is not.
    pub fn passed(&self) -> bool {
        self.error <= self.bound
    }
}

impl Report {
    /// Whether all values are within their bounds.
    pub fn passed(&self) -> bool {
        self.checks.iter().all(Check::passed)
    }
}

/// Rebuilds a fixture's model and compares what it computes on the device.
///
/// Bounds are ten times the error of the authors' own code in 32 bits, for logits in evaluation and
/// loss never more than 1e-4; for logits of a training step, the larger of 1e-4 and three times that
/// error. Loss and gradients are held to that in 64-bit arithmetic, where the device has
/// it: in 32 bits, a loss is rounded, and rounding decides which side of zero a ReLU's input is on.
///
/// # Errors
///
/// If the fixture describes a model that the zoo does not have, or that has other tensors.
pub(crate) fn check(fixture: &Fixture, path: &Path, device: &Device) -> Result<Report, Error> {
    let fail = |problem: String| Error::Fixture { path: path.to_path_buf(), problem };
    let name = fixture.name().map_err(fail)?;
    let config = ModelConfig::new(name.clone())
        .with_num_classes(fixture.num_classes)
        .with_in_channels(fixture.input[1])
        .as_authors();
    let tensors = pytorch::tensors(&config, device).map_err(|error| fail(error.to_string()))?;
    compare_tensors(fixture, &tensors).map_err(fail)?;
    let named = |tensor: &PyTorchTensor| (tensor.name.clone(), fill(&tensor.name, &tensor.shape));
    let state: State = tensors.iter().map(named).collect();
    let model = |device: &Device| {
        let model = config.init_from_pytorch(state.clone(), device);
        model.map_err(|error| fail(error.to_string()))
    };

    let plain = model(device)?;
    let input = fill("input", &fixture.input);
    let eval_logits = host(plain.forward(Tensor::from_data(input, device)));
    let autodiff = device.clone().autodiff();
    let errors = &fixture.float32_error;
    let gradients = |step: &FirstStep| gradient_error(fixture, &tensors, &step.gradient_norms);
    let sharp_bound = SLACK * errors.grad_l2_max_rel_to_largest;
    let rounded_bound = sharp_bound.max(ROUNDED_GRADIENTS);
    let capped = |error: f64| (SLACK * error).min(LOOSEST);
    let loss_bound = capped(errors.loss_rel[0]);
    let loss_error = |loss: f64| relative(loss, fixture.trajectory[0].loss);

    // A model of its own: a copy would share its running statistics.
    let exact = match has_64_bits(device) {
        true => Some(model(&autodiff)?.map(&mut Cast(DType::F64))),
        false => None,
    };
    let step = Steps::new(fixture, &autodiff, DType::F32).first(&model(&autodiff)?);

    let train_scale = largest(fixture.train_logits.iter().flatten().copied());
    let count = plain.parameters().trainable;
    let params_off = count.abs_diff(fixture.num_params) as f64;
    let eval_bound = capped(errors.eval_logits_max_rel_to_scale);
    let own_error = errors.train_logits_max_abs / train_scale;
    let train_bound = LOOSEST.max(TRAIN_SLACK * own_error);
    let eval_error = relative_error(&eval_logits, &fixture.eval_logits);
    let train_error = relative_error(&step.logits, &fixture.train_logits);
    let mut checks = vec![
        Check::new("parameters", params_off, 0.0),
        Check::new("eval logits", eval_error, eval_bound),
        Check::new("train logits", train_error, train_bound),
        Check::new("regularizer", regularizer_error(fixture, &plain), REGULARIZER_BOUND),
    ];
    if let Some(model) = exact {
        let steps = Steps::new(fixture, &autodiff, DType::F64);
        let exact = steps.first(&model);
        let rounded = rounded_running_error(&step.running_norms, &exact.running_norms);
        checks.extend([
            Check::new("first loss, 64 bits", loss_error(exact.loss), loss_bound),
            Check::new("gradient norms, 64 bits", gradients(&exact), sharp_bound),
        ]);
        let after = running_error(fixture, &tensors, &steps.running_after(model, exact.gradients));
        checks.extend([
            Check::new("running statistics, 64 bits", after, RUNNING_BOUND),
            Check::new("running statistics, 32 bits", rounded, ROUNDED_RUNNING),
        ]);
    }
    // A cross entropy moves by no more than twice the most that its logits move. The authors' own
    // 32-bit loss is closer in some fixtures, by chance.
    let rounded_loss = 2.0 * errors.train_logits_max_abs / fixture.trajectory[0].loss;
    checks.extend([
        Check::new("first loss, 32 bits", loss_error(step.loss), loss_bound.max(rounded_loss)),
        Check::new("gradient norms, 32 bits", gradients(&step), rounded_bound),
    ]);
    Ok(Report { file: file_name(path), model: name.to_string(), checks })
}

/// The first difference between the fixture's tensors and ours.
fn compare_tensors(fixture: &Fixture, tensors: &[PyTorchTensor]) -> Result<(), String> {
    for tensor in tensors {
        let theirs = fixture.parameters.get(&tensor.name);
        match theirs.or_else(|| fixture.buffers.get(&tensor.name)) {
            None => return Err(format!("tensor {:?} is missing", tensor.name)),
            Some(shape) if *shape != tensor.shape => {
                let (name, expected) = (&tensor.name, &tensor.shape);
                return Err(format!("tensor {name:?}: expected shape {expected:?}, got {shape:?}"));
            }
            Some(_) => {}
        }
    }
    let ours = |name: &String| tensors.iter().any(|tensor| tensor.name == *name);
    match fixture.parameters.keys().chain(fixture.buffers.keys()).find(|name| !ours(name)) {
        Some(name) => Err(format!("tensor {name:?} does not belong to the model")),
        None => Ok(()),
    }
}

/// The largest relative error of the penalties that the fixture gives. A model that shares nothing
/// has none to give, and must not have any.
fn regularizer_error(fixture: &Fixture, model: &Model) -> f64 {
    let error = |counted, reference: f64| match model.penalty_with(counted) {
        Some(penalty) => relative(f64::from(host(penalty)[0]), reference),
        // Zero for a reference of zero, infinite for any other.
        None => {
            if reference == 0.0 {
                0.0
            } else {
                f64::INFINITY
            }
        }
    };
    let shared = error(Counted::Shared, fixture.regularizer_families.iter().sum());
    let with_unique = fixture.regularizer_with_unique;
    let with_unique = with_unique.map(|reference| error(Counted::SharedAndUnique, reference));
    with_unique.map_or(shared, |with_unique| worse(shared, with_unique))
}

/// The largest error of a norm, relative to the largest norm. A parameter that takes part here and
/// not in the reference, or the other way round, is infinitely wrong.
fn gradient_error(
    fixture: &Fixture,
    tensors: &[PyTorchTensor],
    norms: &[(String, Option<f64>)],
) -> f64 {
    let scale = largest(fixture.grad_l2.values().flatten().copied());
    let errors = fixture.grad_l2.iter().map(|(name, reference)| {
        let tensor = tensors.iter().find(|tensor| tensor.name == *name);
        let ours = tensor.and_then(|tensor| norms.iter().find(|(path, _)| *path == tensor.path));
        match (ours.and_then(|(_, norm)| *norm), reference) {
            (Some(norm), Some(reference)) => (norm - reference).abs() / scale,
            (None, None) => 0.0,
            _ => f64::INFINITY,
        }
    });
    errors.fold(0.0, worse)
}

/// The largest relative error of the norm of a running mean or variance after all steps.
fn running_error(fixture: &Fixture, tensors: &[PyTorchTensor], norms: &RunningNorms) -> f64 {
    let errors = fixture.running_after.iter().map(|(name, &reference)| {
        let tensor = tensors.iter().find(|tensor| tensor.name == *name);
        let ours = tensor.and_then(|tensor| norms.get(&tensor.path));
        ours.map_or(f64::INFINITY, |&norm| relative(norm, reference))
    });
    errors.fold(0.0, worse)
}

/// The same after the first step, in 32 bits against our own in 64.
fn rounded_running_error(norms: &RunningNorms, exact: &RunningNorms) -> f64 {
    norms.iter().map(|(path, &norm)| relative(norm, exact[path])).fold(0.0, worse)
}

fn relative_error(values: &[f32], reference: &[Vec<f64>]) -> f64 {
    let reference: Vec<f64> = reference.iter().flatten().copied().collect();
    if values.len() != reference.len() {
        return f64::INFINITY;
    }
    let errors = values.iter().zip(&reference).map(|(&a, b)| (f64::from(a) - b).abs());
    errors.fold(0.0, worse) / largest(reference.iter().copied())
}

/// How far a value is from its reference, relative to the reference.
pub(crate) fn relative(value: f64, reference: f64) -> f64 {
    (value - reference).abs() / reference.abs()
}

fn largest(values: impl Iterator<Item = f64>) -> f64 {
    values.map(f64::abs).fold(0.0, f64::max)
}

/// The larger error; unlike `f64::max`, an error that is no number stays one.
pub(crate) fn worse(a: f64, b: f64) -> f64 {
    if a.is_nan() || a > b { a } else { b }
}
