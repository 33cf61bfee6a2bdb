//! How good a detector is: what is in images and what it found there.

use std::ops::AddAssign;

use cobasis_data::boxes::{
    AveragePrecision, BoxKind, Boxes, Detection, MAX_DETECTIONS, Truth, average_precision,
};
use serde::{Deserialize, Serialize};

use crate::data::{DataError, SetInfo};
use crate::detect::{Suppression, detections, is_finite};
use crate::metrics::{AP, AP50, AP75, AR, Measure, Scores};

/// What a detector found in images, and what there was to be found.
///
/// That of images that are learnt from, the default, only counts them: boxes of training pictures are
/// made in the losses, and nobody has to wait for them. It has no scores.
///
/// In an image that could not be read nothing was found: left out, it would make scores better.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct DetectionScore {
    images: usize,
    #[serde(skip)]
    judged: Option<Judged>,
}

/// Images that are judged.
#[derive(Clone, Debug, PartialEq)]
struct Judged {
    classes: usize,
    /// Height and width of the pictures.
    input: [usize; 2],
    suppression: Suppression,
    truths: Vec<Truth>,
    detections: Vec<Detection>,
    /// Whether all that was said were numbers.
    is_finite: bool,
}

impl DetectionScore {
    /// The same, with other settings for what is told.
    pub fn with_suppression(mut self, suppression: Suppression) -> Self {
        if let Some(judged) = &mut self.judged {
            judged.suppression = suppression;
        }
        self
    }

    /// What was to be found. Images count from 0 in the order in which they were added.
    pub fn truths(&self) -> &[Truth] {
        self.judged.as_ref().map_or(&[], |judged| &judged.truths)
    }

    /// What was found, image by image, the highest scores of each first.
    pub fn detections(&self) -> &[Detection] {
        self.judged.as_ref().map_or(&[], |judged| &judged.detections)
    }

    /// COCO's scores of all images that were judged.
    ///
    /// # Errors
    ///
    /// Those of [`average_precision`].
    pub fn average_precision(&self) -> Result<AveragePrecision, DataError> {
        let classes = self.judged.as_ref().map_or(0, |judged| judged.classes);
        average_precision(self.images, classes, self.truths(), self.detections())
    }
}

impl Scores for DetectionScore {
    type Target = Boxes;

    const JUDGED_BY: Measure = AP;

    /// For pictures of the set's size, on which all of each image is.
    fn of(info: &SetInfo) -> Self {
        let [_, height, width] = info.shape;
        let judged = Judged {
            classes: info.classes.len(),
            input: [height, width],
            suppression: Suppression::default(),
            truths: Vec::new(),
            detections: Vec::new(),
            is_finite: true,
        };
        Self { images: 0, judged: Some(judged) }
    }

    fn problem(targets: &[Boxes]) -> Option<[&'static str; 2]> {
        let mut all = targets.iter().flat_map(|target| &target.boxes);
        let nothing = !all.any(|one| one.kind == BoxKind::Object);
        nothing.then_some([
            "something to be found in them",
            "nothing but crowds and difficult things, if any",
        ])
    }

    fn add(&mut self, output: &[f32], targets: &[Boxes]) {
        let images = self.images..;
        self.images += targets.len();
        let Some(judged) = &mut self.judged else {
            return;
        };
        judged.is_finite &= is_finite(output);
        let rows = output.chunks_exact((output.len() / targets.len().max(1)).max(1));
        for ((image, row), Boxes { size, boxes }) in images.zip(rows).zip(targets) {
            let truth = |&annotation| Truth { image, annotation };
            judged.truths.extend(boxes.iter().map(truth));
            let Judged { classes, input, suppression, .. } = *judged;
            let found = detections(row, classes, input, *size, suppression);
            judged.detections.extend(found.into_iter().map(|one| Detection { image, ..one }));
        }
    }

    fn add_unread(&mut self, targets: &[Boxes]) {
        let images = self.images..;
        self.images += targets.len();
        if let Some(judged) = &mut self.judged {
            for (image, Boxes { boxes, .. }) in images.zip(targets) {
                let truth = |&annotation| Truth { image, annotation };
                judged.truths.extend(boxes.iter().map(truth));
            }
        }
    }

    fn add_learnt(&mut self, _: impl FnOnce() -> Vec<f32>, targets: &[Boxes]) {
        self.images += targets.len();
    }

    fn images(&self) -> usize {
        self.images
    }

    fn losses(&self) -> Vec<(Measure, f64)> {
        Vec::new()
    }

    fn scores(&self) -> Vec<(Measure, f64)> {
        if self.judged.is_none() {
            return Vec::new();
        }
        let precision = self.average_precision().ok();
        // Where nothing was to be found there is no score.
        let of = |value: fn(&AveragePrecision) -> Option<f64>| {
            precision.as_ref().and_then(value).unwrap_or(f64::NAN)
        };
        vec![
            (AP, of(|scores| scores.ap)),
            (AP50, of(|scores| scores.ap50)),
            (AP75, of(|scores| scores.ap75)),
            (AR, of(|scores| scores.recall[MAX_DETECTIONS.len() - 1])),
        ]
    }

    fn is_finite(&self) -> bool {
        self.judged.as_ref().is_none_or(|judged| judged.is_finite)
    }
}

