//! `predict`: the classes that `eval` gives, for images in files; and what it says of other input.

mod require;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;

use cobasis_data::{DatasetName, ImageSet, Loader, SetInfo, Source, Split};
use cobasis_train::DeviceName;
use cobasis_train::config::{Config, DIGITS};
use cobasis_train::evaluate::{Confusion, evaluate};
use cobasis_train::train::{Outcome, run};
use cobasis_zoo::files::save_deployed;
use cobasis_zoo::{Model, ModelConfig, load, pytorch, save};
use require::skip;
use serde_json::Value;
use tempfile::TempDir;

/// Images that are exported.
const IMAGES: usize = 200;

fn cobasis(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cobasis"));
    command.env("XDG_CACHE_HOME", folder.join("cache"));
    command.current_dir(folder).args(arguments).output().expect("the program runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

/// What it prints as JSON, and its warnings.
fn json(folder: &Path, arguments: &[&str]) -> (Value, String) {
    let output = cobasis(folder, &[arguments, &["--json"]].concat());
    let warnings = text(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {warnings}");
    (serde_json::from_slice(&output.stdout).expect("JSON"), warnings)
}

/// The one line that wrong input gets, with exit code 2.
fn refused(folder: &Path, arguments: &[&str]) -> String {
    let output = cobasis(folder, arguments);
    let line = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {line}");
    assert_eq!(line.lines().count(), 1, "{arguments:?}: {line}");
    line
}

/// A PNG file of `[channels, height, width]`.
fn write_png(path: &Path, [channels, height, width]: [usize; 3], planes: &[u8]) {
    fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
    let file = File::create(path).expect("a file");
    let mut encoder = png::Encoder::new(file, width as u32, height as u32);
    let colour = if channels == 1 { png::ColorType::Grayscale } else { png::ColorType::Rgb };
    encoder.set_color(colour);
    let area = height * width;
    let pixels: Vec<u8> =
        (0..area).flat_map(|at| (0..channels).map(move |c| planes[c * area + at])).collect();
    let mut writer = encoder.write_header().expect("a header");
    writer.write_image_data(&pixels).expect("pixels");
}

/// Writes the images of a set as `000.png`, … below folders of ten, which sort like their numbers.
fn export(set: &ImageSet, folder: &Path) {
    for index in 0..set.len() {
        let path = folder.join(format!("{:02}/{index:03}.png", index / 10));
        write_png(&path, set.shape(), set.image(index));
    }
}

/// [`export`], as JPEG files of the best quality, `000.jpg`, ….
fn export_jpeg(set: &ImageSet, folder: &Path) {
    let [channels, height, width] = set.shape();
    assert_eq!(channels, 1, "grey images");
    for index in 0..set.len() {
        let path = folder.join(format!("{:02}/{index:03}.jpg", index / 10));
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        let encoder = jpeg_encoder::Encoder::new_file(path, 100).expect("a file");
        let size = [width, height].map(|side| side as u16);
        let pixels = set.image(index);
        encoder.encode(pixels, size[0], size[1], jpeg_encoder::ColorType::Luma).expect("pixels");
    }
}

/// What `eval` finds for these images.
fn confusion(model: &Model, set: ImageSet) -> Confusion {
    let loader = Loader::in_order(Arc::new(set), 64, 0).expect("a loader");
    let evaluation = evaluate(model, &loader, |_| std::ops::ControlFlow::Continue(()));
    evaluation.expect("readable").expect("a result").confusion
}

/// What the predictions of the program come to, for the images of a set in their order.
fn predicted(predictions: &Value, set: &ImageSet) -> Vec<Vec<u64>> {
    let classes = set.num_classes();
    let mut counts = vec![vec![0; classes]; classes];
    let predictions = predictions["predictions"].as_array().expect("a list");
    assert_eq!(predictions.len(), set.len());
    for (index, prediction) in predictions.iter().enumerate() {
        let file = prediction["file"].as_str().expect("a file");
        let (stem, _) = file.rsplit_once('.').expect("an ending");
        assert!(stem.ends_with(&format!("/{index:03}")), "{file} is not image {index}");
        let class = prediction["top"][0]["class"].as_u64().expect("a class") as usize;
        assert_eq!(prediction["top"][0]["name"], set.info().classes[class]);
        counts[usize::from(set.label(index))][class] += 1;
    }
    counts
}

fn rows(confusion: &Confusion) -> Vec<Vec<u64>> {
    (0..confusion.num_classes()).map(|class| confusion.row(class).to_vec()).collect()
}

/// Digits as image files have them, with 255 for white.
fn digits() -> ImageSet {
    let set = Source::new(DatasetName::Digits, None, 8).load(Split::Test).expect("digits");
    let set = set.subset(&(0..IMAGES).collect::<Vec<_>>());
    let grey = |value: &u8| ((usize::from(*value) * 255 + 8) / 16) as u8;
    let pixels = (0..IMAGES).flat_map(|index| set.image(index).iter().map(grey)).collect();
    let info = SetInfo { max_value: 255, ..set.info().clone() };
    ImageSet::new(info, pixels, set.labels().to_vec()).expect("a set")
}

/// A model that was trained a little, in `FOLDER/run/last.safetensors`.
fn trained(folder: &Path) -> PathBuf {
    let sets = ["train.epochs=4".to_string()];
    let config = Config::parse_with("digits.toml", DIGITS, &sets).expect("a configuration");
    let out = folder.join("run");
    let ended = run(&config, DeviceName::Flex, Some(&out), "test", &mut ()).expect("trained");
    assert!(matches!(ended, Outcome::Finished(_)));
    out.join("last.safetensors")
}

#[test]
fn exported_digits_get_the_classes_that_eval_gives() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = trained(folder.path());
    let device = DeviceName::Flex.open().expect("the processor");
    let model = load(&path, &device).expect("a model");
    let set = digits();
    export(&set, &folder.path().join("images"));
    let expected = rows(&confusion(&model, set.clone()));
    let correct: u64 = (0..10).map(|class| expected[class][class]).sum();
    assert!(correct > IMAGES as u64 / 2, "{correct}: it has learnt something");

    // As it was trained, without what it says of images, with PyTorch's names, and deployed.
    let other = |name: &str| folder.path().join(name);
    let mut silent = model.clone();
    silent.config.preparation = None;
    save(&silent, other("silent.safetensors")).expect("saved");
    pytorch::save(&model, other("authors.safetensors")).expect("saved");
    save_deployed(&model.deploy(&device), other("deployed.safetensors")).expect("saved");
    let files = [
        "run/last.safetensors",
        "silent.safetensors",
        "authors.safetensors",
        "deployed.safetensors",
    ];
    for file in files {
        let (report, warnings) =
            json(folder.path(), &["predict", "images", "--checkpoint", file, "--batch", "48"]);
        assert_eq!(predicted(&report, &set), expected, "{file}");
        assert_eq!((&report["images"], warnings.as_str()), (&Value::from(IMAGES), ""), "{file}");
        assert_eq!(report["skipped"], Value::Array(Vec::new()), "{file}");
    }
    export_jpeg(&set, &folder.path().join("jpeg"));
    let (report, _) = json(folder.path(), &["predict", "jpeg", "--checkpoint", files[0]]);
    // JPEG loses something, so an image that is hard to tell may change its class.
    let (got, expected) = (predicted(&report, &set).concat(), expected.concat());
    let changed: u64 = got.iter().zip(&expected).map(|(a, b)| a.abs_diff(*b)).sum();
    assert!(changed / 2 <= IMAGES as u64 / 100 + 1, "{} as JPEG files", changed / 2);
}

/// The folder of CIFAR-10's files beside a checkout, where it lies there.
fn cifar10() -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../data/cifar-10-batches-bin");
    if !folder.is_dir() {
        skip("cifar10", "no ../data/cifar-10-batches-bin");
    }
    Some(folder).filter(|folder| folder.is_dir())
}

#[test]
fn exported_images_of_cifar10_get_the_classes_that_eval_gives() {
    let Some(data) = cifar10() else { return };
    let folder = tempfile::tempdir().expect("a folder");
    let set = Source::new(DatasetName::Cifar10, Some(data), 32).load(Split::Test).expect("images");
    let set = set.subset(&(0..IMAGES).collect::<Vec<_>>());
    export(&set, &folder.path().join("images"));
    // Weights as they start tell images apart as well as any.
    let config = ModelConfig::new("cifar10/resnet20-s8u1".parse().expect("a name"));
    let model = config.init(&DeviceName::Flex.open().expect("the processor"));
    save(&model, folder.path().join("model.safetensors")).expect("saved");
    let (report, _) =
        json(folder.path(), &["predict", "images", "--checkpoint", "model.safetensors"]);
    assert_eq!(predicted(&report, &set), rows(&confusion(&model, set.clone())));
}

/// A model of 10 classes as it starts, and a digit.
fn started() -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let config = ModelConfig::new("digits/resnet14-s4u1".parse().expect("a name"));
    let model = config.init(&DeviceName::Flex.open().expect("the processor"));
    save(&model, folder.path().join("model.safetensors")).expect("saved");
    let set = digits();
    write_png(&folder.path().join("images/2.png"), set.shape(), set.image(0));
    folder
}

