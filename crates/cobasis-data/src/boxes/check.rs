//! What every reader of boxes sees to.

use std::collections::HashSet;
use std::path::{Component, Path};

use super::annotations::{Annotated, AnnotatedImage, Annotation, BoxClass, BoxKind};
use super::findings::Findings;
use super::rect::Rect;
use crate::error::DataError;
use crate::nearest::nearest;
use crate::text::{printable, shortened};

/// How far a box may reach beyond its image without a word: tools round.
const ROUNDING: f64 = 0.5;
/// Longest side of an image that a file may tell of, in pixels.
const MAX_SIDE: u64 = 1 << 24;
/// Missing images that a message names.
const NAMED: usize = 3;

/// The error that `what` in the file `path` is not as expected.
pub(super) fn wrong(
    path: &Path,
    what: impl Into<String>,
    expected: impl Into<String>,
    got: impl Into<String>,
) -> DataError {
    let (what, expected, got) = (what.into(), expected.into(), got.into());
    DataError::Inconsistent { set: path.display().to_string(), what, expected, got }
}

/// A text of a file, in quotes, as messages show it.
pub(super) fn quoted(text: &str) -> String {
    format!("{:?}", shortened(text))
}

/// Height and width of an image as a file tells them.
pub(super) fn size(
    path: &Path,
    what: &str,
    [height, width]: [u64; 2],
) -> Result<[usize; 2], DataError> {
    let fits = |side: u64| (1..=MAX_SIDE).contains(&side);
    if fits(height) && fits(width) {
        return Ok([height as usize, width as usize]);
    }
    let expected = format!("a width and a height of 1 to {MAX_SIDE}");
    Err(wrong(path, what, expected, format!("{width}x{height}")))
}

/// A box as the set has it, or nothing where it is left out, which is counted.
///
/// # Errors
///
/// Where its edges are no numbers to compute with.
pub(super) fn annotation(
    path: &Path,
    what: impl Fn() -> String,
    annotation: Annotation,
    [height, width]: [usize; 2],
    findings: &mut Findings,
) -> Result<Option<Annotation>, DataError> {
    let rect = annotation.rect;
    let [x, y, w, h] = rect.xywh();
    if !rect.is_finite() || !rect.area().is_finite() {
        let got = format!("[{x}, {y}, {w}, {h}]");
        return Err(wrong(path, what(), "a box of finite numbers", got));
    }
    let named = || format!("{}, [{x}, {y}, {w}, {h}] in {width}x{height}", what());
    if w <= 0.0 || h <= 0.0 || rect.area() <= 0.0 {
        findings.degenerate.add(named);
        return Ok(None);
    }
    let image = Rect::from_xywh([0.0, 0.0, width as f64, height as f64]);
    let Some(part) = rect.clipped(&image).filter(|part| part.area() > 0.0) else {
        findings.outside.add(named);
        return Ok(None);
    };
    match annotation.kind {
        BoxKind::Object => {}
        BoxKind::Difficult => findings.difficult += 1,
        BoxKind::Crowd => findings.crowds += 1,
    }
    let edges = rect.corners().into_iter().zip(part.corners());
    if edges.map(|(edge, part)| (edge - part).abs()).all(|beyond| beyond <= ROUNDING) {
        return Ok(Some(annotation));
    }
    findings.clipped.add(named);
    let area = annotation.area * (part.area() / rect.area());
    Ok(Some(Annotation { rect: part, area, ..annotation }))
}

/// The classes, or the error that there are none, too many, or two of one name.
pub(super) fn classes(path: &Path, classes: Vec<BoxClass>) -> Result<Vec<BoxClass>, DataError> {
    let limit = usize::from(u16::MAX);
    if classes.is_empty() || classes.len() > limit {
        let expected = format!("1 to {limit}");
        return Err(wrong(path, "number of classes", expected, classes.len().to_string()));
    }
    let (mut names, mut ids) = (HashSet::new(), HashSet::new());
    for BoxClass { name, id } in &classes {
        if name.trim().is_empty() {
            return Err(wrong(path, format!("class {id}"), "a name", quoted(name)));
        }
        if !ids.insert(*id) {
            return Err(wrong(path, "classes", "numbers that differ", format!("{id} twice")));
        }
        if !names.insert(name) {
            let got = format!("{} twice", quoted(name));
            return Err(wrong(path, "classes", "names that differ", got));
        }
    }
    Ok(classes)
}

