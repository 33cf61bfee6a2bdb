//! The test images with boxes, each as the model judges it.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use burn::tensor::Device;
use cobasis_data::boxes::{
    Annotated, Annotation, AveragePrecision, BoxKind, Detection, Outcome, Truth, outcomes,
};
use cobasis_data::{DataError, Loader};
use cobasis_train::Error;
use cobasis_train::box_sets::{BoxPart, read_part};
use cobasis_train::classes::class_names;
use cobasis_train::config::Config;
use cobasis_train::detect::{FittedBoxes, Suppression, fitted_boxes, pictures};
use cobasis_train::evaluate::{DetectionScore, score_from};
use cobasis_train::metrics::Scores;
use cobasis_zoo::Model;

/// Images at a time.
const BATCH: usize = 32;
/// Detections with lower scores are no mistakes that anybody would see.
pub(crate) const CONFIDENCE: f64 = 0.25;
/// Overlap from which on a detection is right here.
pub(crate) const OVERLAP: f64 = 0.5;

/// The images of a test set and what a detector finds in them.
pub(crate) struct Findings {
    /// The images, of which the detector's classes are told.
    pub(crate) set: Annotated,
    /// Its images.
    pub(crate) images: usize,
    /// How many of them could not be read, so that nothing was found in them.
    pub(crate) unreadable: usize,
    /// COCO's scores.
    pub(crate) precision: AveragePrecision,
    /// The images with mistakes, those with the most first.
    pub(crate) wrong: Vec<WrongImage>,
}

/// An image in which something was missed or found wrongly.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct WrongImage {
    /// Where it stands in its set.
    pub(crate) index: usize,
    /// What is there and was not found.
    pub(crate) missed: Vec<Annotation>,
    /// What was found and is not there.
    pub(crate) wrong: Vec<Detection>,
    /// What was found and is there.
    pub(crate) right: Vec<Detection>,
}

impl WrongImage {
    /// Mistakes in it.
    pub(crate) fn mistakes(&self) -> usize {
        self.missed.len() + self.wrong.len()
    }
}

impl Findings {
    /// Judges the run's test images, in `data` or where the run found them.
    pub(crate) fn of(model: &Model, config: &Config, data: Option<&Path>) -> Result<Self, Error> {
        let mut source = config.data.clone();
        source.dir = data.map(Path::to_owned).or(source.dir);
        let read = read_part(&source, BoxPart::Test, None)?;
        let fit = fitted_boxes(class_names(&model.config), &model.config, read);
        let FittedBoxes { set, warning, .. } = fit.map_err(Error::Usage)?;
        if let Some(warning) = warning {
            log::warn!("{warning}");
        }
        let images = Arc::new(pictures(&model.config, &set).map_err(Error::Usage)?);
        let loader = Loader::in_order(images, BATCH, 1)?;
        let suppression =
            Suppression { confidence: config.detect.confidence, nms: config.detect.nms };
        let start = DetectionScore::of(loader.set().info()).with_suppression(suppression);
        // Where in the set the images of the score are.
        let mut places = Vec::new();
        let forward = |images| model.forward(images);
        let score = score_from(start, forward, &Device::flex(), &loader, |seen| {
            places.extend(seen.places());
            ControlFlow::Continue(())
        })?;
        let Some(score) = score else { unreachable!("nothing breaks it off") };
        if !score.is_finite() {
            let problem = "the model's outputs are not finite (NaN or infinity)";
            return Err(Error::Usage(problem.to_string()));
        }
        let precision: Result<_, DataError> = score.average_precision();
        let mut wrong = mistakes(score.images(), score.truths(), score.detections());
        wrong.iter_mut().for_each(|image| image.index = places[image.index]);
        let (images, unreadable) = (score.images(), loader.num_unreadable());
        Ok(Self { set, images, unreadable, precision: precision?, wrong })
    }
}

/// The images in which something was missed or found wrongly, those with the most mistakes first.
fn mistakes(images: usize, truths: &[Truth], detections: &[Detection]) -> Vec<WrongImage> {
    let told: Vec<Detection> =
        detections.iter().filter(|one| one.score >= CONFIDENCE).copied().collect();
    let of = |index| WrongImage { index, ..WrongImage::default() };
    let mut all: Vec<WrongImage> = (0..images).map(of).collect();
    let mut is_found = vec![false; truths.len()];
    for (one, outcome) in told.iter().zip(outcomes(truths, &told, OVERLAP)) {
        let image = &mut all[one.image];
        match outcome {
            Outcome::Right(truth) => {
                is_found[truth] = true;
                image.right.push(*one);
            }
            Outcome::Wrong => image.wrong.push(*one),
            Outcome::Ignored(_) => {}
        }
    }
    for (Truth { image, annotation }, is_found) in truths.iter().zip(is_found) {
        if !is_found && annotation.kind == BoxKind::Object {
            all[*image].missed.push(*annotation);
        }
    }
    all.retain(|image| image.mistakes() > 0);
    // Stable: of equal ones the first stays the first.
    all.sort_by_key(|image| std::cmp::Reverse(image.mistakes()));
    all
}

#[cfg(test)]
mod tests {
    use cobasis_data::boxes::Rect;

    use super::*;

    fn rect(left: f64) -> Rect {
        Rect::from_xywh([left, 0.0, 10.0, 10.0])
    }

    fn truth(image: usize, left: f64, kind: BoxKind) -> Truth {
        let annotation = Annotation { rect: rect(left), class: 0, kind, area: 100.0 };
        Truth { image, annotation }
    }

    fn found(image: usize, left: f64, score: f64) -> Detection {
        Detection { image, class: 0, rect: rect(left), score }
    }

    #[test]
    fn images_with_the_most_mistakes_come_first() {
        let object = BoxKind::Object;
        let truths = [
            truth(0, 0.0, object),
            truth(1, 0.0, object),
            truth(1, 50.0, object),
            truth(2, 0.0, BoxKind::Crowd),
            truth(2, 90.0, BoxKind::Difficult),
        ];
        let detections = [
            found(0, 1.0, 0.9),
            found(1, 20.0, 0.8),
            found(1, 50.0, 0.7),
            found(1, 70.0, 0.1),
            found(2, 0.0, 0.9),
            found(2, 40.0, 0.5),
        ];
        let all = mistakes(4, &truths, &detections);
        let counts: Vec<_> = all
            .iter()
            .map(|one| (one.index, one.missed.len(), one.wrong.len(), one.right.len()))
            .collect();
        assert_eq!(counts, [(1, 1, 1, 1), (2, 0, 1, 0)]);
        assert_eq!((all[0].missed[0].rect, all[0].wrong[0].rect), (rect(0.0), rect(20.0)));
    }
}
