//! Deployed models compute what their sources do.

mod common;
mod methods;

use burn::module::Module;
use burn::tensor::{Device, TensorData};
use cobasis_zoo::cobasis::InnerFilters;
use cobasis_zoo::deploy::FactorisedLayers;
use cobasis_zoo::files::{FileProblem, load_deployed, save_deployed};
use cobasis_zoo::{Deployed, Model, ModelConfig, Norms, State, Variant, files, load, save};
use common::{check_that_images_matter, difference, images, numbers, trained, trained_as};
use methods::METHODS;

/// One of each family and of each other kind of sharing, and an image that is large enough.
const MODELS: &[(&str, usize)] = &[
    ("cifar10/resnet20", 16),
    ("cifar10/resnet20-s8u1", 16),
    ("cifar10/resnet32-s16u1-double", 16),
    ("cifar10/resnet20-s12,24,40u1", 16),
    ("cifar10/resnet20-tbasis6r8", 16),
    ("cifar100/resnet34-s32u1", 16),
    ("imagenet/resnet18", 32),
    ("imagenet/resnet50-shared", 32),
    ("imagenet/resnet50-shared++", 32),
    ("cifar100/resnext50-32x4d-s64u4", 16),
    ("cifar100/mobilenet-v2", 16),
    ("cifar100/mobilenet-v2-shared", 16),
    ("imagenet/mobilenet-v2-shared++-eca", 32),
    ("cifar100/densenet121", 16),
    ("cifar100/densenet121-s16u1", 16),
    ("cifar100/densenet121-tied", 16),
];

/// The same model without some of its inner filters: of each layer's, those of odd numbers go, and of the
/// second layer all but one.
fn cut(model: &Model) -> Model {
    let mut state = model.state();
    let mut zero = |path: &str, dim: usize, one: bool| {
        let data = state.remove(path).expect("a tensor");
        let shape = data.shape().to_vec();
        let below: usize = shape[dim + 1..].iter().product();
        let number = |index: usize| index / below % shape[dim];
        let goes = |index: usize| number(index) % 2 == 1 || one && number(index) > 0;
        let values = data.iter::<f32>().enumerate();
        let values: Vec<f32> =
            values.map(|(index, value)| if goes(index) { 0.0 } else { value }).collect();
        state.insert(path.to_string(), TensorData::new(values, shape));
    };
    for (index, layer) in model.inner_layers().into_iter().enumerate() {
        match layer.inner {
            InnerFilters::Plain(_) => {
                zero(&format!("{}.filters", layer.path), 0, index == 1);
                zero(&format!("{}.coefficients", layer.path), 1, index == 1);
            }
            InnerFilters::Coded(_) => zero(&format!("{}.mask", layer.path), 0, index == 1),
        }
    }
    model.config.init_from(state, &Device::flex()).expect("its own tensors")
}

#[test]
fn filters_that_were_cut_are_neither_counted_nor_computed() {
    check_cut("cifar10/resnet20-hinge100000", 0);
    let coding = [16, 32, 64].map(|width| 4 * (2 * width * width + width));
    check_cut("cifar10/resnet20-alf100000", coding.iter().sum());
}

/// Checks a model whose autoencoders have so many parameters.
fn check_cut(name: &str, coding: u64) {
    let device = Device::flex();
    let model = cut(&trained(name, Variant::Corrected, &device));
    let left = [8, 1, 8, 8, 16, 16, 16, 16, 32, 32, 32, 32];
    let weights = [[160; 4], [320; 4], [640; 4]].concat();
    let left_weights: usize = left.iter().zip(&weights).map(|(left, one)| left * one).sum();
    assert_eq!(model.inference_parameters(), 76_186 + left_weights as u64);
    assert_eq!(model.parameters().trainable, 76_186 + 193_536 / 9 * 10 + coding);
    let stripped = model.inference_cost([16, 16]).total();
    for factorised in FactorisedLayers::ALL {
        let deployed = model.deploy_with(factorised, &device);
        assert_eq!(deployed.config.inner_filters, left);
        assert!(error(&model, &deployed, 16, &device) < 1e-5, "{factorised}");
        let bytes = files::deployed_to_bytes(&deployed);
        let again = files::deployed_from_bytes(&bytes, &device).expect("a deployed model");
        assert_eq!(again.state(), deployed.state(), "{factorised}");
        assert!(error(&model, &again, 16, &device) < 1e-5, "{factorised}");
        let macs = deployed.macs([16, 16]);
        match factorised {
            FactorisedLayers::FewestMacs => assert!(macs <= stripped.macs),
            FactorisedLayers::Keep => assert_eq!(macs, stripped.macs),
            _ => {}
        }
        for (wrong, said) in [("0,", "\"inner_filters\": expected"), ("7,", "expected shape")] {
            let refused = files::deployed_from_bytes(&with_first_count(&bytes, wrong), &device);
            let refused = refused.map(|_| ()).expect_err("a count that does not fit").to_string();
            // Composed layers do not show how many filters they had.
            assert!(refused.contains(said), "{factorised}: {refused}");
            if factorised == FactorisedLayers::Compose {
                break;
            }
        }
    }
}

