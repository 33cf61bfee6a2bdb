//! From a file to the pixels of an image: JPEG, PNG and WebP, told apart by their bytes.

mod jpeg;
mod webp;

use std::fs::{self, File};
use std::io::{self, Cursor, Read};
use std::panic;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use thiserror::Error;

use jpeg::jpeg;
use webp::webp;

/// Larger files are refused unread.
const MAX_FILE_BYTES: u64 = 256 << 20;
/// Images of more pixels are refused before memory is given to them.
const MAX_PIXELS: u64 = 1 << 26;
/// Of larger images only one is decoded at a time, so that threads do not add up.
const LARGE_PIXELS: u64 = 1 << 24;
/// Bytes that a decoder may ask for beside the picture itself.
const MAX_DECODER_BYTES: usize = 1 << 28;

/// Held while a large image is decoded.
static LARGE: Mutex<()> = Mutex::new(());

/// Makes an image of the bytes of a format.
type Decoder = fn(&[u8]) -> Result<Rgb, ImageError>;

/// Why a file gives no image.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ImageError {
    /// The file system refused.
    #[error("cannot be read: {0}")]
    Io(#[from] io::Error),
    /// A file too large to be a picture.
    #[error("expected a file of at most {} MB, got {} MB", MAX_FILE_BYTES >> 20, .bytes >> 20)]
    FileTooLarge {
        /// Its size.
        bytes: u64,
    },
    /// A picture too large to decode.
    #[error(
        "expected an image of at most {} million pixels, got {width}x{height}",
        MAX_PIXELS / 1_000_000
    )]
    TooLarge {
        /// Columns.
        width: u64,
        /// Rows.
        height: u64,
    },
    /// None of the formats.
    #[error("neither a JPEG nor a PNG nor a WebP image")]
    UnknownFormat,
    /// A JPEG file that ends before its image does.
    #[error("a truncated JPEG image")]
    Truncated,
    /// A JPEG image of a kind that the decoder gives wrong colours.
    #[error("a JPEG image with more samples of a colour difference than of brightness")]
    Sampling,
    /// An image of another size than its boxes were drawn on.
    #[error("expected an image of {}x{}, as its boxes are for, got {}x{}", .expected[1], .expected[0], .got[1], .got[0])]
    OtherSize {
        /// Height and width that the file of boxes tells.
        expected: [usize; 2],
        /// Height and width of the image.
        got: [usize; 2],
    },
    /// The decoder's reason.
    #[error("a damaged {format} image: {problem}")]
    Damaged {
        /// `JPEG`, `PNG` or `WebP`.
        format: &'static str,
        /// What the decoder said.
        problem: String,
    },
}

/// A decoded image of three channels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rgb {
    /// Columns, at least 1.
    pub width: u32,
    /// Rows, at least 1.
    pub height: u32,
    /// `[height, width, 3]`.
    pub pixels: Vec<u8>,
}

impl Rgb {
    /// Height and width.
    pub fn size(&self) -> [usize; 2] {
        [self.height, self.width].map(|side| side as usize)
    }
}

/// The image in the file `path`, as three channels: grey values become equal ones, transparency is
/// dropped, no rotation of a camera is undone, as in torchvision.
///
/// # Errors
///
/// Where the file is no regular one, or of none of the formats, damaged, or too large.
pub fn read(path: &Path) -> Result<Rgb, ImageError> {
    // A pipe would keep even the opening waiting.
    let metadata = fs::metadata(path)?;
    if !metadata.is_file() {
        return Err(ImageError::Io(io::Error::other("not a regular file")));
    }
    if metadata.len() > MAX_FILE_BYTES {
        return Err(ImageError::FileTooLarge { bytes: metadata.len() });
    }
    let mut bytes = Vec::with_capacity(metadata.len() as usize);
    File::open(path)?.take(MAX_FILE_BYTES).read_to_end(&mut bytes)?;
    decode(&bytes)
}