/// The other's images follow this one's.
impl AddAssign for DetectionScore {
    fn add_assign(&mut self, other: Self) {
        let before = self.images;
        self.images += other.images;
        let Some(mut others) = other.judged else {
            return;
        };
        others.truths.iter_mut().for_each(|truth| truth.image += before);
        others.detections.iter_mut().for_each(|one| one.image += before);
        match &mut self.judged {
            Some(judged) => {
                judged.truths.append(&mut others.truths);
                judged.detections.append(&mut others.detections);
                judged.is_finite &= others.is_finite;
            }
            None => self.judged = Some(others),
        }
    }
}

#[cfg(test)]
mod tests {
    use cobasis_data::boxes::{Annotation, Rect};

    use super::*;

    fn info() -> SetInfo {
        SetInfo {
            name: "toy".into(),
            classes: vec!["a".into(), "b".into()],
            shape: [3, 64, 96],
            mean: vec![0.5; 3],
            std: vec![0.5; 3],
            max_value: 255,
        }
    }

    /// An image of twice the picture's size with a box of class 1.
    fn target() -> Boxes {
        let rect = Rect::from_corners([20.0, 40.0, 60.0, 80.0]);
        let annotation = Annotation { rect, class: 1, kind: BoxKind::Object, area: rect.area() };
        Boxes { size: [128, 192], boxes: vec![annotation] }
    }

    /// Two points: the box of the target, of this class, and one of nothing.
    fn row(class: usize) -> Vec<f32> {
        let mut row = vec![10.0, 20.0, 30.0, 40.0, 9.0, -9.0, -9.0];
        row[5 + class] = 9.0;
        row.extend([0.0, 0.0, 5.0, 5.0, -9.0, -9.0, -9.0]);
        row
    }

    fn judged(rows: &[Vec<f32>]) -> DetectionScore {
        let mut score = DetectionScore::of(&info());
        score.add(&rows.concat(), &vec![target(); rows.len()]);
        score
    }

    #[test]
    fn what_is_found_is_compared_with_what_is_there() {
        let scores = |score: &DetectionScore| {
            let rounded = |value: f64| (1e9 * value).round() / 1e9;
            let scores = score.scores().into_iter();
            scores.map(|(measure, value)| (measure.name, rounded(value))).collect()
        };
        let right: Vec<_> = scores(&judged(&[row(1)]));
        assert_eq!(right, [("ap", 1.0), ("ap50", 1.0), ("ap75", 1.0), ("ar", 1.0)]);
        let wrong: Vec<_> = scores(&judged(&[row(0)]));
        assert_eq!(wrong, [("ap", 0.0), ("ap50", 0.0), ("ap75", 0.0), ("ar", 0.0)]);
    }

    #[test]
    fn images_of_batches_keep_apart() {
        let mut sum = judged(&[row(1), row(0)]);
        sum += judged(&[row(0), row(1), row(1)]);
        let all = judged(&[row(1), row(0), row(0), row(1), row(1)]);
        assert_eq!((&sum, sum.images()), (&all, 5));
        let images: Vec<usize> = sum.detections().iter().map(|one| one.image).collect();
        assert_eq!(images, [0, 1, 2, 3, 4]);
        let mut from_nothing = DetectionScore::default();
        from_nothing += sum;
        assert_eq!(from_nothing, all);
    }

    #[test]
    fn what_is_learnt_from_is_counted_and_not_looked_at() {
        let mut learnt = DetectionScore::default();
        learnt.add_learnt(|| unreachable!("nobody asks"), &[target(), target()]);
        assert_eq!((learnt.images(), learnt.scores(), learnt.is_finite()), (2, vec![], true));
        let text = toml::to_string(&learnt).expect("text");
        assert_eq!(toml::from_str::<DetectionScore>(&text).expect("the score"), learnt);
    }

    #[test]
    fn an_output_that_is_no_number_is_told_wherever_it_is() {
        for place in 0..14 {
            for wrong in [f32::NAN, f32::INFINITY] {
                let mut broken = row(1);
                broken[place] = wrong;
                let mut score = judged(&[row(1)]);
                score += judged(&[broken]);
                assert!(!score.is_finite(), "{place}");
                // Nor does it bring the program down.
                score.scores();
            }
        }
        assert!(judged(&[row(1)]).is_finite());
    }

    #[test]
    fn without_anything_to_find_nothing_can_be_judged() {
        assert_eq!(DetectionScore::problem(&[target()]), None);
        let mut crowd = target();
        crowd.boxes[0].kind = BoxKind::Crowd;
        let nothing = Boxes { boxes: Vec::new(), ..target() };
        assert!(DetectionScore::problem(&[crowd, nothing]).is_some());
    }

    #[test]
    fn in_an_image_that_is_not_read_everything_is_missed() {
        let mut score = judged(&[row(1)]);
        score.add_unread(&[target()]);
        score.add(&row(1), &[target()]);
        let images: Vec<usize> = score.detections().iter().map(|one| one.image).collect();
        assert_eq!((score.images(), score.truths().len(), images), (3, 3, vec![0, 2]));
        let precision = score.average_precision().expect("scores");
        assert!((precision.recall[2].expect("objects") - 2.0 / 3.0).abs() < 1e-12);
        let mut learnt = DetectionScore::default();
        learnt.add_unread(&[target()]);
        assert_eq!((learnt.images(), learnt.truths().len()), (1, 0));
    }

    #[test]
    fn other_settings_tell_other_boxes() {
        let settings = Suppression { confidence: 1.0, nms: 0.5 };
        let mut score = DetectionScore::of(&info()).with_suppression(settings);
        score.add(&row(1), &[target()]);
        assert!(score.detections().is_empty() && score.truths().len() == 1);
    }
}
