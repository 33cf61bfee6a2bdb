//! The operations of RandAugment on images of bytes, as torchvision computes them.

use crate::choice::choices;

choices! {
    /// An operation; those with a strength `m` take it as torchvision's RandAugment gives it.
    ImageOp {
        /// Nothing.
        Identity = "identity",
        /// Rows move to the right by `m` times their number.
        ShearX = "shear-x",
        /// Columns move down by `m` times their number.
        ShearY = "shear-y",
        /// The image moves to the right by `m` pixels.
        TranslateX = "translate-x",
        /// The image moves down by `m` pixels.
        TranslateY = "translate-y",
        /// The image turns by `m` degrees.
        Rotate = "rotate",
        /// Away from black by the factor `1 + m`.
        Brightness = "brightness",
        /// Away from grey by the factor `1 + m`.
        Color = "color",
        /// Away from the mean grey by the factor `1 + m`.
        Contrast = "contrast",
        /// Away from the blurred image by the factor `1 + m`.
        Sharpness = "sharpness",
        /// Only the `m` highest bits of a value stay.
        Posterize = "posterize",
        /// Values from `m` on are inverted.
        Solarize = "solarize",
        /// Every channel is stretched to all values.
        AutoContrast = "auto-contrast",
        /// Every channel gets about as many pixels of every value.
        Equalize = "equalize",
    }
}

impl ImageOp {
    /// Changes an image of shape `[channels, height, width]`.
    pub(crate) fn apply(self, image: &mut [u8], shape: [usize; 3], m: f64) {
        let [_, height, width] = shape;
        let plane = height * width;
        match self {
            Self::Identity => {}
            Self::ShearX => warp(image, shape, |x, y| (x + m * (y + height as f64 / 2.0), y)),
            Self::ShearY => warp(image, shape, |x, y| (x, y + m * (x + width as f64 / 2.0))),
            Self::TranslateX => warp(image, shape, |x, y| (x - m.trunc(), y)),
            Self::TranslateY => warp(image, shape, |x, y| (x, y - m.trunc())),
            Self::Rotate => {
                let (sin, cos) = m.to_radians().sin_cos();
                warp(image, shape, |x, y| (cos * x - sin * y, sin * x + cos * y));
            }
            Self::Brightness => blend(image, |_| 0.0, m),
            // A grey image has no colour.
            Self::Color if image.len() != 3 * plane => {}
            Self::Color => {
                let grey = grey(image, plane);
                blend(image, |i| f32::from(grey[i % plane]), m);
            }
            Self::Contrast => {
                let grey = grey(image, plane);
                let sum: f64 = grey.iter().map(|&value| f64::from(value)).sum();
                let mean = (sum / plane as f64) as f32;
                blend(image, |_| mean, m);
            }
            Self::Sharpness => {
                let blurred = blur(image, shape);
                blend(image, |i| blurred[i], m);
            }
            Self::Posterize => {
                let mask = 0xffu8.checked_shl(8 - m as u32).unwrap_or(0);
                image.iter_mut().for_each(|value| *value &= mask);
            }
            Self::Solarize => {
                let inverted = image.iter_mut().filter(|value| f64::from(**value) >= m);
                inverted.for_each(|value| *value = 255 - *value);
            }
            Self::AutoContrast => image.chunks_exact_mut(plane).for_each(stretch),
            Self::Equalize => image.chunks_exact_mut(plane).for_each(equalize),
        }
    }
}

/// Every pixel takes the value of the one nearest to where `source` says it comes from, in pixels
/// from the middle of the image; black from outside.
fn warp(image: &mut [u8], [_, height, width]: [usize; 3], source: impl Fn(f64, f64) -> (f64, f64)) {
    let index = |at: f64, length: usize| {
        let at = (at + length as f64 / 2.0 - 0.5).round_ties_even();
        (at >= 0.0 && at < length as f64).then_some(at as usize)
    };
    let middle = |at: usize, length: usize| at as f64 + 0.5 - length as f64 / 2.0;
    for plane in image.chunks_exact_mut(height * width) {
        let before = plane.to_vec();
        for (at, value) in plane.iter_mut().enumerate() {
            let (x, y) = source(middle(at % width, width), middle(at / width, height));
            let from = index(y, height).zip(index(x, width));
            *value = from.map_or(0, |(y, x)| before[y * width + x]);
        }
    }
}

/// Moves every value away from another one by the factor `1 + m`.
fn blend(image: &mut [u8], other: impl Fn(usize) -> f32, m: f64) {
    let (own, rest) = ((1.0 + m) as f32, -m as f32);
    for (i, value) in image.iter_mut().enumerate() {
        *value = (own * f32::from(*value) + rest * other(i)).clamp(0.0, 255.0) as u8;
    }
}

/// The grey value of every pixel; that of the first channel unless there are three.
fn grey(image: &[u8], plane: usize) -> Vec<u8> {
    if image.len() != 3 * plane {
        return image[..plane].to_vec();
    }
    let grey = |i: usize| {
        let [r, g, b] = [0, 1, 2].map(|channel| f32::from(image[channel * plane + i]));
        (0.2989 * r + 0.587 * g + 0.114 * b) as u8
    };
    (0..plane).map(grey).collect()
}

