//! Some images of a set as one array of floats, ready for the network.

use super::augment::{Augment, AugmentKey};
use super::decode::ImageError;
use super::geometry::Target;
use super::image_set::ImageSet;
use super::picture::Picture;
use super::strong::StrongAugment;

/// Some images, ready for the network.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch<T = u16> {
    /// Augmented and normalised images, row-major with the shape [`shape`](Self::shape).
    pub images: Vec<f32>,
    /// What is known of them, `[n]`: unless told otherwise, their labels.
    pub labels: Vec<T>,
    /// Where the images stand in their set, `[n]`.
    pub indices: Vec<usize>,
    /// Shape of the images: `[n, channels, height, width]`.
    pub shape: [usize; 4],
    /// Images that should be among them but could not be read.
    pub unreadable: Vec<Unreadable>,
}

/// Writes the picture of an image of a set to floats, and gives what is then known of it; a function of
/// the set, the index and the key.
pub(crate) type MakePicture<T> =
    dyn Fn(&ImageSet<T>, usize, AugmentKey, &mut [f32]) -> Result<T, ImageError> + Send + Sync;

/// An image that could not be read.
#[derive(Debug, Clone, PartialEq)]
pub struct Unreadable {
    /// Where it stands in its set.
    pub index: usize,
    /// Why, without the name of its file.
    pub problem: String,
}

impl<T: Target> Batch<T> {
    /// The images `indices` of `set`, augmented as `key` decides, in the order of the indices, but
    /// for those that cannot be read.
    ///
    /// # Panics
    ///
    /// Where an index is not below `set.len()`.
    pub fn new(set: &ImageSet<T>, indices: &[usize], augment: Augment, key: AugmentKey) -> Self {
        Self::of(set, indices, Picture { augment, strong: StrongAugment::default(), key })
    }

    /// The images `indices` of `set` as these pictures, but for those that cannot be read.
    pub(crate) fn of(set: &ImageSet<T>, indices: &[usize], picture: Picture) -> Self {
        Self::made(set, indices, |index, out| {
            let mut label = set.target(index).clone();
            label.follow(&picture.write(set, index, out)?);
            Ok(label)
        })
    }

    /// The pictures that `make` writes, `[channels, height, width]`, of the images `indices`, but for those that
    /// cannot be read.
    pub(crate) fn made(
        set: &ImageSet<T>,
        indices: &[usize],
        make: impl Fn(usize, &mut [f32]) -> Result<T, ImageError>,
    ) -> Self {
        let [channels, height, width] = set.shape();
        let image_len = set.info().image_len();
        let mut images = vec![0.0; indices.len() * image_len];
        let (mut labels, mut read) = (Vec::with_capacity(indices.len()), Vec::new());
        let mut unreadable = Vec::new();
        for &index in indices {
            let image = &mut images[read.len() * image_len..][..image_len];
            match make(index, image) {
                Ok(label) => {
                    labels.push(label);
                    read.push(index);
                }
                Err(error) => unreadable.push(Unreadable { index, problem: error.to_string() }),
            }
        }
        images.truncate(read.len() * image_len);
        let shape = [read.len(), channels, height, width];
        Self { images, labels, shape, indices: read, unreadable }
    }

    /// The first `count` images, or all where there are fewer.
    pub fn first(&self, count: usize) -> Self {
        let [images, shape @ ..] = self.shape;
        let count = count.min(images);
        let numbers = count * shape.iter().product::<usize>();
        Self {
            images: self.images[..numbers].to_vec(),
            labels: self.labels[..count].to_vec(),
            indices: self.indices[..count].to_vec(),
            shape: [count, shape[0], shape[1], shape[2]],
            unreadable: self.unreadable.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Crop, DataError, SetInfo};

    #[test]
    fn a_batch_holds_the_images_and_labels_that_its_indices_name() -> Result<(), DataError> {
        let info = SetInfo {
            name: "toy".into(),
            classes: (0..3).map(|class| class.to_string()).collect(),
            shape: [1, 1, 2],
            mean: vec![0.5],
            std: vec![0.5],
            max_value: 2,
        };
        let set = ImageSet::new(info, vec![0, 0, 1, 1, 0, 2], vec![1, 0, 2])?;
        let key = AugmentKey { seed: 0, epoch: 0 };
        let batch = Batch::new(&set, &[2, 0], Augment::NONE, key);
        let expected = Batch {
            images: vec![-1.0, 1.0, -1.0, -1.0],
            labels: vec![2, 1],
            indices: vec![2, 0],
            shape: [2, 1, 1, 2],
            unreadable: Vec::new(),
        };
        assert_eq!(batch, expected);
        Ok(())
    }

    #[test]
    fn the_change_of_an_image_does_not_depend_on_its_place_in_the_batch() -> Result<(), DataError> {
        let info = SetInfo {
            name: "toy".into(),
            classes: vec!["all".into()],
            shape: [1, 4, 4],
            mean: vec![0.5],
            std: vec![0.5],
            max_value: 255,
        };
        let set = ImageSet::new(info, (0..160).collect(), vec![0; 10])?;
        let augment = Augment { crop: Crop::Padded(2), flip: true };
        let key = AugmentKey { seed: 1, epoch: 2 };
        let whole = Batch::new(&set, &(0..10).collect::<Vec<_>>(), augment, key);
        for index in 0..10 {
            let alone = Batch::new(&set, &[index], augment, key);
            assert_eq!(whole.first(index + 1).images, whole.images[..(index + 1) * 16]);
            assert_eq!(alone.images, whole.images[index * 16..][..16], "image {index}");
        }
        Ok(())
    }
}
