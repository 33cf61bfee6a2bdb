//! Boxes drawn on images, for people.

use super::rect::Rect;
use crate::decode::Rgb;

/// Colours that are told apart by most eyes (Okabe and Ito, 2008), for classes in turn.
const COLOURS: [[u8; 3]; 7] = [
    [230, 159, 0],
    [86, 180, 233],
    [0, 158, 115],
    [213, 94, 0],
    [204, 121, 167],
    [0, 114, 178],
    [240, 228, 66],
];
/// The ten digits, three pixels wide and five high: a row is three bits, the upper row first.
const DIGITS: [u16; 10] = [
    0b111_101_101_101_111,
    0b010_110_010_010_111,
    0b111_001_111_100_111,
    0b111_001_111_001_111,
    0b101_101_111_001_001,
    0b111_100_111_001_111,
    0b111_100_111_101_111,
    0b111_001_010_010_010,
    0b111_101_111_101_111,
    0b111_101_111_001_111,
];
/// Height and width of a digit with the space around it.
const DIGIT: [i64; 2] = [7, 4];
/// Pixels of an image's shorter side for one of a line's width.
const LINE: u32 = 240;

/// The colour of a class.
pub fn class_colour(class: u16) -> [u8; 3] {
    COLOURS[usize::from(class) % COLOURS.len()]
}

/// Draws the edge of a box, in pixels of the image, inside of it; with a score, also so many percent of 1, in a
/// field on its upper edge. What lies outside of the image is not drawn. Lines are thicker in larger images.
pub fn draw(image: &mut Rgb, rect: &Rect, colour: [u8; 3], score: Option<f64>) {
    let [height, width] = image.size().map(|side| side as f64);
    // A box far outside has no pixels, and one at infinity no numbers for them.
    let edge = |at: f64, side: f64| at.clamp(-side, 2.0 * side).round() as i64;
    let [left, top, right, bottom] = rect.corners();
    let (left, right) = (edge(left, width), edge(right, width));
    let (top, bottom) = (edge(top, height), edge(bottom, height));
    let line = i64::from(image.width.min(image.height) / LINE).max(1);
    fill(image, [left, top, right, (top + line).min(bottom)], colour);
    fill(image, [left, (bottom - line).max(top), right, bottom], colour);
    fill(image, [left, top, (left + line).min(right), bottom], colour);
    fill(image, [(right - line).max(left), top, right, bottom], colour);
    if let Some(score) = score.filter(|score| score.is_finite()) {
        let text = format!("{:.0}", 100.0 * score.clamp(0.0, 1.0));
        // Above the box, or in it where there is no room.
        let size = DIGIT.map(|side| side * line);
        let top = if top >= size[0] { top - size[0] } else { top.max(0) };
        number(image, [left.max(0), top], &text, line, colour);
    }
}

/// The image as a PNG file.
pub fn png(image: &Rgb) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, image.width, image.height);
    encoder.set_color(png::ColorType::Rgb);
    let mut writer = encoder.write_header().expect("an image has at least a pixel");
    writer.write_image_data(&image.pixels).expect("as many pixels as the sizes say");
    writer.finish().expect("memory takes everything");
    bytes
}

/// Writes digits on a field of this colour, whose upper left corner is given.
fn number(image: &mut Rgb, [left, top]: [i64; 2], digits: &str, dot: i64, colour: [u8; 3]) {
    let [height, width] = DIGIT.map(|side| side * dot);
    let right = left + digits.len() as i64 * width + dot;
    fill(image, [left, top, right, top + height], colour);
    let [r, g, b] = colour.map(u32::from);
    let ink = if 299 * r + 587 * g + 114 * b > 128_000 { [0; 3] } else { [255; 3] };
    for (at, digit) in digits.bytes().enumerate() {
        let dots = DIGITS[usize::from(digit - b'0') % 10];
        for (row, column) in (0..15).map(|dot| (dot / 3, dot % 3)) {
            if dots >> (14 - 3 * row - column) & 1 == 1 {
                let (x, y) = (left + at as i64 * width + (column + 1) * dot, top + (row + 1) * dot);
                fill(image, [x, y, x + dot, y + dot], ink);
            }
        }
    }
}

/// Fills the part of a rectangle that is in the image: left, top, right and lower edge.
fn fill(image: &mut Rgb, [left, top, right, bottom]: [i64; 4], colour: [u8; 3]) {
    let (width, height) = (i64::from(image.width), i64::from(image.height));
    let (left, right) = (left.clamp(0, width), right.clamp(0, width));
    let (top, bottom) = (top.clamp(0, height), bottom.clamp(0, height));
    for y in top..bottom {
        let (from, to) = (3 * (y * width + left), 3 * (y * width + right).max(y * width + left));
        image.pixels[from as usize..to as usize].as_chunks_mut::<3>().0.fill(colour);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode;

    fn black(height: u32, width: u32) -> Rgb {
        Rgb { width, height, pixels: vec![0; 3 * (height * width) as usize] }
    }

    /// The rows of an image: `#` for red, `o` for other colours.
    fn rows(image: &Rgb) -> Vec<String> {
        let dot = |pixel: &[u8]| match pixel {
            [200, 0, 0] => '#',
            [0, 0, 0] => '.',
            _ => 'o',
        };
        let rows = image.pixels.chunks(3 * image.width as usize);
        rows.map(|row| row.chunks(3).map(dot).collect()).collect()
    }

    const RED: [u8; 3] = [200, 0, 0];

    #[test]
    fn edges_are_drawn_inside_of_boxes_and_images() {
        let mut image = black(5, 7);
        draw(&mut image, &Rect::from_corners([1.0, 1.0, 5.0, 4.0]), RED, None);
        assert_eq!(rows(&image), [".......", ".####..", ".#..#..", ".####..", "......."]);
        let mut image = black(3, 4);
        draw(&mut image, &Rect::from_corners([-9.0, 1.0, 3.0, 9.0]), RED, None);
        assert_eq!(rows(&image), ["....", "###.", "..#."]);
    }

    #[test]
    fn scores_are_percents_above_the_box() {
        let mut image = black(12, 16);
        draw(&mut image, &Rect::from_corners([2.0, 8.0, 15.0, 12.0]), RED, Some(0.714));
        let expected = [
            "................",
            "..#########.....",
            "..#ooo##o##.....",
            "..###o#oo##.....",
            "..##o###o##.....",
            "..##o###o##.....",
            "..##o##ooo#.....",
            "..#########.....",
        ];
        assert_eq!(rows(&image)[..8], expected);
    }

    #[test]
    fn no_box_brings_the_program_down() {
        let values = [f64::NEG_INFINITY, -1e300, -1.0, 0.0, 3.0, 1e300, f64::INFINITY, f64::NAN];
        for (left, top) in values.iter().flat_map(|&a| values.map(|b| (a, b))) {
            for (right, bottom) in values.iter().flat_map(|&a| values.map(|b| (a, b))) {
                let mut image = black(4, 6);
                let rect = Rect::from_corners([left, top, right, bottom]);
                draw(&mut image, &rect, RED, Some(left));
            }
        }
    }

    #[test]
    fn a_png_has_the_same_pixels() {
        let pixels = (0..3 * 5 * 7).map(|value| value as u8 * 2).collect();
        let image = Rgb { width: 7, height: 5, pixels };
        assert_eq!(decode::decode(&png(&image)).expect("an image"), image);
    }

    #[test]
    fn classes_next_to_each_other_have_other_colours() {
        assert!((0..u16::MAX).all(|class| class_colour(class) != class_colour(class + 1)));
    }
}
