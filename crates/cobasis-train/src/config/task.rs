//! `task`: what a model is trained for, and which keys are for that.

use cobasis_data::choice::choices;
use cobasis_zoo::DetectorConfig;

use super::Config;
use super::augment::AugmentConfig;
use super::data::CropKind;
use super::detect::DetectConfig;
use super::error::ConfigError;

choices! {
    /// What a model is trained for.
    TaskKind {
        /// To tell which class an image is of.
        Classify = "classify",
        /// To find things in images: a box around each, and its class.
        Detect = "detect",
    }
}

impl Config {
    /// The detector that is made of the model's network, where the task is to detect.
    pub fn detector(&self) -> Option<DetectorConfig> {
        (self.task == TaskKind::Detect).then(|| self.detect.detector())
    }

    /// Checks that no key is set that has no effect on the task, but for those that have a default
    /// which is one; and that the images are of the task's kind.
    pub(super) fn check_task(&self) -> Result<(), ConfigError> {
        let name = self.data.name;
        if name.has_boxes() != (self.task == TaskKind::Detect) {
            let problem = match self.task {
                TaskKind::Classify => format!(
                    "the images of \"{name}\" have boxes, which are for task = \"detect\", got task = \
                     \"classify\""
                ),
                TaskKind::Detect => format!(
                    "expected coco | voc with task = \"detect\", got \"{name}\", whose images have \
                     no boxes"
                ),
            };
            return Err(ConfigError::at("data.name", problem));
        }
        let foreign = match self.task {
            TaskKind::Classify => self.set_for_boxes(),
            TaskKind::Detect => self.set_for_classes(),
        };
        let Some(key) = foreign else { return Ok(()) };
        let problem = format!("has no effect with task = \"{}\"; leave it out", self.task);
        Err(ConfigError::at(key, problem))
    }

    /// The first key that is set and only for classification.
    fn set_for_classes(&self) -> Option<&'static str> {
        let (augment, train) = (&self.augment, &self.train);
        let set = [
            ("augment.mixup", augment.mixup != 0.0),
            ("augment.cutmix", augment.cutmix != 0.0),
            ("augment.erase", augment.erase != 0.0),
            ("augment.rand_ops", augment.rand_ops != 0),
            ("augment.rand_magnitude", augment.rand_magnitude != 0),
            ("train.label_smoothing", train.label_smoothing != 0.0),
            ("train.dropout", train.dropout != 0.0),
            ("distill.teacher", self.distill.teacher.is_some()),
            ("data.crop", self.data.crop != CropKind::Padded),
            ("init.adapter", self.init.adapter.is_some()),
        ];
        first(&set)
    }

    /// The first key that is set and only for boxes.
    fn set_for_boxes(&self) -> Option<&'static str> {
        let (augment, none) = (&self.augment, AugmentConfig::default());
        let set = [
            ("augment.mosaic", augment.mosaic != none.mosaic),
            ("augment.scale", augment.scale != none.scale),
            ("augment.flip_vertical", augment.flip_vertical),
            ("augment.hue", augment.hue != none.hue),
            ("augment.saturation", augment.saturation != none.saturation),
            ("augment.value", augment.value != none.value),
            ("detect", self.detect != DetectConfig::default()),
        ];
        first(&set)
    }
}

fn first(set: &[(&'static str, bool)]) -> Option<&'static str> {
    set.iter().find(|(_, is_set)| *is_set).map(|(key, _)| *key)
}
