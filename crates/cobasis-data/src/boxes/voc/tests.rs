use std::error::Error;
use std::fs;

use super::*;

fn object(name: &str, rest: &str, [l, t, r, b]: [&str; 4]) -> String {
    format!(
        "<object><name>{name}</name>{rest}<bndbox><xmin>{l}</xmin><ymin>{t}</ymin>\
         <xmax>{r}</xmax><ymax>{b}</ymax></bndbox></object>"
    )
}

fn annotation(objects: &str) -> String {
    format!(
        "<annotation><filename>other.jpg</filename><size><width>64</width><height>48</height>\
         <depth>3</depth></size>{objects}</annotation>"
    )
}

/// A folder with the image `a` that this file describes, and `b` with nothing in it.
fn folder(a: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a folder");
    let at = |path: &str| dir.path().join(path);
    for folder in ["ImageSets/Main", "Annotations", "JPEGImages"] {
        fs::create_dir_all(at(folder)).expect("made");
    }
    for (path, text) in [
        ("ImageSets/Main/train.txt", "b\r\na\r\n"),
        ("ImageSets/Main/twice.txt", "a\na\n"),
        ("ImageSets/Main/up.txt", "../a\n"),
        ("ImageSets/Main/none.txt", "c\n"),
        ("ImageSets/Main/no_image.txt", "d\n"),
        ("ImageSets/Main/empty.txt", "\n"),
        ("Annotations/a.xml", a),
        ("Annotations/b.xml", &annotation("")),
        ("Annotations/d.xml", &annotation("")),
        ("JPEGImages/a.png", ""),
        ("JPEGImages/b.jpg", ""),
    ] {
        fs::write(at(path), text).expect("written");
    }
    dir
}

fn refusal(a: &str, list: &str, classes: Option<&[BoxClass]>) -> String {
    let dir = folder(a);
    let error = read_voc(dir.path(), list, classes).expect_err("must be refused");
    assert!(error.is_user_error(), "{error}");
    let cause = error.source().map(|source| format!(": {source}")).unwrap_or_default();
    format!("{error}{cause}").replace(&format!("{}/", dir.path().display()), "")
}

const SOME: [&str; 4] = ["1", "2", "11.5", "22"];

#[test]
fn a_list_becomes_images_in_its_order() {
    let part = "<part><name>head</name><bndbox><xmin>x</xmin></bndbox></part>";
    let objects = [
        object("rbc", "<difficult>1</difficult><pose/>", SOME),
        object("A &amp; B", part, ["0", "0", "64", "48"]),
        object("rbc", "<difficult>0</difficult>", ["50", "40", "70", "48"]),
        object("rbc", "", ["50", "40", "50", "40"]),
    ];
    let dir = folder(&annotation(&objects.concat()));
    let set = read_voc(dir.path(), "train", None).expect("a set");
    let names: Vec<&str> = set.classes.iter().map(|class| class.name.as_str()).collect();
    assert_eq!(names, ["A & B", "rbc"]);
    assert!(set.images[0].path.ends_with("b.jpg") && set.images[1].path.ends_with("a.png"));
    assert_eq!((set.images[1].id, set.images[1].size), (2, [48, 64]));
    let boxes = &set.images[1].boxes;
    assert_eq!(boxes[0].rect.corners(), [1.0, 2.0, 11.5, 22.0]);
    assert_eq!((boxes[0].kind, boxes[0].class, boxes[0].area), (BoxKind::Difficult, 1, 210.0));
    assert_eq!((boxes[1].kind, boxes[1].class), (BoxKind::Object, 0));
    assert_eq!(boxes[2].rect.corners(), [50.0, 40.0, 64.0, 48.0]);
    let Findings { degenerate, clipped, difficult, empty, .. } = &set.findings;
    assert_eq!([degenerate.count, clipped.count, *difficult, *empty], [1, 1, 1, 1]);
    let first = degenerate.first.as_deref().unwrap_or_default();
    assert!(first.contains("object 4 of ") && first.contains("a.xml"), "{first}");
}

