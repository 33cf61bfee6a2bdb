//! Numbers brought to other places.

use super::{Pixels, PixelsMut, at_once};

/// Writes images `[batch, channels, height, width]`, of which each map has `area` pixels.
///
/// # Panics
///
/// If there are others than so many numbers.
pub fn from_planes(images: &[f32], area: usize, y: PixelsMut) {
    let channels = y.channels;
    assert_eq!(images.len(), y.pixels() * channels, "numbers of the images");
    y.parts(at_once(channels), |first, y| {
        let PixelsMut { values, stride, .. } = y;
        let pixels = first + values.len().div_ceil(stride);
        let mut pixel = first;
        while pixel < pixels {
            // Those of one image.
            let (image, place) = (pixel / area, pixel % area);
            let count = (area - place).min(pixels - pixel);
            let maps = &images[image * channels * area..][..channels * area];
            let map = |channel: usize| &maps[channel * area + place..][..count];
            let values = &mut values[(pixel - first) * stride..];
            match [channels, stride] {
                // Pixels of colour images are written at once.
                [3, 3] => {
                    let maps = map(0).iter().zip(map(1)).zip(map(2));
                    for (y, ((&red, &green), &blue)) in
                        values.as_chunks_mut().0.iter_mut().zip(maps)
                    {
                        *y = [red, green, blue];
                    }
                }
                _ => {
                    for channel in 0..channels {
                        let places = values[channel..].iter_mut().step_by(stride);
                        places.zip(map(channel)).for_each(|(y, &x)| *y = x);
                    }
                }
            }
            pixel += count;
        }
    });
}

/// Copies pixels.
///
/// # Panics
///
/// If sizes differ.
pub fn copy(x: Pixels, y: PixelsMut) {
    assert_eq!((x.pixels(), x.channels), (y.pixels(), y.channels), "pixels and channels");
    y.parts(at_once(x.channels), |first, mut y| {
        y.each().zip(x.from(first)).for_each(|(y, x)| y.copy_from_slice(x));
    });
}

/// Every `stride`-th pixel down and across, from the first, between channels of zeros: so many before
/// the input's. `size` is the input's height and width.
///
/// # Panics
///
/// If sizes differ.
pub fn subsample(
    x: Pixels,
    [height, width]: [usize; 2],
    stride: usize,
    before: usize,
    y: PixelsMut,
) {
    let [rows, columns] = [height, width].map(|side| side.div_ceil(stride));
    assert_eq!(x.pixels() * rows * columns, y.pixels() * height * width, "pixels");
    let channels = before..before + x.channels;
    assert!(channels.end <= y.channels, "channels");
    let at_once = at_once(y.channels);
    y.parts(at_once, |first, mut y| {
        for (y, pixel) in y.each().zip(first..) {
            let (row, column) = (pixel / columns, pixel % columns);
            let (image, row) = (row / rows, row % rows);
            let from = (image * height + row * stride) * width + column * stride;
            y[..channels.start].fill(0.0);
            y[channels.clone()].copy_from_slice(x.at(from));
            y[channels.end..].fill(0.0);
        }
    });
}

/// Each pixel twice down and across, cut to `size`, the output's height and width.
///
/// # Panics
///
/// If sizes differ.
pub fn upsample(x: Pixels, [height, width]: [usize; 2], y: PixelsMut) {
    let [rows, columns] = [height, width].map(|side| side.div_ceil(2));
    assert_eq!(x.pixels() * height * width, y.pixels() * rows * columns, "pixels");
    assert_eq!(x.channels, y.channels, "channels");
    y.parts(at_once(x.channels), |first, mut y| {
        for (y, pixel) in y.each().zip(first..) {
            let (row, column) = (pixel / width, pixel % width);
            let (image, row) = (row / height, row % height);
            y.copy_from_slice(x.at((image * rows + row / 2) * columns + column / 2));
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_come_with_their_channels_together() {
        let images: Vec<f32> = (0..2 * 3 * 4).map(|index| index as f32).collect();
        let mut y = [-1.0; 8 * 5];
        from_planes(&images, 4, PixelsMut::new(&mut y[1..], 8, 3, 5));
        for (index, &y) in y.iter().enumerate() {
            let (pixel, place) = (index / 5, index % 5);
            let expected = match place {
                1..=3 => images[(pixel / 4 * 3 + place - 1) * 4 + pixel % 4],
                _ => -1.0,
            };
            assert_eq!(y, expected);
        }
    }

    #[test]
    fn pixels_are_left_out_and_repeated() {
        // An image of 3 × 3 pixels with 2 channels, twice.
        let x: Vec<f32> = (1..=36).map(|index| index as f32).collect();
        let x = Pixels::new(&x, 18, 2, 2);
        let mut y = vec![9.0; 2 * 4 * 5];
        subsample(x, [3, 3], 2, 1, PixelsMut::new(&mut y, 8, 5, 5));
        let pixel = |number: f32| [0.0, 2.0 * number - 1.0, 2.0 * number, 0.0, 0.0];
        let kept = [1.0, 3.0, 7.0, 9.0, 10.0, 12.0, 16.0, 18.0];
        assert_eq!(y, kept.map(pixel).as_flattened());
        let mut y = vec![0.0; 2 * 30 * 2];
        upsample(x, [6, 5], PixelsMut::new(&mut y, 60, 2, 2));
        let first: Vec<f32> = y.iter().step_by(2).take(10).copied().collect();
        assert_eq!(first, [1.0, 1.0, 3.0, 3.0, 5.0, 1.0, 1.0, 3.0, 3.0, 5.0]);
        assert_eq!(y[118..], [35.0, 36.0]);
        let mut same = vec![0.0; 36];
        copy(x, PixelsMut::new(&mut same, 18, 2, 2));
        assert_eq!(same[34..], [35.0, 36.0]);
    }
}