/// The image with every inner pixel the mean of its neighbours and five times itself.
fn blur(image: &[u8], [_, height, width]: [usize; 3]) -> Vec<f32> {
    let mut blurred: Vec<f32> = image.iter().map(|&value| f32::from(value)).collect();
    let planes = blurred.chunks_exact_mut(height * width).zip(image.chunks_exact(height * width));
    for (blurred, image) in planes {
        for y in 1..height.saturating_sub(1) {
            for x in 1..width.saturating_sub(1) {
                let rows = [y - 1, y, y + 1].map(|y| &image[y * width + x - 1..][..3]);
                let sum: u32 = rows.into_iter().flatten().map(|&value| u32::from(value)).sum();
                let sum = sum + 4 * u32::from(image[y * width + x]);
                blurred[y * width + x] = (sum as f32 / 13.0).round_ties_even();
            }
        }
    }
    blurred
}

fn stretch(plane: &mut [u8]) {
    let (Some(&low), Some(&high)) = (plane.iter().min(), plane.iter().max()) else {
        return;
    };
    if low < high {
        let scale = 255.0 / f32::from(high - low);
        plane.iter_mut().for_each(|value| *value = (f32::from(*value - low) * scale) as u8);
    }
}

fn equalize(plane: &mut [u8]) {
    let mut counts = [0usize; 256];
    plane.iter().for_each(|&value| counts[usize::from(value)] += 1);
    let last = counts.iter().rev().find(|count| **count > 0).copied().unwrap_or(0);
    let step = (plane.len() - last) / 255;
    if step == 0 {
        return;
    }
    let mut below = 0;
    let table = counts.map(|count| {
        let value = (below + step / 2) / step;
        below += count;
        value.min(255) as u8
    });
    plane.iter_mut().for_each(|value| *value = table[usize::from(*value)]);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The sum of an image's values, and the sum with weights 1, 2, 3 and so on.
    fn changed(op: &str, m: f64, shape: [usize; 3]) -> (u64, u64) {
        let pixel = |i: usize| ((i * i * 7 + i * 37 + 11) % 201 + 20) as u8;
        let mut image: Vec<u8> = (0..shape.iter().product()).map(pixel).collect();
        op.parse::<ImageOp>().expect("an operation").apply(&mut image, shape, m);
        let weighted =
            image.iter().enumerate().map(|(i, &value)| (i as u64 + 1) * u64::from(value));
        (image.iter().map(|&value| u64::from(value)).sum(), weighted.sum())
    }

    /// What `torchvision.transforms.autoaugment._apply_op` of version 0.29 makes of the same image,
    /// with nearest neighbours and no fill.
    #[test]
    fn every_operation_is_torchvisions() {
        for (op, m, colour, grey) in [
            ("identity", 0.0, (20002, 1690169), (6331, 178870)),
            ("shear-x", 0.3, (17408, 1442371), (5556, 148121)),
            ("shear-y", -0.17, (18201, 1580346), (5722, 174432)),
            ("translate-x", 2.0, (15132, 1309620), (4672, 135736)),
            ("translate-y", -3.0, (11404, 845474), (3498, 57629)),
            ("rotate", 30.0, (17328, 1464216), (5459, 150871)),
            ("rotate", -13.0, (19328, 1633216), (6183, 173195)),
            ("brightness", 0.45, (28058, 2370901), (8914, 253250)),
            ("brightness", -0.45, (10920, 922740), (3455, 97629)),
            ("color", 0.6, (19658, 1663869), (6331, 178870)),
            ("color", -0.6, (20347, 1718781), (6331, 178870)),
            ("contrast", 0.45, (19732, 1667354), (6334, 178283)),
            ("contrast", -0.81, (20460, 1728870), (6305, 179394)),
            ("sharpness", 0.9, (19628, 1658566), (6221, 176389)),
            ("sharpness", -0.9, (20292, 1714674), (6403, 180256)),
            ("posterize", 4.0, (18688, 1579136), (5856, 166368)),
            ("posterize", 6.0, (19768, 1670396), (6248, 176768)),
            ("posterize", 8.0, (20002, 1690169), (6331, 178870)),
            ("solarize", 127.5, (13920, 1176240), (4632, 133355)),
            ("auto-contrast", 0.0, (21106, 1783457), (6662, 187703)),
            ("equalize", 0.0, (20002, 1690169), (6331, 178870)),
        ] {
            assert_eq!(changed(op, m, [3, 7, 8]), colour, "{op} {m} in colour");
            assert_eq!(changed(op, m, [1, 7, 8]), grey, "{op} {m} in grey");
        }
        assert_eq!(changed("equalize", 0.0, [2, 32, 32]), EQUALIZED);
    }

    const EQUALIZED: (u64, u64) = (322837, 330498556);
}
