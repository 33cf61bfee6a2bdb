//! The images in which a detector makes the most mistakes, with boxes drawn.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cobasis_data::boxes::{Annotated, Rect, draw, png};
use cobasis_data::number::grouped;
use cobasis_data::{Rgb, read_image};
use maud::{Markup, html};

use super::detections::{CONFIDENCE, Findings, OVERLAP, WrongImage};

/// Images that are shown.
const IMAGES: usize = 12;
/// The most pixels from left to right, so that pages stay small.
const WIDTH: u32 = 480;
/// Bits of a colour that nobody misses, and which take half of a picture's bytes.
const NOISE: u8 = 0b11;
/// Blue, yellow and vermilion, which most eyes tell apart (Okabe and Ito, 2008).
const FOUND: [u8; 3] = [0, 114, 178];
const MISSED: [u8; 3] = [240, 228, 66];
const WRONG: [u8; 3] = [213, 94, 0];

/// The images with the most mistakes.
pub(crate) fn wrong_boxes(findings: &Findings) -> Markup {
    let Findings { set, wrong, .. } = findings;
    if wrong.is_empty() {
        return html! { p.panel { "Everything was found, and nothing that is not there." } };
    }
    let missed: usize = wrong.iter().map(|image| image.missed.len()).sum();
    let false_ones: usize = wrong.iter().map(|image| image.wrong.len()).sum();
    let [missed, false_ones, images] =
        [missed, false_ones, wrong.len()].map(|count| grouped(count as u64));
    let key = |[red, green, blue]: [u8; 3], what: &str| {
        html! {
            li {
                span.key.box style=(format!("--box:rgb({red} {green} {blue})")) {} (what)
            }
        }
    };
    html! {
        figure {
            figcaption {
                h3 { "Images with the most mistakes" }
                p {
                    (missed) " objects missed and " (false_ones) " wrong boxes in " (images)
                    " images, of which those with the most are shown. Boxes with a score below "
                    (CONFIDENCE) " are not shown. A box is right if it overlaps an object of its class (IoU) by at "
                    "least " (OVERLAP) "."
                }
            }
            ul.legend {
                (key(FOUND, "found")) (key(MISSED, "missed")) (key(WRONG, "wrong, the number is its score in percent"))
            }
            ul.images.boxes {
                @for image in wrong.iter().take(IMAGES) { (shown(set, image)) }
            }
        }
    }
}

fn shown(set: &Annotated, image: &WrongImage) -> Markup {
    let WrongImage { index, missed, wrong, right } = image;
    let path = &set.images[*index].path;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let count = |classes: &[u16]| -> String {
        let of = |(class, known): (usize, &cobasis_data::boxes::BoxClass)| {
            let count = classes.iter().filter(|&&other| usize::from(other) == class).count();
            (count > 0).then(|| format!("{count} {}", known.name))
        };
        let counts: Vec<String> = set.classes.iter().enumerate().filter_map(of).collect();
        if counts.is_empty() { "none".to_string() } else { counts.join(", ") }
    };
    let missed_by_class = count(&missed.iter().map(|one| one.class).collect::<Vec<_>>());
    let wrong_by_class = count(&wrong.iter().map(|one| one.class).collect::<Vec<_>>());
    let what = format!("{name}: missed {missed_by_class}; wrong {wrong_by_class}");
    html! {
        li data-index=(index) data-missed=(missed.len()) data-wrong=(wrong.len())
            data-right=(right.len()) {
            @match picture(set, image) {
                Some(bytes) => img.smooth alt=(what) title=(what)
                    src=(format!("data:image/png;base64,{}", STANDARD.encode(bytes)));,
                None => span.why { (path.display()) ": can't be read" },
            }
            b { (name) } br;
            "missed " b { (missed_by_class) } br;
            "wrong " b { (wrong_by_class) }
        }
    }
}

/// The image as a PNG file, not too wide, with its boxes.
fn picture(set: &Annotated, image: &WrongImage) -> Option<Vec<u8>> {
    let whole = read_image(&set.images[image.index].path).ok()?;
    let [height, width] = whole.size().map(|side| side as f64);
    let mut small = shrunk(&whole);
    let by = [f64::from(small.height) / height, f64::from(small.width) / width];
    let scaled = |rect: &Rect| {
        let [left, top, right, bottom] = rect.corners();
        Rect::from_corners([left * by[1], top * by[0], right * by[1], bottom * by[0]])
    };
    let mut edge = |rect: &Rect, colour, score| {
        let [left, top, right, bottom] = scaled(rect).corners();
        // Two pixels wide, to be seen.
        let inner = Rect::from_corners([left + 1.0, top + 1.0, right - 1.0, bottom - 1.0]);
        draw(&mut small, &inner, colour, None);
        draw(&mut small, &scaled(rect), colour, score);
    };
    for one in &image.right {
        edge(&one.rect, FOUND, None);
    }
    for one in &image.missed {
        edge(&one.rect, MISSED, None);
    }
    for one in image.wrong.iter().rev() {
        edge(&one.rect, WRONG, Some(one.score));
    }
    Some(png(&small))
}

