//! A model through its life: training step, validation copy, file; and what damaged files do.

use std::fs;
use std::path::Path;

use burn::module::Module;
use burn::nn::loss::CrossEntropyLossConfig;
use burn::optim::{GradientsParams, SgdConfig};
use burn::tensor::{Device, Int, Tensor, TensorData};
use cobasis_zoo::cobasis::ortho::Counted;
use cobasis_zoo::registry::Entry;
use cobasis_zoo::spec::{Architecture, BlockKind, ResNetSpec};
use cobasis_zoo::{Model, ModelConfig, ModelName, Variant, files, load, save};
use proptest::prelude::*;

const NAMES: &[&str] = &[
    "digits/resnet14",
    "digits/resnet14-s4u1",
    "digits/resnet14-s4u1-double",
    "digits/resnet14-s4u0",
    "digits/resnet14-s4u0-double",
    "digits/resnet14-s0u4",
    "digits/resnet14-s4,3,0u1",
    "digits/resnet14-lowrank3",
    "digits/resnet14-tied",
    "digits/resnet14-templates2",
    "digits/resnet14-templates2-all",
    "digits/resnet14-tied-double",
    "digits/resnet14-tied-second-all",
    "digits/resnet14-tied-pairs-all",
    "digits/resnet14-tai3",
    "digits/resnet14-tai3-all",
    "digits/resnet14-tucker3-all",
    "digits/resnet14-jointsvd3",
    "digits/resnet14-jointsvd3-double-all",
    "digits/resnet14-filterbasis5x4",
    "digits/resnet14-filterbasis9-all",
    "digits/resnet14-width5",
    "digits/resnet14-hinge30000",
    "digits/resnet14-hinge30000-all",
    "digits/resnet14-hashed400",
    "digits/resnet14-ring400-all",
    "digits/resnet14-hypernet5",
    "digits/resnet14-tbasis3r4",
    "digits/resnet14-tbasis2r3-all",
    "digits/resnet14-alf30000",
    "digits/resnet14-alf30000-all",
];

/// Flex, the fast CPU backend, and NdArray, a second and independent reference.
#[allow(deprecated)]
fn devices() -> [Device; 2] {
    [Device::flex(), Device::ndarray()]
}

fn config(name: &str) -> ModelConfig {
    ModelConfig::new(name.parse().expect("a name"))
}

fn images(device: &Device) -> Tensor<4> {
    let values: Vec<f32> = (0..2 * 64).map(|i| (i * 37 % 101) as f32 / 50.0 - 1.0).collect();
    Tensor::from_data(TensorData::new(values, [2, 1, 8, 8]), device)
}

fn logits(model: &Model, device: &Device) -> Vec<f32> {
    model.valid().forward(images(device)).into_data().iter::<f32>().collect()
}

/// One step of SGD on cross entropy and penalty.
fn step(model: Model, device: &Device) -> Model {
    let labels = Tensor::<1, Int>::from_data([3, 7], device);
    let cross_entropy = CrossEntropyLossConfig::new().init(device);
    let mut loss = cross_entropy.forward(model.forward(images(device)), labels);
    if let Some(penalty) = model.penalty_with(Counted::SharedAndUnique) {
        loss = loss + penalty * 10.0;
    }
    if let Some(coding) = model.coding_loss(Some(0.85)) {
        loss = loss + coding;
    }
    let gradients = GradientsParams::from_grads(loss.backward(), &model);
    SgdConfig::new().init().step(0.1, model, gradients)
}

#[test]
fn every_kind_of_model_trains_and_moves_all_its_tensors() {
    for &name in NAMES {
        for device in devices() {
            let training = device.autodiff();
            let model = config(name).init(&training);
            let before = model.state();
            let after = step(model, &training).state();
            for (path, data) in &before {
                assert_ne!(*data, after[path], "{name}: {path} did not move");
            }
        }
    }
}

#[test]
fn devices_agree() {
    for &name in NAMES {
        let [a, b] = devices().map(|device| logits(&config(name).init(&device), &device));
        let scale = a.iter().fold(0.0f32, |max, v| max.max(v.abs()));
        for (a, b) in a.iter().zip(&b) {
            assert!((a - b).abs() < 1e-5 * scale, "{name}: {a} {b}");
        }
    }
}

#[test]
fn a_file_brings_back_the_model_that_was_saved() {
    let folder = tempfile::tempdir().expect("a folder");
    for &name in NAMES {
        for device in devices() {
            let training = device.clone().autodiff();
            let model = step(config(name).with_num_classes(9).init(&training), &training);
            let path = folder.path().join("model.safetensors");
            save(&model, &path).expect("saved");
            let bytes = fs::read(&path).expect("read");
            save(&model, &path).expect("saved again");
            assert_eq!(fs::read(&path).expect("read"), bytes);
            let loaded = load(&path, &device).expect("loaded");
            assert_eq!(loaded.config.name, model.config.name);
            assert_eq!(loaded.config.num_classes, 9);
            assert_eq!(loaded.state(), model.state());
            assert_eq!(logits(&loaded, &device), logits(&model, &device));
        }
    }
    assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 1, "no temporary files");
}