/// The bytes of a file with another number in the place of its first count of filters, an 8.
fn with_first_count(bytes: &[u8], count: &str) -> Vec<u8> {
    let key = b"\"inner_filters\":\"8,";
    let at = bytes.windows(key.len()).position(|window| window == key).expect("the counts");
    let mut bytes = bytes.to_vec();
    bytes[at + key.len() - 2..at + key.len()].copy_from_slice(count.as_bytes());
    bytes
}

#[test]
fn a_layer_without_its_cut_filters_computes_the_same_numbers() {
    use burn::module::Param;
    use burn::tensor::{Distribution, Tensor};
    use cobasis_zoo::cobasis::{Bases, Forward, Geometry, Place};
    use cobasis_zoo::sharing::{HingeConv2d, OnBases};

    // The plain arithmetic of the reference device adds zeros, which change nothing.
    #[allow(deprecated)]
    let device = Device::ndarray();
    let random = |shape: [usize; 4]| Tensor::<4>::random(shape, Distribution::Default, &device);
    let layer = |filters: Tensor<4>, coefficients: Tensor<4>| HingeConv2d {
        filters: Param::from_tensor(filters),
        coefficients: Param::from_tensor(coefficients),
        geometry: Geometry::default(),
    };
    let (filters, coefficients) = (random([6, 3, 3, 3]), random([4, 6, 1, 1]));
    let mask = Tensor::<1>::from_floats([1.0, 0.0, 1.0, 1.0, 0.0, 0.0], &device);
    let masked = layer(
        filters.clone() * mask.clone().reshape([6, 1, 1, 1]),
        coefficients.clone() * mask.reshape([1, 6, 1, 1]),
    );
    let stay = Tensor::<1, burn::tensor::Int>::from_data([0, 2, 3], &device);
    let stripped = layer(filters.select(0, stay.clone()), coefficients.select(1, stay));
    let x = random([2, 3, 8, 8]);
    let bases = Bases { banks: Vec::new() };
    let [masked, stripped] = [masked, stripped].map(|layer| {
        let maps = x.clone().into();
        let output = layer.pass(&mut Forward, &Place::ROOT, &bases, maps);
        numbers(output.into_tensor())
    });
    assert_eq!(masked, stripped);
}

/// The greatest difference, relative to the largest logit.
fn error(model: &Model, deployed: &Deployed, size: usize, device: &Device) -> f32 {
    let expected = numbers(model.valid().forward(images(2, size, device)));
    check_that_images_matter(&expected, 2);
    difference(&expected, &numbers(deployed.forward(images(2, size, device))))
}

/// Every factorised layer becomes one kernel of the dense network's shape.
#[test]
fn composed_networks_have_the_convolutions_of_the_dense_one() {
    let device = Device::flex();
    for suffix in [
        "s8u1",
        "s8u1-double-all",
        "lowrank4-all",
        "tai5-all",
        "tucker6-all",
        "jointsvd7-double-all",
        "filterbasis24x16-all",
        "filterbasis24-all",
        "templates2-all",
        "tied-pairs-all",
        "hashed48888",
        "ring48888-all",
        "hypernet8",
        "tbasis6r8-all",
    ] {
        let dense = trained("cifar10/resnet20", Variant::Corrected, &device);
        let name = format!("cifar10/resnet20-{suffix}");
        let model = trained(&name, Variant::Corrected, &device);
        let composed = model.deploy_with(FactorisedLayers::Compose, &device);
        assert_eq!(composed.macs([16, 16]), dense.cost([16, 16]).total().macs, "{name}");
    }
}

