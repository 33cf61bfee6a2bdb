//! Labelled images of one shape, in memory or in files: the form in which every data set reaches
//! the loader.

use std::borrow::Cow;

use super::decode::ImageError;
use super::error::DataError;
use super::files::{Framing, ImageFiles};
use super::geometry::{Geometry, Target};

/// What is true of every image of a set.
#[derive(Debug, Clone, PartialEq)]
pub struct SetInfo {
    /// Name of the set, for messages.
    pub name: String,
    /// Names of the classes; label `k` stands for `classes[k]`.
    pub classes: Vec<String>,
    /// Shape of one image: `[channels, height, width]`.
    pub shape: [usize; 3],
    /// Mean per channel, on the scale where `max_value` is 1.
    pub mean: Vec<f32>,
    /// Standard deviation per channel, on the scale where `max_value` is 1.
    pub std: Vec<f32>,
    /// Largest value of a pixel, the one that maps to 1.
    pub max_value: u8,
}

/// Images of one shape with a target each: unless told otherwise, the label of its class.
///
/// Every set that exists is consistent: labels have a class name, pixels do not exceed the largest
/// value, the numbers of images, targets, channels and constants agree.
#[derive(Debug, Clone, PartialEq)]
pub struct ImageSet<T = u16> {
    info: SetInfo,
    pixels: Pixels,
    /// `[n]`.
    targets: Vec<T>,
}

/// Where the pixels are.
#[derive(Debug, Clone, PartialEq)]
enum Pixels {
    /// In memory, `[n, channels, height, width]`.
    Memory(Vec<u8>),
    /// In files that are decoded each time that an image is asked for.
    Files(ImageFiles),
}

/// The two halves of a data set.
#[derive(Debug, Clone, PartialEq)]
pub struct Dataset<T = u16> {
    /// Images to learn from.
    pub train: ImageSet<T>,
    /// Images to judge by, none of them in `train`.
    pub test: ImageSet<T>,
}

impl SetInfo {
    /// Pixels of one image: channels × height × width.
    pub fn image_len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether the parts agree with each other.
    fn check(&self) -> Result<(), DataError> {
        let [channels, ..] = self.shape;
        let len = self.shape.iter().try_fold(1usize, |len, &size| len.checked_mul(size));
        if len.is_none_or(|len| len == 0) {
            return Err(self.error("shape", "positive sizes", format!("{:?}", self.shape)));
        }
        for (what, values) in [("mean", &self.mean), ("std", &self.std)] {
            if values.len() != channels {
                let expected = format!("{channels} values");
                return Err(self.error(what, expected, values.len().to_string()));
            }
        }
        if let Some(mean) = self.mean.iter().find(|mean| !mean.is_finite()) {
            return Err(self.error("mean", "finite values", mean.to_string()));
        }
        if let Some(std) = self.std.iter().find(|std| !std.is_normal() || **std < 0.0) {
            return Err(self.error("std", "positive values", std.to_string()));
        }
        if self.max_value == 0 {
            return Err(self.error("max_value", "at least 1", "0"));
        }
        Ok(())
    }

    /// The error that `what` is not as `expected`.
    pub(crate) fn error(
        &self,
        what: impl Into<String>,
        expected: impl Into<String>,
        got: impl Into<String>,
    ) -> DataError {
        DataError::Inconsistent {
            set: self.name.clone(),
            what: what.into(),
            expected: expected.into(),
            got: got.into(),
        }
    }
}

