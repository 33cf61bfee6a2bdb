//! `metrics.csv`: one row per epoch.

use std::borrow::Cow;

use cobasis_data::csv::Csv;
use serde::{Deserialize, Serialize};
use toml::{Table, Value};

/// What one epoch came to. Losses are means per image in nats.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct EpochMetrics {
    /// The epoch, counted from 1.
    pub epoch: usize,
    /// Learning rate of the epoch.
    pub lr: f64,
    /// Cross-entropy on the training images as augmented, while the weights were changing.
    pub train_cross_entropy: f64,
    /// Orthonormality penalty, before its weight lambda.
    pub train_penalty: f64,
    /// The loss that was minimised: cross-entropy plus lambda times the penalty.
    pub train_loss: f64,
    /// Training images whose class came first, percent.
    pub train_top1: f64,
    /// Training images whose class came among the first five, percent.
    pub train_top5: f64,
    /// Cross-entropy on the validation images.
    pub val_cross_entropy: f64,
    /// Validation images whose class came first, percent.
    pub val_top1: f64,
    /// Validation images whose class came among the first five, percent.
    pub val_top5: f64,
    /// Wall time of the epoch, seconds.
    pub seconds: f64,
    /// Training images per second of wall time.
    pub images_per_second: f64,
}

impl EpochMetrics {
    /// Names and values of all columns but the epoch, in their order.
    pub fn numbers(&self) -> [(&'static str, f64); 11] {
        [
            ("lr", self.lr),
            ("train_cross_entropy", self.train_cross_entropy),
            ("train_penalty", self.train_penalty),
            ("train_loss", self.train_loss),
            ("train_top1", self.train_top1),
            ("train_top5", self.train_top5),
            ("val_cross_entropy", self.val_cross_entropy),
            ("val_top1", self.val_top1),
            ("val_top5", self.val_top5),
            ("seconds", self.seconds),
            ("images_per_second", self.images_per_second),
        ]
    }

    /// Names and texts side by side, so that header and rows cannot part. Numbers carry the digits
    /// that give the same `f64` back; the times are only good to about a millisecond.
    fn columns(&self) -> Vec<(&'static str, String)> {
        let text = |(name, number): (&'static str, f64)| match name {
            "seconds" => (name, format!("{number:.3}")),
            "images_per_second" => (name, format!("{number:.1}")),
            _ => (name, format!("{number:?}")),
        };
        let epoch = ("epoch", self.epoch.to_string());
        std::iter::once(epoch).chain(self.numbers().map(text)).collect()
    }
}

/// The file's text: a header, and a row for each epoch.
pub fn metrics_csv(history: &[EpochMetrics]) -> String {
    let header = EpochMetrics::default().columns().into_iter().map(|(name, _)| name.to_owned());
    let row = |metrics: &EpochMetrics| {
        metrics.columns().into_iter().map(|(_, text)| text).collect::<Vec<_>>().join(",") + "\n"
    };
    let header = header.collect::<Vec<_>>().join(",") + "\n";
    std::iter::once(header).chain(history.iter().map(row)).collect()
}

/// The rows of such a text; columns that are not known are ignored.
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
    let value = |(name, field): (&Cow<str>, &Cow<str>)| {
        let value = match name.as_ref() {
            "epoch" => field.parse().map(Value::Integer).ok(),
            _ => field.parse().map(Value::Float).ok(),
        };
        let value = value.ok_or_else(|| format!("{name}: expected a number, got {field:?}"))?;
        Ok((name.to_string(), value))
    };
    let table: Table = names.iter().zip(fields).map(value).collect::<Result<_, String>>()?;
    EpochMetrics::deserialize(table).map_err(|error| error.message().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_give_the_numbers_back() {
        let numbers = [0.1, 1.0 / 3.0, 5e-324, f64::MAX, 1e-7, 100.0, f64::NAN, 93.07, 99.5];
        let metrics = EpochMetrics {
            epoch: 7,
            lr: numbers[0],
            train_cross_entropy: numbers[1],
            train_penalty: numbers[2],
            train_loss: numbers[3],
            train_top1: numbers[4],
            train_top5: numbers[5],
            val_cross_entropy: numbers[6],
            val_top1: numbers[7],
            val_top5: numbers[8],
            seconds: 12.34567,
            images_per_second: 4050.06,
        };
        let text = metrics_csv(&[metrics, metrics]);
        let lines: Vec<_> = text.lines().collect();
        let header = "epoch,lr,train_cross_entropy,train_penalty,train_loss,train_top1,train_top5,\
                      val_cross_entropy,val_top1,val_top5,seconds,images_per_second";
        assert_eq!((lines.len(), lines[0]), (3, header));
        let fields: Vec<_> = lines[2].split(',').collect();
        assert_eq!((fields[0], fields[10], fields[11]), ("7", "12.346", "4050.1"));
        for (field, number) in fields[1..10].iter().zip(numbers) {
            let read: f64 = field.parse().unwrap();
            assert!(read == number || read.is_nan() && number.is_nan(), "{field} {number}");
        }
        let finite = EpochMetrics { train_top5: 0.5, val_cross_entropy: -0.0, ..metrics };
        let read = parse_metrics_csv(&metrics_csv(&[metrics, finite])).unwrap();
        let rounded = EpochMetrics { seconds: 12.346, images_per_second: 4050.1, ..finite };
        assert!(read[0].val_cross_entropy.is_nan() && read[1] == rounded);
    }
}
