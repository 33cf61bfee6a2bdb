//! A part of an image, resized: torchvision's `RandomResizedCrop`, `Resize` and `CenterCrop`.

use fast_image_resize::images::{TypedCroppedImage, TypedImage, TypedImageRef};
use fast_image_resize::pixels::U8x3;
use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions, Resizer};

use super::decode::Rgb;
use super::rng::SplitMix64;

/// Smallest and largest part of the area of an image that a random crop shows.
const AREA: [f64; 2] = [0.08, 1.0];
/// Smallest and largest width of a random crop per height.
const RATIO: [f64; 2] = [3.0 / 4.0, 4.0 / 3.0];
/// Draws before a random crop gives way to the centre.
const DRAWS: usize = 10;

/// A part of an image, in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Window {
    left: u32,
    top: u32,
    width: u32,
    height: u32,
}

impl Window {
    /// The window of torchvision's `RandomResizedCrop` with its default scale and ratio, in an
    /// image of this size: a part of random area and random shape at a random place.
    pub(super) fn random(width: u32, height: u32, rng: &mut SplitMix64) -> Self {
        let area = f64::from(width) * f64::from(height);
        let [low, high] = RATIO.map(f64::ln);
        for _ in 0..DRAWS {
            let target = area * (AREA[0] + (AREA[1] - AREA[0]) * rng.unit());
            let ratio = (low + (high - low) * rng.unit()).exp();
            let wide = (target * ratio).sqrt().round_ties_even() as u32;
            let tall = (target / ratio).sqrt().round_ties_even() as u32;
            if (1..=width).contains(&wide) && (1..=height).contains(&tall) {
                let top = rng.below(u64::from(height - tall) + 1) as u32;
                let left = rng.below(u64::from(width - wide) + 1) as u32;
                return Self { left, top, width: wide, height: tall };
            }
        }
        Self::shaped(width, height)
    }

    /// Left, top, width and height.
    pub(super) fn area(self) -> [f64; 4] {
        [self.left, self.top, self.width, self.height].map(f64::from)
    }

    /// The largest window in the centre whose shape a random crop may have.
    fn shaped(width: u32, height: u32) -> Self {
        let (columns, rows) = (f64::from(width), f64::from(height));
        let (wide, tall) = if columns / rows < RATIO[0] {
            (width, (columns / RATIO[0]).round_ties_even() as u32)
        } else if columns / rows > RATIO[1] {
            ((rows * RATIO[1]).round_ties_even() as u32, height)
        } else {
            (width, height)
        };
        // A strip of one pixel rounds to nothing.
        let (wide, tall) = (wide.clamp(1, width), tall.clamp(1, height));
        Self { left: (width - wide) / 2, top: (height - tall) / 2, width: wide, height: tall }
    }

    /// The square of side `size` in the centre, where `CenterCrop` puts it.
    fn centre(width: u32, height: u32, size: u32) -> Self {
        let start = |length: u32| (f64::from(length - size) / 2.0).round_ties_even() as u32;
        Self { left: start(width), top: start(height), width: size, height: size }
    }
}

/// The part of `image` in `window`, resized to this height and width, `[height, width, 3]`.
///
/// # Panics
///
/// Where the window is not one of the image.
pub(super) fn resized(image: &Rgb, window: Window, size: [usize; 2]) -> Vec<u8> {
    // What lies outside the window must not shine through its edges, so it is cut out first.
    resize(image, window, size.map(|side| side as u32), &ResizeOptions::new())
}

/// `image` resized so that its shorter side has `resize_to` pixels, and of that the centre, a
/// square of side `size`, `[size, size, 3]`.
///
/// # Panics
///
/// Where `size` exceeds `resize_to`.
pub(super) fn centre(image: &Rgb, resize_to: u32, size: u32) -> Vec<u8> {
    // Only what ends in the square is computed: the rest of a long strip would be huge.
    let [left, top, width, height] = centre_area(image, resize_to, size);
    let whole = Window { left: 0, top: 0, width: image.width, height: image.height };
    resize(image, whole, [size; 2], &ResizeOptions::new().crop(left, top, width, height))
}

