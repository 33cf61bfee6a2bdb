//! Detectors in use: eval, predict and what both say of wrong input, on generated images.

mod require;

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use burn::tensor::{Device, TensorData};
use cobasis_data::boxes::{
    Annotated, AnnotatedImage, Annotation, BoxClass, BoxKind, Findings, Rect, average_precision,
    class_colour, coco_json, draw, png, read_coco, read_results,
};
use cobasis_data::{Rgb, read_image};
use cobasis_zoo::{DetectorConfig, Model, ModelConfig, Preparation, load, save};
use require::skip;
use serde_json::Value;
use tempfile::TempDir;

/// Images of a set.
const IMAGES: usize = 6;
const CLASSES: [&str; 3] = ["red", "green", "blue"];

fn cobasis(folder: &TempDir, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cobasis"));
    command.env("XDG_CACHE_HOME", folder.path().join("cache"));
    command.current_dir(folder.path()).args(arguments).output().expect("the program runs")
}

/// What it prints, and its warnings.
fn done(folder: &TempDir, arguments: &[&str]) -> (String, String) {
    let output = cobasis(folder, arguments);
    let [out, said] =
        [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    assert!(output.status.success(), "{arguments:?}: {said}");
    (out, said)
}

fn json(folder: &TempDir, arguments: &[&str]) -> Value {
    let (out, _) = done(folder, &[arguments, &["--json"]].concat());
    serde_json::from_str(&out).expect("JSON")
}

/// The one line that wrong input gets, with exit code 2.
fn refused(folder: &TempDir, arguments: &[&str]) -> String {
    let output = cobasis(folder, arguments);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
    let last = said.lines().last().unwrap_or_default().to_string();
    assert!(last.starts_with("error: ") && said.matches("error: ").count() == 1, "{said}");
    last
}

/// Images of 60×80 with a rectangle of each class, and what is known of them.
fn images(folder: &Path) -> Annotated {
    fs::create_dir_all(folder).expect("a folder");
    let image = |index: usize| {
        let mut image = Rgb { width: 80, height: 60, pixels: vec![90; 3 * 80 * 60] };
        let mut boxes = Vec::new();
        for class in 0..3u16 {
            let left = 5.0 + 24.0 * f64::from((class + index as u16) % 3);
            let rect = Rect::from_xywh([left, 10.0 + 5.0 * index as f64, 18.0, 16.0]);
            let mut colour = [0; 3];
            colour[usize::from(class)] = 255;
            for inner in 0..8 {
                let shrunk = [left + f64::from(inner), rect.top + f64::from(inner)];
                let sides = [18.0, 16.0].map(|side| side - 2.0 * f64::from(inner));
                let part = Rect::from_xywh([shrunk[0], shrunk[1], sides[0], sides[1]]);
                draw(&mut image, &part, colour, None);
            }
            boxes.push(Annotation { rect, class, kind: BoxKind::Object, area: rect.area() });
        }
        let path = folder.join(format!("{index}.png"));
        fs::write(&path, png(&image)).expect("a file");
        AnnotatedImage { path, id: 10 * index as i64 + 7, size: [60, 80], boxes }
    };
    let class = |(name, id): (&&str, i64)| BoxClass { name: name.to_string(), id };
    Annotated {
        name: "toy".into(),
        folder: folder.to_owned(),
        classes: CLASSES.iter().zip([3, 90, 5]).map(class).collect(),
        images: (0..IMAGES).map(image).collect(),
        findings: Findings::default(),
    }
}

/// The same as a Pascal VOC folder.
fn write_voc(folder: &Path, set: &Annotated) {
    for name in ["Annotations", "ImageSets/Main", "JPEGImages"] {
        fs::create_dir_all(folder.join(name)).expect("folders");
    }
    let mut list = String::new();
    for (index, image) in set.images.iter().enumerate() {
        list += &format!("{index}\n");
        fs::copy(&image.path, folder.join(format!("JPEGImages/{index}.png"))).expect("a copy");
        let objects = image.boxes.iter().map(|one| {
            let [left, top, right, bottom] = one.rect.corners();
            let name = &set.classes[usize::from(one.class)].name;
            format!(
                "<object><name>{name}</name><bndbox><xmin>{left}</xmin><ymin>{top}</ymin>\
                 <xmax>{right}</xmax><ymax>{bottom}</ymax></bndbox></object>"
            )
        });
        let xml = format!(
            "<annotation><size><width>80</width><height>60</height></size>{}</annotation>",
            objects.collect::<String>()
        );
        fs::write(folder.join(format!("Annotations/{index}.xml")), xml).expect("a file");
    }
    for name in ["train", "test"] {
        fs::write(folder.join(format!("ImageSets/Main/{name}.txt")), &list).expect("a list");
    }
}

/// A detector that has not learnt anything, with the names of its classes in this order.
fn detector(path: &Path, classes: &[&str]) {
    let preparation = Preparation {
        dataset: "voc".into(),
        classes: classes.iter().map(|name| name.to_string()).collect(),
        size: 64,
        resize: 64,
        mean: vec![0.5; 3],
        std: vec![0.25; 3],
    };
    let model = ModelConfig::new("bccd/resnet14-s4u1".parse().expect("a name"));
    let model = model.with_num_classes(classes.len()).with_preparation(preparation);
    let detector = DetectorConfig::new([64, 96]).with_width(8);
    let model = model.with_detector(detector).init(&Device::flex());
    save(&model, path).expect("a model file");
}

/// A folder with images, their boxes in both formats, and a detector.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let set = images(&folder.path().join("images"));
    fs::write(folder.path().join("boxes.json"), coco_json(&set)).expect("a file");
    write_voc(&folder.path().join("voc"), &set);
    detector(&folder.path().join("m.safetensors"), &["blue", "other", "red", "green"]);
    folder
}