impl<T: Target> ImageSet<T> {
    /// A set of `targets.len()` images with `pixels` in `[n, channels, height, width]` order.
    ///
    /// # Errors
    ///
    /// [`DataError::Inconsistent`] where the parts do not agree with each other.
    pub fn new(info: SetInfo, pixels: Vec<u8>, targets: Vec<T>) -> Result<Self, DataError> {
        info.check()?;
        let (count, image_len) = (targets.len(), info.image_len());
        if count.checked_mul(image_len) != Some(pixels.len()) {
            let expected = format!("{count} images of {image_len}");
            return Err(info.error("number of pixels", expected, pixels.len().to_string()));
        }
        for (index, target) in targets.iter().enumerate() {
            if let Some([expected, got]) = target.problem(info.classes.len()) {
                return Err(info.error(format!("label of image {index}"), expected, got));
            }
        }
        if let Some(index) = pixels.iter().position(|&pixel| pixel > info.max_value) {
            let what = format!("pixel of image {}", index / image_len);
            let expected = format!("at most {}", info.max_value);
            return Err(info.error(what, expected, pixels[index].to_string()));
        }
        Ok(Self { info, pixels: Pixels::Memory(pixels), targets })
    }

    /// A set of the images in `files`, one target each.
    pub(super) fn of_files(
        info: SetInfo,
        files: ImageFiles,
        targets: Vec<T>,
    ) -> Result<Self, DataError> {
        info.check()?;
        Ok(Self { info, pixels: Pixels::Files(files), targets })
    }

    /// What is true of every image.
    pub fn info(&self) -> &SetInfo {
        &self.info
    }

    /// Shape of one image: `[channels, height, width]`.
    pub fn shape(&self) -> [usize; 3] {
        self.info.shape
    }

    /// Number of classes.
    pub fn num_classes(&self) -> usize {
        self.info.classes.len()
    }

    /// Number of images.
    pub fn len(&self) -> usize {
        self.targets.len()
    }

    /// Whether there are no images.
    pub fn is_empty(&self) -> bool {
        self.targets.is_empty()
    }

    /// Whether the images are decoded from files each time that they are asked for.
    pub fn is_in_files(&self) -> bool {
        matches!(self.pixels, Pixels::Files(_))
    }

    /// Length that the shorter side of an image has before the centre is cut out, pixels.
    pub fn resize(&self) -> usize {
        match &self.pixels {
            Pixels::Memory(_) => self.info.shape[1],
            Pixels::Files(files) => files.resize as usize,
        }
    }

    /// What to call image `index` in a message: its file, or its number.
    pub fn describe(&self, index: usize) -> String {
        match &self.pixels {
            Pixels::Memory(_) => format!("image {index}"),
            Pixels::Files(files) => files.path(index).display().to_string(),
        }
    }

    /// The pixels of image `index` of a set in memory, `[channels, height, width]`.
    ///
    /// # Panics
    ///
    /// Where `index` is not below [`len`](Self::len), as a slice does, and where the images
    /// [are in files](Self::is_in_files).
    pub fn image(&self, index: usize) -> &[u8] {
        match &self.pixels {
            Pixels::Memory(pixels) => {
                let len = self.info.image_len();
                &pixels[index * len..][..len]
            }
            Pixels::Files(_) => panic!("{} is not in memory", self.describe(index)),
        }
    }

    /// The pixels of image `index`, `[channels, height, width]`, and which part of it they are; of
    /// one in a file, the part that `framing` says.
    ///
    /// # Errors
    ///
    /// Where the file gives no image.
    pub(super) fn pixels(
        &self,
        index: usize,
        framing: Framing,
    ) -> Result<(Cow<'_, [u8]>, Geometry), ImageError> {
        let [_, size @ ..] = self.info.shape;
        match &self.pixels {
            Pixels::Memory(_) => Ok((Cow::Borrowed(self.image(index)), Geometry::whole(size))),
            Pixels::Files(files) => {
                let (pixels, part) = files.read(index, self.info.shape, framing)?;
                Ok((Cow::Owned(pixels), part))
            }
        }
    }

    /// What is known of image `index`.
    ///
    /// # Panics
    ///
    /// Where `index` is not below [`len`](Self::len), as a slice does.
    pub fn target(&self, index: usize) -> &T {
        &self.targets[index]
    }

    /// What is known of all images, `[n]`.
    pub fn targets(&self) -> &[T] {
        &self.targets
    }

