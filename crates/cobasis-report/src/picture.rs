//! Pictures inside the page.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// Red, green, blue, opacity.
pub(crate) type Pixel = [u8; 4];

/// A picture of `width × height` pixels, row by row, as an address that holds it.
///
/// # Panics
///
/// Panics if the number of pixels is another, or there are none.
pub(crate) fn data_uri(width: usize, height: usize, pixels: &[Pixel]) -> String {
    assert_eq!(pixels.len(), width * height, "a picture of {width} x {height}");
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width as u32, height as u32);
    encoder.set_color(png::ColorType::Rgba);
    encoder.set_depth(png::BitDepth::Eight);
    let written = encoder.write_header().and_then(|mut writer| {
        writer.write_image_data(pixels.as_flattened())?;
        writer.finish()
    });
    // Memory does not refuse to be written to, and the sizes agree.
    written.expect("a picture of the size that it says");
    format!("data:image/png;base64,{}", STANDARD.encode(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    #[test]
    fn the_picture_comes_back() {
        let pixels = [[1, 2, 3, 4], [5, 6, 7, 8]];
        let uri = data_uri(2, 1, &pixels);
        let bytes = STANDARD.decode(uri.strip_prefix("data:image/png;base64,").unwrap()).unwrap();
        let mut reader = png::Decoder::new(Cursor::new(bytes)).read_info().unwrap();
        let mut read = [0; 8];
        reader.next_frame(&mut read).unwrap();
        assert_eq!(read, [1, 2, 3, 4, 5, 6, 7, 8]);
    }
}
