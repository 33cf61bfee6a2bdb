//! COCO's files of boxes: one JSON for all images ("instances"), and a folder of images.

use std::collections::{HashMap, HashSet};
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::annotations::{Annotated, AnnotatedImage, Annotation, BoxClass, BoxKind};
use super::check::{self, quoted, wrong};
use super::findings::Findings;
use super::rect::Rect;
use crate::error::DataError;
use crate::regular;

/// The most bytes of a file; COCO's own have up to 450 million.
const MAX_BYTES: u64 = 1 << 30;

/// The parts of a file that are used here.
#[derive(Deserialize)]
struct Instances {
    images: Vec<Image>,
    #[serde(default)]
    annotations: Vec<Instance>,
    categories: Vec<Category>,
}

#[derive(Deserialize, Serialize)]
struct Image {
    id: i64,
    file_name: String,
    width: u64,
    height: u64,
}

#[derive(Deserialize)]
struct Instance {
    id: i64,
    image_id: i64,
    category_id: i64,
    bbox: [f64; 4],
    area: Option<f64>,
    #[serde(default)]
    iscrowd: Flag,
}

#[derive(Deserialize, Serialize)]
struct Category {
    id: i64,
    name: String,
}

/// A truth as different tools write it.
#[derive(Deserialize, Default, PartialEq)]
#[serde(try_from = "serde_json::Value")]
struct Flag(bool);

impl TryFrom<serde_json::Value> for Flag {
    type Error = String;

    fn try_from(value: serde_json::Value) -> Result<Self, String> {
        match (value.as_i64(), value.as_bool()) {
            (Some(number @ (0 | 1)), _) => Ok(Self(number == 1)),
            (_, Some(truth)) => Ok(Self(truth)),
            _ => Err("expected iscrowd to be 0 or 1".to_string()),
        }
    }
}

/// Reads the boxes of a file `json` in COCO's format, whose images are in the folder `images`.
///
/// Classes are those of the file by their numbers, or `classes`, whose names the file's must have: labels
/// of a test set are then those of the training set. Images are in the order of their numbers, boxes in
/// that of the file. Boxes without an area or beside their image are left out, those that reach beyond it
/// by more than half a pixel are cut at its edges; [`Annotated::findings`] counts both, and a warning
/// names the first of each.
///
/// # Errors
///
/// [`DataError::Io`] where the file cannot be read, is not a regular one, or is no JSON of this format,
/// such as one with `NaN`. [`DataError::Inconsistent`], naming the file and the annotation, image or
/// category: numbers or names that occur twice, annotations of no image or no category, sizes of 0,
/// areas below 0, infinite boxes, images that are missing or whose names lead out of `images`, classes
/// that are not of `classes`, no image, no box.
pub fn read_coco(
    json: &Path,
    images: &Path,
    classes: Option<&[BoxClass]>,
) -> Result<Annotated, DataError> {
    let text = regular::read_text(json, MAX_BYTES).map_err(DataError::io(json))?;
    let invalid =
        |error| io::Error::new(io::ErrorKind::InvalidData, format!("no COCO JSON: {error}"));
    let file: Instances =
        serde_json::from_str(&text).map_err(invalid).map_err(DataError::io(json))?;
    drop(text);

    let (classes, labels) = labels(json, file.categories, classes)?;
    let mut listed = listed(json, images, file.images)?;
    let numbers: HashMap<i64, usize> =
        listed.iter().enumerate().map(|(index, image)| (image.id, index)).collect();
    let (mut findings, mut ids) = (Findings::default(), HashSet::new());
    for instance in file.annotations {
        let what = || format!("annotation {}", instance.id);
        if !ids.insert(instance.id) {
            return Err(wrong(
                json,
                "annotations",
                "ids that differ",
                format!("{} twice", instance.id),
            ));
        }
        let Some(image) = numbers.get(&instance.image_id).map(|&index| &mut listed[index]) else {
            let got = instance.image_id.to_string();
            return Err(wrong(json, what(), "the image_id of one of the images", got));
        };
        let Some(&class) = labels.get(&instance.category_id) else {
            let got = instance.category_id.to_string();
            return Err(wrong(json, what(), "the category_id of one of the categories", got));
        };
        let rect = Rect::from_xywh(instance.bbox);
        let area = instance.area.unwrap_or_else(|| rect.area());
        if instance.area.is_some_and(|area| area < 0.0) {
            return Err(wrong(json, what(), "an area of at least 0", area.to_string()));
        }
        let kind = if instance.iscrowd.0 { BoxKind::Crowd } else { BoxKind::Object };
        let of_file = Annotation { rect, class, kind, area };
        let what = || format!("annotation {} of image {}", instance.id, instance.image_id);
        image.boxes.extend(check::annotation(json, what, of_file, image.size, &mut findings)?);
    }
    check::complete(json, images, classes, listed, findings)
}

