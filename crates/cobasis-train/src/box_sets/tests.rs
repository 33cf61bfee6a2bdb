use std::fs;

use tempfile::TempDir;

use super::*;
use crate::data::Rgb;
use crate::data::boxes::png;
use crate::train::Task;

/// A class and the corners of its box.
type Known = (&'static str, [usize; 4]);

const IMAGES: [(&str, &[Known]); 6] = [
    ("a", &[("red", [2, 2, 12, 12])]),
    ("b", &[("blue", [20, 10, 36, 28]), ("red", [4, 4, 10, 20])]),
    ("c", &[("red", [10, 2, 30, 25])]),
    ("d", &[]),
    ("e", &[("blue", [1, 1, 20, 20])]),
    ("f", &[("red", [3, 3, 9, 9])]),
];
const LISTS: [(&str, &[&str]); 4] =
    [("train", &["a", "b", "c"]), ("val", &["d", "e"]), ("test", &["f", "a"]), ("empty", &["d"])];

fn image() -> Vec<u8> {
    png(&Rgb { width: 40, height: 30, pixels: vec![90; 3 * 40 * 30] })
}

/// These images as Pascal VOC's folders.
fn voc() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for folder in ["Annotations", "ImageSets/Main", "JPEGImages"] {
        fs::create_dir_all(dir.path().join(folder)).unwrap();
    }
    let write = |path: String, bytes: &[u8]| fs::write(dir.path().join(path), bytes).unwrap();
    for (name, boxes) in IMAGES {
        let object = |(class, [l, t, r, b]): &Known| {
            format!(
                "<object><name>{class}</name><bndbox><xmin>{l}</xmin><ymin>{t}</ymin>\
                 <xmax>{r}</xmax><ymax>{b}</ymax></bndbox></object>"
            )
        };
        let objects: String = boxes.iter().map(object).collect();
        let size = "<size><width>40</width><height>30</height></size>";
        let text = format!("<annotation>{size}{objects}</annotation>");
        write(format!("Annotations/{name}.xml"), text.as_bytes());
        write(format!("JPEGImages/{name}.png"), &image());
    }
    for (list, names) in LISTS {
        write(format!("ImageSets/Main/{list}.txt"), names.join("\n").as_bytes());
    }
    dir
}

/// The same images as COCO's files `LIST.json`, in a folder for each list.
fn coco() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for (list, names) in LISTS {
        fs::create_dir(dir.path().join(list)).unwrap();
        let (mut images, mut annotations) = (Vec::new(), Vec::new());
        for (number, name) in names.iter().enumerate() {
            fs::write(dir.path().join(format!("{list}/{name}.png")), image()).unwrap();
            let file = format!("{name}.png");
            images.push(
                serde_json::json!({ "id": number, "file_name": file, "width": 40, "height": 30 }),
            );
            let known = IMAGES.iter().find(|(image, _)| image == name).unwrap().1;
            for (class, [l, t, r, b]) in known {
                annotations.push(serde_json::json!({
                    "id": annotations.len() + 1, "image_id": number, "bbox": [l, t, r - l, b - t],
                    "category_id": if *class == "red" { 7 } else { 3 },
                }));
            }
        }
        let categories = [(7, "red"), (3, "blue")]
            .map(|(id, name)| serde_json::json!({ "id": id, "name": name }));
        let file = serde_json::json!({
            "images": images, "annotations": annotations, "categories": categories,
        });
        fs::write(dir.path().join(format!("{list}.json")), file.to_string()).unwrap();
    }
    dir
}

fn config(dir: &Path, more: &str) -> Config {
    let text = format!(
        "model = 'digits/resnet14'\ntask = 'detect'\ndata.dir = {dir:?}\ndetect.input = [48, 64]\n\
         {more}"
    );
    let config = Config::from_table(&text.parse().unwrap()).unwrap();
    config.check().unwrap();
    config
}

const VOC: &str = "data.name = 'voc'\ndata.train = 'train'\ndata.test = 'test'\n";
const COCO: &str = "data.name = 'coco'\ndata.train = 'train.json'\ndata.val = 'val.json'\n\
                    data.test = 'test.json'\ndata.images = ['train', 'val', 'test']\n";

