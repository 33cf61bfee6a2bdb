//! Which images a run is about: what tells its data from others.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::data::{ClassCount, ImageSet, Target, class_counts};
use crate::train::loaders::Loaders;

/// Names that a message lists before it only counts.
const LISTED: usize = 3;

/// What tells the data of a run from others: the run's directory and its checkpoints have it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DataIdentity {
    /// Name of the data set.
    pub dataset: String,
    /// Names of the classes, by label.
    pub classes: Vec<String>,
    /// Shape of an image: `[channels, height, width]`.
    pub shape: [usize; 3],
    /// Length of an image's shorter side before the square is cut out, pixels.
    pub resize: usize,
    /// Mean of each channel.
    pub mean: Vec<f32>,
    /// Standard deviation of each channel.
    pub std: Vec<f32>,
    /// What is trained on.
    pub train: Part,
    /// What judges every epoch.
    pub val: Part,
    /// What judges the result, where that is something else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test: Option<Part>,
    /// The images of further tasks, by the tasks' names.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tasks: BTreeMap<String, DataIdentity>,
}

/// Some of the images.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// How many.
    pub images: usize,
    /// How many of each class, by label; none where images have no class.
    pub of_class: Vec<usize>,
    /// What they are, in hexadecimal: see [`ImageSet::fingerprint`].
    pub fingerprint: String,
}

impl Part {
    fn of<T: Target>(set: &ImageSet<T>) -> Self {
        let counts = class_counts(set).into_iter();
        Self {
            images: set.len(),
            of_class: counts.map(|ClassCount { images, .. }| images).collect(),
            fingerprint: format!("{:016x}", set.fingerprint()),
        }
    }

    /// What differs, where these images are called `what`.
    fn difference(&self, now: &Self, what: &str, classes: &[String]) -> Option<String> {
        if self.images != now.images {
            let pairs = self.of_class.iter().zip(&now.of_class).zip(classes);
            let changed = pairs.filter(|((before, now), _)| before != now);
            let changed: Vec<String> = changed
                .map(|((before, now), class)| format!("{now} instead of {before} of {class:?}"))
                .collect();
            let of = match changed.is_empty() {
                true => String::new(),
                false => format!(" ({})", shortened(&changed)),
            };
            return Some(format!("{} {what} instead of {}{of}", now.images, self.images));
        }
        let other = match self.of_class.is_empty() {
            true => "with other boxes",
            false => "in other classes",
        };
        (self != now).then(|| format!("as many {what}, but others or {other}"))
    }
}

impl DataIdentity {
    pub(crate) fn of<T: Target>(loaders: &Loaders<T>) -> Self {
        let set = loaders.train.set();
        let info = set.info();
        Self {
            dataset: info.name.clone(),
            classes: info.classes.clone(),
            shape: info.shape,
            resize: set.resize(),
            mean: info.mean.clone(),
            std: info.std.clone(),
            train: Part::of(set),
            val: Part::of(loaders.val.set()),
            test: loaders.test.as_ref().map(|test| Part::of(test.set())),
            tasks: BTreeMap::new(),
        }
    }

    /// In what the data differ now, in words; `None` where they are the same.
    pub fn difference(&self, now: &Self) -> Option<String> {
        if self.dataset != now.dataset {
            return Some(format!("the data set {} instead of {}", now.dataset, self.dataset));
        }
        let differs = |what: &str, before: String, now: String| {
            (before != now).then(|| format!("{what} {now} instead of {before}"))
        };
        let shape = |[channels, height, width]: [usize; 3]| format!("{channels}x{height}x{width}");
        let parts = |before: &Part, now: &Part, what| before.difference(now, what, &self.classes);
        class_difference(&self.classes, &now.classes)
            .or_else(|| differs("images of", shape(self.shape), shape(now.shape)))
            .or_else(|| differs("resize", self.resize.to_string(), now.resize.to_string()))
            .or_else(|| differs("mean", format!("{:?}", self.mean), format!("{:?}", now.mean)))
            .or_else(|| differs("std", format!("{:?}", self.std), format!("{:?}", now.std)))
            .or_else(|| parts(&self.train, &now.train, "training images"))
            .or_else(|| parts(&self.val, &now.val, "validation images"))
            .or_else(|| match (&self.test, &now.test) {
                (Some(before), Some(now)) => parts(before, now, "test images"),
                (before, now) => (before != now).then(|| "test images apart".to_string()),
            })
            .or_else(|| self.difference_of_tasks(now))
    }

    /// In what the data of further tasks differ; which tasks there are, the configuration says.
    fn difference_of_tasks(&self, now: &Self) -> Option<String> {
        self.tasks.iter().find_map(|(name, before)| {
            let difference = before.difference(now.tasks.get(name)?)?;
            Some(format!("task {name:?}: {difference}"))
        })
    }
}

