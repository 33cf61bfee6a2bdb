//! Models without the batch norms of blocks that share filters: the paper's ablation.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use burn::module::Module;
use burn::tensor::{Device, Tensor, TensorData};
use cobasis_zoo::files::FileProblem;
use cobasis_zoo::{Model, ModelConfig, ModelName, Norms, State, load, pytorch, save};
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};

fn name(name: &str) -> ModelName {
    name.parse().expect("a name")
}

fn without(text: &str) -> ModelConfig {
    ModelConfig::new(name(text)).with_norms(Norms::LastOnly)
}

fn logits(model: &Model) -> Vec<f32> {
    let values: Vec<f32> = (0..2 * 64).map(|i| (i * 37 % 101) as f32 / 50.0 - 1.0).collect();
    let images = Tensor::from_data(TensorData::new(values, [2, 1, 8, 8]), &Device::flex());
    model.valid().forward(images).into_data().iter().collect()
}

#[test]
fn three_norms_of_every_block_that_shares_are_gone() {
    let device = Device::flex();
    for (text, [shared, unique]) in [
        ("cifar10/resnet20-s16u1", [16, 1]),
        ("cifar10/resnet20-s8u2-double", [8, 2]),
        ("cifar10/resnet20-s0u4", [0, 4]),
    ] {
        let cost = |config: ModelConfig| config.cost([32, 32], &device).total();
        let (with, without) = (cost(ModelConfig::new(name(text))), cost(without(text)));
        // Weight and bias of the norms inside both convolutions and after the first one, in two
        // blocks of each stage.
        let gone = |scale: u64| 2 * (2 * 2 * scale * (shared + unique) + 2 * scale * 16);
        let gone: u64 = [1, 2, 4].map(gone).iter().sum();
        assert_eq!(with.params - without.params, gone, "{text}");
        assert_eq!((with.buffers - without.buffers, with.macs), (gone, without.macs), "{text}");
    }
    let paths = |config: ModelConfig| -> Vec<String> {
        config.init(&device).tensors().into_iter().map(|tensor| tensor.path).collect()
    };
    let kept = paths(without("digits/resnet14-s4u1"));
    let mut gone = paths(ModelConfig::new(name("digits/resnet14-s4u1")));
    gone.retain(|path| !kept.contains(path));
    let in_block = |path: &String| path.split('.').skip(4).collect::<Vec<_>>().join(".");
    assert!(gone.iter().all(|path| path.contains(".blocks.1.")), "{gone:?}");
    let mut norms: Vec<String> =
        gone.iter().map(|path| in_block(path).rsplit_once('.').expect("a leaf").0.into()).collect();
    norms.sort();
    norms.dedup();
    assert_eq!(norms, ["conv1.norm", "conv2.norm", "norm1"]);
}

#[test]
fn it_starts_with_the_same_weights_and_computes_something_else() {
    let device = Device::flex();
    let with = ModelConfig::new(name("digits/resnet14-s4u1")).init(&device);
    let without = without("digits/resnet14-s4u1").init(&device);
    let before = with.state();
    assert!(without.state().iter().all(|(path, data)| before[path] == *data));
    assert_ne!(logits(&with), logits(&without));
}

#[test]
fn files_say_that_norms_are_gone() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("model.safetensors");
    let model = without("digits/resnet14-s4u1-double").init(&Device::flex());
    let formats: [fn(&Model, &Path) -> _; 2] =
        [|model, path| save(model, path), |model, path| pytorch::save(model, path)];
    for save in formats {
        save(&model, &path).expect("saved");
        let loaded = load(&path, &Device::flex()).expect("loaded");
        assert_eq!(loaded.config.norms, Norms::LastOnly);
        assert_eq!((loaded.state(), logits(&loaded)), (model.state(), logits(&model)));
    }
}

/// Writes tensors with these metadata.
fn write(path: &Path, state: &State, metadata: Option<HashMap<String, String>>) {
    let bytes: Vec<(&String, Vec<usize>, Vec<u8>)> = state
        .iter()
        .map(|(name, data)| {
            let bytes = data.iter::<f32>().flat_map(f32::to_le_bytes).collect();
            (name, data.shape().to_vec(), bytes)
        })
        .collect();
    let views = bytes.iter().map(|(name, shape, bytes)| {
        (name.as_str(), TensorView::new(Dtype::F32, shape.clone(), bytes).expect("a tensor"))
    });
    fs::write(path, safetensors::serialize(views, metadata).expect("bytes")).expect("written");
}

#[test]
fn the_authors_files_show_it_by_what_is_missing() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("model.safetensors");
    let model = without("digits/resnet14-s4u1").init(&Device::flex());
    write(&path, &model.pytorch_state().expect("names"), None);
    let asked = ModelConfig::new(model.config.name.clone());
    let loaded = pytorch::load(&path, &asked, &Device::flex()).expect("loaded");
    assert_eq!((loaded.config.norms, loaded.state()), (Norms::LastOnly, model.state()));
}

#[test]
fn models_that_cannot_be_without_are_refused() {
    let can = ["cifar100/resnet34-s16u1", "cifar10/resnet32-s16u1-double", "cifar10/resnet20-s0u4"];
    let cannot = [
        "cifar10/resnet20",
        "imagenet/resnet50-shared",
        "cifar100/resnext50-32x4d-s64u4",
        "cifar100/densenet121-s16u1",
        "cifar100/mobilenet-v2-shared",
    ];
    assert!(can.iter().all(|text| name(text).can_be_without_norms()));
    assert!(!cannot.iter().any(|text| name(text).can_be_without_norms()));

    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("model.safetensors");
    for (text, norms) in [("digits/resnet14", "false"), ("digits/resnet14-s4u1", "no")] {
        let model = ModelConfig::new(name(text)).init(&Device::flex());
        save(&model, &path).expect("saved");
        let bytes = fs::read(&path).expect("read");
        let (_, header) = SafeTensors::read_metadata(&bytes).expect("a header");
        let mut metadata = header.metadata().clone().expect("metadata");
        metadata.insert("norms".into(), norms.into());
        write(&path, &model.state(), Some(metadata));
        let error = load(&path, &Device::flex()).expect_err("must be refused");
        assert!(matches!(&*error.problem, FileProblem::Norms(got) if got == norms), "{error}");
    }
}

#[test]
#[should_panic(expected = "digits/resnet14 can't be without batch norms")]
fn a_dense_model_has_none_to_lose() {
    without("digits/resnet14").init(&Device::flex());
}