const COCO: [&str; 7] =
    ["eval", "--checkpoint", "m.safetensors", "--annotations", "boxes.json", "--images", "images"];

#[test]
fn the_scores_are_those_of_the_boxes_that_are_written() {
    let folder = folder();
    let path = folder.path();
    let scored = ["--confidence", "0.00001", "--results", "found.json"];
    let report = json(&folder, &[&COCO[..], &scored].concat());
    let set = read_coco(&path.join("boxes.json"), &path.join("images"), None).expect("a set");
    let found = read_results(&path.join("found.json"), &set).expect("boxes of its images");
    assert!(!found.is_empty(), "nothing is compared");
    let again = average_precision(IMAGES, 3, &set.truths(), &found).expect("scores");
    for (name, value) in [
        ("ap", again.ap),
        ("ap50", again.ap50),
        ("ap75", again.ap75),
        ("ap_small", again.ap_by_area[0]),
        ("ap_large", again.ap_by_area[2]),
        ("ar100", again.recall[2]),
    ] {
        assert_eq!(report[name].as_f64(), value, "{name}");
    }
    assert_eq!((&report["images"], &report["objects"]), (&6.into(), &18.into()));
    // By name: classes of the file have another order.
    for (class, of) in set.classes.iter().zip(&again.classes) {
        let classes = report["classes"].as_array().expect("a list");
        let own = classes.iter().find(|own| own["name"] == class.name.as_str()).expect("a class");
        assert_eq!((own["ap"].as_f64(), own["objects"].as_u64()), (of.ap, Some(6)));
    }
    // The folder has the same boxes.
    let voc = ["eval", "--checkpoint", "m.safetensors", "--data", "voc"];
    let of_voc = json(&folder, &[&voc[..], &scored[..2]].concat());
    for name in ["ap", "ar10", "classes", "detections"] {
        assert_eq!(of_voc[name], report[name], "{name}");
    }
    let (text, _) = done(&folder, &[&voc[..], &["--dataset", "voc", "--list", "train"]].concat());
    for part in ["6 images with 18 objects", "AP50   0.0000", "other        0       –", "images/s"]
    {
        assert!(text.contains(part), "{part}: {text}");
    }
}

