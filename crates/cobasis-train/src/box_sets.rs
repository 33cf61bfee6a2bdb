//! Sets of images with boxes, as a configuration names them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::config::{Config, ConfigError, DataConfig};
use crate::data::boxes::{Annotated, BoxClass, Boxes, read_coco, read_voc};
use crate::data::{Augment, DataError, Dataset, DatasetName, ImageSet, Loader, LoaderConfig};
use crate::error::Error;

/// A part of a set with boxes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BoxPart {
    /// What is learnt from.
    Train,
    /// What chooses, where that is given.
    Val,
    /// What judges.
    Test,
}

/// Reads a part of the set that `data` names, with the classes of the training part where they are
/// known. Boxes that are left out or cut are logged as warnings.
///
/// The set is called by the name of the data set: where it lies is no matter.
///
/// # Errors
///
/// Where the set is none with boxes, there is no directory, no such part, or as [`read_voc`] and
/// [`read_coco`].
pub fn read_part(
    data: &DataConfig,
    part: BoxPart,
    classes: Option<&[BoxClass]>,
) -> Result<Annotated, Error> {
    let (key, name) = match part {
        BoxPart::Train => ("data.train", &data.train),
        BoxPart::Val => ("data.val", &data.val),
        BoxPart::Test => ("data.test", &data.test),
    };
    let Some(name) = name else {
        return Err(ConfigError::at(key, "expected a name of a list or file, got nothing").into());
    };
    let dir = directory(data)?;
    let annotated = match data.name {
        DatasetName::Voc => read_voc(&dir, name, classes)?,
        DatasetName::Coco => read_coco(&dir.join(name), &images(data, &dir, part, name), classes)?,
        other => {
            let problem =
                format!("expected coco | voc, got \"{other}\", whose images have no boxes");
            return Err(ConfigError::at("data.name", problem).into());
        }
    };
    Ok(Annotated { name: data.name.to_string(), ..annotated })
}

/// The images of the configuration's set with boxes, for pictures of the detector's input.
///
/// # Errors
///
/// As [`read_part`].
pub fn load_boxes(config: &Config) -> Result<Dataset<Boxes>, Error> {
    let (data, input) = (&config.data, config.detect.input);
    let train = read_part(data, BoxPart::Train, None)?;
    let part = |part| -> Result<ImageSet<Boxes>, Error> {
        Ok(read_part(data, part, Some(&train.classes))?.image_set(input)?)
    };
    let val = data.val.is_some().then(|| part(BoxPart::Val)).transpose()?;
    Ok(Dataset { val, test: part(BoxPart::Test)?, train: train.image_set(input)? })
}

/// What gives batches of training images with boxes: with the configuration's changes, and without
/// mosaics in the last epochs.
///
/// # Errors
///
/// As [`Loader::new`] and [`Loader::with_boxes`].
pub fn training_boxes(
    set: Arc<ImageSet<Boxes>>,
    loader: LoaderConfig,
    config: &Config,
) -> Result<Loader<Boxes>, DataError> {
    // The epochs of a run count from 1.
    let mosaics = config.train.epochs.saturating_sub(config.detect.last_epochs);
    let augment = config.augment.boxes(&config.data, mosaics as u64 + 1);
    Loader::new(set, LoaderConfig { augment: Augment::NONE, ..loader })?.with_boxes(augment)
}

/// The directory of the set.
fn directory(data: &DataConfig) -> Result<PathBuf, Error> {
    let needed = || match data.name {
        DatasetName::Voc => {
            ["Annotations", "ImageSets/Main", "JPEGImages"].map(String::from).to_vec()
        }
        _ => [&data.train, &data.val, &data.test].into_iter().flatten().cloned().collect(),
    };
    let set = data.name.to_string();
    match &data.dir {
        None => Err(DataError::DirectoryNotGiven { set, files: needed() }.into()),
        Some(dir) if !dir.is_dir() => {
            Err(DataError::NotADirectory { set, dir: dir.clone(), files: needed() }.into())
        }
        Some(dir) => Ok(dir.clone()),
    }
}

/// The folder of the images of the JSON file `name`.
fn images(data: &DataConfig, dir: &Path, part: BoxPart, name: &str) -> PathBuf {
    let place = match part {
        BoxPart::Train => 0,
        BoxPart::Val => 1,
        BoxPart::Test => 1 + usize::from(data.val.is_some()),
    };
    match data.images.as_slice() {
        [] => dir.join(name).parent().map_or_else(|| dir.to_path_buf(), Path::to_path_buf),
        [all] => dir.join(all),
        // The configuration has one for each part.
        several => dir.join(several.get(place).unwrap_or(&several[0])),
    }
}

#[cfg(test)]
mod tests;
