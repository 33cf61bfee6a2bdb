//! Images of coloured rectangles for tests.

use std::fs;
use std::path::Path;

use super::{Annotated, AnnotatedImage, Annotation, BoxClass, BoxKind, Findings, Rect};
use crate::rng::SplitMix64;

/// The colours of the classes.
pub(super) const COLOURS: [[u8; 3]; 2] = [[250, 20, 20], [20, 20, 250]];
/// Height and width of the images in turn.
const SIZES: [[usize; 2]; 3] = [[30, 40], [40, 30], [48, 64]];

/// A folder with images on each of which two rectangles are drawn that do not meet.
pub(super) fn folder(images: usize) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a folder");
    for image in known(dir.path(), images) {
        let [height, width] = image.size;
        let colour = |at: usize| {
            let (x, y) = ((at % width) as f64 + 0.5, (at / width) as f64 + 0.5);
            let pixel = Rect::from_xywh([x - 0.5, y - 0.5, 1.0, 1.0]);
            let on = image.boxes.iter().find(|one| one.rect.shared_area(&pixel) > 0.0);
            on.map_or([20, 120, 20], |one| COLOURS[usize::from(one.class)])
        };
        let pixels: Vec<u8> = (0..height * width).flat_map(colour).collect();
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, width as u32, height as u32);
        encoder.set_color(png::ColorType::Rgb);
        let mut writer = encoder.write_header().expect("a header");
        writer.write_image_data(&pixels).expect("pixels");
        writer.finish().expect("an end");
        fs::write(image.path, bytes).expect("written");
    }
    dir
}

/// The set in such a folder.
pub(super) fn set(dir: &Path) -> Annotated {
    let images = fs::read_dir(dir).expect("a folder").count();
    let class = |(name, id): (&str, i64)| BoxClass { name: name.into(), id };
    Annotated {
        name: "rectangles".into(),
        folder: dir.to_path_buf(),
        classes: [("red", 1), ("blue", 2)].map(class).to_vec(),
        images: known(dir, images),
        findings: Findings::default(),
    }
}

/// What is in the images: a red rectangle in the left half of each, a blue one in the right half.
fn known(dir: &Path, images: usize) -> Vec<AnnotatedImage> {
    let known = |index: usize| {
        let size @ [height, width] = SIZES[index % 3];
        let mut rng = SplitMix64::keyed(&[index as u64]);
        let mut within = |from: usize, to: usize| from as u64 + rng.below((to - from) as u64);
        let boxes = (0..2u16).map(|class| {
            let start = usize::from(class) * width / 2;
            let left = within(start + 1, start + width / 6);
            let right = within(start + width / 3, start + width / 2 - 1);
            let (top, bottom) = (within(1, height / 3), within(height / 2, height - 1));
            let rect = Rect::from_corners([left, top, right, bottom].map(|edge| edge as f64));
            Annotation { rect, class, kind: BoxKind::Object, area: rect.area() }
        });
        let (boxes, id) = (boxes.collect(), index as i64 + 1);
        AnnotatedImage { path: dir.join(format!("{index}.png")), id, size, boxes }
    };
    (0..images).map(known).collect()
}