#[test]
fn broken_files_are_named_and_left_out() {
    let folder = started();
    let path = |name: &str| folder.path().join("images").join(name);
    fs::copy(path("2.png"), path("10.png")).expect("copied");
    fs::write(path("1.jpg"), "no image").expect("written");
    let whole = fs::read(path("2.png")).expect("read");
    fs::write(path("3.png"), &whole[..whole.len() / 2]).expect("written");
    fs::write(path("list.txt"), "1.jpg").expect("written");
    let arguments = ["predict", "images", "--checkpoint", "model.safetensors", "--batch", "1"];
    let (report, warnings) = json(folder.path(), &arguments);
    let files = |key: &str| -> Vec<String> {
        let list = report[key].as_array().expect("a list").iter();
        list.map(|item| item["file"].as_str().expect("a file").to_string()).collect()
    };
    assert_eq!(files("predictions"), ["images/10.png", "images/2.png"]);
    assert_eq!(files("skipped"), ["images/1.jpg", "images/3.png"]);
    assert_eq!(report["images"], 4);
    let lines: Vec<&str> = warnings.lines().collect();
    assert_eq!(lines.len(), 3, "{warnings}");
    assert_eq!(
        lines[0],
        "warning: images/1.jpg: neither a JPEG nor a PNG nor a WebP image; left out"
    );
    assert!(lines[1].starts_with("warning: images/3.png: a damaged PNG image: "), "{warnings}");
    assert_eq!(lines[2], "warning: 2 of 4 images could not be read");
}

