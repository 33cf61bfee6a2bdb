//! `metrics.csv`: one row per epoch.

use std::borrow::Cow;

use cobasis_data::csv::Csv;
use serde::{Deserialize, Serialize};

use crate::data::SetInfo;
use crate::metrics::{
    Column, Columns, LEARNING_RATE, LOSS, Measure, PENALTY, SECONDS, SPEED, Scores, TOP1,
};

/// What one epoch came to, as named numbers. Losses are means per image in nats.
///
/// Of every epoch there are `lr`, its learning rate at the end; `train_penalty`, the orthonormality
/// penalty before its weight lambda; `train_loss`, what was minimised; `seconds` of wall time; and
/// training `images_per_second`. Losses and scores of the task are there twice: `train_…` on the
/// training images as augmented, while the weights were changing, and `val_…` on those that judge.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct EpochMetrics {
    /// The epoch, counted from 1.
    pub epoch: usize,
    /// The numbers.
    #[serde(flatten)]
    pub columns: Columns,
}

impl EpochMetrics {
    /// What an epoch came to: the learning rate at its end; scores of the training and of the judging
    /// images; penalty and loss; seconds and images per second.
    pub(crate) fn new<S: Scores>(
        epoch: usize,
        lr: f64,
        [train, val]: [&S; 2],
        [penalty, loss]: [f64; 2],
        [seconds, speed]: [f64; 2],
    ) -> Self {
        let mut columns = Columns::default();
        columns.push(LEARNING_RATE.name, lr);
        columns.extend("train", train.losses());
        columns.extend("train", [(PENALTY, penalty), (LOSS, loss)]);
        columns.extend("train", train.scores());
        columns.extend("val", val.losses());
        columns.extend("val", val.scores());
        columns.push(SECONDS.name, seconds);
        columns.push(SPEED.name, speed);
        Self { epoch, columns }
    }

    /// Puts the numbers into the order of the files, which those read from a checkpoint have lost.
    pub(crate) fn sort<S: Scores>(&mut self) {
        let any = SetInfo {
            name: String::new(),
            classes: Vec::new(),
            shape: [1; 3],
            mean: vec![0.0],
            std: vec![1.0],
            max_value: 1,
        };
        let scores = [&S::default(), &S::of(&any)];
        let like = Self::new(0, 0.0, scores, [0.0; 2], [0.0; 2]);
        self.columns.sort_like(&like.columns);
    }

    /// The number of this name, which is none where there is no such column.
    pub fn value(&self, name: &str) -> f64 {
        self.columns.get(name).unwrap_or(f64::NAN)
    }

    /// What the epoch is judged by: top-1 accuracy where nothing else is there.
    pub fn judged_by(&self) -> Measure {
        self.columns.judged_by("val").unwrap_or(TOP1)
    }

    /// That on the images that judge.
    pub fn judged(&self) -> f64 {
        self.value(&format!("val_{}", self.judged_by().name))
    }
}

/// A number as the file has it: with the digits that give the same `f64` back; times are only good to
/// about a millisecond.
fn text(Column { name, value }: &Column) -> String {
    match Measure::of(name) {
        Some(SECONDS) => format!("{value:.3}"),
        Some(SPEED) => format!("{value:.1}"),
        _ => format!("{value:?}"),
    }
}

/// The file's text: a header with the names of the first row's columns, and a row for each epoch.
pub fn metrics_csv(history: &[EpochMetrics]) -> String {
    let line = |first: &str, rest: &mut dyn Iterator<Item = String>| {
        std::iter::once(first.to_string()).chain(rest).collect::<Vec<_>>().join(",") + "\n"
    };
    let columns = history.first().map(|metrics| &metrics.columns);
    let names = columns.into_iter().flat_map(Columns::iter).map(|column| column.name.to_string());
    let header = line("epoch", &mut { names });
    let row = |metrics: &EpochMetrics| {
        line(&metrics.epoch.to_string(), &mut metrics.columns.iter().map(text))
    };
    std::iter::once(header).chain(history.iter().map(row)).collect()
}

/// The rows of such a text.
///
/// # Errors
/// The row and what is wrong with it.
pub(crate) fn parse_metrics_csv(text: &str) -> Result<Vec<EpochMetrics>, String> {
    let Csv { names, rows } = Csv::read(text)?;
    let rows = rows.iter().enumerate().map(|(index, fields)| {
        row(&names, fields).map_err(|problem| format!("row {}: {problem}", index + 1))
    });
    rows.collect()
}

fn row(names: &[Cow<str>], fields: &[Cow<str>]) -> Result<EpochMetrics, String> {
    let wrong = |name: &str, field: &str| format!("{name}: expected a number, got {field:?}");
    let (mut epoch, mut columns) = (None, Columns::default());
    for (name, field) in names.iter().zip(fields) {
        let wrong = || wrong(name, field);
        match name.as_ref() {
            "epoch" => epoch = Some(field.parse().map_err(|_| wrong())?),
            _ => columns.push(name.to_string(), field.parse().map_err(|_| wrong())?),
        }
    }
    let epoch = epoch.ok_or("expected a column epoch")?;
    Ok(EpochMetrics { epoch, columns })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::Score;

    #[test]
    fn rows_give_the_numbers_back() {
        let score = |cross_entropy| Score { images: 4, top1: 1, top5: 3, cross_entropy };
        let metrics = |cross_entropy, seconds| {
            let scores = [&score(cross_entropy), &score(f64::MAX)];
            EpochMetrics::new(7, 0.1, scores, [1.0 / 3.0, 5e-324], [seconds, 4050.0])
        };
        let text = metrics_csv(&[metrics(f64::NAN, 12.34567), metrics(1.0, 12.34567)]);
        let lines: Vec<_> = text.lines().collect();
        let header = "epoch,lr,train_cross_entropy,train_penalty,train_loss,train_top1,train_top5,\
                      val_cross_entropy,val_top1,val_top5,seconds,images_per_second";
        assert_eq!((lines.len(), lines[0]), (3, header));
        let max = f64::MAX / 4.0;
        let row = format!(
            "7,0.1,0.25,0.3333333333333333,5e-324,25.0,75.0,{max:?},25.0,75.0,12.346,4050.0"
        );
        assert_eq!(lines[2], row);
        let read = parse_metrics_csv(&text).unwrap();
        assert!(read[0].value("train_cross_entropy").is_nan());
        assert_eq!(read[1], metrics(1.0, 12.346));
        assert!(read[1].value("val_loss").is_nan(), "there is none");
        let mut sorted = read[1].clone();
        sorted.columns =
            serde_json::from_value(serde_json::to_value(&sorted.columns).unwrap()).unwrap();
        sorted.sort::<Score>();
        assert_eq!(sorted, read[1]);
    }
}
