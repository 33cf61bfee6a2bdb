//! Detection: a box and a class for each thing in an image.

mod assigned;
mod fcos;
mod losses;
mod objectives;
mod simota;

use std::sync::Arc;

use burn::tensor::Device;
use cobasis_zoo::Model;

use super::{Task, Terms};
use crate::box_sets::{load_boxes, training_boxes};
use crate::config::{Config, DetectionLosses};
use crate::data::boxes::Boxes;
use crate::data::{Batch, DataError, Dataset, ImageSet, Loader, LoaderConfig, SetInfo};
use crate::detect::Suppression;
use crate::error::Error;
use crate::evaluate::DetectionScore;
use crate::metrics::Scores;
use crate::tensors::images;
use crate::train::Recipe;

/// A box and a class for each thing in an image: the losses of YOLOX or of FCOS on a detector's points,
/// each with its assignment of the points to things.
///
/// - YOLOX (Ge et al., 2021): SimOTA assigns; `5 (1 - IoU²)` of boxes, and the cross entropies of
///   objectness and, against the IoU, of classes. In the last epochs the L1 distance of boxes too, in the
///   numbers that the head gives.
/// - FCOS (Tian et al., 2019): points in the middle of things are assigned, level by level by the distance
///   of the edges; the focal loss of classes, `1 - GIoU` of boxes, weighted by centreness, and the cross
///   entropy of centreness.
///
/// Losses are sums divided by the number of points of a batch that stand for things (at least 1), not means
/// over the images; FCOS divides that of boxes by the sum of their centrenesses. Of the batches of an
/// accumulated step each counts by its images, so that one with fewer things counts more for each.
///
/// Only boxes that stand for one thing to be found are learnt. In those of crowds, and in those that are
/// marked as difficult, a point that stands for nothing else is neither right nor wrong.
pub struct Detection {
    losses: DetectionLosses,
    /// YOLOX's L1 loss comes after so many epochs.
    epochs_before_l1: u64,
    device: Device,
}

impl Task for Detection {
    type Score = DetectionScore;

    fn new(recipe: &Recipe, device: &Device) -> Self {
        let before = recipe.epochs.saturating_sub(recipe.detect.last_epochs);
        let losses = recipe.detect.losses;
        Self { losses, epochs_before_l1: before as u64, device: device.clone() }
    }

    /// # Panics
    ///
    /// Always: a detector learns from no teacher, and a configuration with both is refused.
    fn with_teacher(self, _: Model) -> Self {
        panic!("a detector learns from no teacher");
    }

    fn load(config: &Config) -> Result<Dataset<Boxes>, Error> {
        load_boxes(config)
    }

    fn loader(
        set: Arc<ImageSet<Boxes>>,
        loader: LoaderConfig,
        config: &Config,
    ) -> Result<Loader<Boxes>, DataError> {
        training_boxes(set, loader, config)
    }

    fn score(config: &Config, info: &SetInfo) -> DetectionScore {
        let (confidence, nms) = (config.detect.confidence, config.detect.nms);
        DetectionScore::of(info).with_suppression(Suppression { confidence, nms })
    }

    /// # Panics
    ///
    /// If the model is no detector.
    fn terms(&self, model: &Model, batch: &Batch<Boxes>, [_, epoch, _, _]: [u64; 4]) -> Terms {
        let [pictures, _, height, width] = batch.shape;
        let output = model.forward(images(batch, &self.device));
        let points = model.points([height, width]);
        assert!(!points.is_empty(), "a classifier has no points to assign");
        let columns = output.dims()[1] / points.len();
        let found = output.clone().reshape([pictures * points.len(), columns]);
        let loss = match self.losses {
            DetectionLosses::Yolox => {
                let with_l1 = epoch > self.epochs_before_l1;
                objectives::yolox_loss(found, &points, &batch.labels, with_l1)
            }
            DetectionLosses::Fcos => objectives::fcos_loss(found, &points, &batch.labels),
        };
        Terms { output, loss, taught: None, plain: false }
    }
}

#[cfg(test)]
mod tests;