fn lengths(data: &Dataset<Boxes>) -> [usize; 3] {
    [data.train.len(), data.val.as_ref().map_or(0, ImageSet::len), data.test.len()]
}

#[test]
fn folders_of_pascal_voc_become_three_sets() {
    let dir = voc();
    let data = load_boxes(&config(dir.path(), VOC)).unwrap();
    assert_eq!(lengths(&data), [3, 0, 2]);
    let data = load_boxes(&config(dir.path(), &format!("{VOC}data.val = 'val'"))).unwrap();
    assert_eq!(lengths(&data), [3, 2, 2]);
    let info = data.train.info();
    assert_eq!((info.name.as_str(), info.shape), ("voc", [3, 48, 64]));
    // Labels of all parts are those of the training part, in the order of the names.
    assert_eq!(info.classes, ["blue", "red"]);
    let val = data.val.as_ref().unwrap();
    assert_eq!((val.info(), val.target(0).boxes.len()), (info, 0));
    assert_eq!(val.target(1).boxes[0].class, 0);
    assert_eq!(data.test.target(0).boxes[0].class, 1);
    assert_eq!(data.test.target(0).size, [30, 40]);
}

#[test]
fn cocos_files_become_the_same() {
    let dir = coco();
    let data = load_boxes(&config(dir.path(), COCO)).unwrap();
    assert_eq!(lengths(&data), [3, 2, 2]);
    assert_eq!(data.train.info().name, "coco");
    // By number: 3 is before 7.
    assert_eq!(data.train.info().classes, ["blue", "red"]);
    let names = |data: &Dataset<Boxes>| {
        [data.train.describe(0), data.test.describe(0)].map(|path| {
            let from = path.len() - "/test/f.png".len();
            path[from..].to_string()
        })
    };
    assert_eq!(names(&data), ["train/a.png", "/test/f.png"]);
    // Folders beside the files, one folder for all, and one for each file that is given.
    for (list, _) in LISTS {
        fs::rename(
            dir.path().join(format!("{list}.json")),
            dir.path().join(format!("{list}/all.json")),
        )
        .unwrap();
    }
    let beside = "data.name = 'coco'\ndata.train = 'train/all.json'\ndata.test = 'test/all.json'\n";
    let data = load_boxes(&config(dir.path(), beside)).unwrap();
    assert_eq!((lengths(&data), names(&data)[1].as_str()), ([3, 0, 2], "/test/f.png"));
    let two = format!("{beside}data.images = ['train', 'test']");
    assert_eq!(lengths(&load_boxes(&config(dir.path(), &two)).unwrap()), [3, 0, 2]);
    let one = format!("{beside}data.images = 'train'");
    let line = load_boxes(&config(dir.path(), &one)).unwrap_err().line();
    assert!(line.contains("1 of 2 missing: ") && line.ends_with("train/f.png"), "{line}");
}

#[test]
fn the_same_boxes_in_both_kinds_of_files_make_the_same_batches() {
    let (voc, coco) = (voc(), coco());
    let more = "train.batch = 2\nseed = 3\naugment.mosaic = 0.5\naugment.scale = [0.5, 1.5]\n";
    let val = "data.val = 'val'\n";
    let sets = [
        config(voc.path(), &format!("{VOC}{val}{more}")),
        config(coco.path(), &format!("{COCO}{more}")),
    ];
    let [a, b] = sets.map(|config| {
        let set = Arc::new(load_boxes(&config).unwrap().train);
        let settings = LoaderConfig {
            batch_size: 2,
            shuffle: true,
            augment: Augment::NONE,
            seed: config.seed,
            workers: 0,
        };
        let loader = training_boxes(set, settings, &config).unwrap();
        loader.epoch(1).map(|batch| batch.unwrap()).collect::<Vec<_>>()
    });
    assert_eq!(a.len(), 2);
    assert_eq!(a, b);
}

