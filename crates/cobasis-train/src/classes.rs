//! Which class of a model each class of some images is: by name where both sides have names.

use std::collections::HashMap;

use cobasis_zoo::{ModelConfig, ModelName};

use crate::data::{DataError, DatasetName, ImageSet};
use crate::preparation::of_dataset;

/// The names of a model's classes, by label: those that its file records, or those of the data set
/// that the model is named after, where the file records nothing and there are as many; none where
/// nobody knows.
pub fn class_names(model: &ModelConfig) -> Vec<String> {
    let recorded = model.preparation.as_ref().map(|images| images.classes.clone());
    let mut names = recorded.unwrap_or_else(|| usual_names(&model.name));
    if names.len() != model.num_classes {
        names.clear();
    }
    names
}

/// The names of the classes of the data set that a model is named after, as far as they are known
/// without its files.
fn usual_names(model: &ModelName) -> Vec<String> {
    let dataset: Option<DatasetName> = model.dataset().parse().ok();
    dataset.map_or(Vec::new(), |dataset| of_dataset(dataset, 1).classes)
}

/// For each of the `theirs`, its place among `ours`, by name.
///
/// # Errors
///
/// The first name that is not among ours, or that is there more than once, in words.
pub fn places(theirs: &[String], ours: &[String]) -> Result<Vec<usize>, Stranger> {
    if theirs == ours {
        return Ok((0..ours.len()).collect());
    }
    let mut known: HashMap<&str, Vec<usize>> = HashMap::new();
    for (place, name) in ours.iter().enumerate() {
        known.entry(name).or_default().push(place);
    }
    let mut taken = vec![false; ours.len()];
    let place = |name: &String| match known.get(name.as_str()).map(Vec::as_slice) {
        Some(&[place]) if !std::mem::replace(&mut taken[place], true) => Ok(place),
        Some(_) => Err(Stranger { name: name.clone(), is_ambiguous: true }),
        None => Err(Stranger { name: name.clone(), is_ambiguous: false }),
    };
    theirs.iter().map(place).collect()
}

/// The name of a class that has not one place among others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stranger {
    /// The name.
    pub name: String,
    /// Whether there are several classes of this name; else there is none.
    pub is_ambiguous: bool,
}

impl Stranger {
    /// What is wrong, where `owner` has so many classes.
    pub(crate) fn describe(&self, owner: &str, classes: usize) -> String {
        let Self { name, is_ambiguous } = self;
        match is_ambiguous {
            true => format!("several classes are called {name:?}, which can't be told apart"),
            false => format!("class {name:?} is none of the {classes} classes of {owner}"),
        }
    }
}

/// Images with the labels and the normalisation of a model, and what is to be said about them.
#[derive(Debug)]
pub struct Fitted {
    /// The images. Their classes are the model's.
    pub set: ImageSet,
    /// A doubt that the user should know of.
    pub warning: Option<String>,
}

/// Images as the model's: labels by the names of classes, normalised as those that it was trained
/// on.
///
/// Where the model has no class names, labels are taken for the model's, and the warning says so.
///
/// # Errors
///
/// What does not fit, in words: channels, the size of images that can't be resized, classes that
/// the model does not have, another number of classes where there are no names.
pub fn fitted(model: &ModelConfig, set: ImageSet) -> Result<Fitted, String> {
    fitted_by(class_names(model), model, set)
}

