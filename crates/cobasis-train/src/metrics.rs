//! Numbers with names: what each is, in which unit, and which way it is better.

use std::borrow::Cow;
use std::fmt::Debug;
use std::ops::AddAssign;

use serde::de::{DeserializeOwned, MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::data::{SetInfo, Target};

/// Which way a number is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Better {
    /// The more, the better.
    Higher,
    /// The less, the better.
    Lower,
    /// Neither way.
    Neither,
}

/// What a number is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Measure {
    /// Its name in files, after the images that it is about: `top1` in `val_top1`.
    pub name: &'static str,
    /// Its name for people.
    pub label: &'static str,
    /// Its unit; empty for a mere number.
    pub unit: &'static str,
    /// Which way it is better.
    pub better: Better,
    /// Digits after the point for people.
    pub digits: usize,
}

/// The learning rate.
pub const LEARNING_RATE: Measure = measure("lr", "learning rate", "", Better::Neither, 6);
/// Mean cross entropy of an image.
pub const CROSS_ENTROPY: Measure =
    measure("cross_entropy", "cross entropy", "nats", Better::Lower, 4);
/// The orthonormality penalty before its weight.
pub const PENALTY: Measure = measure("penalty", "penalty", "", Better::Lower, 4);
/// What is minimised.
pub const LOSS: Measure = measure("loss", "loss", "nats", Better::Lower, 4);
/// Share of the images whose class has the highest logit: what the best epoch is chosen by.
pub const TOP1: Measure = measure("top1", "top-1", "%", Better::Higher, 2);
/// Share of the images whose class is among the five highest logits.
pub const TOP5: Measure = measure("top5", "top-5", "%", Better::Higher, 2);
/// COCO's average precision, 0 to 1: what the best epoch of a detector is chosen by.
pub const AP: Measure = measure("ap", "AP", "", Better::Higher, 4);
/// Average precision where boxes that overlap by half are right.
pub const AP50: Measure = measure("ap50", "AP50", "", Better::Higher, 4);
/// Average precision where boxes that overlap by three quarters are right.
pub const AP75: Measure = measure("ap75", "AP75", "", Better::Higher, 4);
/// COCO's average recall with at most 100 detections for an image, 0 to 1.
pub const AR: Measure = measure("ar", "AR", "", Better::Higher, 4);
/// Wall time.
pub const SECONDS: Measure = measure("seconds", "wall time", "s", Better::Lower, 1);
/// Images for each second of wall time.
pub const SPEED: Measure =
    measure("images_per_second", "images per second", "images/s", Better::Higher, 0);

/// Every measure there is.
const ALL: [Measure; 12] =
    [LEARNING_RATE, CROSS_ENTROPY, PENALTY, LOSS, TOP1, TOP5, AP, AP50, AP75, AR, SECONDS, SPEED];
/// What best epochs are chosen by, a measure for each task.
const JUDGING: [Measure; 2] = [TOP1, AP];
/// The images that a column may be about.
const IMAGES: [&str; 3] = ["train_", "val_", "test_"];

const fn measure(
    name: &'static str,
    label: &'static str,
    unit: &'static str,
    better: Better,
    digits: usize,
) -> Measure {
    Measure { name, label, unit, better, digits }
}

/// A number of a run, by the name of its column.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// Its name: a measure's, after the images that it is about, if it is about some.
    pub name: Cow<'static, str>,
    /// The number.
    pub value: f64,
}

/// Numbers of a run by name, in their order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Columns(Vec<Column>);

/// Sums over images, from which the numbers of a task are made.
pub trait Scores:
    Clone + Debug + Default + PartialEq + AddAssign + Send + Serialize + DeserializeOwned + 'static
{
    /// What is known of an image.
    type Target: Target;

    /// What the best epoch is chosen by: one of the [`scores`](Self::scores).
    const JUDGED_BY: Measure;

    /// Nothing yet of images that are to be judged, of a set of which this is true. The default, which
    /// knows of no set, is for images that are learnt from.
    fn of(_info: &SetInfo) -> Self {
        Self::default()
    }

    /// Why images of which this is known can't be judged: what is expected, and what they have.
    fn problem(_targets: &[Self::Target]) -> Option<[&'static str; 2]> {
        None
    }

    /// Adds what a model says of some images, `[targets.len(), …]` row-major. Targets are those of the
    /// set, not of the pictures that the model saw.
    fn add(&mut self, output: &[f32], targets: &[Self::Target]);

    /// Adds images that were learnt from, with the targets of their pictures. What the model said of
    /// them is read only where it is asked for: a device would have to be waited for.
    fn add_learnt(&mut self, output: impl FnOnce() -> Vec<f32>, targets: &[Self::Target]) {
        self.add(&output(), targets);
    }

    /// Adds images that were to be judged and could not be read, with what is known of them. They are left out
    /// unless a task says otherwise.
    fn add_unread(&mut self, _targets: &[Self::Target]) {}

    /// The images that were added.
    fn images(&self) -> usize;

    /// What was minimised, means of the images, in the order of the files. The first is the loss of a
    /// step whose images are as they are.
    fn losses(&self) -> Vec<(Measure, f64)>;

    /// What tells how good it is, in the order of the files.
    fn scores(&self) -> Vec<(Measure, f64)>;

    /// Whether what the model said were numbers: accuracies of NaN would look like numbers.
    fn is_finite(&self) -> bool {
        self.losses().iter().all(|(_, loss)| loss.is_finite())
    }
}