/// Left, top, width and height of the part of an image that [`centre`] shows.
pub(super) fn centre_area(image: &Rgb, resize_to: u32, size: u32) -> [f64; 4] {
    let Rgb { width, height, .. } = *image;
    // As torchvision rounds: the longer side to the next whole number below.
    let longer = |long: u32, short: u32| {
        let length = u64::from(resize_to) * u64::from(long) / u64::from(short);
        u32::try_from(length).unwrap_or(u32::MAX)
    };
    let (wide, tall) = if width <= height {
        (resize_to, longer(height, width))
    } else {
        (longer(width, height), resize_to)
    };
    let Window { left, top, .. } = Window::centre(wide, tall, size);
    let part = |start: u32, length: u32, resized: u32| {
        let (start, size, length) = (f64::from(start), f64::from(size), f64::from(length));
        let scale = length / f64::from(resized);
        let start = start * scale;
        (start, (size * scale).min(length - start))
    };
    let (left, width) = part(left, width, wide);
    let (top, height) = part(top, height, tall);
    [left, top, width, height]
}

/// The part of `image` with this left, top, width and height, resized to this height and width,
/// `[height, width, 3]`. At its edges the filter sees what lies beyond them, as where all of the image
/// is resized and then cut.
///
/// # Panics
///
/// Where the part is not one of the image.
pub(super) fn part(image: &Rgb, [left, top, width, height]: [f64; 4], size: [usize; 2]) -> Vec<u8> {
    let whole = Window { left: 0, top: 0, width: image.width, height: image.height };
    let [rows, columns] = size.map(|side| side as u32);
    resize(image, whole, [rows, columns], &ResizeOptions::new().crop(left, top, width, height))
}