#[test]
fn what_is_found_is_told_written_and_drawn() {
    let folder = folder();
    let path = folder.path();
    fs::create_dir_all(path.join("others")).expect("a folder");
    fs::copy(path.join("images/1.png"), path.join("others/0.png")).expect("a copy");
    fs::write(path.join("others/2.png"), "no image").expect("a file");
    let all = ["predict", "images", "others", "--checkpoint", "m.safetensors"];
    let told = ["--confidence", "0.00001", "--draw", "drawn", "--results", "found.json"];
    let report = json(&folder, &[&all[..], &told].concat());
    let predictions = report["predictions"].as_array().expect("a list");
    assert_eq!((predictions.len(), report["skipped"].as_array().map(Vec::len)), (7, Some(1)));
    let mut boxes = Vec::new();
    for (index, one) in predictions.iter().enumerate() {
        assert_eq!(one["id"], index + 1);
        assert_eq!((&one["width"], &one["height"]), (&80.into(), &60.into()));
        for found in one["boxes"].as_array().expect("a list") {
            let [left, top, right, bottom] = ["left", "top", "right", "bottom"]
                .map(|edge| found[edge].as_f64().expect("a number"));
            assert!(0.0 <= left && left < right && right <= 80.0, "{found}");
            assert!(0.0 <= top && top < bottom && bottom <= 60.0, "{found}");
            boxes.push((index as i64 + 1, found["class"].as_i64().map(|class| class + 1)));
        }
    }
    let results: Value =
        serde_json::from_slice(&fs::read(path.join("found.json")).expect("a file")).expect("JSON");
    let written: Vec<_> = results
        .as_array()
        .expect("a list")
        .iter()
        .map(|one| (one["image_id"].as_i64().expect("a number"), one["category_id"].as_i64()))
        .collect();
    assert!(!boxes.is_empty() && written == boxes);
    // Two images of one name.
    let mut names: Vec<_> = fs::read_dir(path.join("drawn"))
        .expect("a folder")
        .map(|file| file.expect("a file").file_name().into_string().expect("a name"))
        .collect();
    names.sort();
    assert_eq!(names, ["0-2.png", "0.png", "1.png", "2.png", "3.png", "4.png", "5.png"]);
    let drawn = read_image(&path.join("drawn/0-2.png")).expect("an image");
    assert_eq!(drawn.size(), [60, 80]);
    let first = &predictions[6]["boxes"][0];
    let colour = class_colour(first["class"].as_u64().expect("a class") as u16);
    let mut pixels = drawn.pixels.chunks(3);
    assert!(pixels.any(|pixel| pixel == colour), "the best box is drawn on top");

    let (text, _) =
        done(&folder, &[&all[..3], &all[3..], &["--draw", "drawn", "--force"]].concat());
    assert_eq!(text.lines().count(), 8, "{text}");
    assert!(text.contains("0.png: nothing\n"), "{text}");
    assert!(
        text.ends_with("drawn in drawn: blue #e69f00, other #56b4e9, red #009e73, green #d55e00\n")
    );
}

#[test]
fn drawings_stay_in_their_folder_and_images_as_they_are() {
    let folder = folder();
    let path = folder.path();
    let predict = ["predict", "images", "--checkpoint", "m.safetensors", "--draw"];
    let said = refused(&folder, &[&predict[..], &["images"]].concat());
    assert!(said.contains("--draw images: holds images/0.png, which is to be looked at"), "{said}");
    let said = refused(&folder, &[&predict[..], &["boxes.json"]].concat());
    assert!(said.contains("--draw boxes.json: exists and is no folder"), "{said}");
    // What is there is replaced only when that is asked for.
    fs::create_dir(path.join("there")).expect("a folder");
    fs::write(path.join("there/3.png"), "mine").expect("a file");
    let said = refused(&folder, &[&predict[..], &["there"]].concat());
    let expected = "--draw: there/3.png: exists; give --force to replace it";
    assert!(said.contains(expected), "{said}");
    assert_eq!(fs::read_to_string(path.join("there/3.png")).expect("a file"), "mine");
    assert!(!path.join("there/0.png").exists(), "before anything is drawn");
    done(&folder, &[&predict[..], &["there", "--force"]].concat());
    read_image(&path.join("there/3.png")).expect("a drawing");
    fs::create_dir_all(path.join("dirs/0.png")).expect("a folder");
    let said = refused(&folder, &[&predict[..], &["dirs", "--force"]].concat());
    assert!(said.contains("dirs/0.png: is no file"), "{said}");
    #[cfg(unix)]
    {
        fs::create_dir(path.join("drawn")).expect("a folder");
        fs::write(path.join("mine.png"), "mine").expect("a file");
        let link = path.join("drawn/0.png");
        std::os::unix::fs::symlink(path.join("mine.png"), link).expect("a link");
        for force in [&[][..], &["--force"]] {
            let said = refused(&folder, &[&predict[..], &["drawn"], force].concat());
            assert!(said.contains("drawn/0.png: is a link"), "{said}");
        }
        assert_eq!(fs::read_to_string(path.join("mine.png")).expect("a file"), "mine");
    }
}

