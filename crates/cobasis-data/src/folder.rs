//! Image folders in the layout of ImageNet: `train/CLASS/IMAGE` and `val/CLASS/IMAGE`.

mod search;

use std::path::{Path, PathBuf};

pub(super) use search::Found;
use search::entries;
pub use search::holds_images;

use super::error::DataError;
use super::files::{FileView, ImageFiles};
use super::image_set::ImageSet;
use super::set_info::SetInfo;
use super::{Split, View};

/// The folder of the training split.
const TRAIN: &str = "train";
/// Folders that the test split may be in; the first one that exists counts.
const TEST: &[&str] = &["val", "test"];

/// Loads one split of the image folder `dir`, the data set `name`; see [`super::load`].
pub(super) fn load(
    name: &str,
    dir: Option<&Path>,
    split: Split,
    view: View,
) -> Result<ImageSet, DataError> {
    load_split(name, dir, split, view, true)
}

/// The test split by itself, whose classes are its own folders.
pub(super) fn load_test_alone(
    name: &str,
    dir: Option<&Path>,
    view: View,
) -> Result<ImageSet, DataError> {
    load_split(name, dir, Split::Test, view, false)
}

/// A split, with the classes `of_train` where there are any, or its own.
fn load_split(
    name: &str,
    dir: Option<&Path>,
    split: Split,
    view: View,
    of_train: bool,
) -> Result<ImageSet, DataError> {
    let set = || name.to_string();
    let layout = || ["train/CLASS/*.jpg", "val/CLASS/*.jpg"].map(String::from).to_vec();
    let Some(dir) = dir else {
        return Err(DataError::DirectoryNotGiven { set: set(), files: layout() });
    };
    if !dir.is_dir() {
        let dir = dir.to_path_buf();
        return Err(DataError::NotADirectory { set: set(), dir, files: layout() });
    }
    let tests: Vec<PathBuf> =
        TEST.iter().map(|test| dir.join(test)).filter(|test| test.is_dir()).collect();
    if let (Split::Test, [used, ignored, ..]) = (split, &tests[..]) {
        log::warn!("{}: ignored, since {} is used", ignored.display(), used.display());
    }
    let root = match split {
        Split::Train => Some(dir.join(TRAIN)).filter(|train| train.is_dir()),
        Split::Test => tests.first().cloned(),
    };
    let Some(root) = root else {
        let folder = if split == Split::Train { TRAIN } else { TEST[0] };
        let (files, looked_in) = (vec![format!("{folder}/CLASS/*.jpg")], vec![dir.to_path_buf()]);
        return Err(DataError::MissingFiles { set: set(), files, looked_in });
    };
    // Labels count the classes of the training split, which may be more.
    let train = dir.join(TRAIN);
    let classes_of = if of_train && train.is_dir() { &train } else { &root };
    let classes = classes(name, classes_of)?;

    let mut found = Found::default();
    let (mut names, mut labels, mut empty) = (Vec::new(), Vec::new(), Vec::new());
    for (label, class) in classes.iter().enumerate() {
        let folder = root.join(class);
        let before = names.len();
        if folder.is_dir() {
            found.collect(&folder, &mut names)?;
        }
        if names.len() == before {
            empty.push(class.as_str());
        }
        labels.resize(names.len(), label as u16);
    }
    check_strangers(name, &root, &classes)?;
    found.warn(&root);
    if names.is_empty() {
        let (files, looked_in) = (vec!["CLASS/*.jpg".to_string()], vec![root]);
        return Err(DataError::MissingFiles { set: set(), files, looked_in });
    }
    warn_of_empty(&root, &empty, classes.len());
    let info = info(name, classes, view);
    if view.resize < view.size {
        let expected = format!("at least the size, {}", view.size);
        return Err(info.error("resize", expected, view.resize.to_string()));
    }
    // A class's images are in the folder that names it.
    let (folders, places) = (info.classes.clone(), labels.clone());
    let view = FileView::Centre { resize: view.resize as u32 };
    ImageSet::of_files(info, ImageFiles { root, folders, places, names, view }, labels)
}

/// What is true of every image.
pub(super) fn info(name: &str, classes: Vec<String>, view: View) -> SetInfo {
    SetInfo {
        name: name.to_string(),
        classes,
        shape: [3, view.size, view.size],
        // ImageNet's constants, as torchvision's recipes have them for any folder.
        mean: vec![0.485, 0.456, 0.406],
        std: vec![0.229, 0.224, 0.225],
        max_value: u8::MAX,
    }
}

/// Says which classes have no images: one line, however many they are.
fn warn_of_empty(root: &Path, empty: &[&str], classes: usize) {
    let root = root.display();
    match empty {
        [] => {}
        [only] => log::warn!("{root}: no images of class {only:?}"),
        [first, ..] => log::warn!(
            "{root}: no images of {} of the {classes} classes, such as {first:?}",
            empty.len()
        ),
    }
}

/// The names of the folders in `root`, sorted as torchvision does, which makes them labels.
fn classes(set: &str, root: &Path) -> Result<Vec<String>, DataError> {
    let wrong = |path: &Path, expected: &str, got: &str| DataError::Inconsistent {
        set: set.to_string(),
        what: path.display().to_string(),
        expected: expected.to_string(),
        got: got.to_string(),
    };
    let mut classes = Vec::new();
    for (path, is_dir) in entries(root)? {
        if !is_dir {
            // The class would be missing without a word.
            if path.is_symlink() && !path.exists() {
                return Err(wrong(&path, "a folder", "a link that leads in circles or nowhere"));
            }
            continue;
        }
        match path.file_name().and_then(|name| name.to_str()) {
            Some(name) => classes.push(name.to_string()),
            None => return Err(wrong(&path, "the name of a class in UTF-8", "other bytes")),
        }
    }
    if classes.is_empty() {
        let (files, looked_in) = (vec!["CLASS/*.jpg".to_string()], vec![root.to_path_buf()]);
        return Err(DataError::MissingFiles { set: set.to_string(), files, looked_in });
    }
    if classes.len() > usize::from(u16::MAX) {
        return Err(DataError::Inconsistent {
            set: set.to_string(),
            what: format!("folders in {}", root.display()),
            expected: format!("at most {} classes", u16::MAX),
            got: classes.len().to_string(),
        });
    }
    Ok(classes)
}

/// Refuses classes of a test split that no image was learnt from: a slip in names would otherwise
/// show as errors of the network.
fn check_strangers(set: &str, root: &Path, known: &[String]) -> Result<(), DataError> {
    let strangers = classes(set, root)?.into_iter().filter(|class| !known.contains(class));
    let strangers: Vec<String> = strangers.collect();
    match strangers.first() {
        None => Ok(()),
        Some(first) => Err(DataError::Inconsistent {
            set: set.to_string(),
            what: format!("folders in {}", root.display()),
            expected: format!("the {} classes of {TRAIN}", known.len()),
            got: format!("{} others, such as {first:?}", strangers.len()),
        }),
    }
}

#[cfg(test)]
mod tests;