#[test]
fn a_file_says_whether_a_model_is_the_authors_variant() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("model.safetensors");
    let device = Device::flex();
    for variant in [Variant::Corrected, Variant::Authors] {
        let model = config("digits/resnet14-s4u1").with_variant(variant).init(&device);
        save(&model, &path).expect("saved");
        assert_eq!(load(&path, &device).expect("loaded").config.variant, variant);
    }
    let mut bytes = fs::read(&path).expect("read");
    let at = bytes.windows(9).position(|window| window == b"\"authors\"").expect("the variant");
    bytes[at + 1..at + 8].copy_from_slice(b"unknown");
    fs::write(&path, bytes).expect("written");
    assert!(
        refused(&path)
            .contains("expected \"authors\", \"torchvision\" or nothing, got \"unknown\"")
    );
}

#[test]
fn a_basis_is_in_the_file_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("model.safetensors");
    let model = config("digits/resnet14-s4u1-double").init(&Device::flex());
    save(&model, &path).expect("saved");
    let bytes = fs::read(&path).expect("read");
    let (_, header) = safetensors::SafeTensors::read_metadata(&bytes).expect("a header");
    let tensors = header.tensors();
    let bases = tensors.keys().filter(|name| name.contains("bases")).count();
    assert_eq!(bases, 6);
    assert_eq!(tensors.len(), model.state().len());
}

#[test]
fn training_changes_running_statistics_and_evaluation_does_not() {
    let device = Device::flex();
    let training = device.clone().autodiff();
    let model = config("digits/resnet14-s4u1").init(&training);
    let before = model.state();
    logits(&model, &device);
    assert_eq!(model.state(), before);
    model.forward(images(&training));
    assert_ne!(model.state()["stem.norm.running_mean"], before["stem.norm.running_mean"]);
}

fn refused(path: &Path) -> String {
    let line = load(path, &Device::flex()).map(|_| ()).expect_err("damaged").to_string();
    assert!(line.contains(&path.display().to_string()) && !line.contains('\n'), "{line}");
    line
}

#[test]
fn damaged_files_are_refused_by_name() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("model.safetensors");
    assert!(refused(&path).contains("No such file"));
    assert!(refused(folder.path()).contains("directory"));
    for bytes in [&b""[..], b"text that is no model", &[0xff; 64], &[0; 4096]] {
        fs::write(&path, bytes).expect("written");
        assert!(refused(&path).contains("a valid safetensors file"));
    }
    let mut wrong = config("digits/resnet14-s4u1").init(&Device::flex());
    wrong.config = config("digits/resnet14-s5u1");
    save(&wrong, &path).expect("saved");
    let line = refused(&path);
    assert!(line.contains("not the tensors of digits/resnet14-s5u1: tensor "), "{line}");

    let metadata = [("format".to_string(), "other".to_string())].into();
    let empty: [(&str, safetensors::tensor::TensorView); 0] = [];
    fs::write(&path, safetensors::serialize(empty, Some(metadata)).expect("bytes"))
        .expect("written");
    assert!(refused(&path).contains("does not say which model it holds"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_truncation_or_bit_flip_panics(at in 0.0f64..1.0, bit in 0u32..8, truncate: bool) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("model.safetensors");
        let model = config("digits/resnet14-s1u0").with_num_classes(2).init(&Device::flex());
        save(&model, &path).expect("saved");
        let mut bytes = fs::read(&path).expect("read");
        // Most of the file is numbers, of which any are valid; the header is what can be wrong.
        let header = 8 + u64::from_le_bytes(bytes[..8].try_into().expect("8 bytes")) as usize;
        let index = (at * header as f64) as usize;
        if truncate {
            bytes.truncate(index);
        } else {
            bytes[index] ^= 1 << bit;
        }
        fs::write(&path, &bytes).expect("written");
        let result = load(&path, &Device::flex());
        prop_assert!(!truncate || result.is_err());
    }
}

#[test]
fn bases_are_listed_by_their_paths() {
    let device = Device::flex();
    for (name, count) in [
        ("digits/resnet14", 0),
        ("digits/resnet14-s4u1", 3),
        ("digits/resnet14-s4u1-double", 6),
        ("imagenet/resnet50-shared++", 8),
        ("cifar100/mobilenet-v2-shared", 4),
        ("cifar100/densenet121-s16u1", 4),
    ] {
        let model = config(name).init(&device);
        let tensors = model.tensors();
        let bases = model.bases();
        assert_eq!(bases.len(), count, "{name}");
        let known = tensors.iter().filter(|tensor| tensor.path.contains(".bases."));
        let known = known.map(|tensor| (tensor.path.clone(), tensor.id));
        let listed = bases.iter().map(|(path, basis)| (format!("{path}.weight"), basis.weight.id));
        assert!(known.eq(listed), "{name}");
    }
}

