//! Image folders as people have them, and runs that know their data: by the program.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use cobasis_zoo::{Preparation, files, load, save};
use tempfile::TempDir;

/// A model that trains in a second, on images of 8×8.
const MODEL: [&str; 5] = [
    "model=digits/resnet14-s4u1",
    "data.name=folder",
    "data.pad=1",
    "train.epochs=1",
    "train.batch=4",
];

fn cobasis(folder: &TempDir, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cobasis"));
    command.env("XDG_CACHE_HOME", folder.path().join("cache"));
    command.current_dir(folder.path()).args(arguments).output().expect("the program runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

/// What it prints, and its warnings.
fn done(folder: &TempDir, arguments: &[&str]) -> (String, String) {
    let output = cobasis(folder, arguments);
    let [out, said] = [&output.stdout, &output.stderr].map(|bytes| text(bytes));
    assert!(output.status.success(), "{arguments:?}: {said}");
    (out, said)
}

/// The one line that wrong input gets, with exit code 2.
fn refused(folder: &TempDir, arguments: &[&str]) -> String {
    let output = cobasis(folder, arguments);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
    let last = said.lines().last().unwrap_or_default().to_string();
    assert!(last.starts_with("error: ") && said.matches("error: ").count() == 1, "{said}");
    last
}

fn json(folder: &TempDir, arguments: &[&str]) -> serde_json::Value {
    let (out, _) = done(folder, &[arguments, &["--json"]].concat());
    serde_json::from_str(&out).expect("JSON")
}

/// A PNG image of 10×9 pixels of one colour.
fn write(folder: &TempDir, name: &str, colour: [u8; 3]) {
    let path = folder.path().join(name);
    fs::create_dir_all(path.parent().expect("a parent")).expect("folders");
    let mut encoder = png::Encoder::new(fs::File::create(path).expect("a file"), 10, 9);
    encoder.set_color(png::ColorType::Rgb);
    let mut writer = encoder.write_header().expect("a header");
    writer.write_image_data(&colour.repeat(90)).expect("pixels");
}

/// Folders of these classes in `DIR/train` and `DIR/val`, each of a colour of its own.
fn classes(folder: &TempDir, dir: &str, names: &[(&str, [u8; 3])]) {
    for (class, colour) in names {
        for image in 0..4u8 {
            write(folder, &format!("{dir}/train/{class}/{image}.png"), colour.map(|c| c ^ image));
        }
        for image in 0..2u8 {
            write(folder, &format!("{dir}/val/{class}/{image}.png"), colour.map(|c| c ^ image));
        }
    }
}

const RED: [u8; 3] = [250, 10, 10];
const GREEN: [u8; 3] = [10, 250, 10];
const BLUE: [u8; 3] = [10, 10, 250];

/// The arguments that train on `dir`, with more settings.
fn train<'a>(dir: &'a str, out: &'a str, sets: &[&'a str]) -> Vec<&'a str> {
    let start = ["train", "--no-tui", "--data", dir, "--out", out];
    let sets = MODEL.iter().chain(sets).flat_map(|set| ["--set", set]);
    start.into_iter().chain(sets).collect()
}

#[test]
fn a_run_is_not_resumed_on_other_data() {
    let folder = tempfile::tempdir().expect("a folder");
    classes(&folder, "data", &[("b", RED), ("c", GREEN), ("d", BLUE)]);
    let (out, _) = done(&folder, &train("data", "run", &[]));
    assert!(out.contains("3 classes: b (4 images), c (4), d (4)"), "{out}");
    let model = || fs::read(folder.path().join("run/last.safetensors")).expect("a model");
    let before = model();
    let again = || refused(&folder, &train("data", "run", &[]));

    classes(&folder, "data", &[("a", BLUE)]);
    assert!(again().contains("class \"a\" was added (4 classes instead of 3)"), "{}", again());
    // So too where the directory says nothing and only the checkpoint tells.
    fs::remove_file(folder.path().join("run/data.json")).expect("removed");
    assert!(again().contains("class \"a\" was added"), "{}", again());
    for split in ["train", "val"] {
        fs::remove_dir_all(folder.path().join("data").join(split).join("a")).expect("removed");
    }
    write(&folder, "data/train/c/9.png", GREEN);
    assert!(again().contains("13 training images instead of 12 (5 instead of 4 of \"c\")"));
    fs::remove_file(folder.path().join("data/train/c/9.png")).expect("removed");
    fs::rename(folder.path().join("data/train/c"), folder.path().join("data/train/bb"))
        .and_then(|()| {
            fs::rename(folder.path().join("data/val/c"), folder.path().join("data/val/bb"))
        })
        .expect("renamed");
    assert!(again().contains("class \"bb\" was added and class \"c\" was removed"));
    for split in ["train", "val"] {
        let place = |class: &str| folder.path().join("data").join(split).join(class);
        fs::rename(place("bb"), place("c")).expect("renamed");
    }
    assert_eq!(model(), before);
    // The same data may lie elsewhere.
    fs::rename(folder.path().join("data"), folder.path().join("moved")).expect("moved");
    done(&folder, &train("moved", "run", &[]));
    assert!(folder.path().join("run/data.json").is_file());
}

