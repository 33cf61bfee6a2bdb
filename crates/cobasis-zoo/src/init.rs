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

use crate::model::Model;
use crate::spec::{Convolutions, InitialWeights};
use crate::state::{self, TensorInfo};
use crate::visit::Visiting;
use starts::{Starts, Value};

/// The source of a network's initial weights: portable, so a seed means the same everywhere.
type Rng = Xoshiro256PlusPlus;

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
    model.head.pass(&mut Visiting(&mut starts), &model.bases, ());
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
mod tests {
    use crate::layer_types::block::Block;
    use crate::sharing::{RanksLayer, SlotConv};
    use crate::{ModelConfig, Network};
    use burn::tensor::{Device, Tensor};
    use cobasis::ortho::Orthonormality;

    #[allow(deprecated)] // NdArray is the second, independent CPU reference.
    fn devices() -> [Device; 2] {
        [Device::flex(), Device::ndarray()]
    }

    fn deviation<const D: usize>(tensor: Tensor<D>) -> f32 {
        let count = tensor.shape().num_elements() as f32;
        (tensor.square().sum() / count).sqrt().into_scalar()
    }

    #[test]
    fn a_seed_gives_the_same_network_on_every_device_and_another_seed_another() {
        let config = ModelConfig::new("digits/resnet14-s8u1".parse().expect("a name"));
        let states: Vec<_> = devices().iter().map(|device| config.init(device).state()).collect();
        assert_eq!(states[0], states[1]);
        let other = config.clone().with_seed(1).init(&devices()[0]).state();
        assert_ne!(states[0], other);
    }

    #[test]
    fn convolutions_have_the_kaiming_deviation_of_their_outputs() {
        let name = "cifar10/resnet20-s16u4".parse().expect("a name");
        let model = ModelConfig::new(name).init(&Device::flex());
        let Network::ResNet(resnet) = model.network else { panic!("a ResNet") };
        let stem = deviation(resnet.stem.conv.weight.val());
        assert!((stem / (2.0f32 / (9.0 * 16.0)).sqrt() - 1.0).abs() < 0.1, "{stem}");
        let Block::Basic(block) = &resnet.stages[2].blocks[1] else { panic!("basic blocks") };
        let SlotConv::Ranks(RanksLayer::Basis(conv)) = &block.conv1 else {
            panic!("blocks after the first share filters");
        };
        let coefficients = deviation(conv.coefficients.weight.val());
        assert!((coefficients / (2.0f32 / 64.0).sqrt() - 1.0).abs() < 0.1, "{coefficients}");
        let unique = deviation(conv.unique.as_ref().expect("unique filters").val());
        assert!((unique / (2.0f32 / (9.0 * 16.0)).sqrt() - 1.0).abs() < 0.1, "{unique}");
        let bound: f32 = model.head.weight().expect("a weight").val().abs().max().into_scalar();
        assert!((0.1..=0.125).contains(&bound), "uniform within ±1/8: {bound}");
        let gamma = resnet.stem.norm.gamma.val().into_data();
        assert_eq!(gamma.try_to_vec::<f32>().expect("f32 data"), vec![1.0; 16]);
    }

    #[test]
    fn mobile_networks_start_as_pytorchs_do_bases_and_biases_too() {
        let name = "imagenet/mobilenet-v2-shared++-eca".parse().expect("a name");
        let state = ModelConfig::new(name).init(&Device::flex()).state();
        // Inputs of an output: 27 of the stem, 9 of a channel, as many as channels of a 1×1.
        for (path, inputs) in [
            ("stem.conv.weight", 27.0f32),
            ("stem.conv.bias", 27.0),
            ("stages.2.bases.0.weight", 32.0),
            ("stages.2.bases.1.weight", 192.0),
            ("stages.3.blocks.1.conv2.weight", 9.0),
            ("last.conv.bias", 320.0),
            ("head.bias", 1280.0),
        ] {
            let largest =
                state[path].iter::<f32>().fold(0.0, |max: f32, value| max.max(value.abs()));
            let bound = 1.0 / inputs.sqrt();
            assert!((0.8 * bound..=bound).contains(&largest), "{path}: {largest} within {bound}");
        }
        let attention = state["stages.5.blocks.1.attention.conv.weight"].iter::<f32>();
        assert!(
            attention.into_iter().all(|value| value != 0.0 && value.abs() <= 1.0 / 3f32.sqrt())
        );
    }

    #[test]
    fn the_other_families_start_within_pytorchs_bounds_and_resnext_bases_orthonormal() {
        let largest = |state: &crate::State, path: &str| {
            state[path].iter::<f32>().fold(0.0, |max: f32, value| max.max(value.abs()))
        };
        let model = |name: &str| ModelConfig::new(name.parse().expect("a name"));
        let densenet = model("cifar100/densenet121-s8u1").init(&Device::flex()).state();
        let basis = largest(&densenet, "stages.3.bases.0.weight") * (9.0f32 * 128.0).sqrt();
        assert!((0.99..=1.0).contains(&basis), "{basis}");
        let resnext = model("cifar100/resnext50-32x4d-s16u4").init(&Device::flex());
        let unique = "stages.3.blocks.2.conv2.unique.weight";
        let unique = largest(&resnext.state(), unique) * (9.0f32 * 128.0).sqrt();
        assert!((0.99..=1.0).contains(&unique), "{unique}");
        for group in resnext.families().concat() {
            assert!(Orthonormality::of(group.shared[0].clone()).frobenius < 1e-4);
        }
    }

    #[test]
    fn bases_start_orthonormal_and_a_pair_jointly() {
        let name = "cifar10/resnet20-s16u1-double".parse().expect("a name");
        let model = ModelConfig::new(name).init(&Device::flex());
        for group in model.families().concat() {
            assert_eq!(group.shared.len(), 2);
            assert!(Orthonormality::of(Tensor::cat(group.shared, 0)).frobenius < 1e-4);
        }
    }

    #[test]
    fn coefficients_of_templates_start_as_an_orthonormal_matrix() {
        let name = "cifar10/resnet32-templates3".parse().expect("a name");
        let state = ModelConfig::new(name).init(&Device::flex()).state();
        for stage in 0..3 {
            let of_stage = format!("stages.{stage}.");
            let rows: Vec<Vec<f32>> = state
                .iter()
                .filter(|(path, _)| path.starts_with(&of_stage) && path.ends_with(".coefficients"))
                .map(|(_, values)| values.iter::<f32>().collect())
                .collect();
            assert_eq!(rows.len(), 8);
            for (i, j) in [(0, 0), (0, 1), (1, 1), (1, 2), (2, 2), (0, 2)] {
                let product: f32 = rows.iter().map(|row| row[i] * row[j]).sum();
                let expected = if i == j { 1.0 } else { 0.0 };
                assert!((product - expected).abs() < 1e-6, "{stage}: {product}");
            }
        }
    }

    #[test]
    #[should_panic(expected = "two convolutions are declared at stages.0.conv")]
    fn a_place_is_of_one_convolution() {
        use super::starts::Starts;
        use crate::visit::Visiting;
        use burn::nn::conv::Conv2dConfig;
        use cobasis::{Pass, Place};

        let conv = Conv2dConfig::new([1, 1], [1, 1]).init(&Device::flex());
        let mut starts = Starts::default();
        let stage = Place::ROOT.item("stages", 0);
        for _ in 0..2 {
            Visiting(&mut starts).conv2d(&stage.field("conv"), &conv, ());
        }
    }
}
