use std::error::Error;
use std::fs;

use super::*;

/// A folder with a file of boxes and empty images of these names.
fn folder(json: &str, images: &[&str]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a folder");
    fs::write(dir.path().join("a.json"), json).expect("written");
    fs::create_dir_all(dir.path().join("images/sub")).expect("made");
    for image in images {
        fs::write(dir.path().join("images").join(image), "").expect("written");
    }
    dir
}

fn read(json: &str, classes: Option<&[BoxClass]>) -> Result<Annotated, DataError> {
    let dir = folder(json, &["a.jpg", "b.jpg", "sub/a.jpg"]);
    read_coco(&dir.path().join("a.json"), &dir.path().join("images"), classes)
}

/// The message, without the folder, and its cause.
fn refusal(json: &str) -> String {
    let error = read(json, None).expect_err("must be refused");
    assert!(error.is_user_error(), "{error}");
    let cause = error.source().map(|source| format!(": {source}")).unwrap_or_default();
    let line = format!("{error}{cause}");
    assert!(!line.contains('\n'), "{line}");
    line.split_once("a.json: ").map(|(_, said)| said.to_string()).unwrap_or(line)
}

const IMAGES: &str = r#"{"id": 9, "file_name": "a.jpg", "width": 8, "height": 6},
    {"id": 4, "file_name": "sub/a.jpg", "width": 80, "height": 60}"#;
const CATEGORIES: &str = r#"{"id": 90, "name": "cell"}, {"id": 7, "name": "dust"}"#;

fn json(images: &str, annotations: &str, categories: &str) -> String {
    format!(
        r#"{{"images": [{images}], "annotations": [{annotations}], "categories": [{categories}]}}"#
    )
}

