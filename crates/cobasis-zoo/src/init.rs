//! How networks start: the values of all tensors, drawn on the host in one order.

mod composing;
mod starts;

use std::collections::HashMap;

use burn::module::ParamId;
use burn::tensor::TensorData;
use cobasis::Start;
use cobasis::ortho::orthonormal;
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};
use rand_distr::StandardNormal;

use crate::adapter::{Adapter, LayerAdapter};
use crate::model::Model;
use crate::spec::{Convolutions, InitialWeights};
use crate::state::{self, TensorInfo};
use crate::visit::Visiting;
use starts::{Starts, Value};

/// The source of a network's initial weights: portable, so a seed means the same everywhere.
type Rng = Xoshiro256PlusPlus;

/// What makes the numbers of adapters others than those of a network with the same seed.
const ADAPTERS: u64 = 0xada9_7e25;

/// Draws the initial weights of a model in the order of its tensors, then its orthonormal bases,
/// those that are kept so together in one draw.
///
/// # Panics
///
/// Panics if a layer does not say how one of its tensors starts.
pub(crate) fn initialise(model: Model, weights: InitialWeights, seed: u64) -> Model {
    let mut rng = Rng::seed_from_u64(seed);
    let mut starts = Starts::default();
    model.walk(&mut Visiting(&mut starts), ());
    for (id, spec) in model.banks.iter() {
        let value = match spec.start {
            Start::Orthonormal if weights.orthonormal => Value::WithOthers,
            Start::Orthonormal => Value::Starts(Start::Filters),
            start => Value::Starts(start),
        };
        starts.insert(model.bases[id].weight.id, value);
    }
    let mut values = HashMap::new();
    for TensorInfo { path, shape, id } in model.tensors() {
        let value =
            starts.of(id).unwrap_or_else(|| panic!("no layer says how {path} is initialised"));
        if let Some(numbers) = draw(value, &shape, weights.convolutions, &mut rng) {
            values.insert(id, TensorData::new(numbers, shape));
        }
    }
    draw_in_stages(&model, &starts, &mut values, &mut rng);
    draw_banks(&model, &starts, &mut values, &mut rng);
    composing::to_deviations(model, &starts, values)
}

/// Draws the weights of a model's classifier alone.
pub(crate) fn initialise_head(model: Model, seed: u64) -> Model {
    let mut rng = Rng::seed_from_u64(seed);
    let mut starts = Starts::default();
    model.head.classify(&mut Visiting(&mut starts), &model.bases, ());
    let mut values = HashMap::new();
    for TensorInfo { path, shape, id } in state::tensors(&model.head, |path| path) {
        let value =
            starts.of(id).unwrap_or_else(|| panic!("no layer says how {path} is initialised"));
        // Classifiers start alike in all networks.
        if let Some(numbers) = draw(value, &shape, Convolutions::PyTorch, &mut rng) {
            values.insert(id, TensorData::new(numbers, shape));
        }
    }
    composing::to_deviations(model, &starts, values)
}

/// Draws what an adapter computes filters from. What it has of its base's kind stays as it is.
pub(crate) fn initialise_adapter(adapter: Adapter, seed: u64) -> Adapter {
    // Others than those of the classifier, which is drawn from the same seed.
    let mut rng = Rng::seed_from_u64(seed ^ ADAPTERS);
    let sources = adapter.layers.iter().flat_map(LayerAdapter::sources);
    let starts: HashMap<ParamId, Start> = sources.map(|source| (source.id, source.start)).collect();
    let mut values = HashMap::new();
    for TensorInfo { shape, id, .. } in state::tensors(&adapter, |path| path) {
        let value = starts.get(&id).map_or(Value::Kept, |start| Value::Starts(*start));
        if let Some(numbers) = draw(value, &shape, Convolutions::PyTorch, &mut rng) {
            values.insert(id, TensorData::new(numbers, shape));
        }
    }
    state::replace(adapter, values)
}

