//! What model files say of images.

use std::fs;
use std::path::Path;

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use cobasis_zoo::files::{load_deployed, save_deployed};
use cobasis_zoo::{Model, ModelConfig, Preparation, load, pytorch, save};

fn preparation() -> Preparation {
    let names = ["\"quoted\"", "back\\slash", "ein Hündchen\n", ""];
    Preparation {
        dataset: "folder".into(),
        classes: names.map(String::from).to_vec(),
        size: 8,
        resize: 9,
        mean: vec![0.1],
        std: vec![1.0 / 3.0],
    }
}

fn model() -> Model {
    let config = ModelConfig::new("digits/resnet14-s4u1".parse().expect("a name"));
    let config = config.with_num_classes(4).with_preparation(preparation());
    config.init(&Device::flex())
}

#[test]
fn every_kind_of_file_brings_it_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("model.safetensors");
    let (model, device) = (model(), Device::flex());
    let formats: [fn(&Model, &Path) -> _; 2] =
        [|model, path| save(model, path), |model, path| pytorch::save(model, path)];
    for save in formats {
        save(&model, &path).expect("saved");
        let loaded = load(&path, &device).expect("loaded");
        assert_eq!(loaded.config.preparation, Some(preparation()));
    }
    save_deployed(&model.deploy(&device), &path).expect("saved");
    let loaded = load_deployed(&path, &device).expect("loaded");
    assert_eq!(loaded.config.model.preparation, Some(preparation()));
}

#[test]
fn a_new_head_has_other_classes() {
    let tuned = model().with_new_head(7);
    let expected = Preparation { classes: Vec::new(), ..preparation() };
    assert_eq!(tuned.config.preparation, Some(expected));
}

#[test]
fn classes_in_another_order_keep_their_names_and_logits() {
    let logits = |model: &Model| -> Vec<f32> {
        let images = Tensor::ones([1, 1, 8, 8], &Device::flex());
        model.valid().forward(images).into_data().iter::<f32>().collect()
    };
    let (before, order) = (model(), [2, 0, 3, 1]);
    let after = before.clone().with_class_order(&order);
    let names = after.config.preparation.clone().expect("a preparation").classes;
    for (class, &source) in order.iter().enumerate() {
        assert_eq!(names[class], preparation().classes[source]);
        assert_eq!(logits(&after)[class], logits(&before)[source]);
    }
    assert_eq!(before.parameters().trainable, after.parameters().trainable);
}

fn refused(path: &Path) -> String {
    load(path, &Device::flex()).map(|_| ()).expect_err("must be refused").to_string()
}

#[test]
fn what_makes_no_sense_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("model.safetensors");
    let mut model = model();
    for (wrong, said) in [
        (Preparation { size: 5000, ..preparation() }, "size: expected 1 to 1024 pixels, got 5000"),
        (Preparation { mean: vec![0.5; 3], ..preparation() }, "mean: expected a number for each"),
        (Preparation { classes: vec![String::new()], ..preparation() }, "classes: expected a name"),
    ] {
        model.config.preparation = Some(wrong);
        save(&model, &path).expect("saved");
        let line = refused(&path);
        assert!(line.contains(&format!("metadata \"images\": {said}")), "{line}");
    }
    model.config.preparation = Some(preparation());
    save(&model, &path).expect("saved");
    let mut bytes = fs::read(&path).expect("read");
    let key = b"\\\"resize\\\"";
    let at = bytes.windows(key.len()).position(|part| part == key).expect("the key");
    bytes[at + 2] = b'x';
    fs::write(&path, bytes).expect("written");
    assert!(refused(&path).contains("metadata \"images\": missing field `resize`"));
}