/// Makes a run's checkpoints say of its data what earlier versions said: nothing.
fn forget_data(run: &Path) {
    fs::remove_file(run.join("data.json")).expect("removed");
    for checkpoint in fs::read_dir(run.join("checkpoints")).expect("checkpoints").flatten() {
        let path = checkpoint.path().join("progress.toml");
        let mut progress: toml::Table =
            fs::read_to_string(&path).expect("read").parse().expect("TOML");
        progress.remove("data").expect("the data");
        // Nor did they record sums of the files, and whose they are.
        progress.insert("format".to_string(), 1.into());
        fs::write(path, progress.to_string()).expect("written");
        for file in ["SHA256SUMS", "config.toml"] {
            fs::remove_file(checkpoint.path().join(file)).expect("removed");
        }
    }
}

#[test]
fn a_run_of_before_is_resumed_with_a_warning_and_refused_where_its_model_tells() {
    let folder = tempfile::tempdir().expect("a folder");
    classes(&folder, "data", &[("b", RED), ("c", GREEN)]);
    done(&folder, &train("data", "run", &[]));
    forget_data(&folder.path().join("run"));
    classes(&folder, "data", &[("a", BLUE)]);
    let said = refused(&folder, &train("data", "run", &[]));
    assert!(said.contains("class \"a\" was added (3 classes instead of 2)"), "{said}");
    for split in ["train", "val"] {
        fs::remove_dir_all(folder.path().join("data").join(split).join("a")).expect("removed");
    }
    let (_, said) = done(&folder, &train("data", "run", &[]));
    assert!(said.contains("did not record its images"), "{said}");
    let (_, said) = done(&folder, &train("data", "run", &[]));
    assert_eq!(said, "");
}

#[test]
fn images_are_compared_with_the_class_of_their_name() {
    let folder = tempfile::tempdir().expect("a folder");
    let own = [("a", RED), ("b", GREEN), ("c", BLUE)];
    classes(&folder, "own", &own);
    done(&folder, &train("own", "run", &["train.epochs=6"]));
    let checkpoint = "run/last.safetensors";
    let eval = |dir: &'static str| vec!["eval", "--checkpoint", checkpoint, "--data", dir];
    let all = json(&folder, &eval("own"));
    // Fewer classes, which begin with another, are judged as they were among all.
    classes(&folder, "fewer", &own[1..]);
    let fewer = json(&folder, &eval("fewer"));
    assert_eq!(fewer["classes"], serde_json::json!(["a", "b", "c"]));
    for class in [1, 2] {
        assert_eq!(
            fewer["confusion"]["counts"][class], all["confusion"]["counts"][class],
            "{fewer}"
        );
        assert_ne!(fewer["confusion"]["counts"][class], serde_json::Value::Null);
    }
    let (out, said) = done(&folder, &eval("fewer"));
    assert!(out.starts_with("2 classes: b (2 images), c (2)\n") && said.is_empty(), "{out}{said}");

    classes(&folder, "other", &[("b", GREEN), ("c", BLUE), ("d", RED)]);
    let said = refused(&folder, &eval("other"));
    assert!(
        said.contains("class \"d\" is none of the 3 classes of digits/resnet14-s4u1"),
        "{said}"
    );
    // Names of the data set that the model is called after are not the file's.
    let said = refused(&folder, &["eval", "--checkpoint", checkpoint, "--dataset", "digits"]);
    assert!(said.contains("do not fit"), "{said}");

    // A file without names: by number, with a warning; as many as there are, or not at all.
    let device = cobasis_train::DeviceName::Flex.open().expect("the processor");
    let mut model = load(folder.path().join(checkpoint), &device).expect("a model");
    let images = model.config.preparation.take().expect("a preparation");
    model.config.preparation = Some(Preparation { classes: Vec::new(), ..images });
    save(&model, folder.path().join("unnamed.safetensors")).expect("saved");
    let unnamed =
        |dir: &'static str| vec!["eval", "--checkpoint", "unnamed.safetensors", "--data", dir];
    let (_, said) = done(&folder, &unnamed("own"));
    assert!(said.contains("has no class names") && said.lines().count() == 1, "{said}");
    assert!(refused(&folder, &unnamed("fewer")).contains("2 classes and 3 channels do not fit"));
    fs::write(folder.path().join("names.txt"), "a\nb\nc\n").expect("written");
    let named = json(&folder, &[&unnamed("fewer")[..], &["--classes", "names.txt"]].concat());
    assert_eq!(named["confusion"], fewer["confusion"]);
}