#[test]
fn results_replace_nothing_but_results() {
    let folder = folder();
    let path = folder.path();
    fs::create_dir(path.join("dir")).expect("a folder");
    fs::write(path.join("empty.json"), "").expect("a file");
    let voc = ["eval", "--checkpoint", "m.safetensors", "--data", "voc", "--results"];
    let predict = ["predict", "images", "--checkpoint", "m.safetensors", "--results"];
    let mut others = vec![
        ("boxes.json", "exists and is not a file of COCO's results"),
        ("images/0.png", "exists and is not a file of COCO's results"),
        ("m.safetensors", "exists and is not a file of COCO's results"),
        ("empty.json", "exists and is not a file of COCO's results"),
        ("dir", "cannot be written: is a directory"),
        ("none/x.json", "none is no folder"),
        ("boxes.json/x.json", "boxes.json is no folder"),
    ];
    if cfg!(target_os = "linux") {
        others.push(("/proc/x.json", "cannot be written: "));
    }
    for (file, said) in others {
        let before = fs::read(path.join(file)).ok();
        for arguments in [&voc[..], &predict[..]] {
            let output = cobasis(&folder, &[arguments, &[file]].concat());
            let line = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(output.status.code(), Some(2), "{file}: {line}");
            assert!(output.stdout.is_empty(), "before anything is looked at");
            assert!(line.contains(&format!("--results {file}: {said}")), "{line}");
        }
        assert_eq!(fs::read(path.join(file)).ok(), before, "{file}");
    }
    // Those of another time are replaced, an empty list too.
    fs::write(path.join("x.json"), "[]").expect("a file");
    for arguments in [&voc[..], &predict[..], &voc[..]] {
        let before = fs::read(path.join("x.json")).expect("a file");
        done(&folder, &[arguments, &["x.json", "--confidence", "0.00001"]].concat());
        assert!(fs::read(path.join("x.json")).expect("a file") != before);
    }
}

#[test]
fn in_images_that_cannot_be_read_everything_is_missed() {
    let folder = folder();
    let path = folder.path();
    let scored = ["--confidence", "0.00001", "--results", "found.json"];
    let whole = json(&folder, &[&COCO[..], &scored].concat());
    fs::write(path.join("images/1.png"), "no image").expect("a file");
    let (out, said) = done(&folder, &[&COCO[..], &scored, &["--json"]].concat());
    let expected = "1 of 6 images could not be read: their objects count as missed";
    assert!(said.contains(expected), "{said}");
    let report: Value = serde_json::from_str(&out).expect("JSON");
    let counts = ["images", "objects", "unreadable"].map(|name| report[name].as_u64());
    assert_eq!(counts, [6, 18, 1].map(Some));
    assert!(report["detections"].as_u64() < whole["detections"].as_u64());
    // What is written is of the right images, and has these scores where all images count.
    let set = read_coco(&path.join("boxes.json"), &path.join("images"), None).expect("a set");
    let found = read_results(&path.join("found.json"), &set).expect("boxes of its images");
    assert!(found.iter().any(|one| one.image == 5) && found.iter().all(|one| one.image != 1));
    let again = average_precision(IMAGES, 3, &set.truths(), &found).expect("scores");
    for (name, value) in [("ap", again.ap), ("ap50", again.ap50), ("ar100", again.recall[2])] {
        assert_eq!(report[name].as_f64(), value, "{name}");
    }
    for class in report["classes"].as_array().expect("a list") {
        let objects = if class["name"] == "other" { 0 } else { 6 };
        assert_eq!(class["objects"], objects);
    }
}