/// [`fitted`], by these names of the model's classes, or by none.
///
/// # Errors
///
/// Those of [`fitted`], and where there is not a name for each of the model's classes.
pub fn fitted_by(names: Vec<String>, model: &ModelConfig, set: ImageSet) -> Result<Fitted, String> {
    check_images(model, &set)?;
    if !names.is_empty() && names.len() != model.num_classes {
        let (expected, got) = (model.num_classes, names.len());
        return Err(format!(
            "classes: expected a name for each of {expected} classes of {}, got {got}",
            model.name
        ));
    }
    let found = &set.info().classes;
    let (set, warning) = match names.is_empty() {
        true if model.num_classes == found.len() => {
            let warning = format!(
                "the file of {} has no class names: the {} classes of {} are compared by number, \
                 from {:?} as 0",
                model.name,
                found.len(),
                set.info().name,
                found.first().map_or("", String::as_str)
            );
            (set, Some(warning))
        }
        true => return Err(counts_differ(model, &set)),
        false => {
            let places = places(found, &names);
            let owner = model.name.to_string();
            let places = places.map_err(|stranger| {
                format!("{}: {}", set.info().name, stranger.describe(&owner, names.len()))
            })?;
            let labels: Vec<u16> = places.into_iter().map(|place| place as u16).collect();
            (set.among_classes(names, &labels).map_err(in_words)?, None)
        }
    };
    let set = match &model.preparation {
        Some(images) => set.normalised_by(&images.mean, &images.std).map_err(in_words)?,
        None => set,
    };
    Ok(Fitted { set, warning })
}

/// The teacher's classes in the order of the student's: `order[k]` is the teacher's class for the
/// student's class `k`; and what is to be said about it.
///
/// # Errors
///
/// The class that the teacher does not have, or that their numbers differ, in words.
pub fn taught_order(
    teacher: &ModelConfig,
    student: &ModelConfig,
) -> Result<(Vec<usize>, Option<String>), String> {
    let [theirs, ours] = [teacher, student].map(class_names);
    if teacher.num_classes != student.num_classes {
        return Err(format!(
            "expected a model with {} classes, got {} with {}",
            student.num_classes, teacher.name, teacher.num_classes
        ));
    }
    if theirs.is_empty() || ours.is_empty() {
        let warning = format!(
            "distill.teacher: the file of {} has no class names: its {} classes are compared by \
             number",
            teacher.name, teacher.num_classes
        );
        return Ok(((0..teacher.num_classes).collect(), Some(warning)));
    }
    let order = places(&ours, &theirs);
    let order =
        order.map_err(|stranger| stranger.describe(&teacher.name.to_string(), theirs.len()));
    Ok((order?, None))
}

fn check_images(model: &ModelConfig, set: &ImageSet) -> Result<(), String> {
    let [channels, height, width] = set.shape();
    if model.in_channels != channels {
        return Err(counts_differ(model, set));
    }
    match &model.preparation {
        Some(images) if [images.size; 2] != [height, width] => Err(format!(
            "{}: images of {height}x{width} do not fit {}, which was trained on {size}x{size}",
            set.info().name,
            model.name,
            size = images.size
        )),
        _ => Ok(()),
    }
}

fn counts_differ(model: &ModelConfig, set: &ImageSet) -> String {
    let [channels, _, _] = set.shape();
    format!(
        "{}: {} classes and {channels} channels do not fit {}, which has {} and {}",
        set.info().name,
        set.num_classes(),
        model.name,
        model.num_classes,
        model.in_channels
    )
}

fn in_words(error: DataError) -> String {
    error.to_string()
}

#[cfg(test)]
mod tests {
    use cobasis_zoo::Preparation;

