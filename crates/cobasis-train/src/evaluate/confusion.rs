//! The confusion matrix and per-class results.

use serde::ser::{Serialize, SerializeStruct, Serializer};

/// Counts of true against predicted classes, and what they say of each class.
///
/// The predicted class is the one with the highest logit, the lower class where logits are equal.
/// An image with a logit that is no number has no predicted class: it counts as an image of its
/// class, and in no column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confusion {
    classes: usize,
    /// `[classes, classes]`: a row for each true class, a column for each predicted one.
    counts: Vec<u64>,
    /// Images of each true class, `[classes]`.
    images: Vec<u64>,
}

/// How one class fared.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize)]
pub struct ClassScore {
    /// Images of the class.
    pub images: u64,
    /// Images that were predicted as the class, correctly or not.
    pub predicted: u64,
    /// Images of the class that were predicted as it.
    pub correct: u64,
    /// Recall: of the images of the class, those that were predicted as it, in percent; `None`
    /// where the class has no images.
    pub recall: Option<f64>,
    /// Precision: of the images that were predicted as the class, those that belong to it, in
    /// percent; `None` where none was.
    pub precision: Option<f64>,
}

/// Images of one class that were predicted as another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Mistake {
    /// The true class.
    pub class: usize,
    /// The class that they were predicted as.
    pub predicted: usize,
    /// How many.
    pub images: u64,
}

impl Confusion {
    /// No images yet, of `classes` classes.
    pub fn new(classes: usize) -> Self {
        Self { classes, counts: vec![0; classes * classes], images: vec![0; classes] }
    }

    /// Adds a batch of logits, `[labels.len(), classes]` row-major.
    ///
    /// # Panics
    ///
    /// Where the logits are not as many, and where a label stands for no class.
    pub fn add(&mut self, logits: &[f32], labels: &[u16]) {
        let classes = self.classes;
        assert_eq!(logits.len(), labels.len() * classes, "a logit for each image and class");
        for (row, &label) in logits.chunks_exact(classes.max(1)).zip(labels) {
            let label = usize::from(label);
            self.images[label] += 1;
            if let Some(predicted) = predicted(row) {
                self.counts[label * classes + predicted] += 1;
            }
        }
    }

    /// Number of classes.
    pub fn num_classes(&self) -> usize {
        self.classes
    }

    /// Images of `class` that were predicted as `predicted`.
    ///
    /// # Panics
    ///
    /// Where one of them is no class.
    pub fn count(&self, class: usize, predicted: usize) -> u64 {
        self.row(class)[predicted]
    }

    /// The images of `class` by predicted class.
    ///
    /// # Panics
    ///
    /// Where it is no class.
    pub fn row(&self, class: usize) -> &[u64] {
        &self.counts[class * self.classes..][..self.classes]
    }

    /// How one class fared.
    ///
    /// # Panics
    ///
    /// Where it is no class.
    pub fn class(&self, class: usize) -> ClassScore {
        let percent =
            |part: u64, whole: u64| (whole > 0).then(|| 100.0 * part as f64 / whole as f64);
        let (images, correct) = (self.images[class], self.count(class, class));
        let predicted = (0..self.classes).map(|other| self.count(other, class)).sum();
        let (recall, precision) = (percent(correct, images), percent(correct, predicted));
        ClassScore { images, predicted, correct, recall, precision }
    }

    /// The most frequent mistakes, at most `limit`: more images first, then in the order of the
    /// classes.
    pub fn mistakes(&self, limit: usize) -> Vec<Mistake> {
        let all = self.counts.iter().enumerate().map(|(place, &images)| Mistake {
            class: place / self.classes,
            predicted: place % self.classes,
            images,
        });
        let mut wrong: Vec<Mistake> =
            all.filter(|pair| pair.class != pair.predicted && pair.images > 0).collect();
        wrong.sort_by_key(|pair| std::cmp::Reverse(pair.images));
        wrong.truncate(limit);
        wrong
    }
}

/// As `counts`, a list of rows, and `per_class`, a list of [`ClassScore`]s.
impl Serialize for Confusion {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let rows: Vec<&[u64]> = (0..self.classes).map(|class| self.row(class)).collect();
        let scores: Vec<ClassScore> = (0..self.classes).map(|class| self.class(class)).collect();
        let mut fields = serializer.serialize_struct("Confusion", 2)?;
        fields.serialize_field("counts", &rows)?;
        fields.serialize_field("per_class", &scores)?;
        fields.end()
    }
}

/// The class with the highest logit, the lower where two are equal; `None` where a logit is no
/// number.
pub fn predicted(row: &[f32]) -> Option<usize> {
    let mut best: Option<usize> = None;
    for (class, &logit) in row.iter().enumerate() {
        if logit.is_nan() {
            return None;
        }
        if best.is_none_or(|best| logit > row[best]) {
            best = Some(class);
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Images of the classes 0, 0, 0, 1, 1 taken for 0, 1, 1, 1, 0; and one of class 2 that is
    /// taken for nothing.
    fn confusion() -> Confusion {
        let [zero, one] = [[2.0, 1.0, 0.0], [1.0, 2.0, 2.0]];
        let mut confusion = Confusion::new(3);
        confusion.add(&[zero, one, one, one].concat(), &[0, 0, 0, 1]);
        confusion.add(&[zero, [0.0, f32::NAN, 0.0]].concat(), &[1, 2]);
        confusion
    }

    #[test]
    fn rows_are_true_classes_and_columns_predicted_ones() {
        let confusion = confusion();
        let rows: Vec<&[u64]> = (0..3).map(|class| confusion.row(class)).collect();
        assert_eq!(rows, [[1, 2, 0], [1, 1, 0], [0, 0, 0]]);
        assert_eq!((confusion.num_classes(), confusion.count(0, 1)), (3, 2));
    }

    #[test]
    fn recall_and_precision_are_shares_of_the_true_and_of_the_predicted() {
        let confusion = confusion();
        let third = Some(100.0 / 3.0);
        let [a, b, c] = [0, 1, 2].map(|class| confusion.class(class));
        assert_eq!((a.images, a.predicted, a.correct), (3, 2, 1));
        assert_eq!((a.recall, a.precision), (third, Some(50.0)));
        assert_eq!((b.images, b.predicted, b.correct), (2, 3, 1));
        assert_eq!((b.recall, b.precision), (Some(50.0), third));
        assert_eq!((c.images, c.predicted, c.correct), (1, 0, 0));
        assert_eq!((c.recall, c.precision), (Some(0.0), None));
        assert_eq!(Confusion::new(1).class(0).recall, None);
    }

    #[test]
    fn the_most_frequent_mistakes_come_first() {
        let mistake = |class, predicted, images| Mistake { class, predicted, images };
        assert_eq!(confusion().mistakes(9), [mistake(0, 1, 2), mistake(1, 0, 1)]);
        assert_eq!(confusion().mistakes(1), [mistake(0, 1, 2)]);
        assert_eq!(Confusion::new(0).mistakes(3), []);
    }

    #[test]
    fn json_has_the_rows_and_the_scores() {
        let json = serde_json::to_value(confusion()).expect("JSON");
        assert_eq!(json["counts"][0][1], 2);
        assert_eq!(
            (&json["per_class"][1]["recall"], &json["per_class"][2]["images"]),
            (&serde_json::json!(50.0), &serde_json::json!(1))
        );
        assert!(json["per_class"][2]["precision"].is_null());
    }
}