impl Measure {
    /// What a column of this name has, if that is known: `val_top1` has [`TOP1`].
    pub fn of(column: &str) -> Option<Self> {
        let name = IMAGES.iter().find_map(|images| column.strip_prefix(images)).unwrap_or(column);
        ALL.into_iter().find(|measure| measure.name == name)
    }

    /// Whether one value is better than another; what is no number is not.
    pub fn is_better(&self, a: f64, b: f64) -> bool {
        match self.better {
            Better::Higher => a > b,
            Better::Lower => a < b,
            Better::Neither => false,
        }
    }

    /// A value for people, such as `top-1 97.50 %`. Losses go without their unit.
    pub fn shown(&self, value: f64) -> String {
        format!("{} {}", self.label, self.value(value))
    }

    /// The same without the name: `97.50 %`.
    pub fn value(&self, value: f64) -> String {
        let unit = if self.unit == "%" { " %" } else { "" };
        format!("{value:.*}{unit}", self.digits)
    }
}

impl Columns {
    /// Adds a number.
    pub fn push(&mut self, name: impl Into<Cow<'static, str>>, value: f64) {
        self.0.push(Column { name: name.into(), value });
    }

    /// Adds values of measures of some images: `val` gives `val_top1`.
    pub fn extend(&mut self, images: &str, values: impl IntoIterator<Item = (Measure, f64)>) {
        for (measure, value) in values {
            self.push(format!("{images}_{}", measure.name), value);
        }
    }

    /// Adds others.
    pub fn append(&mut self, others: Columns) {
        self.0.extend(others.0);
    }

    /// Puts the numbers into the order of others; what those have not comes last. Not every format
    /// keeps the order of a map.
    pub fn sort_like(&mut self, others: &Columns) {
        let place = |column: &Column| others.iter().position(|other| other.name == column.name);
        self.0.sort_by_key(|column| place(column).unwrap_or(usize::MAX));
    }

    /// The number of this name, if there is one.
    pub fn get(&self, name: &str) -> Option<f64> {
        self.0.iter().find(|column| column.name == name).map(|column| column.value)
    }

    /// What best epochs were chosen by, as these numbers of some images have it: of `val` the measure
    /// of `val_ap`, if that is there.
    pub fn judged_by(&self, images: &str) -> Option<Measure> {
        let is_there =
            |measure: &Measure| self.get(&format!("{images}_{}", measure.name)).is_some();
        JUDGING.into_iter().find(is_there)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &Column> {
        self.0.iter()
    }
}

/// As a map from names to numbers.
impl Serialize for Columns {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for Column { name, value } in &self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Columns {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Numbers;

        impl<'de> Visitor<'de> for Numbers {
            type Value = Columns;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("numbers by name")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Columns, A::Error> {
                let mut columns = Columns::default();
                while let Some((name, value)) = map.next_entry::<String, f64>()? {
                    columns.push(name, value);
                }
                Ok(columns)
            }
        }

        deserializer.deserialize_map(Numbers)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_names_and_an_order_in_every_file() {
        #[derive(Debug, PartialEq, Serialize, Deserialize)]
        struct Row {
            epoch: usize,
            #[serde(flatten)]
            columns: Columns,
        }

        let mut columns = Columns::default();
        columns.push("lr", 0.1);
        columns.extend("val", [(TOP1, 100.0 / 3.0)]);
        columns.push("a", f64::MIN_POSITIVE);
        assert_eq!((columns.get("val_top1"), columns.get("top1")), (Some(100.0 / 3.0), None));
        let row = Row { epoch: 3, columns };
        let json = serde_json::to_string(&row).unwrap();
        assert!(json.starts_with("{\"epoch\":3,\"lr\":0.1,\"val_top1\":33.3"), "{json}");
        assert_eq!(serde_json::from_str::<Row>(&json).unwrap(), row);
        let mut read: Row = toml::from_str(&toml::to_string(&row).unwrap()).unwrap();
        read.columns.sort_like(&row.columns);
        assert_eq!(read, row);
        assert!(serde_json::from_str::<Row>("{\"epoch\":3,\"lr\":null}").is_err());
    }

    #[test]
    fn a_measure_knows_which_way_is_better_and_how_it_is_written() {
        assert!(TOP1.is_better(2.0, 1.0) && !TOP1.is_better(1.0, 1.0));
        assert!(!TOP1.is_better(f64::NAN, 1.0));
        assert!(LOSS.is_better(1.0, 2.0) && !LEARNING_RATE.is_better(1.0, 2.0));
        assert_eq!([TOP1, LOSS].map(|m| m.shown(1.0)), ["top-1 1.00 %", "loss 1.0000"]);
        let of = |column| Measure::of(column).map(|measure| measure.unit);
        assert_eq!([of("val_top1"), of("seconds"), of("x")], [Some("%"), Some("s"), None]);
        assert_eq!(Measure::of("test_ap50").map(|m| m.shown(0.91236)), Some("AP50 0.9124".into()));
    }

    #[test]
    fn the_numbers_tell_what_they_were_judged_by() {
        let mut columns = Columns::default();
        columns.extend("val", [(AP50, 0.9), (AP, 0.5)]);
        columns.extend("test", [(TOP5, 99.0)]);
        let judged = |images| columns.judged_by(images).map(|measure| measure.name);
        assert_eq!([judged("val"), judged("test")], [Some("ap"), None]);
    }
}
