//! COCO's files of detections: a JSON list of image, category, box and score.

use std::collections::HashMap;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::annotations::Annotated;
use super::average_precision::Detection;
use super::check::wrong;
use super::rect::Rect;
use crate::error::DataError;
use crate::regular;

/// The most bytes of a file.
const MAX_BYTES: u64 = 1 << 30;

#[derive(Deserialize, Serialize)]
struct Found {
    image_id: i64,
    category_id: i64,
    bbox: [f64; 4],
    score: f64,
}

/// Detections in the images of `set` as COCO's format of results has them, in their order. Numbers are
/// written so that they are read as they were.
///
/// # Panics
///
/// Where a detection is of an image or a class that the set has not.
pub fn results_json(set: &Annotated, detections: &[Detection]) -> String {
    let found = |detection: &Detection| Found {
        image_id: set.images[detection.image].id,
        category_id: set.classes[usize::from(detection.class)].id,
        bbox: detection.rect.xywh(),
        score: detection.score,
    };
    let found: Vec<Found> = detections.iter().map(found).collect();
    serde_json::to_string(&found).expect("numbers and lists are JSON")
}

/// Reads the detections in the file `path`, of COCO's format of results, in the images of `set`, in the order of
/// the file.
///
/// # Errors
///
/// [`DataError::Io`] where the file cannot be read, is not a regular one, or is no JSON of this format,
/// such as one with `NaN`. [`DataError::Inconsistent`], naming the file and the detection (from 1), where
/// a detection is of an image or a category that the set has not, or its box not finite.
pub fn read_results(path: &Path, set: &Annotated) -> Result<Vec<Detection>, DataError> {
    let text = regular::read_text(path, MAX_BYTES).map_err(DataError::io(path))?;
    let invalid =
        |error| io::Error::new(io::ErrorKind::InvalidData, format!("no COCO results: {error}"));
    let found: Vec<Found> =
        serde_json::from_str(&text).map_err(invalid).map_err(DataError::io(path))?;
    let images: HashMap<i64, usize> =
        set.images.iter().enumerate().map(|(index, image)| (image.id, index)).collect();
    let classes: HashMap<i64, u16> =
        set.classes.iter().zip(0..).map(|(class, label)| (class.id, label)).collect();
    let detection = |(found, number): (Found, usize)| {
        let Found { image_id, category_id, bbox, score } = found;
        let what = || format!("detection {number}");
        let unknown = |key: &str, id: i64| {
            wrong(path, what(), format!("the {key} of one in {}", set.name), id.to_string())
        };
        let image = *images.get(&image_id).ok_or_else(|| unknown("image_id", image_id))?;
        let class =
            *classes.get(&category_id).ok_or_else(|| unknown("category_id", category_id))?;
        let rect = Rect::from_xywh(bbox);
        if !rect.is_finite() {
            return Err(wrong(path, what(), "a box of finite numbers", format!("{bbox:?}")));
        }
        Ok(Detection { image, class, rect, score })
    };
    found.into_iter().zip(1..).map(detection).collect()
}

/// Whether a file is of COCO's format of results, whatever images they are of.
pub fn is_results(path: &Path) -> bool {
    let text = regular::read_text(path, MAX_BYTES);
    text.is_ok_and(|text| serde_json::from_str::<Vec<Found>>(&text).is_ok())
}

#[cfg(test)]
mod tests {
    use std::error::Error;

    use super::*;
    use crate::boxes::{AnnotatedImage, BoxClass, Findings};

    fn set() -> Annotated {
        let image =
            |id| AnnotatedImage { path: "a.jpg".into(), id, size: [6, 8], boxes: Vec::new() };
        let class = |id: i64| BoxClass { name: id.to_string(), id };
        Annotated {
            name: "a.json".into(),
            folder: "".into(),
            classes: vec![class(1), class(90)],
            images: vec![image(-5), image(17)],
            findings: Findings::default(),
        }
    }

    fn read(text: &str) -> Result<Vec<Detection>, String> {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("results.json");
        std::fs::write(&path, text).expect("written");
        read_results(&path, &set()).map_err(|error| {
            let cause = error.source().map(|source| format!(": {source}")).unwrap_or_default();
            format!("{error}{cause}").replace(&format!("{}/", dir.path().display()), "")
        })
    }

    #[test]
    fn what_is_written_is_read_again() {
        let detections: Vec<Detection> = (0..40)
            .map(|i| {
                let third = f64::from(i) / 3.0;
                let rect = Rect::from_xywh([third, -third, third * 0.1, 1e-7 * third]);
                let (image, class) = (i as usize % 2, i as u16 / 2 % 2);
                Detection { image, class, rect, score: third.sin() }
            })
            .collect();
        let text = results_json(&set(), &detections);
        let start = r#"[{"image_id":-5,"category_id":1,"bbox":[0.0,-0.0,0.0,0.0],"score":0.0},"#;
        assert!(text.starts_with(start), "{text}");
        assert_eq!(read(&text), Ok(detections));
        assert_eq!(read(&results_json(&set(), &[])), Ok(Vec::new()));
    }

    #[test]
    fn results_are_told_from_other_files() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("a.json");
        let found = r#"[{"image_id": 1, "category_id": 2, "bbox": [0, 0, 1, 1], "score": 0.5}]"#;
        let of_truth = r#"[{"image_id": 1, "category_id": 2, "bbox": [0, 0, 1, 1]}]"#;
        for (text, is) in [
            (found, true),
            ("[]", true),
            (of_truth, false),
            (r#"{"images": [], "annotations": [], "categories": []}"#, false),
            ("[1]", false),
            ("", false),
        ] {
            std::fs::write(&path, text).expect("written");
            assert_eq!(is_results(&path), is, "{text}");
        }
        assert!(!is_results(&dir.path().join("none.json")) && !is_results(dir.path()));
    }

    #[test]
    fn wrong_files_are_refused() {
        let of = |image: i64, category: i64, bbox: &str| {
            format!(
                r#"[{{"image_id": {image}, "category_id": {category}, "bbox": [{bbox}], "score": 1}}]"#
            )
        };
        for (text, said) in [
            (
                of(1, 1, "0, 0, 1, 1"),
                "results.json: detection 1: expected the image_id of one in a.json, got 1",
            ),
            (
                of(17, 2, "0, 0, 1, 1"),
                "results.json: detection 1: expected the category_id of one in a.json, got 2",
            ),
            (
                of(17, 1, "1e308, 0, 1e308, 1"),
                "results.json: detection 1: expected a box of finite numbers",
            ),
            (of(17, 1, "0, 0, 1"), "results.json: cannot be read: no COCO results: "),
            ("{}".into(), "results.json: cannot be read: no COCO results: "),
        ] {
            let refusal = read(&text).expect_err("must be refused");
            assert!(refusal.starts_with(said), "{refusal}");
        }
    }
}
