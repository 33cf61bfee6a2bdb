//! What a detector finds in images of which nothing is known.

use std::sync::Arc;

use burn::tensor::{Device, Tensor};
use cobasis_data::boxes::Detection;

use super::{Suppression, detections, is_finite};
use crate::data::{Geometry, ImageSet};
use crate::predict::{Skipped, batches};
use crate::tensors::{host, images};

/// How images are fed to a detector, and which of its boxes are told.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FindConfig {
    /// Images at a time, at least 1; memory holds a few such batches, however many there are.
    pub batch: usize,
    /// Threads that decode images ahead; 0 = none.
    pub workers: usize,
    /// Which boxes are told.
    pub suppression: Suppression,
}

/// What a detector finds in an image.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// Where the image stands in its set.
    pub index: usize,
    /// Its height and width in pixels.
    pub size: [usize; 2],
    /// The things, the highest scores first, in pixels of the image; each of image `index`.
    pub detections: Vec<Detection>,
    /// Whether all that the detector says are numbers to compute with; else things may be missing.
    pub is_finite: bool,
}

/// Finds things of so many classes in all images of a set, whose pictures show all of each
/// ([`ImageSet::letterboxed`]), batch by batch, with what gives a detector's rows, `[batch, points * (5 +
/// classes)]`, for images on the device, `[batch, channels, height, width]`. Images that can't be read are told too.
///
/// # Panics
///
/// As [`detections`].
pub fn find_with(
    forward: impl Fn(Tensor<4>) -> Tensor<2>,
    device: &Device,
    set: &Arc<ImageSet<Option<Geometry>>>,
    classes: usize,
    config: FindConfig,
    mut after_batch: impl FnMut(Vec<Found>, Vec<Skipped>),
) {
    let FindConfig { batch: size, workers, suppression } = config;
    let [_, input @ ..] = set.shape();
    for batch in batches(set, size, workers) {
        let mut all = Vec::new();
        if !batch.indices.is_empty() {
            let output = forward(images(&batch, device));
            let numbers = output.dims()[1];
            let output = host(output);
            let rows = output.chunks_exact(numbers).zip(&batch.indices).zip(&batch.labels);
            all.extend(rows.map(|((row, &index), geometry)| {
                let size = geometry.map_or(input, |geometry| geometry.image);
                let found = detections(row, classes, input, size, suppression).into_iter();
                let detections = found.map(|one| Detection { image: index, ..one }).collect();
                Found { index, size, detections, is_finite: is_finite(row) }
            }));
        }
        let skipped = batch.unreadable.into_iter();
        let skipped = skipped
            .map(|image| Skipped { file: set.describe(image.index), problem: image.problem });
        after_batch(all, skipped.collect());
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::TensorData;
    use cobasis_data::boxes::png;
    use cobasis_data::{Rgb, View, unlabelled};

    use super::*;

    #[test]
    fn boxes_are_in_pixels_of_each_image() {
        let dir = tempfile::tempdir().expect("a folder");
        for (name, [height, width]) in [("a.png", [64, 96]), ("b.png", [128, 64])] {
            let pixels = vec![9; 3 * height * width];
            let image = Rgb { width: width as u32, height: height as u32, pixels };
            std::fs::write(dir.path().join(name), png(&image)).expect("a file");
        }
        std::fs::write(dir.path().join("c.png"), "no image").expect("a file");
        let view = View { size: 32, resize: 32 };
        let set = unlabelled(&[dir.path()], view, [&[0.5; 3], &[0.5; 3]]).expect("images");
        let set = set.letterboxed([32, 32]).expect("pictures");
        let set = set.with_targets(vec![None; 3]).expect("targets");
        let forward = |images: Tensor<4>| {
            let [batch, channels, height, width] = images.dims();
            assert_eq!([channels, height, width], [3, 32, 32]);
            let row = [8.0f32, 8.0, 24.0, 24.0, 9.0, -9.0, 9.0];
            let rows = TensorData::new(row.repeat(batch), [batch, row.len()]);
            Tensor::from_data(rows, &images.device())
        };
        let config = FindConfig { batch: 2, workers: 0, suppression: Suppression::default() };
        let (mut told, mut lost) = (Vec::new(), 0);
        find_with(forward, &Device::flex(), &Arc::new(set), 2, config, |found, skipped| {
            told.extend(found);
            lost += skipped.len();
        });
        let boxes = told.iter().map(|Found { index, size, detections, is_finite }| {
            let [Detection { image, class, rect, .. }] = detections[..] else { panic!("{told:?}") };
            assert!(*is_finite && image == *index && class == 1);
            (*index, *size, rect.corners())
        });
        let boxes: Vec<_> = boxes.collect();
        // 21 pixels high, 5 down; 16 wide, 8 along.
        let scale = 64.0 / 21.0;
        assert_eq!(boxes[0], (0, [64, 96], [24.0, 3.0 * scale, 72.0, 19.0 * scale]));
        assert_eq!(boxes[1], (1, [128, 64], [0.0, 32.0, 64.0, 96.0]));
        assert_eq!((boxes.len(), lost), (2, 1));
    }
}
