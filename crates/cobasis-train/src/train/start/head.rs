//! What becomes of the classifier of a file that a run starts from.

use cobasis_zoo::ModelConfig;

use crate::classes::{class_names, places};

/// What is done with the classifier of a file.
#[derive(Debug, PartialEq)]
pub(super) enum Head {
    Kept,
    /// Class `k` of the data is class `order[k]` of the file.
    Reordered(Vec<usize>),
    New,
}

impl Head {
    /// What is done with the classifier of `theirs` for images of these classes, and what is to be said
    /// of it.
    pub(super) fn of(
        theirs: &ModelConfig,
        ours: &ModelConfig,
        classes: &[String],
        file: &str,
    ) -> (Self, String) {
        match (&theirs.detector, &ours.detector) {
            (None, Some(_)) => return (Head::New, "; new neck and head of a detector".to_owned()),
            // The size of pictures changes no weight.
            (Some(before), Some(now)) if before.clone().with_input(now.input) == *now => {}
            (Some(_), Some(_)) => {
                let said =
                    format!("; new neck and head, since {file} holds another kind of detector");
                return (Head::New, said);
            }
            (Some(_), None) => {
                return (Head::New, format!("; new classifier, since {file} holds a detector"));
            }
            (None, None) => {}
        }
        let part = if ours.detector.is_some() { "neck and head" } else { "classifier" };
        let (had, count) = (theirs.num_classes, ours.num_classes);
        if had != count {
            return (Head::New, format!("; new {part} for {count} classes; {file} has {had}"));
        }
        let names = class_names(theirs);
        if names.is_empty() || classes.len() != count {
            let said = "class by number, since it has no class names";
            return (Head::Kept, format!("; its {part} is kept, {said}"));
        }
        match places(classes, &names) {
            Ok(order) if order.iter().copied().eq(0..count) => (Head::Kept, String::new()),
            Ok(order) => {
                let said =
                    format!("; the classes of its {part} are put into the order of the data's");
                (Head::Reordered(order), said)
            }
            Err(stranger) => {
                let name = stranger.name;
                let said = format!(
                    "; new {part} for {count} other classes: {name:?} is not one of {file}"
                );
                (Head::New, said)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use cobasis_zoo::{DetectorConfig, Preparation};

    use super::*;

    fn names(names: &str) -> Vec<String> {
        names.split(' ').map(String::from).collect()
    }

    fn model(classes: &str) -> ModelConfig {
        let model = ModelConfig::new("digits/resnet14".parse().unwrap());
        let classes = names(classes);
        model.with_num_classes(classes.len()).with_preparation(Preparation {
            dataset: "toy".into(),
            classes,
            size: 8,
            resize: 8,
            mean: vec![0.5],
            std: vec![0.5],
        })
    }

    #[test]
    fn a_detector_is_kept_for_pictures_of_another_size_and_new_for_another_kind() {
        let detector = |input| DetectorConfig::new(input).with_width(8);
        let of = |theirs: ModelConfig, ours: ModelConfig| {
            Head::of(&theirs, &ours, &names("a b"), "FILE")
        };
        let small = || model("a b").with_detector(detector([64, 64]));
        let larger = model("a b").with_detector(detector([96, 128]));
        assert_eq!(of(small(), larger), (Head::Kept, String::new()));
        let (head, said) = of(model("b a").with_detector(detector([64, 64])), small());
        assert!(
            head == Head::Reordered(vec![1, 0]) && said.contains("of its neck and head"),
            "{said}"
        );
        let wider = model("a b").with_detector(detector([64, 64]).with_width(16));
        for theirs in [wider, model("a b")] {
            let (head, said) = of(theirs, small());
            assert!(head == Head::New && said.starts_with("; new neck and head"), "{said}");
        }
        let (head, said) = of(small(), model("a b"));
        assert!(head == Head::New && said.starts_with("; new classifier"), "{said}");
    }

    #[test]
    fn a_classifier_is_kept_for_its_own_classes_and_new_for_others() {
        let head =
            |theirs: &ModelConfig, ours: &str| Head::of(theirs, &model(ours), &names(ours), "FILE");
        assert_eq!(head(&model("a b c"), "a b c"), (Head::Kept, String::new()));
        let (kept, said) = head(&model("a b c"), "c a b");
        assert_eq!(kept, Head::Reordered(vec![2, 0, 1]));
        assert!(said.contains("into the order of the data's"), "{said}");
        let (new, said) = head(&model("a b c"), "a b");
        assert_eq!((new, &*said), (Head::New, "; new classifier for 2 classes; FILE has 3"));
        let (new, said) = head(&model("a b c"), "a b d");
        assert_eq!(new, Head::New);
        assert!(said.ends_with("3 other classes: \"d\" is not one of FILE"), "{said}");
        let unnamed = ModelConfig::new("digits/resnet14".parse().unwrap()).with_num_classes(2);
        let (kept, said) = head(&unnamed, "x y");
        assert!(kept == Head::Kept && said.contains("by number"), "{said}");
        // Digits have names, even where the file says none.
        let digits = ModelConfig::new("digits/resnet14".parse().unwrap());
        assert_eq!(head(&digits, "0 1 2 3 4 5 6 7 8 9").0, Head::Kept);
        assert_eq!(head(&digits, "a b c d e f g h i j").0, Head::New);
    }
}
