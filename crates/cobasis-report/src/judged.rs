//! The test images, each as the model judges it.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use cobasis_data::{Batch, ImageSet, Loader, Split};
use cobasis_train::Error;
use cobasis_train::classes::{Fitted, fitted};
use cobasis_train::config::Config;
use cobasis_train::evaluate::{Evaluation, Seen, evaluate, predicted};
use cobasis_zoo::Model;

/// Images at a time.
const BATCH: usize = 256;

/// The images of a test set and what a model makes of them.
pub(crate) struct Judgement {
    /// The images.
    pub(crate) set: Arc<ImageSet>,
    /// What the model makes of them.
    pub(crate) evaluation: Evaluation,
    /// The misclassified ones, the worst first.
    pub(crate) wrong: Vec<Wrong>,
}

/// A misclassified image.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Wrong {
    /// Where it stands in its set.
    pub(crate) index: usize,
    pub(crate) class: usize,
    /// The predicted class and its probability.
    pub(crate) predicted: usize,
    pub(crate) confidence: f64,
    /// The probability that the model gives to its own class.
    pub(crate) own: f64,
}

impl Judgement {
    /// Judges the run's test images, in `data` or where the run found them.
    pub(crate) fn of(model: &Model, config: &Config, data: Option<&Path>) -> Result<Self, Error> {
        let mut source = config.source()?;
        source.dir = data.map(Path::to_owned).or(source.dir);
        let fit = fitted(&model.config, source.load(Split::Test)?);
        let Fitted { set, warning } = fit.map_err(Error::Usage)?;
        if let Some(warning) = warning {
            log::warn!("{warning}");
        }
        let set = Arc::new(set);
        let loader = Loader::in_order(Arc::clone(&set), BATCH, 1)?;
        let mut wrong = Vec::new();
        let evaluation = evaluate(model, &loader, |Seen { batch, logits, .. }| {
            wrong.extend(mistakes(batch, logits, set.num_classes()));
            ControlFlow::Continue(())
        })?;
        let Some(evaluation) = evaluation else { unreachable!("nothing breaks it off") };
        wrong.sort_by(|a, b| a.own.total_cmp(&b.own));
        Ok(Self { set, evaluation, wrong })
    }
}

/// The misclassified images of a batch.
fn mistakes(batch: &Batch, logits: &[f32], classes: usize) -> Vec<Wrong> {
    let rows = logits.chunks_exact(classes).zip(&batch.labels).zip(&batch.indices);
    let wrong = rows.filter_map(|((row, &label), &index)| {
        let (class, predicted) = (usize::from(label), predicted(row)?);
        let max = f64::from(row[predicted]);
        let sum: f64 = row.iter().map(|&logit| (f64::from(logit) - max).exp()).sum();
        let probability = |class: usize| (f64::from(row[class]) - max).exp() / sum;
        let [confidence, own] = [predicted, class].map(probability);
        (class != predicted).then_some(Wrong { index, class, predicted, confidence, own })
    });
    wrong.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wrong_ones_keep_their_place_and_their_probabilities() {
        let batch = Batch {
            images: Vec::new(),
            labels: vec![0, 1, 0],
            indices: vec![7, 8, 9],
            shape: [3, 1, 1, 1],
            unreadable: Vec::new(),
        };
        let logits = [3.0_f32.ln(), 0.0, 3.0_f32.ln(), 0.0, f32::NAN, 0.0];
        let [wrong] = mistakes(&batch, &logits, 2)[..] else { panic!("one is wrong") };
        assert_eq!((wrong.index, wrong.class, wrong.predicted), (8, 1, 0));
        assert!((wrong.confidence - 0.75).abs() < 1e-6 && (wrong.own - 0.25).abs() < 1e-6);
    }
}
