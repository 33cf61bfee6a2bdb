//! Files with the names of PyTorch code: what is in ours, and which of others' are understood.

use std::fs;
use std::path::{Path, PathBuf};

use burn::tensor::Device;
use cobasis_zoo::files::FileProblem;
use cobasis_zoo::{Model, ModelConfig, State, load, pytorch, save};
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use tempfile::TempDir;

const NAMES: [&str; 4] = [
    "digits/resnet14",
    "digits/resnet14-s4u1",
    "digits/resnet14-s4u1-double",
    "digits/resnet14-s4u0",
];

fn config(name: &str) -> ModelConfig {
    ModelConfig::new(name.parse().expect("a name")).with_num_classes(9).with_seed(3)
}

fn saved(name: &str) -> (TempDir, PathBuf, Model) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("model.safetensors");
    let model = config(name).init(&Device::flex());
    pytorch::save(&model, &path).expect("saved");
    (folder, path, model)
}

/// Writes a state as others do: in any order, without metadata.
fn write(path: &Path, state: &State) {
    let bytes: Vec<(String, Vec<usize>, Vec<u8>)> = state
        .iter()
        .map(|(name, data)| {
            let bytes = data.iter::<f32>().flat_map(f32::to_le_bytes).collect();
            (name.clone(), data.shape().to_vec(), bytes)
        })
        .collect();
    let views = bytes.iter().map(|(name, shape, bytes)| {
        let view = TensorView::new(Dtype::F32, shape.clone(), bytes).expect("a tensor");
        (name.as_str(), view)
    });
    fs::write(path, safetensors::serialize(views, None).expect("bytes")).expect("written");
}

#[test]
fn a_model_comes_back_from_the_authors_names() {
    for name in NAMES {
        let (_folder, path, model) = saved(name);
        let bytes = fs::read(&path).expect("read");
        pytorch::save(&model, &path).expect("saved again");
        assert_eq!(fs::read(&path).expect("read"), bytes, "equal models give equal files");
        let unasked = load(&path, &Device::flex()).expect("it says what it holds");
        assert_eq!(unasked.config.name, model.config.name);
        assert_eq!(unasked.state(), model.state(), "{name}");
        let asked = pytorch::load(&path, &config(name), &Device::flex()).expect("its names are");
        assert_eq!(asked.state(), model.state(), "{name}");
    }
}

#[test]
fn a_file_has_what_a_strict_load_asks_for() {
    let (_folder, path, model) = saved("digits/resnet14-s4u1-double");
    let bytes = fs::read(&path).expect("read");
    let tensors = SafeTensors::deserialize(&bytes).expect("valid");
    let of = |name: &str| tensors.tensor(name).expect(name);
    assert_eq!(of("fc.weight").shape(), [9, 64]);
    let basis = of("shared_basis_1_2.weight");
    assert_eq!(of("layer1.1.shared_basis_2.weight").data(), basis.data());
    let data = &model.state()["stages.0.bases.1.weight"];
    let numbers: Vec<u8> = data.iter::<f32>().flat_map(f32::to_le_bytes).collect();
    assert_eq!(basis.data(), numbers);

    let norms = tensors.names().into_iter().filter(|name| name.ends_with(".running_var"));
    let norms: Vec<String> = norms.map(|name| name.replace("running_var", "")).collect();
    assert_eq!(norms.len(), model.state().keys().filter(|key| key.ends_with("_var")).count());
    for norm in norms {
        let counter = of(&format!("{norm}num_batches_tracked"));
        assert_eq!(
            (counter.dtype(), counter.shape(), counter.data()),
            (Dtype::I64, &[][..], &[0; 8][..])
        );
    }
    // PyTorch refuses to look at numbers that are not aligned.
    for (name, view) in tensors.iter() {
        let offset = view.data().as_ptr() as usize - bytes.as_ptr() as usize;
        let aligned = offset.is_multiple_of(view.dtype().bitsize() / 8);
        assert!(aligned, "{name} at {offset}");
    }
}