#[test]
fn every_form_of_every_family_gives_the_logits_of_its_source() {
    let device = Device::flex();
    for &(name, size) in MODELS.iter().chain(METHODS) {
        let model = trained(name, Variant::Corrected, &device);
        let source = model.cost([size, size]).total();
        for factorised in FactorisedLayers::ALL {
            let deployed = model.deploy_with(factorised, &device);
            let error = error(&model, &deployed, size, &device);
            assert!(error < 1e-5, "{name} {factorised}: {error}");
            let macs = deployed.macs([size, size]);
            match factorised {
                FactorisedLayers::FewestMacs => assert!(macs <= source.macs, "{name}: {macs}"),
                FactorisedLayers::Keep => assert_eq!(macs, source.macs, "{name}"),
                _ => {}
            }
        }
    }
}

#[test]
fn a_model_without_norms_is_deployed_in_every_form() {
    let device = Device::flex();
    for name in ["cifar10/resnet20-s8u1", "cifar10/resnet20-s8u1-double"] {
        let config = ModelConfig::new(name.parse().expect("a name")).with_norms(Norms::LastOnly);
        let model = trained_as(config, &device);
        for factorised in FactorisedLayers::ALL {
            let deployed = model.deploy_with(factorised, &device);
            let error = error(&model, &deployed, 16, &device);
            assert!(error < 1e-5, "{name} {factorised}: {error}");
            assert!(deployed.affines.is_empty(), "{name} {factorised}");
        }
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("deployed.safetensors");
        let deployed = model.deploy(&device);
        save_deployed(&deployed, &path).expect("saved");
        let loaded = load_deployed(&path, &device).expect("loaded");
        assert_eq!((&loaded.config, loaded.state()), (&deployed.config, deployed.state()));
    }
}

#[test]
fn the_authors_densenet_keeps_the_basis_that_it_uses() {
    let device = Device::flex();
    let model = trained("cifar100/densenet121-s16u1", Variant::Authors, &device);
    let deployed = model.deploy_with(FactorisedLayers::Keep, &device);
    assert_eq!(deployed.bases.len(), 3, "the last stage's own basis is idle");
    assert!(error(&model, &deployed, 16, &device) < 1e-5);
}

#[test]
#[allow(deprecated)] // NdArray is the second, independent CPU reference.
fn both_references_agree() {
    for device in [Device::flex(), Device::ndarray(), Device::flex().autodiff()] {
        let model = trained("cifar10/resnet20-s16u1-double", Variant::Corrected, &device);
        let deployed = model.deploy(&device);
        assert!(error(&model, &deployed, 16, &device.without_autodiff()) < 1e-5);
    }
}

#[test]
fn ranks_decide_which_layers_are_composed() {
    let device = Device::flex();
    let layers = |name: &str| {
        let deployed = trained(name, Variant::Corrected, &device).deploy(&device);
        let composed = deployed.factorised_layers().iter().filter(|layer| layer.composed).count();
        (deployed.factorised_layers().len(), composed, deployed.bases.len())
    };
    // 9·16·(16 + 1) + 17·16 is more than 9·16·16, and 9·16·(8 + 1) + 9·16 is less.
    assert_eq!(layers("cifar10/resnet20-s16u1"), (12, 12, 0));
    assert_eq!(layers("cifar10/resnet20-s8u1"), (12, 0, 3));
}

