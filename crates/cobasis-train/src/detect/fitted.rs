//! Sets of boxes as a detector knows them: classes by name, images as it was trained on them.

use cobasis_data::boxes::{Annotated, BoxClass, Boxes};
use cobasis_zoo::ModelConfig;

use crate::classes::places;
use crate::data::ImageSet;

/// Images with boxes whose classes are a detector's.
#[derive(Clone, Debug, PartialEq)]
pub struct FittedBoxes {
    /// The images, of which the detector's classes are told. Those that the set knows keep their numbers;
    /// others have the next ones.
    pub set: Annotated,
    /// Which classes the set knows, `[classes]`.
    pub known: Vec<bool>,
    /// A doubt that the user should know of.
    pub warning: Option<String>,
}

/// A set of boxes with the labels of a detector, whose classes have these names, or none.
///
/// # Errors
///
/// What does not fit, in words: a class that the detector does not have, another number of classes where
/// there are no names, a detector of grey images.
pub fn fitted_boxes(
    names: Vec<String>,
    model: &ModelConfig,
    set: Annotated,
) -> Result<FittedBoxes, String> {
    let (owner, classes, found) = (&model.name, model.num_classes, set.classes.len());
    if model.in_channels != 3 {
        let channels = model.in_channels;
        return Err(format!("{owner}: expected a detector of 3 channels, got {channels}"));
    }
    if !names.is_empty() && names.len() != classes {
        return Err(format!(
            "classes: expected a name for each of {classes} classes of {owner}, got {}",
            names.len()
        ));
    }
    if names.is_empty() {
        if found != classes {
            let set = &set.name;
            return Err(format!("{set}: {found} classes do not fit {owner}, which has {classes}"));
        }
        let first = set.classes.first().map_or("", |class| &class.name);
        let warning = format!(
            "the file of {owner} has no class names: the {found} classes of {:?} are compared by \
             number, from {first:?} as 0",
            set.name
        );
        return Ok(FittedBoxes { set, known: vec![true; classes], warning: Some(warning) });
    }
    let theirs: Vec<String> = set.classes.iter().map(|class| class.name.clone()).collect();
    let places = places(&theirs, &names);
    let places = places.map_err(|stranger| {
        format!("{}: {}", set.name, stranger.describe(&owner.to_string(), classes))
    })?;
    let mut known = vec![false; classes];
    places.iter().for_each(|&place| known[place] = true);
    let mut next = set.classes.iter().map(|class| class.id).max().map_or(1, |id| id + 1)..;
    let class = |(place, name): (usize, String)| {
        let own = places.iter().position(|&other| other == place);
        let id = own.map(|own| set.classes[own].id).or_else(|| next.next());
        BoxClass { name, id: id.unwrap_or(i64::MAX) }
    };
    let classes = names.into_iter().enumerate().map(class).collect();
    let mut images = set.images;
    for annotation in images.iter_mut().flat_map(|image| &mut image.boxes) {
        annotation.class = places[usize::from(annotation.class)] as u16;
    }
    Ok(FittedBoxes { set: Annotated { classes, images, ..set }, known, warning: None })
}

/// The pictures of a set as a detector is to see them: of its input's size, normalised as those that it was
/// trained on.
///
/// # Errors
///
/// What does not fit, in words.
pub fn pictures(model: &ModelConfig, set: &Annotated) -> Result<ImageSet<Boxes>, String> {
    let images = set.image_set(model.image()).map_err(|error| error.to_string())?;
    match &model.preparation {
        Some(of) => images.normalised_by(&of.mean, &of.std).map_err(|error| error.to_string()),
        None => Ok(images),
    }
}

#[cfg(test)]
mod tests {
    use cobasis_data::boxes::{AnnotatedImage, Annotation, BoxKind, Findings, Rect};

    use super::*;

    fn set(classes: &[(&str, i64)]) -> Annotated {
        let class = |&(name, id): &(&str, i64)| BoxClass { name: name.into(), id };
        let rect = Rect::from_xywh([0.0, 0.0, 2.0, 2.0]);
        let of = |class| Annotation { rect, class: class as u16, kind: BoxKind::Object, area: 4.0 };
        let boxes = (0..classes.len()).map(of).collect();
        Annotated {
            name: "toy".into(),
            folder: "".into(),
            classes: classes.iter().map(class).collect(),
            images: vec![AnnotatedImage { path: "a".into(), id: 1, size: [4, 4], boxes }],
            findings: Findings::default(),
        }
    }

    fn fitted(names: &[&str], classes: &[(&str, i64)]) -> Result<FittedBoxes, String> {
        let model = ModelConfig::new("cifar10/resnet20".parse().expect("a name"));
        let names = names.iter().map(|name| name.to_string()).collect();
        fitted_boxes(names, &model.with_num_classes(3), set(classes))
    }

    #[test]
    fn classes_are_matched_by_name_and_keep_their_numbers() {
        let FittedBoxes { set, known, warning } =
            fitted(&["a", "b", "c"], &[("c", 90), ("a", 7)]).expect("fits");
        let labels: Vec<u16> = set.images[0].boxes.iter().map(|one| one.class).collect();
        assert_eq!((labels, known, warning), (vec![2, 0], vec![true, false, true], None));
        let classes: Vec<_> = set.classes.iter().map(|one| (one.name.as_str(), one.id)).collect();
        assert_eq!(classes, [("a", 7), ("b", 91), ("c", 90)]);
    }

    #[test]
    fn what_does_not_fit_is_told() {
        let said = fitted(&["a", "b", "c"], &[("d", 1)]).expect_err("must be refused");
        assert_eq!(said, "toy: class \"d\" is none of the 3 classes of cifar10/resnet20");
        let said = fitted(&["a", "b"], &[("a", 1)]).expect_err("must be refused");
        assert!(said.contains("a name for each of 3 classes"), "{said}");
        let said = fitted(&[], &[("a", 1)]).expect_err("must be refused");
        assert_eq!(said, "toy: 1 classes do not fit cifar10/resnet20, which has 3");
        let by_number = fitted(&[], &[("a", 1), ("b", 2), ("c", 3)]).expect("fits");
        assert!(by_number.warning.is_some_and(|said| said.contains("by number, from \"a\" as 0")));
    }
}