/// The image in `bytes`.
pub(super) fn decode(bytes: &[u8]) -> Result<Rgb, ImageError> {
    let (format, decoder): (_, Decoder) = match bytes {
        [0xff, 0xd8, 0xff, ..] => ("JPEG", jpeg),
        [0x89, b'P', b'N', b'G', ..] => ("PNG", png),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => ("WebP", webp),
        _ => return Err(ImageError::UnknownFormat),
    };
    // A file that trips a decoder must not end a run of days.
    panic::catch_unwind(|| decoder(bytes)).unwrap_or_else(|_| {
        Err(ImageError::Damaged { format, problem: "the decoder failed".into() })
    })
}

/// Runs `decode` where an image of this size may be decoded.
fn with_room<T>(
    width: u64,
    height: u64,
    decode: impl FnOnce() -> Result<T, ImageError>,
) -> Result<T, ImageError> {
    let pixels = width * height;
    if pixels > MAX_PIXELS {
        return Err(ImageError::TooLarge { width, height });
    }
    let _room =
        (pixels > LARGE_PIXELS).then(|| LARGE.lock().unwrap_or_else(PoisonError::into_inner));
    decode()
}

fn png(bytes: &[u8]) -> Result<Rgb, ImageError> {
    let damaged = |error: png::DecodingError| ImageError::Damaged {
        format: "PNG",
        problem: error.to_string(),
    };
    let limits = png::Limits { bytes: MAX_DECODER_BYTES };
    let mut decoder = png::Decoder::new_with_limits(Cursor::new(bytes), limits);
    // Colour profiles and comments are of no use here, and may be bombs.
    decoder.set_ignore_iccp_chunk(true);
    decoder.set_ignore_text_chunk(true);
    decoder.set_transformations(png::Transformations::normalize_to_color8());
    let (width, height) = decoder.read_header_info().map_err(damaged)?.size();
    with_room(width.into(), height.into(), || {
        let mut reader = decoder.read_info().map_err(damaged)?;
        let size = reader.output_buffer_size();
        let mut pixels =
            vec![
                0;
                size.ok_or(ImageError::TooLarge { width: width.into(), height: height.into() })?
            ];
        let frame = reader.next_frame(&mut pixels).map_err(damaged)?;
        pixels.truncate(frame.buffer_size());
        let pixels = match frame.color_type {
            png::ColorType::Rgb => pixels,
            png::ColorType::Rgba => {
                without_alpha(&pixels, 4, |pixel| [pixel[0], pixel[1], pixel[2]])
            }
            png::ColorType::GrayscaleAlpha => without_alpha(&pixels, 2, |pixel| [pixel[0]; 3]),
            // A palette was replaced by its colours.
            png::ColorType::Grayscale | png::ColorType::Indexed => {
                without_alpha(&pixels, 1, |pixel| [pixel[0]; 3])
            }
        };
        Ok(Rgb { width, height, pixels })
    })
}