#[test]
fn a_teacher_is_heard_by_the_names_of_its_classes() {
    let folder = tempfile::tempdir().expect("a folder");
    classes(&folder, "own", &[("a", RED), ("b", GREEN)]);
    classes(&folder, "other", &[("a", RED), ("d", GREEN)]);
    done(&folder, &train("own", "teacher", &[]));
    let taught = ["distill.teacher=teacher/last.safetensors", "distill.weight=0.5"];
    done(&folder, &train("own", "student", &taught));
    let said = refused(&folder, &train("other", "stranger", &taught));
    assert!(said.contains("distill.teacher: class \"d\" is none of the 2 classes"), "{said}");
}

#[test]
fn what_is_not_read_is_said_in_a_line_of_each_kind() {
    let folder = tempfile::tempdir().expect("a folder");
    classes(&folder, "data", &[("a", RED), ("b", GREEN)]);
    for name in ["a/.ipynb_checkpoints/0.png", "a/._0.png", "__MACOSX/a/0.png", "b/.cache/x/0.png"]
    {
        write(&folder, &format!("data/train/{name}"), BLUE);
        write(&folder, &format!("data/val/{name}"), BLUE);
    }
    for name in ["1.gif", "2.GIF", "3.bmp", "Thumbs.db", "desktop.ini", ".DS_Store", "list.txt"] {
        fs::write(folder.path().join("data/train/a").join(name), "x").expect("written");
    }
    for empty in 0..30 {
        fs::create_dir(folder.path().join(format!("data/train/empty{empty}"))).expect("a folder");
    }
    let (out, said) = done(&folder, &train("data", "run", &[]));
    assert!(out.contains("; 8 training and 4 validation images; "), "{out}");
    assert!(out.contains("32 classes: a (4 images), b (4), empty0 (0)"), "{out}");
    assert!(out.contains(", and 12 more\n"), "{out}");
    let lines: Vec<&str> = said.lines().collect();
    let expected = [
        "warning: data/train: left out 2 .gif, 1 .bmp: not read",
        "warning: data/train: no images of 30 of the 32 classes, such as \"empty0\"",
        "warning: data/val: no images of 30 of the 32 classes, such as \"empty0\"",
    ];
    assert_eq!(lines, expected);
    let predictions =
        json(&folder, &["predict", "data/val", "--checkpoint", "run/last.safetensors"]);
    assert_eq!(predictions["images"], 4);
}