    use super::*;
    use crate::data::SetInfo;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| name.to_string()).collect()
    }

    /// An image of 8×8 for each of these classes.
    fn set(classes: &[&str], channels: usize) -> ImageSet {
        let info = SetInfo {
            name: "toy".into(),
            classes: names(classes),
            shape: [channels, 8, 8],
            mean: vec![0.5; channels],
            std: vec![0.5; channels],
            max_value: 1,
        };
        let labels = (0..classes.len() as u16).collect();
        ImageSet::new(info, vec![0; classes.len() * channels * 64], labels).unwrap()
    }

    /// A model that was trained on images of 8×8 of these classes.
    fn model(classes: &[&str]) -> ModelConfig {
        let model = ModelConfig::new("digits/resnet14".parse().unwrap());
        model.with_num_classes(classes.len()).with_preparation(Preparation {
            dataset: "toy".into(),
            classes: names(classes),
            size: 8,
            resize: 8,
            mean: vec![0.25],
            std: vec![0.75],
        })
    }

    fn refused(model: &ModelConfig, set: ImageSet) -> String {
        fitted(model, set).unwrap_err()
    }

    #[test]
    fn classes_are_matched_by_name_and_fewer_will_do() {
        let Fitted { set, warning } =
            fitted(&model(&["a", "b", "c"]), set(&["c", "a"], 1)).unwrap();
        assert_eq!((set.labels(), set.num_classes(), warning), (&[2, 0][..], 3, None));
        assert_eq!((&set.info().mean, &set.info().std), (&vec![0.25], &vec![0.75]));
    }

    #[test]
    fn a_class_that_the_model_does_not_have_is_named() {
        let said = refused(&model(&["a", "b", "c"]), set(&["b", "c", "d"], 1));
        assert_eq!(said, "toy: class \"d\" is none of the 3 classes of digits/resnet14");
        let said = refused(&model(&["a", "crane", "crane"]), set(&["crane", "a"], 1));
        assert!(said.contains("several classes are called \"crane\""), "{said}");
        // As they are, there is no doubt.
        fitted(&model(&["a", "crane", "crane"]), set(&["a", "crane", "crane"], 1)).unwrap();
    }

    #[test]
    fn a_file_that_records_nothing_has_the_classes_of_its_data_set() {
        let unrecorded = ModelConfig::new("digits/resnet14".parse().unwrap());
        let Fitted { set: matched, .. } = fitted(&unrecorded, set(&["7", "3"], 1)).unwrap();
        assert_eq!(matched.labels(), [7, 3]);
        let said = refused(&unrecorded, set(&["seven"], 1));
        assert!(said.contains("\"seven\" is none of the 10 classes of digits/resnet14"), "{said}");
        // Unless somebody says what they are called.
        let told = |classes: &[&str]| fitted_by(names(classes), &unrecorded, set(&["seven"], 1));
        let digits = ["0", "1", "2", "3", "4", "5", "6", "seven", "8", "9"];
        assert_eq!(told(&digits).unwrap().set.labels(), [7]);
        assert!(told(&digits[1..]).unwrap_err().contains("each of 10 classes of digits/resnet14"));
    }

    #[test]
    fn without_names_the_numbers_must_agree_and_it_is_said() {
        let unnamed = ModelConfig::new("digits/resnet14".parse().unwrap()).with_num_classes(2);
        let fit = fitted(&unnamed, set(&["x", "y"], 1)).unwrap();
        assert_eq!(fit.set.labels(), [0, 1]);
        assert!(fit.warning.unwrap().contains("compared by number, from \"x\" as 0"));
        let said = refused(&unnamed, set(&["x", "y", "z"], 1));
        let expected =
            "toy: 3 classes and 1 channels do not fit digits/resnet14, which has 2 and 1";
        assert_eq!(said, expected);
    }

    #[test]
    fn images_that_do_not_fit_are_told_with_channels_or_size() {
        let said = refused(&model(&["a"]), set(&["a"], 3));
        let expected =
            "toy: 1 classes and 3 channels do not fit digits/resnet14, which has 1 and 1";
        assert_eq!(said, expected);
        let mut other = model(&["a"]);
        other.preparation.as_mut().unwrap().size = 16;
        let said = refused(&other, set(&["a"], 1));
        assert!(said.ends_with("8x8 do not fit digits/resnet14, which was trained on 16x16"));
    }

    #[test]
    fn a_teacher_is_heard_in_the_order_of_the_students_classes() {
        let order = |teacher: &[&str], student: &[&str]| {
            taught_order(&model(teacher), &model(student)).map(|(order, _)| order)
        };
        assert_eq!(order(&["a", "b", "c"], &["c", "a", "b"]), Ok(vec![2, 0, 1]));
        let said = order(&["a", "b"], &["a", "d"]).unwrap_err();
        assert_eq!(said, "class \"d\" is none of the 2 classes of digits/resnet14");
        assert!(order(&["a", "b"], &["a"]).unwrap_err().starts_with("expected a model with 1"));
        let unnamed = ModelConfig::new("digits/resnet14".parse().unwrap()).with_num_classes(2);
        let (order, warning) = taught_order(&unnamed, &model(&["x", "y"])).unwrap();
        assert!(order == [0, 1] && warning.unwrap().contains("compared by number"));
    }
}
