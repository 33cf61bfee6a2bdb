//! Images in memory as another network takes them: with three channels, or of another size.

use super::{ImageSet, Pixels};
use crate::decode::Rgb;
use crate::error::DataError;
use crate::geometry::Target;
use crate::resample::centre;
use crate::set_info::SetInfo;

/// Channels of a colour image.
const COLOURS: usize = 3;
/// What the images of a set may take in memory, bytes.
const MAX_BYTES: usize = 4 << 30;

impl<T: Target> ImageSet<T> {
    /// The same images with so many channels: grey ones become three equal ones, normalised as the one.
    ///
    /// # Errors
    ///
    /// [`DataError::Inconsistent`] where they have another number of channels, and are not grey.
    pub fn with_channels(self, channels: usize) -> Result<Self, DataError> {
        let [ours, height, width] = self.info.shape;
        if ours == channels {
            return Ok(self);
        }
        let pixels = match self.pixels {
            Pixels::Memory(pixels) if (ours, channels) == (1, COLOURS) => pixels,
            _ => {
                let expected = format!("images of {channels} channels, or grey ones for {COLOURS}");
                return Err(self.info.error("images", expected, format!("{ours} channels")));
            }
        };
        let pixels = pixels.chunks_exact(height * width).flat_map(|plane| [plane; COLOURS]);
        let info = SetInfo {
            shape: [channels, height, width],
            mean: vec![self.info.mean[0]; channels],
            std: vec![self.info.std[0]; channels],
            ..self.info
        };
        Self::new(info, pixels.flatten().copied().collect(), self.targets)
    }

    /// The same images as squares of this side, in pixels: the shorter side is resized to it, as images in files
    /// are, and the centre cut out. Those that have the size are left as they are; of others, the largest value of a
    /// pixel becomes 255.
    ///
    /// # Errors
    ///
    /// [`DataError::Inconsistent`] where the side is 0, or the images would take more than 4 GiB.
    ///
    /// # Panics
    ///
    /// Where the images are in files, which are resized as they are decoded, or have neither one channel nor three.
    pub fn resized(self, side: usize) -> Result<Self, DataError> {
        let [channels, height, width] = self.info.shape;
        if [height, width] == [side; 2] {
            return Ok(self);
        }
        let bytes = side.checked_mul(side).and_then(|area| area.checked_mul(channels * self.len()));
        if side == 0 || bytes.is_none_or(|bytes| bytes > MAX_BYTES) {
            let expected = format!("{} images of at most 4 GiB in all", self.len());
            return Err(self.info.error("size", expected, format!("{side}x{side} pixels")));
        }
        let max = u16::from(self.info.max_value);
        let plane = height * width;
        let images = (0..self.len()).flat_map(|index| {
            let image = self.image(index);
            let value = |at: usize, channel: usize| {
                let value = u16::from(image[channel.min(channels - 1) * plane + at]);
                ((value * 255 + max / 2) / max) as u8
            };
            let pixels = (0..plane).flat_map(|at| [0, 1, 2].map(|channel| value(at, channel)));
            let [height, width] = [height, width].map(|side| side as u32);
            let image = Rgb { width, height, pixels: pixels.collect() };
            let square = centre(&image, side as u32, side as u32);
            let of =
                move |channel: usize| square.clone().into_iter().skip(channel).step_by(COLOURS);
            (0..channels).flat_map(of).collect::<Vec<u8>>()
        });
        let pixels = images.collect();
        let info = SetInfo { shape: [channels, side, side], max_value: 255, ..self.info };
        Self::new(info, pixels, self.targets)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grey(shape: [usize; 3], pixels: &[u8]) -> ImageSet {
        let channels = shape[0];
        let info = SetInfo {
            name: "toy".into(),
            classes: vec!["cat".into()],
            shape,
            mean: vec![0.25; channels],
            std: vec![0.5; channels],
            max_value: 16,
        };
        let images = pixels.len() / info.image_len();
        ImageSet::new(info, pixels.to_vec(), vec![0; images]).expect("a set")
    }

    #[test]
    fn grey_images_get_three_equal_channels() {
        let set = grey([1, 1, 2], &[1, 2, 3, 4]).with_channels(3).expect("grey images");
        assert_eq!((set.shape(), set.info().mean.as_slice()), ([3, 1, 2], [0.25; 3].as_slice()));
        assert_eq!(
            [set.image(0), set.image(1)],
            [[1, 2, 1, 2, 1, 2].as_slice(), &[3, 4, 3, 4, 3, 4]]
        );
        assert_eq!(set.clone().with_channels(3).expect("as they are"), set);
        let said = set.with_channels(1).expect_err("must be refused").to_string();
        assert!(said.contains("expected images of 1 channels") && said.ends_with("3 channels"));
        let said = grey([1, 1, 2], &[1, 2]).with_channels(2).expect_err("refused").to_string();
        assert!(said.ends_with("got 1 channels"), "{said}");
    }

    #[test]
    fn images_are_resized_on_the_scale_of_bytes() {
        // Columns 0 to 3; half as many are means under a triangle: weights 1, 3, 3, 1 of 8, at the edge 3, 3, 1 of 7.
        let rows = |row: [u8; 4]| [row; 4].concat();
        let set = grey([1, 4, 4], &[rows([16, 16, 16, 16]), rows([0, 0, 16, 16])].concat());
        let halves = set.clone().resized(2).expect("smaller images");
        assert_eq!((halves.shape(), halves.info().max_value), ([1, 2, 2], 255));
        assert_eq!(halves.image(0), [255; 4]);
        let [left, right] = [255.0 / 7.0, 255.0 * 6.0 / 7.0].map(|value: f32| value.round() as u8);
        assert_eq!(halves.image(1), [left, right, left, right]);
        // Of several channels each is its own.
        let two = [rows([16, 16, 16, 16]), rows([0, 0, 0, 0]), rows([0, 0, 16, 16])].concat();
        let colour = grey([3, 4, 4], &two).resized(2).expect("smaller images");
        assert_eq!(colour.image(0), [[255; 4], [0; 4], [left, right, left, right]].concat());
        assert_eq!(set.clone().resized(4).expect("as they are"), set);
        for side in [0, 1 << 20, usize::MAX] {
            let said = set.clone().resized(side).expect_err("must be refused").to_string();
            assert!(said.contains("expected 2 images of at most 4 GiB in all"), "{said}");
        }
    }
}