/// The classes of a set, and the label of every category.
fn labels(
    json: &Path,
    categories: Vec<Category>,
    classes: Option<&[BoxClass]>,
) -> Result<(Vec<BoxClass>, HashMap<i64, u16>), DataError> {
    let mut own: Vec<BoxClass> =
        categories.into_iter().map(|Category { id, name }| BoxClass { name, id }).collect();
    own.sort_by_key(|class| class.id);
    let own = check::classes(json, own)?;
    let Some(known) = classes else {
        let labels = own.iter().zip(0..).map(|(class, label)| (class.id, label)).collect();
        return Ok((own, labels));
    };
    let label = |class: &BoxClass| match known.iter().position(|other| other.name == class.name) {
        Some(label) => Ok((class.id, label as u16)),
        None => {
            Err(check::unknown_class(json, &format!("category {}", class.id), &class.name, known))
        }
    };
    let labels = own.iter().map(label).collect::<Result<_, _>>()?;
    Ok((known.to_vec(), labels))
}

/// The images by their numbers, without boxes.
fn listed(
    json: &Path,
    folder: &Path,
    images: Vec<Image>,
) -> Result<Vec<AnnotatedImage>, DataError> {
    let (mut ids, mut names) = (HashSet::new(), HashSet::new());
    let mut listed = Vec::with_capacity(images.len());
    for Image { id, file_name, width, height } in images {
        let what = format!("image {id}");
        let name = PathBuf::from(&file_name);
        if !check::is_below(&name) {
            let expected = "a file_name below the folder of images";
            return Err(wrong(json, what, expected, quoted(&file_name)));
        }
        if !ids.insert(id) {
            return Err(wrong(json, "images", "ids that differ", format!("{id} twice")));
        }
        let size = check::size(json, &what, [height, width])?;
        let path: PathBuf = folder.join(name.components().collect::<PathBuf>());
        if !names.insert(path.clone()) {
            let got = format!("{} twice", quoted(&file_name));
            return Err(wrong(json, "images", "file names that differ", got));
        }
        listed.push(AnnotatedImage { path, id, size, boxes: Vec::new() });
    }
    listed.sort_by_key(|image| image.id);
    Ok(listed)
}

/// An annotation as COCO's program wants it.
#[derive(Serialize)]
struct Written {
    id: usize,
    image_id: i64,
    category_id: i64,
    bbox: [f64; 4],
    area: f64,
    iscrowd: u8,
}

/// A set as a file in COCO's format, with names of image files without their folders. Boxes that nobody has to
/// find become crowds: the format knows no others.
pub fn coco_json(set: &Annotated) -> String {
    let image = |image: &AnnotatedImage| {
        let name = image.path.file_name().unwrap_or_default();
        let [height, width] = image.size.map(|side| side as u64);
        Image { id: image.id, file_name: name.to_string_lossy().into_owned(), width, height }
    };
    let boxes = set.images.iter().flat_map(|image| image.boxes.iter().map(|one| (image.id, one)));
    let written = |((image_id, annotation), id): ((i64, &Annotation), usize)| Written {
        id,
        image_id,
        category_id: set.classes[usize::from(annotation.class)].id,
        bbox: annotation.rect.xywh(),
        area: annotation.area,
        iscrowd: u8::from(annotation.kind != BoxKind::Object),
    };
    let category = |class: &BoxClass| Category { id: class.id, name: class.name.clone() };
    serde_json::json!({
        "images": set.images.iter().map(image).collect::<Vec<_>>(),
        // From 1: COCO's program takes an annotation 0 for none.
        "annotations": boxes.zip(1..).map(written).collect::<Vec<_>>(),
        "categories": set.classes.iter().map(category).collect::<Vec<_>>(),
    })
    .to_string()
}

#[cfg(test)]
mod tests;
