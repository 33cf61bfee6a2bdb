//! JPEG, by zune-jpeg.

use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use super::{ImageError, Rgb, with_room};

/// The image in the bytes of a JPEG file.
pub(super) fn jpeg(bytes: &[u8]) -> Result<Rgb, ImageError> {
    // The decoder is lenient, as PIL's is, and paints what is missing grey.
    if !has_end(bytes) {
        return Err(ImageError::Truncated);
    }
    // The decoder takes it for granted that the first component has the most samples.
    if sampling_factors(bytes).is_some_and(|factors| is_first_exceeded(&factors)) {
        return Err(ImageError::Sampling);
    }
    let damaged = |problem: String| ImageError::Damaged { format: "JPEG", problem };
    let options = DecoderOptions::default()
        .set_strict_mode(false)
        .set_max_width(usize::from(u16::MAX))
        .set_max_height(usize::from(u16::MAX))
        .jpeg_set_out_colorspace(ColorSpace::RGB);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().map_err(|error| damaged(error.to_string()))?;
    let (width, height) =
        decoder.dimensions().ok_or_else(|| damaged("no dimensions".to_string()))?;
    with_room(width as u64, height as u64, || {
        let pixels = decoder.decode().map_err(|error| damaged(error.to_string()))?;
        if pixels.is_empty() || pixels.len() != width * height * 3 {
            return Err(damaged("not an image of three channels".to_string()));
        }
        Ok(Rgb { width: width as u32, height: height as u32, pixels })
    })
}

/// Whether the last image in the bytes of a JPEG file comes to its end mark. Within image data the
/// two marks cannot occur; thumbnails, which have an end mark of their own, come before the image.
fn has_end(bytes: &[u8]) -> bool {
    let last = |mark: [u8; 2]| bytes.windows(2).rposition(|pair| pair == mark);
    let (start_of_scan, end_of_image) = ([0xff, 0xda], [0xff, 0xd9]);
    last(start_of_scan).is_some_and(|start| last(end_of_image).is_some_and(|end| end > start))
}

/// How many samples each component has for a block of the image, `[horizontal, vertical]`, by the
/// frame header; `None` where there is none before the image data.
fn sampling_factors(bytes: &[u8]) -> Option<Vec<[u8; 2]>> {
    let mut rest = bytes.get(2..)?;
    loop {
        let [0xff, marker, after @ ..] = rest else { return None };
        match marker {
            // Before a marker, any number of these fill up.
            0xff => rest = &rest[1..],
            // Marks without a segment.
            0x01 | 0xd0..=0xd8 => rest = after,
            // The image data, or the end.
            0xd9 | 0xda => return None,
            marker => {
                let (length, _) = after.split_first_chunk()?;
                let segment = after.get(2..usize::from(u16::from_be_bytes(*length)))?;
                // All frames but these three, which have other tables.
                if matches!(marker, 0xc0..=0xcf) && !matches!(marker, 0xc4 | 0xc8 | 0xcc) {
                    let components = segment.get(6..)?.as_chunks::<3>().0;
                    return Some(components.iter().map(|&[_, hv, _]| [hv >> 4, hv & 15]).collect());
                }
                rest = &after[2 + segment.len()..];
            }
        }
    }
}

/// Whether a component has more samples, in a direction, than the first, which is brightness.
fn is_first_exceeded(factors: &[[u8; 2]]) -> bool {
    let exceeds = |[first, other]: [[u8; 2]; 2]| other[0] > first[0] || other[1] > first[1];
    factors.iter().any(|&other| exceeds([factors[0], other]))
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::decode;
    use super::*;

    /// 16×8 pixels, the left half red, the right half blue: a baseline JPEG made by PIL, quality 95.
    pub(in super::super) const RED_BLUE: &[u8] = include_bytes!("../../assets/red-blue.jpg");
    /// Factors 1×1, 2×1 and 1×1.
    const LUMA_BELOW_CHROMA: &[u8] = include_bytes!("../../assets/luma-below-chroma.jpg");

    fn problem(bytes: &[u8]) -> String {
        decode(bytes).map_or_else(|error| error.to_string(), |_| "accepted".into())
    }

    #[test]
    fn a_jpeg_has_its_colours() {
        let image = decode(RED_BLUE).expect("an image");
        assert_eq!((image.width, image.height, image.pixels.len()), (16, 8, 384));
        let (left, right) = (&image.pixels[3..6], &image.pixels[42..45]);
        assert!(left[0] > 240 && left[2] < 15 && right[0] < 15 && right[2] > 240, "{image:?}");
    }

    #[test]
    fn every_truncation_of_a_jpeg_is_noticed() {
        for length in 3..RED_BLUE.len() {
            assert_eq!(problem(&RED_BLUE[..length]), "a truncated JPEG image", "{length} bytes");
        }
    }

    #[test]
    fn more_samples_of_a_colour_difference_than_of_brightness_are_refused() {
        let expected = "a JPEG image with more samples of a colour difference than of brightness";
        assert_eq!(problem(LUMA_BELOW_CHROMA), expected);
        assert_eq!(sampling_factors(LUMA_BELOW_CHROMA), Some(vec![[1, 1], [2, 1], [1, 1]]));
        for (factors, exceeded) in [
            (&[[2, 2], [1, 1], [1, 1]][..], false),
            (&[[1, 1]], false),
            (&[], false),
            (&[[2, 1], [1, 2], [1, 1]], true),
            (&[[1, 1], [1, 1], [1, 2]], true),
        ] {
            assert_eq!(is_first_exceeded(factors), exceeded, "{factors:?}");
        }
    }

    #[test]
    fn factors_are_found_behind_filling_bytes_and_no_further_than_the_file_goes() {
        let factors = sampling_factors(RED_BLUE).expect("a frame header");
        assert_eq!(factors.len(), 3);
        let filled = [&RED_BLUE[..2], &[0xff; 3], &RED_BLUE[2..]].concat();
        assert_eq!(sampling_factors(&filled), Some(factors));
        for length in 0..RED_BLUE.len() {
            // Any answer will do.
            sampling_factors(&RED_BLUE[..length]);
        }
    }
}