#[test]
fn foreign_files_are_read_with_either_naming_of_shortcuts() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("model.safetensors");
    let device = Device::flex();
    // A network with projections, small enough for a test.
    let config = ModelConfig::new("cifar100/resnet18-s1u0".parse().expect("a name"));
    let model = config.init(&device);
    let authors = model.pytorch_state().expect("names");
    let torchvision: State = authors
        .iter()
        .map(|(name, data)| (name.replace("shortcut", "downsample"), data.clone()))
        .collect();
    assert_ne!(authors, torchvision);
    let prefixed = torchvision.iter().map(|(name, data)| (format!("module.{name}"), data.clone()));
    for state in [&authors, &torchvision, &prefixed.collect()] {
        write(&path, state);
        let problem = load(&path, &device).expect_err("it does not say what it holds").problem;
        assert!(matches!(*problem, FileProblem::Unnamed), "{problem}");
        let read = pytorch::load(&path, &config, &device).expect("all tensors are there");
        assert_eq!(read.state(), model.state());
    }

    let fault = |change: fn(&mut State)| {
        let mut state = torchvision.clone();
        change(&mut state);
        write(&path, &state);
        let result = pytorch::load(&path, &config, &device);
        result.map(|_| ()).expect_err("a fault").problem.to_string()
    };
    let missing = fault(|state| drop(state.remove("layer2.0.downsample.0.weight")));
    assert!(missing.ends_with("\"layer2.0.downsample.0.weight\" is missing"), "{missing}");
    let mixed = fault(|state| {
        let data = state["layer2.0.downsample.1.bias"].clone();
        state.insert("layer2.0.shortcut.1.bias".to_string(), data);
    });
    assert!(
        mixed.ends_with("\"layer2.0.shortcut.1.bias\" does not belong to the model"),
        "{mixed}"
    );
    let shape = fault(|state| {
        let data = state["layer2.0.downsample.1.bias"].clone();
        state.insert("layer3.0.downsample.1.bias".to_string(), data);
    });
    assert!(shape.contains("\"layer3.0.downsample.1.bias\": expected shape [256]"), "{shape}");
    let copies = fault(|state| {
        let data = state["layer2.1.shared_basis.weight"].clone();
        let values = vec![0.5f32; data.num_elements()];
        let other = burn::tensor::TensorData::new(values, data.shape().clone());
        state.insert("layer2.1.shared_basis.weight".to_string(), other);
    });
    assert!(copies.contains("copies of one basis"), "{copies}");
}

#[test]
fn other_numbers_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("whole.safetensors");
    let view = TensorView::new(Dtype::I32, vec![1], &[0; 4]).expect("a tensor");
    let bytes = safetensors::serialize([("fc.bias", view)], None).expect("bytes");
    fs::write(&path, bytes).expect("written");
    let result = pytorch::load(&path, &config("digits/resnet14"), &Device::flex());
    let line = result.map(|_| ()).expect_err("whole numbers").to_string();
    assert!(line.contains("whole.safetensors") && line.contains("got I32"), "{line}");
}

#[test]
fn a_header_whose_length_looks_like_a_pickle_is_none() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("model.safetensors");
    let model = config("digits/resnet14").init(&Device::flex());
    save(&model, &path).expect("saved");
    let bytes = fs::read(&path).expect("read");
    let (length, rest) = bytes.split_first_chunk().expect("a length");
    let (header, numbers) = rest.split_at(u64::from_le_bytes(*length) as usize);
    let padded = (header.len() - 0x80).next_multiple_of(0x100) + 0x80;
    let padding = vec![b' '; padded - header.len()];
    let length = (padded as u64).to_le_bytes();
    assert_eq!(length[0], 0x80);
    fs::write(&path, [&length, header, &padding, numbers].concat()).expect("written");
    let loaded = load(&path, &Device::flex()).expect("a model");
    assert_eq!(loaded.state(), model.state());
}