/// PIL's bilinear filter, whose triangles widen with the scale, on the 8-bit values of a window.
///
/// For one type of pixels and of images: the filter is compiled for each that it is called with.
fn resize(
    image: &Rgb,
    window: Window,
    [rows, columns]: [u32; 2],
    options: &ResizeOptions,
) -> Vec<u8> {
    let Window { left, top, width, height } = window;
    let whole: TypedImageRef<'_, U8x3> =
        TypedImageRef::from_buffer(image.width, image.height, &image.pixels)
            .expect("as many pixels as the sizes say");
    let part = TypedCroppedImage::from_ref(&whole, left, top, width, height)
        .expect("a window of the image");
    let mut pixels = vec![0; 3 * rows as usize * columns as usize];
    let mut resized = TypedImage::from_buffer(columns, rows, &mut pixels).expect("as many bytes");
    let options = options.resize_alg(ResizeAlg::Convolution(FilterType::Bilinear));
    Resizer::new()
        .resize_typed(&part, &mut resized, &options)
        .expect("a part of the image, and a filter");
    pixels
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An image whose pixel in column `x` and row `y` is `[x, y, 7]`.
    fn ramp(width: u32, height: u32) -> Rgb {
        let pixels = (0..height).flat_map(|y| (0..width).flat_map(move |x| [x as u8, y as u8, 7]));
        Rgb { width, height, pixels: pixels.collect() }
    }

    #[test]
    fn a_window_of_the_right_size_is_copied() {
        let window = Window { left: 3, top: 1, width: 2, height: 2 };
        let pixels = resized(&ramp(8, 5), window, [2, 2]);
        assert_eq!(pixels, [3, 1, 7, 4, 1, 7, 3, 2, 7, 4, 2, 7]);
    }

    #[test]
    fn a_window_is_cut_out_before_it_is_resized() {
        // Twice as large, columns 0 and 3 stand beyond the centres of the outer pixels.
        let window = Window { left: 10, top: 10, width: 2, height: 2 };
        let red: Vec<u8> = resized(&ramp(30, 30), window, [4, 4]).chunks(3).map(|p| p[0]).collect();
        assert_eq!(red[..4], [10, 10, 11, 11]);
    }

    /// Five squares that torchvision makes of the image below; see `assets/make_resized.py`.
    const TORCHVISION: &[u8] = include_bytes!("../assets/resized.bin");

    #[test]
    fn squares_are_those_of_torchvision() {
        let (width, height) = (61, 43);
        let pixel = |x: u32, y: u32, c: u32| (7 * x * x + 13 * y + 50 * c + 3 * x * y) as u8;
        let columns = |y| (0..width).flat_map(move |x| (0..3).map(move |c| pixel(x, y, c)));
        let image = Rgb { width, height, pixels: (0..height).flat_map(columns).collect() };
        let window = |top, left, height, width| {
            resized(&image, Window { left, top, width, height }, [16, 16])
        };
        let squares = [
            window(3, 5, 29, 41),
            window(30, 20, 7, 9),
            window(0, 0, 43, 11),
            centre(&image, 18, 16),
            centre(&image, 97, 16),
        ];
        assert_eq!(TORCHVISION.len(), 5 * 16 * 16 * 3);
        for (number, (ours, theirs)) in
            squares.iter().zip(TORCHVISION.chunks(16 * 16 * 3)).enumerate()
        {
            let off = ours.iter().zip(theirs).map(|(ours, theirs)| ours.abs_diff(*theirs));
            // Products are rounded to fewer bits than Pillow's, so a byte may be the next one.
            assert!(off.max() <= Some(1), "square {number}");
        }
    }

    #[test]
    fn half_the_size_is_the_mean_under_a_triangle() {
        // Weights 1, 3, 3, 1 of 8 on columns 1 to 4 for column 1 of half the columns.
        let mut image = ramp(8, 8);
        image.pixels.chunks_mut(3).enumerate().for_each(|(i, p)| p[0] = [0, 80, 0, 8][i % 4]);
        let red: Vec<u8> = centre(&image, 4, 4).chunks(3).map(|p| p[0]).collect();
        assert_eq!(red[1], 13, "80 / 8 + 8 * 3/8");
    }

    #[test]
    fn the_centre_is_that_of_the_resized_image() {
        // 12x6 at its own size: columns 4 to 7 and rows 1 to 4.
        let pixels = centre(&ramp(12, 6), 6, 4);
        assert_eq!((pixels[..3].to_vec(), pixels[45..].to_vec()), (vec![4, 1, 7], vec![7, 4, 7]));
        // A strip, of which the rest is never computed.
        let strip = centre(&ramp(60_000, 1), 256, 224);
        assert_eq!(strip.len(), 224 * 224 * 3);
    }

    #[test]
    fn random_windows_have_the_area_and_shape_that_were_drawn() {
        let (mut areas, mut ratios, mut lefts) = (Vec::new(), Vec::new(), Vec::new());
        for index in 0..20_000 {
            let window = Window::random(640, 480, &mut SplitMix64::keyed(&[index]));
            let Window { left, top, width, height } = window;
            assert!(left + width <= 640 && top + height <= 480, "{window:?}");
            areas.push(f64::from(width * height) / (640.0 * 480.0));
            ratios.push(f64::from(width) / f64::from(height));
            lefts.push(f64::from(left) / f64::from(640 - width).max(1.0));
        }
        let within = |values: &[f64], low: f64, high: f64| {
            values.iter().all(|value| (low - 0.01..=high + 0.01).contains(value))
        };
        assert!(within(&areas, 0.08, 1.0) && within(&ratios, 0.74, 1.35));
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
        // Of 20,000 uniform values the mean is within 0.0102 of the middle (5 deviations).
        assert!((mean(&lefts) - 0.5).abs() < 0.0103, "{}", mean(&lefts));
        let narrow = ratios.iter().filter(|ratio| **ratio < 1.0).count();
        // Wide windows fit a wide image more often, so a few more of them.
        assert!((8_000..10_000).contains(&narrow), "{narrow}");
    }

    #[test]
    fn an_image_that_no_window_fits_gives_its_centre() {
        let draw = |width, height| Window::random(width, height, &mut SplitMix64::new(1));
        assert_eq!(draw(1000, 3), Window { left: 498, top: 0, width: 4, height: 3 });
        assert_eq!(draw(3, 1000), Window { left: 0, top: 498, width: 3, height: 4 });
        assert_eq!(draw(1, 1), Window { left: 0, top: 0, width: 1, height: 1 });
    }
}