#[test]
fn wrong_files_are_refused_by_name_and_place() {
    let whole = annotation(&object("rbc", "", SOME));
    let with = |object: String| annotation(&object);
    let edges = |edges| annotation(&object("rbc", "", edges));
    for (a, said) in [
        (
            "<annotation>".into(),
            "Annotations/a.xml: cannot be read: no XML: line 1: <annotation> is not closed",
        ),
        (
            "<a/>".into(),
            "Annotations/a.xml: outermost element: expected an annotation of Pascal VOC, got <a>",
        ),
        (
            whole.replace("<width>64</width>", ""),
            "Annotations/a.xml: size: expected an annotation of Pascal VOC, got no <width> in <size>",
        ),
        (
            whole.replace("64", "-64"),
            "Annotations/a.xml: size: expected an annotation of Pascal VOC, got \"-64\" as width",
        ),
        (
            whole.replace("64", "0"),
            "Annotations/a.xml: size: expected a width and a height of 1 to 16777216, got 0x48",
        ),
        (
            edges(["1", "2", "nan", "4"]),
            "Annotations/a.xml: object 1: expected an annotation of Pascal VOC, got \"nan\" as xmax",
        ),
        (
            edges(["1", "1e999", "3", "4"]),
            "Annotations/a.xml: object 1: expected an annotation of Pascal VOC, got \"1e999\" as ymin",
        ),
        (
            with(object("", "", SOME)),
            "Annotations/a.xml: object 1: expected an annotation of Pascal VOC, got an empty <name>",
        ),
        (
            with(object("a", "<name>b</name>", SOME)),
            "Annotations/a.xml: object 1: expected an annotation of Pascal VOC, got more than one <name> in <object>",
        ),
        (
            with(object("a", "<difficult>no</difficult>", SOME)),
            "Annotations/a.xml: object 1: expected an annotation of Pascal VOC, got \"no\" as difficult",
        ),
    ] {
        assert_eq!(refusal(&a, "train", None), said);
    }
    for (list, said) in [
        ("twice", "ImageSets/Main/twice.txt: list: expected names that differ, got \"a\" twice"),
        (
            "up",
            "ImageSets/Main/up.txt: list: expected names of images below the folder, got \"../a\"",
        ),
        ("none", "Annotations/c.xml: cannot be read: No such file or directory (os error 2)"),
        (
            "missing",
            "ImageSets/Main/missing.txt: cannot be read: No such file or directory (os error 2)",
        ),
    ] {
        assert_eq!(refusal(&whole, list, None), said);
    }
    let known = [BoxClass { name: "rbc".into(), id: 1 }];
    let said = "ImageSets/Main/no_image.txt: images: expected a regular file for each, got 1 of 1 missing: JPEGImages/d.jpg";
    assert_eq!(refusal(&whole, "no_image", Some(&known)), said);
    let said = "ImageSets/Main/empty.txt: list: expected the ID of at least one image, got none";
    assert_eq!(refusal(&whole, "empty", Some(&known)), said);
    let said = "Annotations/a.xml: object 1: expected one of \"rbc\", got \"platelet\"";
    assert_eq!(refusal(&whole.replace("rbc", "platelet"), "train", Some(&known)), said);
    let said = "ImageSets/Main/train.txt: boxes: expected at least one, got none";
    assert_eq!(refusal(&annotation(""), "train", Some(&known)), said);
}

#[test]
fn no_byte_turned_over_brings_the_program_down() {
    let text = annotation(&object("a &amp; b", "<difficult>1</difficult>", SOME));
    let dir = folder(&text);
    for at in 0..text.len() {
        for other in [b'<', b'>', b'&', b'-', b'9', 0xff] {
            let mut bytes = text.clone().into_bytes();
            bytes[at] = other;
            fs::write(dir.path().join("Annotations/a.xml"), &bytes).expect("written");
            // Any answer will do, but a set is one that can be used.
            if let Ok(set) = read_voc(dir.path(), "train", None) {
                assert!(set.image_set([8, 8]).is_ok());
            }
        }
    }
}
