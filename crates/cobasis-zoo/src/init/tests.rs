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
        let largest = state[path].iter::<f32>().fold(0.0, |max: f32, value| max.max(value.abs()));
        let bound = 1.0 / inputs.sqrt();
        assert!((0.8 * bound..=bound).contains(&largest), "{path}: {largest} within {bound}");
    }
    let attention = state["stages.5.blocks.1.attention.conv.weight"].iter::<f32>();
    assert!(attention.into_iter().all(|value| value != 0.0 && value.abs() <= 1.0 / 3f32.sqrt()));
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
