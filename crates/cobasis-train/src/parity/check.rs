//! Comparing a model with a fixture.

use std::path::Path;

use burn::module::ParamId;
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor};
use cobasis_zoo::cobasis::ParameterCount;
use cobasis_zoo::cobasis::ortho::Counted;
use cobasis_zoo::{AuthorsTensor, Model, ModelConfig, State, authors_tensors};
use serde::Serialize;

use crate::error::Error;
use crate::evaluate::{Score, host, labels};
use crate::parity::fill::{self, fill};
use crate::parity::fixture::Fixture;
use crate::train::Objective;

/// How much further from the reference than the authors' 32-bit code a value may be.
const SLACK: f64 = 10.0;
/// No logit or loss may be further off than this, however far off the authors' are.
const LOOSEST: f64 = 1e-4;
/// The penalty's bound: fixtures give no 32-bit error for it, and it is a short sum.
const REGULARIZER_BOUND: f64 = 1e-6;

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

/// Rebuilds the fixture's model and compares what it computes on the device.
///
/// Bounds are ten times the error of the authors' own code in 32 bits, for logits and loss never
/// more than 1e-4.
///
/// # Errors
///
/// If the file is no fixture, or describes a model that the zoo does not have or that has other
/// tensors.
pub fn check(path: &Path, device: &Device) -> Result<Report, Error> {
    let fixture = Fixture::load(path)?;
    let fail = |problem: String| Error::Fixture {
        path: path.to_path_buf(),
        problem,
    };
    let name = fixture.name().map_err(fail)?;
    let config = ModelConfig::new(name)
        .with_num_classes(fixture.num_classes)
        .with_in_channels(fixture.input[1]);
    let tensors = authors_tensors(&config, device);
    compare_tensors(&fixture, &tensors).map_err(fail)?;
    let state: State = tensors
        .iter()
        .map(|tensor| (tensor.name.clone(), fill(&tensor.name, &tensor.shape)))
        .collect();
    let model = |device: &Device| {
        let model = config.init_from_authors(state.clone(), device);
        model.map_err(|error| fail(error.to_string()))
    };

    let input = fill("input", &fixture.input);
    let plain = model(device)?;
    let eval_logits = host(plain.forward(Tensor::from_data(input.clone(), device)));
    let autodiff = device.clone().autodiff();
    let train = first_step(
        &fixture,
        &model(&autodiff)?,
        Tensor::from_data(input, &autodiff),
    );

    let errors = &fixture.float32_error;
    let capped = |error: f64| (SLACK * error).min(LOOSEST);
    let train_scale = largest(fixture.train_logits.iter().flatten().copied());
    let count = ParameterCount::of(&plain.network).trainable;
    let mut checks = vec![
        Check {
            what: "parameters",
            error: count.abs_diff(fixture.num_params) as f64,
            bound: 0.0,
        },
        Check {
            what: "eval logits",
            error: relative_error(&eval_logits, &fixture.eval_logits),
            bound: capped(errors.eval_logits_max_rel_to_scale),
        },
        Check {
            what: "train logits",
            error: relative_error(&train.logits, &fixture.train_logits),
            bound: capped(errors.train_logits_max_abs / train_scale),
        },
        Check {
            what: "first loss",
            error: relative(train.loss, fixture.trajectory[0].loss),
            bound: capped(errors.loss_rel[0]),
        },
    ];
    if let Some(error) = regularizer_error(&fixture, &plain) {
        checks.push(Check {
            what: "regularizer",
            error,
            bound: REGULARIZER_BOUND,
        });
    }
    checks.push(Check {
        what: "gradient norms",
        error: gradient_error(&fixture, &tensors, &train.gradient_norms),
        bound: SLACK * errors.grad_l2_max_rel_to_largest,
    });
    let file = path
        .file_name()
        .map_or_else(String::new, |name| name.to_string_lossy().into());
    Ok(Report {
        file,
        model: name.to_string(),
        checks,
    })
}

/// What the first training step computes.
struct FirstStep {
    logits: Vec<f32>,
    loss: f64,
    /// By path in our module tree; `None`: it takes no part.
    gradient_norms: Vec<(String, Option<f64>)>,
}