#[test]
fn wrong_uses_are_refused() {
    let folder = folder();
    let path = folder.path();
    let classifier = ModelConfig::new("digits/resnet14".parse().expect("a name"));
    save(&classifier.init(&Device::flex()), path.join("c.safetensors")).expect("a file");
    let detector = "m.safetensors";
    for (arguments, said) in [
        (&["predict", "images", "--checkpoint", "c.safetensors", "--draw", "x"][..], "--draw: not"),
        (&["predict", "images", "--checkpoint", "c.safetensors", "--nms", "1"], "--nms: not for a"),
        (&["predict", "images", "--checkpoint", detector, "--top", "2"], "--top: not for a det"),
        (&["predict", "images", "--checkpoint", detector, "--size", "32"], "--size: not for a d"),
        (&["predict", "images", "--checkpoint", detector, "--nms", "2"], "from 0 to 1"),
        (&["predict", "none", "--checkpoint", detector], "none"),
        (&["eval", "--checkpoint", "c.safetensors", "--list", "test"], "--list: not for a class"),
        (&["eval", "--checkpoint", "c.safetensors", "--results", "x"], "--results: not for a cl"),
        (&["eval", "--checkpoint", detector], "give a Pascal VOC folder as --data DIR, or"),
        (
            &["eval", "--checkpoint", detector, "--dataset", "digits"],
            "--dataset digits: expected voc",
        ),
        (
            &["eval", "--checkpoint", detector, "--data", "voc", "--list", "no"],
            "Main/no.txt: cannot",
        ),
        (&["eval", "--checkpoint", detector, "--data", "voc", "--confusion"], "--confusion: not"),
        (
            &["eval", "--checkpoint", detector, "--annotations", "no.json"],
            "no.json: cannot be read",
        ),
        (&["eval", "--checkpoint", detector, "--annotations", "boxes.json"], "0.png"),
    ] {
        let line = refused(&folder, arguments);
        assert!(line.contains(said), "{arguments:?}: {line}");
    }
    detector_of(&path.join("few.safetensors"));
    let few = ["eval", "--checkpoint", "few.safetensors", "--data", "voc"];
    let line = refused(&folder, &few);
    assert!(line.contains("\"blue\" is none of the 2 classes of bccd/resnet14-s4u1"), "{line}");
}

/// A detector of fewer classes than the images have.
fn detector_of(path: &Path) {
    detector(path, &["red", "green"]);
}

#[test]
fn outputs_that_are_no_numbers_have_no_scores() {
    let folder = folder();
    let path = folder.path().join("m.safetensors");
    let device = Device::flex();
    let model = load(&path, &device).expect("the model");
    // All finite, and no output is.
    let mut state = model.state();
    for (name, tensor) in state.iter_mut().filter(|(name, _)| name.ends_with("boxes.bias")) {
        let shape = tensor.shape().clone();
        *tensor = TensorData::new(vec![3e38f32; shape.num_elements()], shape);
        assert!(name.contains("head"), "{name}");
    }
    let broken: Model = model.config.init_from(state, &device).expect("a model");
    save(&broken, &path).expect("a file");
    let voc = ["eval", "--checkpoint", "m.safetensors", "--data", "voc", "--results", "x.json"];
    let said = refused(&folder, &voc);
    assert!(said.contains("m.safetensors: the model's outputs are not finite"), "{said}");
    let predict = ["predict", "images", "--checkpoint", "m.safetensors", "--results", "x.json"];
    let said = refused(&folder, &predict);
    assert!(said.contains("outputs for images/0.png are not finite"), "{said}");
    assert!(!folder.path().join("x.json").exists());
}

/// A detector that learns the images by heart, with a head on one basis.
const TOY: &str = r#"
model = "bccd/resnet14"
task = "detect"

[data]
name = "voc"
dir = "voc"
train = "train"
test = "test"
workers = 0

[detect]
input = [64, 96]
width = 16
head = "shared"
shared = 8
last_epochs = 2

[augment]
mosaic = 0.5

[train]
epochs = 60
batch = 3

[optimizer]
lr = 0.01
"#;

/// The number of a field of a page.
fn field(page: &str, name: &str) -> f64 {
    let start = format!("data-field=\"{name}\" value=\"");
    let (_, rest) = page.split_once(&start).unwrap_or_else(|| panic!("{name} is not there"));
    rest.split('"').next().and_then(|value| value.parse().ok()).expect("a number")
}