    /// The images `indices`, in that order; an index may occur more than once.
    ///
    /// # Panics
    ///
    /// Where an index is not below [`len`](Self::len), as a slice does.
    pub fn subset(&self, indices: &[usize]) -> Self {
        let pixels = match &self.pixels {
            Pixels::Memory(_) => {
                let images = indices.iter().flat_map(|&index| self.image(index));
                Pixels::Memory(images.copied().collect())
            }
            Pixels::Files(files) => Pixels::Files(files.subset(indices)),
        };
        Self {
            info: self.info.clone(),
            pixels,
            targets: indices.iter().map(|&index| self.target(index).clone()).collect(),
        }
    }
}

impl ImageSet {
    /// The label of image `index`.
    ///
    /// # Panics
    ///
    /// Where `index` is not below [`len`](Self::len), as a slice does.
    pub fn label(&self, index: usize) -> u16 {
        self.targets[index]
    }

    /// The labels of all images, `[n]`.
    pub fn labels(&self) -> &[u16] {
        &self.targets
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two images of 2 channels, 1 row, 2 columns, and two classes.
    fn info() -> SetInfo {
        SetInfo {
            name: "toy".into(),
            classes: vec!["cat".into(), "dog".into()],
            shape: [2, 1, 2],
            mean: vec![0.5, 0.5],
            std: vec![0.25, 0.25],
            max_value: 9,
        }
    }

    fn message(info: SetInfo, pixels: &[u8], labels: &[u16]) -> String {
        let set = ImageSet::new(info, pixels.to_vec(), labels.to_vec());
        set.map_or_else(|error| error.to_string(), |_| "accepted".into())
    }

    #[test]
    fn images_and_labels_come_back_by_index() -> Result<(), DataError> {
        let set = ImageSet::new(info(), (0..8).collect(), vec![1, 0])?;
        assert_eq!((set.len(), set.num_classes(), set.is_empty()), (2, 2, false));
        assert_eq!(set.image(1), [4, 5, 6, 7]);
        assert_eq!((set.label(0), set.labels()), (1, [1, 0].as_slice()));
        Ok(())
    }

    #[test]
    fn a_subset_keeps_the_order_of_its_indices() -> Result<(), DataError> {
        let set = ImageSet::new(info(), (0..8).collect(), vec![1, 0])?.subset(&[1, 0, 1]);
        assert_eq!(set.labels(), [0, 1, 0]);
        assert_eq!([set.image(0), set.image(1)].concat(), [4, 5, 6, 7, 0, 1, 2, 3]);
        Ok(())
    }

    #[test]
    fn images_that_do_not_fit_are_refused_with_numbers() {
        let cases = [
            (&[0; 7][..], &[0, 1][..], "number of pixels: expected 2 images of 4, got 7"),
            (&[0; 8], &[0, 2], "label of image 1: expected below 2, got 2"),
            (&[0, 0, 0, 0, 0, 10, 0, 0], &[0, 1], "pixel of image 1: expected at most 9, got 10"),
        ];
        for (pixels, labels, expected) in cases {
            assert_eq!(message(info(), pixels, labels), format!("toy: {expected}"));
        }
    }

    #[test]
    fn constants_that_do_not_fit_are_refused() {
        let cases = [
            SetInfo { shape: [2, 0, 2], ..info() },
            SetInfo { shape: [2, usize::MAX, 2], ..info() },
            SetInfo { mean: vec![0.5], ..info() },
            SetInfo { mean: vec![0.5, f32::NAN], ..info() },
            SetInfo { std: vec![0.25; 3], ..info() },
            SetInfo { std: vec![0.25, 0.0], ..info() },
            SetInfo { std: vec![0.25, -1.0], ..info() },
            SetInfo { max_value: 0, ..info() },
        ];
        for info in cases {
            assert!(message(info.clone(), &[0; 8], &[0, 1]).contains("expected"), "{info:?}");
        }
    }
}