/// The image of at most [`WIDTH`] pixels from left to right, each the mean of those that it stands for.
fn shrunk(image: &Rgb) -> Rgb {
    let (width, height) = match image.width {
        wide if wide > WIDTH => {
            let height = u64::from(image.height) * u64::from(WIDTH) / u64::from(wide);
            (WIDTH, (height as u32).max(1))
        }
        width => (width, image.height),
    };
    // First and last pixel of a side that a pixel stands for.
    let part = |at: u32, small: u32, large: u32| {
        let edge = |at: u32| (u64::from(at) * u64::from(large) / u64::from(small)) as usize;
        edge(at)..edge(at + 1).max(edge(at) + 1)
    };
    let mut pixels = Vec::with_capacity(3 * width as usize * height as usize);
    for y in 0..height {
        let rows = part(y, height, image.height);
        for x in 0..width {
            let columns = part(x, width, image.width);
            let count = (rows.len() * columns.len()) as u32;
            for channel in 0..3 {
                let row = |row: usize| {
                    let start = 3 * row * image.width as usize + channel;
                    columns.clone().map(move |column| u32::from(image.pixels[start + 3 * column]))
                };
                let sum: u32 = rows.clone().flat_map(row).sum();
                pixels.push(((sum + count / 2) / count) as u8 & !NOISE);
            }
        }
    }
    Rgb { width, height, pixels }
}

#[cfg(test)]
mod tests {
    use cobasis_data::boxes::{AnnotatedImage, Annotation, BoxClass, BoxKind, Detection};

    use super::*;

    #[test]
    fn large_images_are_shrunk_by_means() {
        let grey = |width, height, value: fn(u32, u32) -> u8| Rgb {
            width,
            height,
            pixels: (0..height)
                .flat_map(|y| (0..width).flat_map(move |x| [value(x, y); 3]))
                .collect(),
        };
        let stripes = grey(960, 6, |x, _| if x % 2 == 0 { 0 } else { 200 });
        assert_eq!(shrunk(&stripes), grey(480, 3, |_, _| 100));
        let small = grey(5, 7, |x, y| (4 * (x + y)) as u8);
        assert_eq!(shrunk(&small), small);
        assert_eq!(shrunk(&grey(4800, 1, |_, _| 8)), grey(480, 1, |_, _| 8));
    }

    #[test]
    fn found_missed_and_wrong_have_their_colours() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("<a>.png");
        let black = Rgb { width: 960, height: 120, pixels: vec![0; 3 * 960 * 120] };
        std::fs::write(&path, png(&black)).expect("a file");
        let class = |name: &str, id| BoxClass { name: name.into(), id };
        let set = Annotated {
            name: "toy".into(),
            folder: dir.path().into(),
            classes: vec![class("cell", 1), class("<b>", 2)],
            images: vec![AnnotatedImage { path, id: 1, size: [120, 960], boxes: Vec::new() }],
            findings: Default::default(),
        };
        let rect = |left| Rect::from_xywh([left, 40.0, 40.0, 40.0]);
        let found = |left, class| Detection { image: 0, class, rect: rect(left), score: 0.5 };
        let missed =
            Annotation { rect: rect(100.0), class: 0, kind: BoxKind::Object, area: 1600.0 };
        let image = WrongImage {
            index: 0,
            missed: vec![missed; 2],
            wrong: vec![found(300.0, 1)],
            right: vec![found(500.0, 0)],
        };
        let drawn = decoded(&picture(&set, &image).expect("a picture"));
        let pixel = |left: usize| {
            let at = 3 * (20 * drawn.width as usize + left / 2);
            [drawn.pixels[at], drawn.pixels[at + 1], drawn.pixels[at + 2]]
        };
        assert_eq!([100, 300, 500].map(pixel), [MISSED, WRONG, FOUND]);
        let markup = shown(&set, &image).into_string();
        assert!(markup.contains("data-missed=\"2\" data-wrong=\"1\" data-right=\"1\""));
        assert!(markup.contains("&lt;a&gt;.png: missed 2 cell; wrong 1 &lt;b&gt;"), "{markup}");
    }

    /// The pixels of a PNG file.
    fn decoded(bytes: &[u8]) -> Rgb {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), bytes).expect("written");
        read_image(file.path()).expect("an image")
    }
}