fn first_step(fixture: &Fixture, model: &Model, input: Tensor<4>) -> FirstStep {
    let counted = match fixture.regularizer_with_unique {
        Some(_) => Counted::SharedAndUnique,
        None => Counted::Shared,
    };
    let device = input.device();
    let objective = Objective::with(fixture.lambda_, counted, &device);
    let targets = fill::labels(fixture.input[0], fixture.num_classes);
    let logits = model.forward(input);
    let losses = objective.losses(model, logits.clone(), labels(&targets, &device));
    let gradients = GradientsParams::from_grads(losses.total.backward(), model);
    let logits = host(logits.detach());
    // The reference's loss from our logits and penalty; Burn's own sum, which the gradients come
    // from, is the same but for its rounding to 32 bits.
    let mut score = Score::default();
    score.add(&logits, &targets);
    let penalty = losses
        .penalty
        .map_or(0.0, |penalty| f64::from(host(penalty.detach())[0]));
    let norms = model.tensors().into_iter();
    FirstStep {
        logits,
        loss: score.mean_cross_entropy() + objective.lambda() * penalty,
        gradient_norms: norms
            .map(|tensor| (tensor.path, norm(&gradients, tensor.id, tensor.shape.len())))
            .collect(),
    }
}

fn norm(gradients: &GradientsParams, id: ParamId, rank: usize) -> Option<f64> {
    let values = match rank {
        1 => gradients.get::<1>(id).map(host),
        2 => gradients.get::<2>(id).map(host),
        _ => gradients.get::<4>(id).map(host),
    }?;
    Some(
        values
            .iter()
            .map(|&value| f64::from(value).powi(2))
            .sum::<f64>()
            .sqrt(),
    )
}

/// The first difference between the fixture's tensors and ours.
fn compare_tensors(fixture: &Fixture, tensors: &[AuthorsTensor]) -> Result<(), String> {
    for tensor in tensors {
        let theirs = fixture.parameters.get(&tensor.name);
        match theirs.or_else(|| fixture.buffers.get(&tensor.name)) {
            None => return Err(format!("tensor {:?} is missing", tensor.name)),
            Some(shape) if *shape != tensor.shape => {
                let (name, expected) = (&tensor.name, &tensor.shape);
                return Err(format!(
                    "tensor {name:?}: expected shape {expected:?}, got {shape:?}"
                ));
            }
            Some(_) => {}
        }
    }
    let ours = |name: &String| tensors.iter().any(|tensor| tensor.name == *name);
    match fixture
        .parameters
        .keys()
        .chain(fixture.buffers.keys())
        .find(|name| !ours(name))
    {
        Some(name) => Err(format!("tensor {name:?} does not belong to the model")),
        None => Ok(()),
    }
}

/// The largest relative error of the penalties that the fixture gives.
fn regularizer_error(fixture: &Fixture, model: &Model) -> Option<f64> {
    let value = |counted| Some(f64::from(host(model.penalty(counted)?)[0]));
    // A missing penalty is an infinite error, not a check that is left out.
    let error = |counted, reference: f64| {
        value(counted).map_or(f64::INFINITY, |value| relative(value, reference))
    };
    let families = fixture.regularizer_families.as_ref();
    let shared = families.map(|families| error(Counted::Shared, families.iter().sum()));
    let unique = fixture.regularizer_with_unique;
    let with_unique = unique.map(|reference| error(Counted::SharedAndUnique, reference));
    shared.into_iter().chain(with_unique).reduce(f64::max)
}

/// The largest error of a norm, relative to the largest norm. A parameter that takes part here and
/// not in the reference, or the other way round, is infinitely wrong.
fn gradient_error(
    fixture: &Fixture,
    tensors: &[AuthorsTensor],
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

fn relative_error(values: &[f32], reference: &[Vec<f64>]) -> f64 {
    let reference: Vec<f64> = reference.iter().flatten().copied().collect();
    if values.len() != reference.len() {
        return f64::INFINITY;
    }
    let errors = values
        .iter()
        .zip(&reference)
        .map(|(&a, b)| (f64::from(a) - b).abs());
    errors.fold(0.0, worse) / largest(reference.iter().copied())
}

fn relative(value: f64, reference: f64) -> f64 {
    (value - reference).abs() / reference.abs()
}

fn largest(values: impl Iterator<Item = f64>) -> f64 {
    values.map(f64::abs).fold(0.0, f64::max)
}

/// The larger error; unlike `f64::max`, an error that is no number stays one.
fn worse(a: f64, b: f64) -> f64 {
    if a.is_nan() || a > b { a } else { b }
}