#[test]
fn several_files_and_folders_keep_their_order() {
    let folder = started();
    let path = |name: &str| folder.path().join(name);
    fs::copy(path("images/2.png"), path("z.png")).expect("copied");
    fs::write(path("bad.png"), "no image").expect("written");
    let arguments = ["predict", "z.png", "bad.png", "images", "none.png", "images/2.png"];
    let (report, warnings) =
        json(folder.path(), &[&arguments[..], &["--checkpoint", "model.safetensors"]].concat());
    let predictions = report["predictions"].as_array().expect("a list").iter();
    let files: Vec<_> = predictions.map(|item| item["file"].as_str().expect("a file")).collect();
    assert_eq!(files, ["z.png", "images/2.png", "images/2.png"]);
    assert_eq!(
        (&report["images"], report["skipped"].as_array().map(Vec::len)),
        (&5.into(), Some(2))
    );
    let lines: Vec<&str> = warnings.lines().collect();
    assert_eq!(lines.len(), 3, "{warnings}");
    assert!(lines[0].starts_with("warning: bad.png: neither"), "{warnings}");
    assert!(lines[1].starts_with("warning: none.png: cannot be read"), "{warnings}");
    assert_eq!(lines[2], "warning: 2 of 5 images could not be read");
    let none = ["predict", "bad.png", "none.png", "--checkpoint", "model.safetensors"];
    let output = cobasis(folder.path(), &none);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).ends_with("error: none of the 2 images could be read\n"));
}

#[test]
fn text_has_a_line_for_each_image() {
    let folder = started();
    let arguments = ["predict", "images/2.png", "--checkpoint", "model.safetensors", "--top", "2"];
    let output = cobasis(folder.path(), &arguments);
    let line = text(&output.stdout);
    assert!(line.starts_with("images/2.png: ") && line.ends_with(" %\n"), "{line}");
    assert_eq!((line.lines().count(), line.matches(" %").count()), (1, 2), "{line}");
    let (report, _) = json(folder.path(), &arguments);
    let top = report["predictions"][0]["top"].as_array().expect("a list");
    let [first, second] = [0, 1].map(|i| top[i]["probability"].as_f64().expect("a number"));
    assert!(top.len() == 2 && 1.0 > first && first >= second && second > 0.0, "{top:?}");
    assert_eq!(report["preparation"]["size"], 8);
}

