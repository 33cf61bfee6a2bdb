//! Puts images on pictures.

use super::geometry::Placement;
use crate::decode::Rgb;
use crate::resample;

/// Draws what is seen of an image on the picture `canvas`, `[height, width, 3]`, of this height and
/// width. The rest of the picture stays as it is.
///
/// # Panics
///
/// Where the placement is one of an image of another size, or is seen outside of the picture.
pub(crate) fn paint(
    image: &Rgb,
    placement: &Placement,
    [height, width]: [usize; 2],
    canvas: &mut [u8],
) {
    assert_eq!(image.size(), placement.image, "a placement of the image");
    assert_eq!(canvas.len(), 3 * height * width, "a picture of this size");
    let Some([rows, columns]) = seen(placement) else { return };
    let [source_rows, source_columns] =
        [0, 1].map(|axis| source(placement, axis, [rows, columns][axis]));
    let area = [source_columns.0, source_rows.0, source_columns.1, source_rows.1];
    let [tall, wide] = [rows, columns].map(|[from, to]| to - from);
    let pixels = resample::part(image, area, [tall, wide]);

    let [upside_down, mirrored] = placement.flip;
    for (y, row) in pixels.chunks_exact(3 * wide).enumerate() {
        let y = rows[0] + if upside_down { tall - 1 - y } else { y };
        let out = &mut canvas[3 * (y * width + columns[0])..][..3 * wide];
        match mirrored {
            false => out.copy_from_slice(row),
            true => {
                let pairs = out.chunks_exact_mut(3).rev().zip(row.chunks_exact(3));
                pairs.for_each(|(out, pixel)| out.copy_from_slice(pixel));
            }
        }
    }
}

/// The rows and the columns of the picture in which the image is seen, if it is.
fn seen(placement: &Placement) -> Option<[[usize; 2]; 2]> {
    let range = |axis: usize| {
        let start = placement.offset[axis];
        let end = start + placement.resized[axis] as i64;
        let from = (placement.from[axis] as i64).max(start);
        let to = (placement.to[axis] as i64).min(end);
        (from < to).then_some([from as usize, to as usize])
    };
    Some([range(0)?, range(1)?])
}

/// Where these rows or columns of the picture are in the image: start and length in its pixels.
fn source(placement: &Placement, axis: usize, [from, to]: [usize; 2]) -> (f64, f64) {
    let resized = placement.resized[axis] as i64;
    let [from, to] = [from, to].map(|at| at as i64 - placement.offset[axis]);
    let [from, to] = if placement.flip[axis] { [resized - to, resized - from] } else { [from, to] };
    let length = placement.image[axis] as f64;
    let scale = length / resized as f64;
    let start = from as f64 * scale;
    // Rounding must not lead beyond the image.
    (start, ((to - from) as f64 * scale).min(length - start))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::boxes::{Annotation, BoxKind, Rect};

    /// A black image with a rectangle of this colour.
    fn drawn([height, width]: [usize; 2], [l, t, r, b]: [usize; 4], colour: [u8; 3]) -> Rgb {
        let is_in = |x: usize, y: usize| (l..r).contains(&x) && (t..b).contains(&y);
        let pixel = |at: usize| if is_in(at % width, at / width) { colour } else { [0; 3] };
        let pixels = (0..height * width).flat_map(pixel).collect();
        Rgb { width: width as u32, height: height as u32, pixels }
    }

    /// Left, top, right and lower edge of the pixels that are at least half the colour.
    fn found(canvas: &[u8], width: usize) -> Option<[usize; 4]> {
        let bright = canvas.chunks_exact(3).enumerate().filter(|(_, pixel)| pixel[0] >= 100);
        bright.map(|(at, _)| (at % width, at / width)).fold(None, |edges, (x, y)| {
            let [l, t, r, b] = edges.unwrap_or([x, y, x + 1, y + 1]);
            Some([l.min(x), t.min(y), r.max(x + 1), b.max(y + 1)])
        })
    }

    #[test]
    fn a_placement_without_change_copies() {
        let image = drawn([5, 7], [1, 2, 4, 3], [200, 3, 9]);
        let mut canvas = vec![0; 105];
        paint(&image, &Placement::letterbox([5, 7], [5, 7]), [5, 7], &mut canvas);
        assert_eq!(canvas, image.pixels);
    }

    #[test]
    fn nothing_is_drawn_outside_of_the_tile() {
        let image = drawn([8, 8], [0, 0, 8, 8], [200; 3]);
        let mut canvas = vec![7; 300];
        let tile = Placement {
            offset: [-2, 5],
            from: [1, 4],
            to: [9, 8],
            ..Placement::letterbox([8, 8], [8, 8])
        };
        paint(&image, &tile, [10, 10], &mut canvas);
        assert_eq!(found(&canvas, 10), Some([5, 1, 8, 6]));
        assert!(canvas.iter().all(|value| [7, 200].contains(value)));
        let beside = Placement { offset: [0, 20], ..tile };
        let before = canvas.clone();
        paint(&image, &beside, [10, 10], &mut canvas);
        assert_eq!(canvas, before);
    }

    proptest! {
        #[test]
        fn boxes_are_where_their_pixels_are(
            image in prop::array::uniform2(16usize..90),
            resized in prop::array::uniform2(16usize..120),
            offset in prop::array::uniform2(-60i64..60),
            tile in prop::array::uniform4(0usize..64),
            flip: [bool; 2],
            corner in prop::array::uniform2(0.0..0.7),
            side in prop::array::uniform2(0.2..0.9),
        ) {
            let input = [64, 72];
            let [top, left] = [0, 1].map(|axis| (corner[axis] * image[axis] as f64) as usize);
            let [bottom, right] = [(0, top), (1, left)].map(|(axis, start)| {
                let length = (side[axis] * image[axis] as f64) as usize;
                (start + length.max(2)).min(image[axis])
            });
            let picture = drawn(image, [left, top, right, bottom], [200; 3]);
            let [a, b, c, d] = tile;
            let (from, to) = ([a.min(b), c.min(d)], [a.max(b), c.max(d)]);
            let placement = Placement { image, flip, resized, offset, from, to };
            let mut canvas = vec![0; 3 * 64 * 72];
            paint(&picture, &placement, input, &mut canvas);
            let rect = Rect::from_corners([left, top, right, bottom].map(|edge| edge as f64));
            let annotation = Annotation { rect, class: 0, kind: BoxKind::Crowd, area: rect.area() };
            // Edges are blurred over a pixel of the image or of the picture, whichever is larger; where less than
            // that is seen of a rectangle, its other edges seem to move, too.
            let blur = [0, 1].map(|axis| (resized[axis] as f64 / image[axis] as f64).max(1.0) + 2.0);
            match (placement.see(&annotation), found(&canvas, 72)) {
                (Some(seen), pixels) if seen.rect.height >= blur[0] && seen.rect.width >= blur[1] => {
                    let edges = pixels.expect("something is seen").map(|edge| edge as f64);
                    for (edge, pixel) in seen.rect.corners().into_iter().zip(edges) {
                        // Half the colour is at the edge, to half a pixel and a little.
                        prop_assert!((edge - pixel).abs() <= 0.75, "{seen:?} {pixels:?}");
                    }
                }
                (None, Some([l, t, r, b])) => prop_assert!(r - l < 3 || b - t < 3),
                _ => {}
            }
        }
    }
}