/// The error that a class is none of those that the images are to have.
pub(super) fn unknown_class(path: &Path, what: &str, name: &str, known: &[BoxClass]) -> DataError {
    let names: Vec<&str> = known.iter().map(|class| class.name.as_str()).collect();
    let expected = match (nearest(name, &names), names.len()) {
        (Some(near), _) => format!("one of {} classes, such as {}", names.len(), quoted(near)),
        (None, 0..=5) => {
            format!(
                "one of {}",
                names.iter().map(|name| quoted(name)).collect::<Vec<_>>().join(", ")
            )
        }
        (None, count) => format!("one of the {count} classes"),
    };
    wrong(path, what, expected, quoted(name))
}

/// Whether a name of a file leads nowhere but below its folder.
pub(super) fn is_below(name: &Path) -> bool {
    let mut parts = name.components().peekable();
    parts.peek().is_some()
        && parts.all(|part| matches!(part, Component::Normal(_) | Component::CurDir))
}

/// The set, or the error that its images are not there, or that nothing is in them.
pub(super) fn complete(
    path: &Path,
    folder: &Path,
    classes: Vec<BoxClass>,
    images: Vec<AnnotatedImage>,
    mut findings: Findings,
) -> Result<Annotated, DataError> {
    if images.is_empty() {
        return Err(wrong(path, "images", "at least one", "none"));
    }
    // A set of fewer images would be judged by other numbers.
    let missing: Vec<_> = images.iter().filter(|image| !image.path.is_file()).collect();
    if !missing.is_empty() {
        let shown = missing.iter().take(NAMED);
        let mut names: Vec<_> =
            shown.map(|image| printable(&image.path.display().to_string())).collect();
        if missing.len() > NAMED {
            names.push(format!("{} more", missing.len() - NAMED));
        }
        let got = format!("{} of {} missing: {}", missing.len(), images.len(), names.join(", "));
        return Err(wrong(path, "images", "a regular file for each", got));
    }
    findings.empty = images.iter().filter(|image| image.boxes.is_empty()).count();
    let folder = folder.to_path_buf();
    let set = Annotated { name: path.display().to_string(), folder, classes, images, findings };
    for line in set.findings.lines() {
        log::warn!("{}: {line}", set.name);
    }
    if set.num_boxes() == 0 {
        let got = match set.findings.left_out() {
            0 => "none".to_string(),
            left_out => format!("none but {left_out} that are left out"),
        };
        return Err(wrong(path, "boxes", "at least one", got));
    }
    Ok(set)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(xywh: [f64; 4], findings: &mut Findings) -> Option<[f64; 5]> {
        let rect = Rect::from_xywh(xywh);
        let of_file = Annotation { rect, class: 0, kind: BoxKind::Object, area: rect.area() };
        let path = Path::new("a.json");
        let checked = annotation(path, || "annotation 7".into(), of_file, [6, 8], findings);
        checked.expect("numbers").map(|Annotation { rect, area, .. }| {
            let [x, y, w, h] = rect.xywh();
            [x, y, w, h, area]
        })
    }

    #[test]
    fn boxes_are_kept_cut_or_left_out_and_counted() {
        let mut findings = Findings::default();
        for (xywh, kept) in [
            ([0.0, 0.0, 8.0, 6.0], Some([0.0, 0.0, 8.0, 6.0, 48.0])),
            // Rounded by a tool: kept as it is.
            ([-0.5, 0.0, 9.0, 6.25], Some([-0.5, 0.0, 9.0, 6.25, 56.25])),
            ([4.0, 3.0, 8.0, 6.0], Some([4.0, 3.0, 4.0, 3.0, 12.0])),
            ([8.0, 0.0, 1.0, 1.0], None),
            ([-3.0, 0.0, 3.0, 1.0], None),
            ([3.0, 3.0, 0.0, 5.0], None),
            ([3.0, 3.0, 1.0, -5.0], None),
            ([3.0, 3.0, 1e-200, 1e-200], None),
        ] {
            assert_eq!(checked(xywh, &mut findings), kept, "{xywh:?}");
        }
        let Findings { degenerate, outside, clipped, .. } = &findings;
        assert_eq!([degenerate.count, outside.count, clipped.count], [3, 2, 1]);
        assert_eq!(findings.left_out(), 5);
        let line = "1 box beyond the image, cut at its edges; the first: annotation 7, \
                    [4, 3, 8, 6] in 8x6";
        assert_eq!(findings.lines()[2], line);
    }

    #[test]
    fn names_lead_below_their_folder() {
        for (name, below) in [
            ("a.jpg", true),
            ("train/a.jpg", true),
            ("./a.jpg", true),
            ("../a.jpg", false),
            ("train/../../a.jpg", false),
            ("/etc/passwd", false),
            ("", false),
        ] {
            assert_eq!(is_below(Path::new(name)), below, "{name}");
        }
    }
}
