//! How the authors' networks start.

use burn::module::{Initializer, Module, ModuleMapper, Param};
use burn::nn::Linear;
use burn::tensor::{Tensor, TensorData};
use cobasis::{FilterBasis, FilterBasisConfig};
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};
use rand_distr::StandardNormal;

use crate::model::Network;
use crate::stage::joint;

/// What layers are built with: their values come later, drawn for the whole network in one order
/// on the host or read from a file.
pub(crate) const LATER: Initializer = Initializer::Zeros;

/// The source of a network's initial weights: portable, so a seed means the same everywhere.
type Rng = Xoshiro256PlusPlus;

/// How a family's networks start. Linear layers start as PyTorch's do, uniform within
/// `±1/sqrt(inputs)`, batch norms at weight 1 and bias 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Start {
    pub(crate) convolutions: Convolutions,
    /// Whether bases start orthonormal, or as convolutions do.
    pub(crate) orthonormal: bool,
}

/// How convolutions start, unique filters and coefficients among them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Convolutions {
    /// Normal with standard deviation `sqrt(2 / (kernel area × filters))`.
    KaimingFanOut,
    /// PyTorch's default: uniform within `±1/sqrt(kernel area × channels of a filter)`.
    PyTorch,
}

/// Draws the initial weights of a network, in the order of its module tree, then its orthonormal
/// bases, two of equal shape jointly.
pub(crate) fn initialise(network: Network, start: Start, seed: u64) -> Network {
    let rng = Rng::seed_from_u64(seed);
    let mut draws = Draws { rng, start, owners: Vec::new(), fan_in: 1 };
    let mut network = network.map(&mut draws);
    if start.orthonormal {
        for bases in network.bases_mut() {
            draw_bases(bases, &mut draws.rng);
        }
    }
    network
}

/// Draws the weights of a classifier alone.
pub(crate) fn initialise_head(head: Linear, seed: u64) -> Linear {
    head.map(&mut Draws {
        rng: Rng::seed_from_u64(seed),
        // A classifier is neither a convolution nor a basis.
        start: Start { convolutions: Convolutions::PyTorch, orthonormal: false },
        owners: Vec::new(),
        fan_in: 1,
    })
}

/// Orthonormal filters for the bases of a stage, two of equal shape jointly.
fn draw_bases(bases: &mut [FilterBasis], rng: &mut Rng) {
    let mut normal = || rng.sample(StandardNormal);
    match bases {
        [first, second] if joint(&[first.clone(), second.clone()]) => {
            [*first, *second] = redraw([first, second], &mut normal);
        }
        bases => {
            for basis in bases {
                [*basis] = redraw([basis], &mut normal);
            }
        }
    }
}

/// Bases of the same shape on the same device, with orthonormal filters.
fn redraw<const N: usize>(
    bases: [&FilterBasis; N],
    normal: &mut impl FnMut() -> f64,
) -> [FilterBasis; N] {
    let weight = &bases[0].weight;
    let [filters, channels, height, width] = weight.lazy_shape().dims();
    FilterBasisConfig::new(filters, channels, [height, width])
        .init_joint_with(&weight.lazy_device(), normal)
}

/// Draws the weights of layers.
struct Draws {
    rng: Rng,
    start: Start,
    /// The types of the modules on the way to the parameter.
    owners: Vec<String>,
    /// Inputs of an output of the layer whose weight was met last: its bias needs them.
    fan_in: usize,
}

impl Draws {
    fn replace<const D: usize>(
        &mut self,
        param: Param<Tensor<D>>,
        mut draw: impl FnMut(&mut Rng) -> f64,
    ) -> Param<Tensor<D>> {
        let shape = param.lazy_shape();
        let values: Vec<f32> =
            (0..shape.num_elements()).map(|_| draw(&mut self.rng) as f32).collect();
        crate::state::with_value(param, TensorData::new(values, shape))
    }

    fn uniform<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let bound = 1.0 / (self.fan_in as f64).sqrt();
        self.replace(param, |rng| rng.random_range(-bound..bound))
    }
}

impl ModuleMapper for Draws {
    fn enter_module(&mut self, _name: &str, container_type: &str) {
        self.owners.push(container_type.to_string());
    }

    fn exit_module(&mut self, _name: &str, _container_type: &str) {
        self.owners.pop();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let shape = param.lazy_shape();
        match self.owners.last().map_or("", String::as_str) {
            "Struct:FilterBasis" if self.start.orthonormal => param,
            "Struct:Conv1d" | "Struct:Conv2d" | "Struct:BasisConv2d" | "Struct:FilterBasis" => {
                let kaiming = self.start.convolutions == Convolutions::KaimingFanOut;
                if kaiming && D == 4 {
                    let deviation = (2.0 / (shape[0] * shape[2] * shape[3]) as f64).sqrt();
                    return self
                        .replace(param, |rng| deviation * rng.sample::<f64, _>(StandardNormal));
                }
                if D > 1 {
                    self.fan_in = (1..D).map(|axis| shape[axis]).product();
                }
                self.uniform(param)
            }
            "Struct:Linear" => {
                if D == 2 {
                    self.fan_in = shape[0];
                }
                self.uniform(param)
            }
            _ => param,
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::{Block, ModelConfig, StageConv};
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
        let network = ModelConfig::new(name).init(&Device::flex()).network;
        let crate::Network::ResNet(resnet) = network else { panic!("{name} is a ResNet") };
        let stem = deviation(resnet.stem.conv.weight.val());
        assert!((stem / (2.0f32 / (9.0 * 16.0)).sqrt() - 1.0).abs() < 0.1, "{stem}");
        let Block::Basic(block) = &resnet.stages[2].blocks[1] else { panic!("basic blocks") };
        let StageConv::Basis(conv) = &block.conv1 else {
            panic!("blocks after the first share filters");
        };
        let coefficients = deviation(conv.coefficients.weight.val());
        assert!((coefficients / (2.0f32 / 64.0).sqrt() - 1.0).abs() < 0.1, "{coefficients}");
        let unique = deviation(conv.unique.as_ref().expect("unique filters").val());
        assert!((unique / (2.0f32 / (9.0 * 16.0)).sqrt() - 1.0).abs() < 0.1, "{unique}");
        let bound: f32 = resnet.head.weight.val().abs().max().into_scalar();
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
}
