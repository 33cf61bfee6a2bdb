//! Labelled images of one shape, in memory or in files: the form in which every data set reaches
//! the loader.

mod shown;

use std::borrow::Cow;

use super::decode::{ImageError, Rgb};
use super::error::DataError;
use super::files::{FileView, Framing, ImageFiles};
use super::fnv::Fnv;
use super::geometry::{Geometry, Target};
use super::set_info::SetInfo;

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

/// The parts of a data set.
#[derive(Debug, Clone, PartialEq)]
pub struct Dataset<T = u16> {
    /// Images to learn from.
    pub train: ImageSet<T>,
    /// Images to choose by, none of them in the others, where the set has such a part.
    pub val: Option<ImageSet<T>>,
    /// Images to judge by, none of them in `train`.
    pub test: ImageSet<T>,
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
        info.check_targets(&targets)?;
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

    /// Length that the shorter side of an image has before the centre is cut out, pixels; the picture's
    /// height where nothing is cut out.
    pub fn resize(&self) -> usize {
        match &self.pixels {
            Pixels::Memory(_) => self.info.shape[1],
            Pixels::Files(files) => match files.view {
                FileView::Centre { resize } => resize as usize,
                FileView::Letterbox => self.info.shape[1],
            },
        }
    }

    /// The same images in files, of which all is seen: as large as it fits into pictures of this height
    /// and width, with grey around it ([`FILL`](crate::boxes::FILL)).
    ///
    /// # Errors
    ///
    /// [`DataError::Inconsistent`] where the images are in memory, or a side is 0.
    pub fn letterboxed(self, [height, width]: [usize; 2]) -> Result<Self, DataError> {
        let Pixels::Files(files) = self.pixels else {
            return Err(self.info.error("images", "images in files", "images in memory"));
        };
        let shape = [self.info.shape[0], height, width];
        let info = SetInfo { shape, ..self.info };
        info.check()?;
        let pixels = Pixels::Files(ImageFiles { view: FileView::Letterbox, ..files });
        Ok(Self { info, pixels, ..self })
    }

    /// The same images, of which something else is known, `[n]`.
    ///
    /// # Errors
    ///
    /// [`DataError::Inconsistent`] where there are more or fewer targets, or one that is wrong in itself.
    pub fn with_targets<U: Target>(self, targets: Vec<U>) -> Result<ImageSet<U>, DataError> {
        if targets.len() != self.len() {
            let expected = format!("{} targets", self.len());
            return Err(self.info.error("targets", expected, targets.len().to_string()));
        }
        self.info.check_targets(&targets)?;
        Ok(ImageSet { info: self.info, pixels: self.pixels, targets })
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
                let (pixels, part) =
                    files.read(index, self.info.shape, framing, self.target(index).size())?;
                Ok((Cow::Owned(pixels), part))
            }
        }
    }

    /// All of the image in the file of image `index`, of three channels.
    ///
    /// # Errors
    ///
    /// Where the file gives no image, or one of another size than its target tells.
    ///
    /// # Panics
    ///
    /// As [`image`](Self::image), and where the images are not in files.
    pub(super) fn decode(&self, index: usize) -> Result<Rgb, ImageError> {
        match &self.pixels {
            Pixels::Memory(_) => panic!("{} is in no file", self.describe(index)),
            Pixels::Files(files) => files.decode(index, self.target(index).size()),
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

    /// The same images, to be normalised with these means and standard deviations, one for each
    /// channel.
    ///
    /// # Errors
    ///
    /// [`DataError::Inconsistent`] where they are not as many as the channels, or none to use.
    pub fn normalised_by(self, mean: &[f32], std: &[f32]) -> Result<Self, DataError> {
        let info = SetInfo { mean: mean.to_vec(), std: std.to_vec(), ..self.info };
        info.check()?;
        Ok(Self { info, ..self })
    }

    /// A number that differs where sets have other images, another order of them, or other labels:
    /// made of the pixels of images in memory, and of the names of those in files, which lie below
    /// the set's folder.
    pub fn fingerprint(&self) -> u64 {
        let mut hash = Fnv::new();
        match &self.pixels {
            Pixels::Memory(pixels) => hash.words(pixels),
            Pixels::Files(files) => files.hash_names(|bytes| hash.bytes(bytes)),
        }
        for target in &self.targets {
            hash.bytes(&target.class().unwrap_or(u16::MAX).to_le_bytes());
            target.tell(&mut |bytes| hash.bytes(bytes));
        }
        hash.0
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
    /// The same images among these classes: those that were of class `k` are of `labels[k]` now.
    ///
    /// # Errors
    ///
    /// [`DataError::Inconsistent`] where there is not a label for each class, or one of no class.
    pub fn among_classes(self, classes: Vec<String>, labels: &[u16]) -> Result<Self, DataError> {
        if labels.len() != self.num_classes() {
            let expected = format!("{} labels", self.num_classes());
            return Err(self.info.error("classes", expected, labels.len().to_string()));
        }
        if let Some(stranger) = labels.iter().find(|label| usize::from(**label) >= classes.len()) {
            let expected = format!("labels below {}", classes.len());
            return Err(self.info.error("classes", expected, stranger.to_string()));
        }
        let targets = self.targets.iter().map(|&label| labels[usize::from(label)]).collect();
        Ok(Self { info: SetInfo { classes, ..self.info }, targets, ..self })
    }

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
mod tests;