/// The numbers that a tensor starts with; `None` where it has them, or gets them with others.
fn draw(
    value: Value,
    shape: &[usize],
    convolutions: Convolutions,
    rng: &mut Rng,
) -> Option<Vec<f32>> {
    let count = shape.iter().product();
    let normal = |deviation: f64, rng: &mut Rng| -> Vec<f32> {
        (0..count).map(|_| (deviation * rng.sample::<f64, _>(StandardNormal)) as f32).collect()
    };
    let uniform = |inputs: usize, rng: &mut Rng| -> Vec<f32> {
        let bound = 1.0 / (inputs as f64).sqrt();
        (0..count).map(|_| rng.random_range(-bound..bound) as f32).collect()
    };
    match value {
        Value::Kept | Value::WithOthers | Value::Starts(Start::OrthonormalInStage) => None,
        Value::Uniform { inputs } => Some(uniform(inputs, rng)),
        Value::Starts(Start::Filters) => Some(match (convolutions, shape) {
            (Convolutions::KaimingFanOut, [filters, _, height, width]) => {
                normal((2.0 / (filters * height * width) as f64).sqrt(), rng)
            }
            _ => uniform(shape[1..].iter().product(), rng),
        }),
        Value::Starts(Start::Normal(deviation)) => Some(normal(deviation, rng)),
        Value::Starts(Start::NearIdentity(deviation)) => {
            let (mut numbers, columns) = (normal(deviation, rng), count / shape[0]);
            numbers.iter_mut().step_by(columns + 1).for_each(|number| *number += 1.0);
            Some(numbers)
        }
        Value::Starts(Start::Clamped(deviation)) => Some(clamped(deviation, count, rng)),
        // The factor follows when all are drawn.
        Value::Starts(Start::Composing { .. }) => Some(clamped(1.0, count, rng)),
        Value::Starts(Start::Constant(number)) => Some(vec![number as f32; count]),
        Value::Starts(Start::Orthonormal) => Some(rows(shape[0], count / shape[0], rng)),
        Value::Starts(other) => panic!("no network here can start {other:?}"),
    }
}

/// Draws the parameters of layers that are orthonormal to those of the others of their stage.
fn draw_in_stages(
    model: &Model,
    starts: &Starts,
    values: &mut HashMap<ParamId, TensorData>,
    rng: &mut Rng,
) {
    let tensors = model.tensors();
    let drawn: Vec<&TensorInfo> = tensors
        .iter()
        .filter(|tensor| starts.of(tensor.id) == Some(Value::Starts(Start::OrthonormalInStage)))
        .collect();
    let stage = |tensor: &TensorInfo| tensor.path.split('.').nth(1).map(str::to_string);
    let together = drawn
        .chunk_by(|first, second| (stage(first), &first.shape) == (stage(second), &second.shape));
    for layers in together {
        let length = layers[0].shape.iter().product();
        let matrix = rows(layers.len(), length, rng);
        for (TensorInfo { id, shape, .. }, row) in layers.iter().zip(matrix.chunks_exact(length)) {
            values.insert(*id, TensorData::new(row.to_vec(), shape.clone()));
        }
    }
}

/// Normal numbers, cut off at three deviations.
fn clamped(deviation: f64, count: usize, rng: &mut Rng) -> Vec<f32> {
    let number = |_| rng.sample::<f64, _>(StandardNormal).clamp(-3.0, 3.0);
    (0..count).map(number).map(|number| (deviation * number) as f32).collect()
}

/// Draws the orthonormal banks, those of a scope that are kept so together in one draw.
fn draw_banks(
    model: &Model,
    starts: &Starts,
    values: &mut HashMap<ParamId, TensorData>,
    rng: &mut Rng,
) {
    let banks: Vec<_> = model
        .banks
        .iter()
        .filter(|(id, _)| starts.of(model.bases[*id].weight.id) == Some(Value::WithOthers))
        .collect();
    let together = banks.chunk_by(|(_, first), (_, second)| {
        first.family.is_some() && (first.scope, first.family) == (second.scope, second.family)
    });
    for banks in together {
        let filters: usize = banks.iter().map(|(_, spec)| spec.shape[0]).sum();
        let length = banks[0].1.shape[1..].iter().product();
        let mut drawn = rows(filters, length, rng);
        for (id, spec) in banks {
            let rest = drawn.split_off(spec.shape.iter().product());
            let filters = TensorData::new(std::mem::replace(&mut drawn, rest), spec.shape);
            values.insert(model.bases[*id].weight.id, filters);
        }
    }
}

/// Orthonormal rows, one after another.
fn rows(count: usize, length: usize, rng: &mut Rng) -> Vec<f32> {
    let values = orthonormal(count, length, &mut || rng.sample(StandardNormal));
    values.into_iter().map(|value| value as f32).collect()
}

#[cfg(test)]
mod tests;