/// An annotation with the given rest.
fn one(rest: &str) -> String {
    json(IMAGES, &format!(r#"{{"id": 1, {rest}}}"#), CATEGORIES)
}

#[test]
fn a_file_becomes_images_by_number_and_labels_by_number() {
    let annotations = r#"
        {"id": 3, "image_id": 9, "category_id": 90, "bbox": [1, 2, 3, 4], "area": 5.5, "iscrowd": 0},
        {"id": 1, "image_id": 9, "category_id": 7, "bbox": [0.25, 0, 1, 1], "segmentation": [[1, 2]]},
        {"id": 2, "image_id": 4, "category_id": 90, "bbox": [0, 0, 80, 60], "iscrowd": true}"#;
    let text = json(IMAGES, annotations, CATEGORIES);
    let set = read(&format!("\u{feff}{text}"), None).expect("a set");
    assert_eq!(set.classes.iter().map(|class| class.id).collect::<Vec<_>>(), [7, 90]);
    assert_eq!(set.images.iter().map(|image| image.id).collect::<Vec<_>>(), [4, 9]);
    assert!(set.images[0].path.ends_with("images/sub/a.jpg"));
    assert_eq!((set.images[0].size, set.images[1].size), ([60, 80], [6, 8]));
    let of =
        |xywh, class, kind, area| Annotation { rect: Rect::from_xywh(xywh), class, kind, area };
    assert_eq!(set.images[0].boxes, [of([0.0, 0.0, 80.0, 60.0], 1, BoxKind::Crowd, 4800.0)]);
    let expected = [
        of([1.0, 2.0, 3.0, 4.0], 1, BoxKind::Object, 5.5),
        of([0.25, 0.0, 1.0, 1.0], 0, BoxKind::Object, 1.0),
    ];
    assert_eq!(set.images[1].boxes, expected);
    assert_eq!((set.findings.crowds, set.objects_by_class()), (1, vec![1, 1]));

    // Labels of another set go by name.
    let named = |name: &str| BoxClass { name: name.into(), id: 1 };
    let known = [named("cell"), BoxClass { id: 2, ..named("dust") }];
    let again = read(&text, Some(&known)).expect("a set");
    assert_eq!(again.classes, known);
    assert_eq!(again.images[0].boxes[0].class, 0);
    let error = read(&text, Some(&[named("celt"), named("dust")])).expect_err("no such class");
    let expected = r#"category 90: expected one of 2 classes, such as "celt", got "cell""#;
    assert!(error.to_string().ends_with(expected), "{error}");
}

#[test]
fn what_is_written_is_read_again() {
    let annotations = r#"
        {"id": 3, "image_id": 9, "category_id": 90, "bbox": [0.1, 0.7, 3.3, 4.1], "area": 5.5, "iscrowd": 1},
        {"id": 1, "image_id": 9, "category_id": 7, "bbox": [0.25, 0, 1, 1]}"#;
    let image = r#"{"id": 9, "file_name": "a.jpg", "width": 8, "height": 6}"#;
    let set = read(&json(image, annotations, CATEGORIES), None).expect("a set");
    let again = read(&coco_json(&set), None).expect("a set");
    assert_eq!(
        (set.images[0].boxes.clone(), set.classes),
        (again.images[0].boxes.clone(), again.classes)
    );
}

#[test]
fn wrong_files_are_refused_by_name_and_place() {
    let whole = r#""image_id": 9, "category_id": 7, "bbox": [0, 0, 1, 1]"#;
    assert!(read(&one(whole), None).is_ok());
    let twice = format!(r#"{{"id": 1, {whole}}}, {{"id": 1, {whole}}}"#);
    let image = |rest: &str| json(&format!(r#"{{"id": 1, {rest}}}"#), "", CATEGORIES);
    for (json, said) in [
        (
            one(r#""image_id": 9, "category_id": 8, "bbox": [0, 0, 1, 1]"#),
            "annotation 1: expected the category_id of one of the categories, got 8",
        ),
        (
            one(r#""image_id": 1, "category_id": 7, "bbox": [0, 0, 1, 1]"#),
            "annotation 1: expected the image_id of one of the images, got 1",
        ),
        (
            one(r#""image_id": 9, "category_id": 7, "bbox": [1e308, 0, 1e308, 1]"#),
            "annotation 1 of image 9: expected a box of finite numbers, got [1000000",
        ),
        (
            one(r#""image_id": 9, "category_id": 7, "bbox": [0, 0, 1, 1], "area": -2"#),
            "annotation 1: expected an area of at least 0, got -2",
        ),
        (
            one(r#""image_id": 9, "category_id": 7, "bbox": [0, 0, NaN, 1]"#),
            "cannot be read: no COCO JSON: ",
        ),
        (
            one(r#""image_id": 9, "category_id": 7, "bbox": [0, 0, 1]"#),
            "cannot be read: no COCO JSON: ",
        ),
        (
            one(r#""image_id": 9, "category_id": 7, "bbox": [0, 0, 1, 1], "iscrowd": 2"#),
            "cannot be read: no COCO JSON: expected iscrowd",
        ),
        (json(IMAGES, &twice, CATEGORIES), "annotations: expected ids that differ, got 1 twice"),
        (
            json(&format!("{IMAGES}, {IMAGES}"), "", CATEGORIES),
            "images: expected ids that differ, got 9 twice",
        ),
        (
            json(
                &format!("{IMAGES}, {}", IMAGES.replace("9,", "1,").replace("4,", "2,")),
                "",
                CATEGORIES,
            ),
            r#"images: expected file names that differ, got "a.jpg" twice"#,
        ),
        (json(IMAGES, "", ""), "number of classes: expected 1 to 65535, got 0"),
        (
            json(IMAGES, "", r#"{"id": 1, "name": "a"}, {"id": 2, "name": "a"}"#),
            r#"classes: expected names that differ, got "a" twice"#,
        ),
        (
            json(IMAGES, "", r#"{"id": 1, "name": "a"}, {"id": 1, "name": "b"}"#),
            "classes: expected numbers that differ, got 1 twice",
        ),
        (json(IMAGES, "", r#"{"id": 1, "name": " "}"#), r#"class 1: expected a name, got " ""#),
        (json(IMAGES, "", CATEGORIES), "boxes: expected at least one, got none"),
        (json("", "", CATEGORIES), "images: expected at least one, got none"),
        (
            one(r#""image_id": 9, "category_id": 7, "bbox": [0, 0, 0, 1]"#),
            "boxes: expected at least one, got none but 1 that are left out",
        ),
        (
            image(r#""file_name": "../a.jpg", "width": 1, "height": 1"#),
            r#"image 1: expected a file_name below the folder of images, got "../a.jpg""#,
        ),
        (
            image(r#""file_name": "a.jpg", "width": 0, "height": 1"#),
            "image 1: expected a width and a height of 1 to 16777216, got 0x1",
        ),
        (
            image(r#""file_name": "a.jpg", "width": -1, "height": 1"#),
            "cannot be read: no COCO JSON: ",
        ),
        (
            image(r#""file_name": "c.jpg", "width": 1, "height": 1"#),
            "images: expected a regular file for each, got 1 of 1 missing: ",
        ),
        (r#"{"images": []}"#.into(), "cannot be read: no COCO JSON: missing field `categories`"),
        ("[]".into(), "cannot be read: no COCO JSON: "),
        ("".into(), "cannot be read: no COCO JSON: "),
        ("[".repeat(100_000), "cannot be read: no COCO JSON: "),
    ] {
        let refusal = refusal(&json);
        assert!(refusal.starts_with(said), "{refusal}\n{said}");
    }
}

#[test]
fn files_without_annotations_and_missing_ones_are_refused() {
    let text = json(IMAGES, "", CATEGORIES).replace(r#""annotations": [],"#, "");
    assert_eq!(refusal(&text), "boxes: expected at least one, got none");
    let error = read_coco(Path::new("/nowhere/a.json"), Path::new("/"), None).expect_err("none");
    assert!(error.to_string().starts_with("/nowhere/a.json: "), "{error}");
}

#[cfg(target_os = "linux")]
#[test]
fn only_regular_files_are_opened() {
    let dir = folder("", &[]);
    let error = read_coco(Path::new("/dev/zero"), dir.path(), None).expect_err("a device");
    assert!(error.source().is_some_and(|source| source.to_string().contains("a device")));
    // A pipe in the place of an image is none.
    let made = std::process::Command::new("mkfifo").arg(dir.path().join("images/a.jpg")).status();
    assert!(made.expect("mkfifo").success());
    let image = r#"{"id": 9, "file_name": "a.jpg", "width": 8, "height": 6}"#;
    let file = dir.path().join("a.json");
    fs::write(&file, json(image, "", CATEGORIES)).expect("written");
    let error = read_coco(&file, &dir.path().join("images"), None).expect_err("a pipe");
    assert!(error.to_string().contains("1 of 1 missing"), "{error}");
}

#[test]
fn no_byte_turned_over_brings_the_program_down() {
    let one = r#"{"id": 3, "image_id": 9, "category_id": 90, "bbox": [1, 2, 3.5, 4], "area": 5.5, "iscrowd": 0}"#;
    let text = json(IMAGES, one, CATEGORIES);
    let dir = folder(&text, &["a.jpg", "b.jpg", "sub/a.jpg"]);
    let path = dir.path().join("a.json");
    for at in 0..text.len() {
        for other in [0xff, b'-', b'9', b'"'] {
            let mut bytes = text.clone().into_bytes();
            bytes[at] = other;
            fs::write(&path, &bytes).expect("written");
            // Any answer will do, but a set is one that can be used.
            if let Ok(set) = read_coco(&path, &dir.path().join("images"), None) {
                let Annotated { images, classes, .. } = &set;
                let scores = crate::boxes::average_precision(
                    images.len(),
                    classes.len(),
                    &set.truths(),
                    &[],
                );
                assert!(scores.is_ok() && set.image_set([8, 8]).is_ok());
            }
        }
    }
}