#[test]
fn tensors_have_names_that_say_what_they_are_and_bases_stand_once() {
    let device = Device::flex();
    let model = trained("cifar10/resnet20-s8u1", Variant::Corrected, &device);
    let deployed = model.deploy(&device);
    let state: State = deployed.state();
    for name in [
        "stem.conv.weight",
        "stem.conv.bias",
        "stages.0.bases.0.weight",
        "stages.0.blocks.1.conv1.unique",
        "stages.0.blocks.1.conv2.coefficients.weight",
        "stages.0.blocks.1.conv2.coefficients.bias",
        "head.weight",
    ] {
        assert!(state.contains_key(name), "{name} in {:?}", state.keys());
    }
    assert!(!state.keys().any(|name| name.contains("norm") || name.contains("running")));
    assert_eq!(state.keys().filter(|name| name.contains("bases")).count(), 3);

    let other = deployed.config.init_from(state.clone(), &device).expect("its own tensors");
    assert_eq!(other.state(), state);
    assert_eq!(
        numbers(other.forward(images(2, 16, &device))),
        numbers(deployed.forward(images(2, 16, &device)))
    );

    let mut short = state;
    short.remove("stages.0.bases.0.weight");
    let error = deployed.config.init_from(short, &device).expect_err("a missing tensor");
    assert_eq!(error.to_string(), "tensor \"stages.0.bases.0.weight\" is missing");
}

#[test]
fn a_deployed_model_comes_back_from_its_file() {
    let device = Device::flex();
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("deployed.safetensors");
    let sizes = FactorisedLayers::ALL.map(|factorised| {
        let model = trained("cifar10/resnet20-s8u1", Variant::Corrected, &device);
        let deployed = model.with_new_head(7).deploy_with(factorised, &device);
        save_deployed(&deployed, &path).expect("saved");
        let loaded = load_deployed(&path, &device).expect("loaded");
        assert_eq!(loaded.config, deployed.config);
        assert_eq!(loaded.state(), deployed.state());
        std::fs::metadata(&path).expect("a file").len()
    });
    // The name of the form is in the header, which is a multiple of 8 bytes long.
    let same = sizes[0].abs_diff(sizes[1]) <= 8;
    assert!(same && 2 * sizes[1] < sizes[2], "a basis is stored once: {sizes:?}");

    let problem = load(&path, &device).expect_err("no batch norms").problem;
    assert!(matches!(*problem, FileProblem::Deployed), "{problem}");
    save(&trained("digits/resnet14", Variant::Corrected, &device), &path).expect("saved");
    let problem = load_deployed(&path, &device).expect_err("batch norms").problem;
    assert!(matches!(*problem, FileProblem::NotDeployed), "{problem}");
}

#[test]
fn a_list_says_which_layers_are_dense_kernels() {
    let device = Device::flex();
    let model = trained("cifar10/resnet20-s8u1", Variant::Corrected, &device);
    let layers = model.deploy(&device).factorised_layers().len();
    let list: Vec<bool> = (0..layers).map(|layer| layer % 3 == 1).collect();
    let deployed = model.deploy_listed(&list, &device);
    let composed = |deployed: &Deployed| -> Vec<bool> {
        deployed.factorised_layers().iter().map(|layer| layer.composed).collect()
    };
    assert_eq!(composed(&deployed), list);
    assert!(error(&model, &deployed, 32, &device) < 1e-5);
    let bytes = files::deployed_to_bytes(&deployed);
    let again = files::deployed_from_bytes(&bytes, &device).expect("a deployed model");
    assert_eq!((composed(&again), again.state()), (list, deployed.state()));
    // Another character, and one layer less or more.
    let key = b"\"composed\":\"010";
    let at = bytes.windows(key.len()).position(|window| window == key).expect("the list");
    for wrong in [&b"\"composed\":\"0x0"[..], b"\"composed\":\"01\"", b"\"composes\":\"010"] {
        let mut bytes = bytes.clone();
        bytes[at..at + key.len()].copy_from_slice(wrong);
        if wrong.ends_with(b"\"") {
            // What follows the shorter list is a key of its own.
            let end =
                bytes[at + key.len()..].iter().position(|&byte| byte == b'"').expect("an end");
            let rest = at + key.len()..at + key.len() + end + 1;
            bytes[rest].fill(b' ');
        }
        let refused = files::deployed_from_bytes(&bytes, &device);
        let refused = refused.map(|_| ()).expect_err("a wrong list").to_string();
        assert!(refused.contains("\"composed\": expected 0 or 1 for each"), "{refused}");
    }
}
