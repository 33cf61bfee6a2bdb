//! Whether a run that is resumed has the data that it began with.

use std::io::ErrorKind;

use cobasis_zoo::{ModelConfig, Preparation};

use crate::data::regular::{MAX_TABLE, read_text};
use crate::error::Error;
use crate::run_dir::RunDir;
use crate::train::DataIdentity;
use crate::train::data_identity::class_difference;

/// The file of a run's directory that tells its data from others.
pub(crate) const DATA: &str = "data.json";

/// What the directory says of the run's data; `None` where an earlier version has begun the run. A
/// file that can't be read gives way to what the checkpoints say.
pub(crate) fn recorded_data(directory: &RunDir) -> Option<DataIdentity> {
    let path = directory.path().join(DATA);
    let lost = |problem: String| log::warn!("{}: cannot be used: {problem}", path.display());
    let text = match read_text(&path, MAX_TABLE) {
        Err(error) if error.kind() == ErrorKind::NotFound => return None,
        text => text.map_err(|error| lost(error.to_string())).ok()?,
    };
    serde_json::from_str(&text).map_err(|error| lost(error.to_string())).ok()
}

/// Refuses other data than those of the run in `place`.
pub(crate) fn check_same(
    before: &DataIdentity,
    now: &DataIdentity,
    place: &str,
) -> Result<(), Error> {
    before.difference(now).map_or(Ok(()), |difference| Err(refused(place, &difference)))
}

/// Refuses images of another kind than the run in `place` was made for, by what its model says: all
/// that is known of the data of runs of earlier versions.
pub(crate) fn check_model(
    before: &ModelConfig,
    now: &ModelConfig,
    place: &str,
) -> Result<(), Error> {
    model_difference(before, now).map_or(Ok(()), |difference| Err(refused(place, &difference)))
}

/// Says that nobody knows whether the images are those of the run in `place`.
pub(crate) fn warn_of_unknown(place: &str) {
    log::warn!(
        "{place}: the run was begun by a version that did not record its images; whether these \
         are the same is not known"
    );
}

/// In what the images differ that models were made for, in words.
fn model_difference(before: &ModelConfig, now: &ModelConfig) -> Option<String> {
    if let (Some(before), Some(now)) = (&before.preparation, &now.preparation) {
        let shown = |images: &Preparation| {
            let Preparation { size, resize, mean, std, .. } = images;
            format!("images of size {size}, resize {resize}, mean {mean:?}, std {std:?}")
        };
        let [was, is] = [before, now].map(shown);
        return class_difference(&before.classes, &now.classes)
            .or_else(|| (was != is).then(|| format!("{is} instead of {was}")));
    }
    let shape = |model: &ModelConfig| {
        format!("{} classes and {} channels", model.num_classes, model.in_channels)
    };
    let (was, is) = (shape(before), shape(now));
    (was != is).then(|| format!("{is} instead of {was}"))
}

fn refused(place: &str, difference: &str) -> Error {
    Error::Usage(format!(
        "the data differ from those of the run in {place}: {difference}; give the same data to resume, \
         or another --out to start a new run"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::DatasetName;
    use crate::preparation::of_dataset;

    #[test]
    fn a_model_tells_what_it_knows_of_its_images() {
        let model = |classes: usize| {
            let model = ModelConfig::new("digits/resnet14".parse().unwrap());
            model.with_num_classes(classes)
        };
        let digits = || of_dataset(DatasetName::Digits, 8);
        let with = |change: fn(&mut Preparation)| {
            let mut images = digits();
            change(&mut images);
            model(images.classes.len()).with_preparation(images)
        };
        let before = with(|_| {});
        assert_eq!(model_difference(&before, &before), None);
        let added = with(|images| images.classes.push("ten".into()));
        let said = model_difference(&before, &added).unwrap();
        assert_eq!(said, "class \"ten\" was added (11 classes instead of 10)");
        let said = model_difference(&before, &with(|images| images.size = 9)).unwrap();
        assert!(said.starts_with("images of size 9, resize 8, "), "{said}");
        let said = model_difference(&model(3), &model(4)).unwrap();
        assert_eq!(said, "4 classes and 1 channels instead of 3 classes and 1 channels");
    }
}