#[test]
fn what_the_file_records_wins_over_what_the_name_says() {
    let folder = tempfile::tempdir().expect("a folder");
    classes(&folder, "data", &[("cat", RED), ("say \"dog\"", GREEN)]);
    done(&folder, &train("data", "run", &["data.size=16"]));
    let checkpoint = "run/last.safetensors";
    let report = json(&folder, &["deploy", checkpoint, "--out", "deployed.safetensors"]);
    assert_eq!(report["image"], serde_json::json!([16, 16]));
    for (file, out) in [(checkpoint, "a.onnx"), ("deployed.safetensors", "b.onnx")] {
        done(&folder, &["export", file, "--format", "onnx", "--out", out]);
    }
    let onnx = fs::read(folder.path().join("a.onnx")).expect("read");
    assert!(onnx == fs::read(folder.path().join("b.onnx")).expect("read"));
    let onnx = String::from_utf8_lossy(&onnx);
    for entry in [r#"["cat","say \"dog\""]"#, "[0.485,0.456,0.406]", "[0.229,0.224,0.225]"] {
        assert!(onnx.contains(entry), "{entry}");
    }
    // The data set is the file's too: that of the name is digits.
    let said = refused(&folder, &["eval", "--checkpoint", checkpoint]);
    assert!(said.contains("folder: no directory given"), "{said}");

    // Other constants than the data set's: eval and predict see the same image.
    let device = cobasis_train::DeviceName::Flex.open().expect("the processor");
    let mut model = load(folder.path().join(checkpoint), &device).expect("a model");
    let images = model.config.preparation.take().expect("a preparation");
    let (mean, std) = (vec![0.9, 0.1, 0.5], vec![0.1, 0.7, 0.3]);
    model.config.preparation = Some(Preparation { mean, std, ..images });
    files::save(&model, folder.path().join("other.safetensors")).expect("saved");
    let judged = json(&folder, &["eval", "--checkpoint", "other.safetensors", "--data", "data"]);
    let predict = ["predict", "data/val", "--checkpoint", "other.safetensors", "--top", "2"];
    let predicted = json(&folder, &predict);
    let predicted = predicted["predictions"].as_array().expect("a list");
    let loss = predicted.iter().map(|prediction| {
        let file = prediction["file"].as_str().expect("a file");
        let own = prediction["top"].as_array().expect("a list").iter();
        let mut own = own.filter(|guess| file.contains(guess["name"].as_str().expect("a name")));
        let probability = own.next().expect("its class")["probability"].as_f64();
        -probability.expect("a number").ln()
    });
    let loss = loss.sum::<f64>() / predicted.len() as f64;
    let expected = judged["loss"].as_f64().expect("a number");
    assert!((loss - expected).abs() < 1e-4 * expected.max(1.0), "{loss} is not {expected}");

    // Class names stay the file's where images are prepared as those of another data set.
    let report = json(&folder, &[&predict[..], &["--dataset", "cifar10"]].concat());
    assert_eq!(report["preparation"]["classes"], serde_json::json!(["cat", "say \"dog\""]));
}

#[test]
fn class_names_from_windows_and_images_of_all_endings() {
    let folder = tempfile::tempdir().expect("a folder");
    classes(&folder, "data", &[("a", RED), ("b", GREEN)]);
    done(&folder, &train("data", "run", &[]));
    let jpeg = include_bytes!("../../cobasis-data/assets/red-blue.jpg");
    let odd = include_bytes!("../../cobasis-data/assets/luma-below-chroma.jpg");
    fs::create_dir(folder.path().join("images")).expect("a folder");
    for (name, bytes) in [("1.jfif", &jpeg[..]), ("2.JPE", jpeg), ("3.jpg", odd)] {
        fs::write(folder.path().join("images").join(name), bytes).expect("written");
    }
    fs::write(folder.path().join("names.txt"), "\u{feff}ant\r\nbee\r\n").expect("written");
    let checkpoint = "run/last.safetensors";
    let arguments =
        ["predict", "images", "--checkpoint", checkpoint, "--classes", "names.txt", "--json"];
    let (out, said) = done(&folder, &arguments);
    let report: serde_json::Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!(report["preparation"]["classes"], serde_json::json!(["ant", "bee"]));
    assert_eq!(report["predictions"].as_array().map(Vec::len), Some(2));
    assert!(said.contains("images/3.jpg: a JPEG image with more samples of a colour"), "{said}");
    let said = refused(&folder, &["predict", "images/3.jpg", "--checkpoint", checkpoint]);
    assert!(said.contains("3.jpg: a JPEG image with more samples of a colour"), "{said}");
    fs::write(folder.path().join("names.txt"), b"\xff\xfea\0\r\0\n\0b\0").expect("written");
    assert!(refused(&folder, &arguments).contains("names.txt: expected text in UTF-8, got UTF-16"));
}
