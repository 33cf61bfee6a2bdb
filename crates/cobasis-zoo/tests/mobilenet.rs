//! MobileNetV2s: what distinguishes them, that devices agree, and that their files are whole.

use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};
use cobasis_zoo::layers::{Block, MobileNetV2, Shortcut};
use cobasis_zoo::sharing::Scope;
use cobasis_zoo::{Model, ModelConfig, Network, load, save};

const NAMES: [&str; 4] = [
    "cifar100/mobilenet-v2",
    "cifar100/mobilenet-v2-shared",
    "cifar100/mobilenet-v2-shared++",
    "imagenet/mobilenet-v2-shared++-eca",
];

fn model(name: &str, device: &Device) -> Model {
    ModelConfig::new(name.parse().expect("a name")).with_num_classes(5).init(device)
}

fn mobilenet(name: &str) -> MobileNetV2 {
    match model(name, &Device::flex()).network {
        Network::MobileNetV2(mobilenet) => mobilenet,
        other => panic!("{name} is {other:?}"),
    }
}

fn logits(model: &Model, device: &Device) -> Vec<f32> {
    let values: Vec<f32> = (0..3 * 256).map(|i| (i * 37 % 101) as f32 / 50.0 - 1.0).collect();
    let images = Tensor::from_data(TensorData::new(values, [1, 3, 16, 16]), device);
    model.valid().forward(images).into_data().iter::<f32>().collect()
}

#[test]
fn devices_agree_and_a_file_brings_the_model_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("model.safetensors");
    let flex = Device::flex();
    #[allow(deprecated)] // NdArray is the second, independent CPU reference.
    let ndarray = Device::ndarray();
    for name in NAMES {
        let model = model(name, &flex);
        save(&model, &path).expect("saved");
        let loaded = load(&path, &ndarray).expect("loaded");
        assert_eq!(loaded.state(), model.state());
        let (ours, theirs) = (logits(&model, &flex), logits(&loaded, &ndarray));
        let scale = ours.iter().fold(0.0f32, |max, logit| max.max(logit.abs()));
        assert_eq!(ours.len(), 5);
        for (a, b) in ours.iter().zip(&theirs) {
            assert!((a - b).abs() < 1e-5 * scale, "{name}: {a} {b}");
        }
    }
}

#[test]
fn small_networks_project_and_large_ones_leave_the_shortcut_out() {
    let shortcuts = |name: &str| -> String {
        let stages = mobilenet(name).stages.into_iter();
        let kinds = stages.map(|stage| {
            let blocks = stage.blocks.into_iter().map(|block| match block {
                Block::InvertedResidual(block) => match block.shortcut {
                    None => '-',
                    Some(Shortcut::Identity(_)) => 'i',
                    Some(Shortcut::Projection(_)) => 'p',
                    Some(Shortcut::Pad(_)) => '0',
                },
                _ => '?',
            });
            blocks.collect::<String>()
        });
        kinds.collect::<Vec<String>>().join(" ")
    };
    assert_eq!(shortcuts("cifar100/mobilenet-v2"), "p -i -ii -iii pii pii p");
    assert_eq!(shortcuts("imagenet/mobilenet-v2"), "- -i -ii -iii -ii -ii -");
}

#[test]
fn stages_of_three_or_four_blocks_share_and_only_their_later_blocks_attend() {
    let bases = |name: &str| -> Vec<usize> {
        let model = model(name, &Device::flex());
        (0..7).map(|stage| model.banks().of(Scope::Stage(stage)).count()).collect()
    };
    assert_eq!(bases("cifar100/mobilenet-v2"), [0; 7]);
    assert_eq!(bases("cifar100/mobilenet-v2-shared"), [0, 0, 1, 1, 1, 1, 0]);
    assert_eq!(bases("imagenet/mobilenet-v2-shared++"), [0, 0, 2, 2, 2, 2, 0]);
    let kernels = |name: &str| -> Vec<usize> {
        let tensors = model(name, &Device::flex()).tensors().into_iter();
        let kernels = tensors.filter(|tensor| tensor.path.ends_with(".attention.conv.weight"));
        kernels.map(|tensor| tensor.shape[2]).collect()
    };
    assert!(kernels("imagenet/mobilenet-v2-shared++").is_empty());
    assert_eq!(kernels("imagenet/mobilenet-v2-shared++-eca"), [1, 1, 1, 1, 1, 3, 3, 3, 3]);
}

#[test]
fn two_families_are_two_terms_of_the_penalty() {
    let families = |name: &str| model(name, &Device::flex()).families();
    let shared = |name: &str| -> Vec<usize> {
        let counts = families(name)
            .into_iter()
            .map(|family| family.iter().filter(|group| !group.shared.is_empty()).count());
        counts.collect()
    };
    assert_eq!(shared("cifar100/mobilenet-v2-shared"), [4]);
    assert_eq!(shared("cifar100/mobilenet-v2-shared++"), [4, 4]);
}