/// Whether Chromium shows a page and has nothing to say about it; `None` without Chromium.
fn is_shown(page: &Path) -> Option<String> {
    let profile = tempfile::tempdir().expect("a folder");
    let mut command = Command::new("chromium");
    command.args(["--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr"]);
    command.arg(format!("--user-data-dir={}", profile.path().display()));
    let output = command.arg("--dump-dom").arg(page).output().ok()?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && !said.contains(":CONSOLE"), "{said}");
    Some(String::from_utf8(output.stdout).expect("UTF-8"))
}

#[test]
fn a_run_is_judged_by_boxes_and_its_report_shows_them() {
    let folder = folder();
    let path = folder.path();
    fs::write(path.join("toy.toml"), TOY).expect("a file");
    let (said, _) = done(&folder, &["train", "--config", "toy.toml", "--out", "run", "--no-live"]);
    assert!(said.contains("val: AP ") && said.contains(", AP50 "), "{said}");
    let metrics = fs::read_to_string(path.join("run/metrics.csv")).expect("a file");
    let header = "epoch,lr,train_penalty,train_loss,val_ap,val_ap50,val_ap75,val_ar,seconds,\
                  images_per_second";
    assert_eq!(metrics.lines().next(), Some(header));
    let summary: Value =
        serde_json::from_slice(&fs::read(path.join("run/summary.json")).expect("a file"))
            .expect("JSON");
    let last = &summary["last"];
    let best = &summary["best_on_test"];
    assert!(best["test_ap"].as_f64() >= last["test_ap"].as_f64());
    let report = json(&folder, &["eval", "--checkpoint", "run/last.safetensors", "--data", "voc"]);
    for (name, of_run) in [("ap", "test_ap"), ("ap75", "test_ap75"), ("ar100", "test_ar")] {
        assert_eq!(report[name], last[of_run], "{name}");
    }
    let ap50 = report["ap50"].as_f64().expect("a number");
    assert!(ap50 > 0.5, "it learnt nothing: {report}");

    done(&folder, &["deploy", "run/last.safetensors", "--out", "deployed.safetensors"]);
    let deployed = ["eval", "--checkpoint", "deployed.safetensors", "--data", "voc"];
    let folded = json(&folder, &deployed)["ap50"].as_f64().expect("a number");
    assert!((folded - ap50).abs() < 1e-3, "{folded} {ap50}");

    done(&folder, &["report", "run"]);
    let page = fs::read_to_string(path.join("run/report.html")).expect("a page");
    for (name, value) in [
        ("last.test_ap", &last["test_ap"]),
        ("best.test_ap", &best["test_ap"]),
        ("evaluated.ap", &last["test_ap"]),
        ("evaluated.ap50", &last["test_ap50"]),
    ] {
        assert_eq!(Some(field(&page, name)), value.as_f64(), "{name}");
    }
    for class in report["classes"].as_array().expect("a list") {
        let name = class["name"].as_str().expect("a name");
        let cell =
            format!("data-class=\"{name}\" data-field=\"ap50\" data-value=\"{}\"", class["ap50"]);
        assert!(page.contains(&cell), "{cell}");
        assert_eq!(page.matches(&format!("data-series=\"{name}\"")).count(), 2, "{name}");
    }
    if page.contains("Images with the most mistakes") {
        assert!(page.contains("src=\"data:image/png;base64,"));
    }
    assert!(page.len() < 3 << 20, "{} bytes", page.len());
    // Two runs are compared by their average precision.
    let again = ["train", "--config", "toy.toml", "--out", "other", "--no-live", "--seed", "1"];
    done(&folder, &[&again[..], &["--set", "train.epochs=1"]].concat());
    done(&folder, &["report", "run", "other", "--out", "both.html"]);
    let both = fs::read_to_string(path.join("both.html")).expect("a page");
    assert!(both.contains("AP against parameters") && both.contains("data-field=\"best.ap\""));
    assert!(!both.contains("top-1"), "there is no class of an image");
    for name in ["run/report.html", "both.html"] {
        let Some(shown) = is_shown(&path.join(name)) else {
            skip("browser", "no chromium");
            return;
        };
        assert!(shown.contains("</html>"));
    }
}
