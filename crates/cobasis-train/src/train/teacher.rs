//! A trained model that another one learns from.

use burn::module::Module;
use burn::tensor::Device;
use cobasis_zoo::{DetectorConfig, Model, ModelConfig, Preparation, load};

use crate::classes::taught_order;
use crate::config::{Config, ConfigError};
use crate::error::Error;
use crate::train::{Task, Trainer};

/// What is wrong with a model whose classifier's weights are composed by their places.
pub(super) const FIXED_ORDER: &str =
    " can't have its classes in another order, and the data has them in another one";

/// The teacher that the configuration names, for that model.
pub(super) fn teacher(
    config: &Config,
    model: &ModelConfig,
    device: &Device,
) -> Result<Option<Model>, Error> {
    let Some(path) = &config.distill.teacher else {
        return Ok(None);
    };
    let refused = |problem: String| ConfigError::at("distill.teacher", problem);
    let teacher = load(path, device).map_err(|error| refused(error.to_string()))?;
    let theirs = &teacher.config;
    if (theirs.num_classes, theirs.in_channels) != (model.num_classes, model.in_channels) {
        let (name, classes, channels) = (&theirs.name, theirs.num_classes, theirs.in_channels);
        let problem = format!(
            "expected a model with {} classes and {} channels, got {name} with {classes} and \
             {channels}",
            model.num_classes, model.in_channels,
        );
        return Err(refused(problem).into());
    }
    let (order, warning) = taught_order(theirs, model).map_err(refused)?;
    if !order.is_sorted() && !teacher.can_reorder_classes() {
        let problem = format!("{}{FIXED_ORDER}", theirs.name);
        return Err(refused(problem).into());
    }
    let other_images = other_images("distill.teacher", theirs, model);
    warning.into_iter().chain(other_images).for_each(|text| log::warn!("{text}"));
    Ok(Some(teacher.with_class_order(&order).valid()))
}

/// What is to be said of a model, that of a key, which was trained on images that look otherwise than
/// those of a run.
pub(super) fn other_images(key: &str, theirs: &ModelConfig, ours: &ModelConfig) -> Option<String> {
    let shown = |model: &ModelConfig| {
        let Preparation { size, mean, std, .. } = model.preparation.as_ref()?;
        let size = match &model.detector {
            Some(DetectorConfig { input: [height, width], .. }) => format!("{height}x{width}"),
            None => size.to_string(),
        };
        Some(format!("size {size}, mean {mean:?}, std {std:?}"))
    };
    let (theirs, ours) = (shown(theirs)?, shown(ours)?);
    (theirs != ours).then(|| {
        format!("{key}: it was trained on images of {theirs}; it is shown those of {ours}")
    })
}

/// The trainer, with its teacher if it has one.
pub(super) fn taught<T: Task>(trainer: Trainer<T>, teacher: Option<Model>) -> Trainer<T> {
    match teacher {
        Some(teacher) => trainer.with_teacher(teacher),
        None => trainer,
    }
}