#[test]
fn mosaics_end_before_the_last_epochs() {
    let dir = voc();
    let batches = |mosaic: f64, epoch: usize| {
        let more = format!(
            "{VOC}train.epochs = 5\ndetect.last_epochs = 2\naugment.mosaic = {mosaic}\ndata.flip = false"
        );
        let config = config(dir.path(), &more);
        let set = Arc::new(load_boxes(&config).unwrap().train);
        let settings = LoaderConfig {
            batch_size: 3,
            shuffle: true,
            augment: config.data.augment(),
            seed: 0,
            workers: 0,
        };
        let loader = training_boxes(set, settings, &config).unwrap();
        loader.epoch(epoch).map(|batch| batch.unwrap()).collect::<Vec<_>>()
    };
    for epoch in 1..=3 {
        assert_ne!(batches(1.0, epoch), batches(0.0, epoch), "{epoch}");
    }
    for epoch in 4..=5 {
        assert_eq!(batches(1.0, epoch), batches(0.0, epoch), "{epoch}");
    }
}

#[test]
fn what_is_wrong_with_a_set_is_the_users_and_told_on_one_line() {
    let (voc, coco) = (voc(), coco());
    let told = |dir: &Path, text: &str| {
        let error = load_boxes(&config(dir, text)).unwrap_err();
        assert_eq!(error.exit_code(), 2, "{error}");
        let line = error.line();
        assert!(!line.contains('\n'), "{line}");
        line
    };
    let voc_with = |train: &str| {
        let text = format!("data.name = 'voc'\ndata.train = '{train}'\ndata.test = 'test'\n");
        told(voc.path(), &text)
    };
    let line = voc_with("trian");
    assert!(line.contains("ImageSets/Main/trian.txt: cannot be read: No such file"), "{line}");
    let line = voc_with("empty");
    assert!(line.ends_with("classes: expected 1 to 65535, got 0"), "{line}");
    // A class that only the test images have.
    fs::write(voc.path().join("ImageSets/Main/reds.txt"), "a\nc").unwrap();
    fs::write(voc.path().join("ImageSets/Main/blues.txt"), "e").unwrap();
    let text = "data.name = 'voc'\ndata.train = 'reds'\ndata.test = 'blues'\n";
    let line = told(voc.path(), text);
    assert!(line.ends_with("object 1: expected one of \"red\", got \"blue\""), "{line}");
    fs::remove_file(voc.path().join("JPEGImages/b.png")).unwrap();
    let line = voc_with("train");
    assert!(line.contains("1 of 3 missing: ") && line.contains("b.jpg"), "{line}");

    let bad = |change: &dyn Fn(&mut serde_json::Value)| {
        let path = coco.path().join("train.json");
        let text = fs::read_to_string(&path).unwrap();
        let mut file = serde_json::from_str(&text).unwrap();
        change(&mut file);
        fs::write(&path, file.to_string()).unwrap();
        let line = told(coco.path(), COCO);
        fs::write(&path, text).unwrap();
        line
    };
    let line = bad(&|file| file["annotations"][1]["category_id"] = 8.into());
    let said = "annotation 2: expected the category_id of one of the categories, got 8";
    assert!(line.ends_with(said), "{line}");
    let line = bad(&|file| file["annotations"] = serde_json::json!([]));
    assert!(line.ends_with("train.json: boxes: expected at least one, got none"), "{line}");
    let line = bad(&|file| file["images"][0]["file_name"] = "gone.png".into());
    assert!(line.contains("1 of 3 missing: ") && line.contains("gone.png"), "{line}");

    let nowhere = coco.path().join("nowhere");
    let line = told(&nowhere, COCO);
    assert!(line.contains("is not a directory, expected one that holds train.json, val"), "{line}");
    let config = Config {
        data: DataConfig { dir: None, ..config(&nowhere, VOC).data },
        ..config(&nowhere, VOC)
    };
    let line = load_boxes(&config).unwrap_err().line();
    assert!(line.starts_with("voc: no directory given (--data DIR, data.dir)"), "{line}");
    assert!(line.ends_with("Annotations, ImageSets/Main, JPEGImages"), "{line}");
}

/// Classification of images with boxes is refused by the configuration; who goes on all the same is told.
#[test]
fn classification_has_no_images_with_boxes() {
    let dir = voc();
    let error = crate::train::Classification::load(&config(dir.path(), VOC)).unwrap_err();
    assert_eq!(error.exit_code(), 2);
    assert!(error.line().contains("boxes, which are for task"), "{}", error.line());
}