#[test]
fn features_are_the_stages_outputs_for_every_network() {
    let device = Device::flex();
    for (name, size, expected) in [
        ("cifar10/resnet20-s8u1", 32, vec![[16, 32], [32, 16], [64, 8]]),
        ("imagenet/resnet50-shared", 32, vec![[256, 8], [512, 4], [1024, 2], [2048, 1]]),
        (
            "cifar100/mobilenet-v2-shared",
            32,
            vec![[16, 34], [24, 17], [32, 9], [64, 5], [96, 5], [160, 5], [320, 5]],
        ),
        ("cifar100/densenet121", 16, vec![[256, 16], [512, 8], [1024, 4], [1024, 2]]),
    ] {
        let model = config(name).init(&device);
        let images = Tensor::ones([1, 3, size, size], &device);
        let maps = model.forward_features(images.clone());
        let shapes: Vec<[usize; 4]> = maps.iter().map(Tensor::dims).collect();
        let expected: Vec<[usize; 4]> =
            expected.iter().map(|&[channels, side]| [1, channels, side, side]).collect();
        assert_eq!(shapes, expected, "{name}");
        let logits = model.classify(model.pooled(images.clone()));
        assert_eq!(logits.into_data(), model.forward(images).into_data(), "{name}");
    }
}

#[test]
fn a_new_head_changes_the_classifier_only_and_can_be_saved() {
    let device = Device::flex();
    let model = config("digits/resnet14-s4u1").init(&device);
    let tuned = model.clone().with_new_head(3);
    assert_eq!(tuned.forward(images(&device)).dims(), [2, 3]);
    assert_eq!(
        tuned.pooled(images(&device)).into_data(),
        model.pooled(images(&device)).into_data()
    );
    let head = tuned.state()["head.weight"].iter::<f32>().collect::<Vec<_>>();
    assert!(head.iter().all(|weight| weight.abs() < 1.0 / 8.0) && head.iter().any(|&w| w != 0.0));

    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("tuned.safetensors");
    save(&tuned, &path).expect("a file");
    let loaded = load(&path, &device).expect("a model");
    assert_eq!(loaded.state(), tuned.state());
    assert_eq!(loaded.config.num_classes, 3);
}

/// A network of one's own, dense and shared: five stages for images of 64×64 pixels.
fn own(suffix: Option<&str>) -> ModelConfig {
    let spec = ResNetSpec::new(BlockKind::Basic, [2, 2, 2, 2, 2]).with_width(4);
    let entry = Entry::new("mine/resnet22", Architecture::ResNet(spec), 12, [3, 64, 64]);
    let dense = ModelName::own(entry).expect("a network");
    ModelConfig::new(
        suffix.map_or(dense.clone(), |suffix| dense.with_sharing(suffix).expect("ranks")),
    )
}

#[test]
fn networks_of_ones_own_train_load_and_deploy() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("model.safetensors");
    let device = Device::flex();
    for suffix in [None, Some("s2u1"), Some("s2u1-double"), Some("lowrank2"), Some("tied")] {
        let config = own(suffix);
        let model = config.init(&device.clone().autodiff());
        let images = Tensor::<4>::ones([1, 3, 64, 64], &device.clone().autodiff());
        let gradients = model.forward(images).square().sum().backward();
        let gradients = GradientsParams::from_grads(gradients, &model);
        let model = SgdConfig::new().init().step(0.01, model, gradients).valid();
        save(&model, &path).expect("saved");
        let loaded = load(&path, &device).expect("it says how it is built");
        assert_eq!((loaded.config.name.clone(), loaded.state()), (config.name, model.state()));
        let deployed = model.deploy(&device);
        let bytes = files::deployed_to_bytes(&deployed);
        let same = files::deployed_from_bytes(&bytes, &device).expect("a deployed model");
        assert_eq!(same.state(), deployed.state());
        assert!(!deployed.to_onnx([64, 64]).is_empty());
    }
}

#[test]
fn files_of_networks_that_cannot_be_are_refused() {
    let device = Device::flex();
    let bytes = files::to_bytes(&own(Some("s2u1")).init(&device));
    let refused = |from: &str, to: &str| {
        assert_eq!(from.len(), to.len());
        let at = bytes.windows(from.len()).position(|part| part == from.as_bytes());
        let at = at.unwrap_or_else(|| panic!("{from} in the file"));
        let mut bytes = bytes.clone();
        bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
        files::from_bytes(&bytes, &device).map(|_| ()).expect_err(to).to_string()
    };
    let quoted = |text: &str| text.replace('"', "\\\"");
    assert!(refused("[2,2,2,2,2]", "[2,2,2,2,0]").contains("a block in every stage"));
    assert!(refused(&quoted("\"width\":4"), &quoted("\"width\":0")).contains("channels"));
    assert!(
        refused("mine/resnet22-s2u1", "mine/resnet23-s2u1").contains("the model is mine/resnet23")
    );
    assert!(refused(&quoted("\"basic\""), &quoted("\"baqic\"")).contains("metadata \"network\""));
    let short = &bytes[..bytes.len() - 100];
    assert!(files::from_bytes(short, &device).is_err());
    let pickle = files::from_bytes(b"\x80\x02}q", &device).map(|_| ()).expect_err("a pickle");
    assert!(pickle.to_string().contains("does not say which model"), "{pickle}");
}