/// Pixels of `channels` bytes as pixels of three.
fn without_alpha(pixels: &[u8], channels: usize, rgb: impl Fn(&[u8]) -> [u8; 3]) -> Vec<u8> {
    pixels.chunks_exact(channels).flat_map(rgb).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    use super::jpeg::tests::RED_BLUE;

    fn png_of(width: u32, height: u32, color: png::ColorType, depth: png::BitDepth) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, width, height);
        encoder.set_color(color);
        encoder.set_depth(depth);
        if color == png::ColorType::Indexed {
            encoder.set_palette(vec![9, 8, 7, 1, 2, 3]);
        }
        let mut writer = encoder.write_header().expect("a header");
        let bits = color.samples() * depth as usize * width as usize;
        let row = bits.div_ceil(8);
        let data: Vec<u8> = (0..row * height as usize).map(|i| i as u8).collect();
        writer.write_image_data(&data).expect("pixels");
        writer.finish().expect("an end");
        bytes
    }

    fn problem(bytes: &[u8]) -> String {
        decode(bytes).map_or_else(|error| error.to_string(), |_| "accepted".into())
    }

    #[test]
    fn every_kind_of_png_becomes_three_channels() {
        use png::{BitDepth, ColorType};
        let pixels = |color, depth| decode(&png_of(2, 1, color, depth)).expect("an image").pixels;
        assert_eq!(pixels(ColorType::Rgb, BitDepth::Eight), [0, 1, 2, 3, 4, 5]);
        assert_eq!(pixels(ColorType::Rgba, BitDepth::Eight), [0, 1, 2, 4, 5, 6]);
        assert_eq!(pixels(ColorType::Grayscale, BitDepth::Eight), [0, 0, 0, 1, 1, 1]);
        assert_eq!(pixels(ColorType::GrayscaleAlpha, BitDepth::Eight), [0, 0, 0, 2, 2, 2]);
        assert_eq!(pixels(ColorType::Indexed, BitDepth::One), [9, 8, 7, 9, 8, 7]);
        assert_eq!(pixels(ColorType::Rgb, BitDepth::Sixteen), [0, 2, 4, 6, 8, 10]);
    }

    #[test]
    fn what_is_no_image_is_told_apart() {
        assert_eq!(problem(b""), "neither a JPEG nor a PNG nor a WebP image");
        assert_eq!(
            problem(b"a text in a file named cat.png"),
            "neither a JPEG nor a PNG nor a WebP image"
        );
        // Both marks, but no image between them.
        let empty = problem(&[0xff, 0xd8, 0xff, 0xda, 0xff, 0xd9]);
        assert!(empty.starts_with("a damaged JPEG image: "), "{empty}");
        let png = png_of(64, 64, png::ColorType::Rgb, png::BitDepth::Eight);
        for length in [8, 20, 40, png.len() / 2] {
            let said = problem(&png[..length]);
            assert!(said.starts_with("a damaged PNG image: "), "{length}: {said}");
        }
    }

    #[test]
    fn no_byte_turned_over_brings_the_program_down() {
        for at in 0..RED_BLUE.len() {
            let mut bytes = RED_BLUE.to_vec();
            bytes[at] ^= 0xff;
            // Any answer will do.
            problem(&bytes);
        }
    }

    #[test]
    fn huge_images_are_refused_before_memory_is_given_to_them() {
        // The header of a PNG image with 4 billion pixels, and nothing else of it.
        let mut png = png_of(1, 1, png::ColorType::Rgb, png::BitDepth::Eight);
        png[16..24].copy_from_slice(&[0, 0, 0xff, 0xff, 0, 0, 0xff, 0xff]);
        let checksum = crc(&png[12..29]);
        png[29..33].copy_from_slice(&checksum.to_be_bytes());
        let expected = "expected an image of at most 67 million pixels, got 65535x65535";
        assert_eq!(problem(&png), expected);
        // A JPEG's sizes stand in its frame header, rows first.
        let mut jpeg = RED_BLUE.to_vec();
        let frame = jpeg.windows(2).position(|pair| pair == [0xff, 0xc0]).expect("a frame");
        jpeg[frame + 5..frame + 9].fill(0xff);
        assert_eq!(problem(&jpeg), expected);
    }

    /// The checksum of a PNG chunk.
    fn crc(bytes: &[u8]) -> u32 {
        bytes.iter().fold(u32::MAX, |crc, &byte| {
            (0..8).fold(crc ^ u32::from(byte), |crc, _| {
                if crc & 1 == 1 { 0xedb8_8320 ^ (crc >> 1) } else { crc >> 1 }
            })
        }) ^ u32::MAX
    }

    #[cfg(unix)]
    #[test]
    fn what_is_no_file_is_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let link = folder.path().join("loop.jpg");
        std::os::unix::fs::symlink(&link, &link).expect("a link");
        for path in [folder.path(), &link, &folder.path().join("none.jpg")] {
            let error = read(path).expect_err("must be refused").to_string();
            assert!(error.starts_with("cannot be read: "), "{error}");
        }
    }
}