#[test]
fn images_are_prepared_as_told() {
    let folder = started();
    fs::write(folder.path().join("names.txt"), "zero\none\ntwo\n3\n4\n5\n6\n7\n8\nnine\n")
        .expect("written");
    let predict = |more: &[&str]| {
        let arguments = ["predict", "images", "--checkpoint", "model.safetensors", "--top", "10"];
        json(folder.path(), &[&arguments, more].concat()).0
    };
    let plain = predict(&[]);
    let named = predict(&["--classes", "names.txt"]);
    let probability = |report: &Value| report["predictions"][0]["top"][0]["probability"].clone();
    assert_eq!(probability(&plain), probability(&named));
    let names = named["predictions"][0]["top"].as_array().expect("a list");
    assert!(names.iter().any(|guess| guess["name"] == "zero" && guess["class"] == 0));
    for other in [&["--mean", "0.5"][..], &["--std", "0.1"], &["--size", "16"], &["--resize", "20"]]
    {
        assert_ne!(probability(&plain), probability(&predict(other)), "{other:?}");
    }
    let mnist = predict(&["--dataset", "fashion-mnist"]);
    assert_eq!(mnist["preparation"]["dataset"], "fashion-mnist");
    assert!(text(mnist.to_string().as_bytes()).contains("Ankle boot"));
}

#[test]
fn wrong_input_gets_one_line() {
    let folder = started();
    let at = |name: &str| folder.path().join(name);
    fs::create_dir(at("empty")).expect("a folder");
    fs::create_dir(at("broken")).expect("a folder");
    for name in ["broken/1.png", "broken/2.png", "note.txt"] {
        fs::write(at(name), "text").expect("written");
    }
    fs::write(at("names.txt"), "one\ntwo\n").expect("written");
    let cases: &[(&[&str], &str)] = &[
        (&["none.png"], "none.png: cannot be read: No such file"),
        (&["empty"], "images: missing *.jpg, *.jpeg, *.png, *.webp, looked in empty"),
        (&["note.txt"], "note.txt: neither a JPEG nor a PNG nor a WebP image"),
        (&["images", "--top", "0"], "--top"),
        (&["images", "--top", "11"], "expected at most the 10 classes of the model, got 11"),
        (&["images", "--classes", "none.txt"], "none.txt: No such file"),
        (&["images", "--classes", "names.txt"], "a name for each of 10 classes, got 2"),
        (&["images", "--dataset", "cifar10"], "mean: expected a number for each of 1 channels"),
        (&["images", "--mean", "0.5,0.5"], "mean: expected a number for each of 1 channels, got 2"),
        (&["images", "--std", "0"], "std: expected positive numbers, got 0"),
        (&["images", "--size", "0"], "size: expected 1 to 1024 pixels, got 0"),
        (&["images", "--resize", "7"], "resize: expected 8 to 4096 pixels, got 7"),
        (&["images", "--model", "digits/resnet14"], "expected model digits/resnet14, got"),
    ];
    for (arguments, said) in cases {
        let arguments = [&["predict", "--checkpoint", "model.safetensors"], *arguments].concat();
        let line = refused(folder.path(), &arguments);
        assert!(line.contains(said), "{arguments:?}: {line}");
    }
    assert!(refused(folder.path(), &["predict", "images"]).contains("--checkpoint"));
    let arguments = ["predict", "images", "--checkpoint", "note.txt"];
    assert!(
        refused(folder.path(), &arguments).contains("note.txt: neither a valid safetensors file")
    );

    let output =
        cobasis(folder.path(), &["predict", "broken", "--checkpoint", "model.safetensors"]);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2));
    assert!(said.ends_with("error: broken: none of the 2 images could be read\n"), "{said}");
}

/// A model of other classes than its name's data set has, in a file of an older version.
#[test]
fn classes_of_unknown_names_have_numbers() {
    let folder = started();
    let config = ModelConfig::new("digits/resnet14-s4u1".parse().expect("a name"));
    let model = config.with_num_classes(3).init(&DeviceName::Flex.open().expect("the processor"));
    save(&model, folder.path().join("three.safetensors")).expect("saved");
    let arguments = ["predict", "images", "--checkpoint", "three.safetensors"];
    let (report, _) = json(folder.path(), &arguments);
    let top = report["predictions"][0]["top"].as_array().expect("a list");
    assert!(top.len() == 3 && top.iter().all(|guess| guess["name"].is_null()), "{top:?}");
    let output = cobasis(folder.path(), &arguments);
    assert!(text(&output.stdout).contains(": class "));
}
