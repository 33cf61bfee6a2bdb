//! What there is to say of a file that was read.

use super::faults::{FaultyTensor, described};
use crate::short::{listed, quoted};

/// What there is to say of a file that was read: which weights were taken of one that is not ours, what
/// was passed over, and which tensors have numbers that no network can use.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Notes {
    /// The key under which the weights were, of nested dictionaries the keys joined by points; `None`
    /// where they were on top.
    pub weights: Option<String>,
    /// What stood before all names and was taken off: `module.`, or nothing.
    pub prefix: String,
    /// The count of classes where it is another than that of the model's data set.
    pub classes: Option<usize>,
    /// The channels of an image where they are others than those of the model's data set.
    pub channels: Option<usize>,
    /// Keys of other weights, which [`OpenOptions::weights`](super::OpenOptions::weights) would take.
    pub others: Vec<String>,
    /// Names of what was passed over, except for counters of batches: epoch, optimizer, what profilers
    /// leave behind.
    pub passed_over: Vec<String>,
    /// Tensors with numbers that no network can use. The model has them as they are.
    pub faulty: Vec<FaultyTensor>,
}

impl Notes {
    /// Where the weights were and how they differ from the model's usual ones, in one line; `None` if
    /// there is nothing to say.
    pub fn taken(&self) -> Option<String> {
        let key = self.weights.as_ref().map(|key| format!("under {}", quoted(key)));
        let prefix = (!self.prefix.is_empty())
            .then(|| format!("without the prefix {}", quoted(&self.prefix)));
        let classes = self.classes.map(|classes| format!("for {classes} classes"));
        let channels = self.channels.map(|channels| format!("for images of {channels} channels"));
        let parts: Vec<String> = [key, prefix, classes, channels].into_iter().flatten().collect();
        (!parts.is_empty()).then(|| format!("took the weights {}", parts.join(", ")))
    }

    /// The other weights that the file has, in one line.
    pub fn others(&self) -> Option<String> {
        (!self.others.is_empty())
            .then(|| format!("there are other weights under {}", listed(&self.others)))
    }

    /// The tensors with numbers that no network can use, in one line.
    pub fn faulty(&self) -> Option<String> {
        let tensors = || described(&self.faulty);
        (!self.faulty.is_empty()).then(|| format!("numbers that no network can use: {}", tensors()))
    }

    /// What was passed over, in one line.
    pub fn passed_over(&self) -> Option<String> {
        (!self.passed_over.is_empty()).then(|| format!("skipped {}", listed(&self.passed_over)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_are_short_lines_or_nothing() {
        let none = Notes::default();
        let said = [none.taken(), none.others(), none.passed_over(), none.faulty()];
        assert!(said.iter().all(Option::is_none), "{said:?}");
        let notes = Notes {
            weights: Some("state_dict".into()),
            prefix: "module.".into(),
            classes: Some(4),
            passed_over: (0..10_000).map(|number| format!("{number}.total_ops")).collect(),
            ..none
        };
        let taken =
            "took the weights under \"state_dict\", without the prefix \"module.\", for 4 classes";
        assert_eq!(notes.taken().as_deref(), Some(taken));
        let passed_over = notes.passed_over().expect("something");
        assert!(passed_over.ends_with("and 9992 more") && passed_over.len() < 300, "{passed_over}");
    }
}
