//! Pascal VOC's folders of boxes: `Annotations/ID.xml`, `JPEGImages/ID.jpg`, and lists of images in
//! `ImageSets/Main/LIST.txt`.

use std::collections::{BTreeSet, HashSet};
use std::io;
use std::path::{Path, PathBuf};

use super::annotations::{Annotated, AnnotatedImage, Annotation, BoxClass, BoxKind};
use super::check::{self, quoted, wrong};
use super::findings::Findings;
use super::rect::Rect;
use super::xml::{self, Element};
use crate::error::DataError;
use crate::{regular, text_file};

/// The folder of images.
const IMAGES: &str = "JPEGImages";
/// What images may end in, the usual first.
const ENDINGS: &[&str] = &["jpg", "jpeg", "png", "webp", "JPG", "JPEG", "PNG"];

/// What a file says of an image.
struct Described {
    path: PathBuf,
    size: [usize; 2],
    objects: Vec<Object>,
}

/// A thing in an image.
struct Object {
    name: String,
    difficult: bool,
    rect: Rect,
}

/// Reads the boxes of the images that the list `ImageSets/Main/LIST.txt` of the folder `dir` names.
///
/// Classes are the names of all objects of the list in alphabetical order, or `classes`, which all names
/// must be of: labels of a test set are then those of the training set. Images and boxes are in the order
/// of the list and of the files. `xmin` to `ymax` are taken as edges of boxes, as labelling tools write
/// them; Pascal VOC's own files count pixels from 1, so that their boxes are half a pixel off. Parts of
/// objects are passed over. Boxes without an area or beside their image are left out, those that reach
/// beyond it by more than half a pixel are cut at its edges; [`Annotated::findings`] counts both, and a
/// warning names the first of each.
///
/// # Errors
///
/// [`DataError::Io`] where a file cannot be read or is not a regular one. [`DataError::Inconsistent`],
/// naming the file and the object: XML that is not well formed, elements that are missing or occur twice,
/// values that are no numbers or infinite, sizes of 0, images that are missing or on the list twice, names
/// that are not of `classes`, no image, no box.
pub fn read_voc(
    dir: &Path,
    list: &str,
    classes: Option<&[BoxClass]>,
) -> Result<Annotated, DataError> {
    let path = dir.join("ImageSets/Main").join(format!("{list}.txt"));
    let text = regular::read_text(&path, regular::MAX_TABLE).map_err(DataError::io(&path))?;
    let mut seen = HashSet::new();
    let mut described = Vec::new();
    for name in text_file::lines(&text) {
        if !check::is_below(Path::new(name)) {
            let expected = "names of images below the folder";
            return Err(wrong(&path, "list", expected, quoted(name)));
        }
        if !seen.insert(name) {
            let got = format!("{} twice", quoted(name));
            return Err(wrong(&path, "list", "names that differ", got));
        }
        let file = dir.join("Annotations").join(format!("{name}.xml"));
        if name.contains(char::is_whitespace) && !file.exists() {
            let expected = "the ID of an image in each line, and nothing else";
            return Err(wrong(&path, "list", expected, quoted(name)));
        }
        described.push((read(&file, &image_path(dir, name))?, file));
    }
    if described.is_empty() {
        return Err(wrong(&path, "list", "the ID of at least one image", "none"));
    }
    let classes = match classes {
        Some(known) => known.to_vec(),
        None => check::classes(&path, names(&described))?,
    };
    let (mut images, mut findings) = (Vec::new(), Findings::default());
    for ((image, file), id) in described.into_iter().zip(1..) {
        let Described { path, size, objects } = image;
        let mut boxes = Vec::new();
        for (object, number) in objects.into_iter().zip(1..) {
            let what = || format!("object {number} of {}", file.display());
            let Some(class) = classes.iter().position(|class| class.name == object.name) else {
                let what = format!("object {number}");
                return Err(check::unknown_class(&file, &what, &object.name, &classes));
            };
            let kind = if object.difficult { BoxKind::Difficult } else { BoxKind::Object };
            let rect = object.rect;
            let of_file = Annotation { rect, class: class as u16, kind, area: rect.area() };
            boxes.extend(check::annotation(&file, what, of_file, size, &mut findings)?);
        }
        images.push(AnnotatedImage { path, id, size, boxes });
    }
    check::complete(&path, &dir.join(IMAGES), classes, images, findings)
}

/// The names of all objects, each once.
fn names(described: &[(Described, PathBuf)]) -> Vec<BoxClass> {
    let objects = described.iter().flat_map(|(image, _)| &image.objects);
    let names: BTreeSet<&str> = objects.map(|object| object.name.as_str()).collect();
    let class = |(name, id): (&str, i64)| BoxClass { name: name.to_string(), id };
    names.into_iter().zip(1..).map(class).collect()
}

/// Where an image is, or should be.
fn image_path(dir: &Path, name: &str) -> PathBuf {
    let path = |ending: &&str| dir.join(IMAGES).join(format!("{name}.{ending}"));
    ENDINGS.iter().map(path).find(|path| path.is_file()).unwrap_or_else(|| path(&ENDINGS[0]))
}

/// What the file of an image says.
fn read(file: &Path, image: &Path) -> Result<Described, DataError> {
    let text = regular::read_text(file, regular::MAX_TABLE).map_err(DataError::io(file))?;
    let whole = xml::parse(&text).map_err(|problem| {
        let source = io::Error::new(io::ErrorKind::InvalidData, format!("no XML: {problem}"));
        DataError::Io { path: file.to_path_buf(), source }
    })?;
    let problem = |what: &str| {
        let what = what.to_string();
        move |problem: String| wrong(file, what, "an annotation of Pascal VOC", problem)
    };
    if whole.name != "annotation" {
        return Err(problem("outermost element")(format!("<{}>", whole.name)));
    }
    let size =
        whole.only("size").and_then(|size| Ok([side(size, "height")?, side(size, "width")?]));
    let size = check::size(file, "size", size.map_err(problem("size"))?)?;
    let object = |(element, number): (&Element, usize)| {
        object(element).map_err(problem(&format!("object {number}")))
    };
    let objects = whole.all("object").zip(1..).map(object).collect::<Result<_, _>>()?;
    Ok(Described { path: image.to_path_buf(), size, objects })
}

/// One side of an image.
fn side(size: &Element, name: &str) -> Result<u64, String> {
    let text = &size.only(name)?.text;
    text.parse().map_err(|_| format!("{} as {name}", quoted(text)))
}

/// What an `<object>` says.
fn object(element: &Element) -> Result<Object, String> {
    let name = element.only("name")?.text.clone();
    if name.is_empty() {
        return Err("an empty <name>".to_string());
    }
    let difficult = match element.all("difficult").next().map(|flag| flag.text.as_str()) {
        None | Some("0") => false,
        Some("1") => true,
        Some(other) => return Err(format!("{} as difficult", quoted(other))),
    };
    let corners = element.only("bndbox")?;
    let edge = |name: &str| {
        let text = &corners.only(name)?.text;
        let number = text.parse::<f64>().ok().filter(|number| number.is_finite());
        number.ok_or_else(|| format!("{} as {name}", quoted(text)))
    };
    let rect = Rect::from_corners([edge("xmin")?, edge("ymin")?, edge("xmax")?, edge("ymax")?]);
    Ok(Object { name, difficult, rect })
}

#[cfg(test)]
mod tests;
