//! WebP, by image-webp.

use std::io::Cursor;

use image_webp::WebPDecoder;

use super::{ImageError, MAX_DECODER_BYTES, Rgb, with_room, without_alpha};

/// The image in the bytes of a WebP file; of an animation, the first frame.
pub(super) fn webp(bytes: &[u8]) -> Result<Rgb, ImageError> {
    let damaged = |error: image_webp::DecodingError| ImageError::Damaged {
        format: "WebP",
        problem: error.to_string(),
    };
    let mut decoder = WebPDecoder::new(Cursor::new(bytes)).map_err(damaged)?;
    decoder.set_memory_limit(MAX_DECODER_BYTES);
    let (width, height) = decoder.dimensions();
    with_room(width.into(), height.into(), || {
        let size = decoder.output_buffer_size();
        let too_large = || ImageError::TooLarge { width: width.into(), height: height.into() };
        let mut pixels = vec![0; size.ok_or_else(too_large)?];
        decoder.read_image(&mut pixels).map_err(damaged)?;
        let pixels = match decoder.has_alpha() {
            true => without_alpha(&pixels, 4, |pixel| [pixel[0], pixel[1], pixel[2]]),
            false => pixels,
        };
        Ok(Rgb { width, height, pixels })
    })
}

#[cfg(test)]
mod tests {
    use image_webp::{ColorType, WebPEncoder};

    use super::super::decode;

    fn webp_of(pixels: &[u8], color: ColorType) -> Vec<u8> {
        let mut bytes = Vec::new();
        WebPEncoder::new(&mut bytes).encode(pixels, 2, 1, color).expect("an image");
        bytes
    }

    #[test]
    fn every_kind_of_webp_becomes_three_channels() {
        let pixels = |bytes: Vec<u8>| decode(&bytes).expect("an image").pixels;
        assert_eq!(pixels(webp_of(&[0, 1, 2, 3, 4, 5], ColorType::Rgb8)), [0, 1, 2, 3, 4, 5]);
        let transparent = webp_of(&[10, 20, 30, 200, 40, 50, 60, 255], ColorType::Rgba8);
        assert_eq!(pixels(transparent), [10, 20, 30, 40, 50, 60]);
        assert_eq!(pixels(webp_of(&[7, 9], ColorType::L8)), [7, 7, 7, 9, 9, 9]);
    }

    #[test]
    fn truncated_and_changed_files_are_told_or_read_and_never_panic() {
        let whole = webp_of(&[0, 1, 2, 3, 4, 5], ColorType::Rgb8);
        for length in 12..whole.len() - 1 {
            let said = decode(&whole[..length]).expect_err("must be refused").to_string();
            assert!(said.starts_with("a damaged WebP image: "), "{length}: {said}");
        }
        for at in 12..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 0xff;
            // Any answer will do.
            let _ = decode(&bytes);
        }
    }
}