/// In what lists of classes differ, in words.
pub(crate) fn class_difference(before: &[String], now: &[String]) -> Option<String> {
    if before == now {
        return None;
    }
    let missing = |of: &[String], from: &[String]| -> Vec<String> {
        let names = of.iter().filter(|name| !from.contains(name));
        names.map(|name| format!("{name:?}")).collect()
    };
    let told = |names: Vec<String>, what: &str| match names.len() {
        0 => None,
        1 => Some(format!("class {} was {what}", names[0])),
        _ => Some(format!("classes {} were {what}", shortened(&names))),
    };
    let changes = [(missing(now, before), "added"), (missing(before, now), "removed")];
    let changes: Vec<String> =
        changes.into_iter().filter_map(|(names, what)| told(names, what)).collect();
    let counts = format!("{} classes instead of {}", now.len(), before.len());
    Some(match (changes.is_empty(), before.len() == now.len()) {
        (true, true) => "the classes are in another order".to_string(),
        (true, false) => counts,
        (false, true) => changes.join(" and "),
        (false, false) => format!("{} ({counts})", changes.join(" and ")),
    })
}

/// The first of some texts, with commas between them, and how many more there are.
fn shortened(texts: &[String]) -> String {
    let listed = texts.iter().take(LISTED).cloned().collect::<Vec<_>>().join(", ");
    match texts.len().saturating_sub(LISTED) {
        0 => listed,
        more => format!("{listed} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(of_class: &[usize]) -> Part {
        let of_class = of_class.to_vec();
        Part { images: of_class.iter().sum(), of_class, fingerprint: "0".into() }
    }

    fn names(names: &str) -> Vec<String> {
        names.split(' ').map(String::from).collect()
    }

    fn identity() -> DataIdentity {
        DataIdentity {
            dataset: "folder".into(),
            classes: names("b c d"),
            shape: [3, 8, 8],
            resize: 9,
            mean: vec![0.5; 3],
            std: vec![0.25; 3],
            train: part(&[4, 4, 2]),
            val: part(&[1, 1, 1]),
            test: None,
            tasks: BTreeMap::new(),
        }
    }

    #[test]
    fn what_differs_is_named() {
        let said = |now: DataIdentity| identity().difference(&now).expect("a difference");
        let classes = |classes: &str| DataIdentity { classes: names(classes), ..identity() };
        let cases = [
            (classes("a b c d"), "class \"a\" was added (4 classes instead of 3)"),
            (classes("b d"), "class \"c\" was removed (2 classes instead of 3)"),
            (classes("b c e"), "class \"e\" was added and class \"d\" was removed"),
            (classes("c b d"), "the classes are in another order"),
            (
                classes("1 2 3 4 5 b c d"),
                "classes \"1\", \"2\", \"3\" and 2 more were added (8 classes instead of 3)",
            ),
            (DataIdentity { shape: [3, 9, 9], ..identity() }, "images of 3x9x9 instead of 3x8x8"),
            (DataIdentity { resize: 8, ..identity() }, "resize 8 instead of 9"),
            (DataIdentity { mean: vec![0.1; 3], ..identity() }, "mean [0.1, 0.1, 0.1] instead of"),
            (
                DataIdentity { train: part(&[4, 6, 2]), ..identity() },
                "12 training images instead of 10 (6 instead of 4 of \"c\")",
            ),
            (
                DataIdentity { val: part(&[1, 0, 2]), ..identity() },
                "as many validation images, but others or in other classes",
            ),
            (DataIdentity { dataset: "mnist".into(), ..identity() }, "the data set mnist instead"),
        ];
        for (now, expected) in cases {
            let said = said(now);
            assert!(said.starts_with(expected), "{said}");
        }
        assert_eq!(identity().difference(&identity()), None);
        let with_task = |task: DataIdentity| {
            let tasks = BTreeMap::from([("a".to_string(), task)]);
            DataIdentity { tasks, ..identity() }
        };
        let before = with_task(identity());
        assert_eq!(before.difference(&with_task(identity())), None);
        let said = before.difference(&with_task(DataIdentity { resize: 8, ..identity() }));
        assert_eq!(said.as_deref(), Some("task \"a\": resize 8 instead of 9"));
    }

    #[test]
    fn it_comes_back_from_json_and_toml() {
        let json = serde_json::to_string(&identity()).unwrap();
        assert_eq!(serde_json::from_str::<DataIdentity>(&json).unwrap(), identity());
        let text = toml::to_string(&identity()).unwrap();
        assert_eq!(toml::from_str::<DataIdentity>(&text).unwrap(), identity());
    }
}
