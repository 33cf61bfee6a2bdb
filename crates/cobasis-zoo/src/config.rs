//! Which model, and what a user may change about it.

use serde::{Deserialize, Serialize};

use crate::adapter::AdapterConfig;
use crate::detector::{DetectorConfig, HeadKind};
use crate::name::ModelName;
use crate::preparation::Preparation;
use crate::spec::{Architecture, Norms, Variant};

/// Configuration of a [`Model`](crate::Model): the name, and what a user may change about it.
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use cobasis_zoo::ModelConfig;
///
/// let device = Device::flex();
/// let config = ModelConfig::new("cifar10/resnet20-s8u1".parse()?).with_num_classes(4);
/// let model = config.init(&device);
/// let logits = model.forward(Tensor::zeros([1, 3, 32, 32], &device));
/// assert_eq!(logits.dims(), [1, 4]);
/// # Ok::<(), cobasis_zoo::ModelNameError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ModelConfig {
    /// Which model.
    pub name: ModelName,
    /// The number of classes; that of the model's data set unless changed.
    pub num_classes: usize,
    /// The channels of an image; those of the model's data set unless changed.
    pub in_channels: usize,
    /// What the initial weights are drawn from.
    #[serde(default)]
    pub seed: u64,
    /// Whether the network computes what the authors' code does where that departs from the paper.
    #[serde(default)]
    pub variant: Variant,
    /// Which batch norms the blocks that share filters have. Only
    /// [some models](ModelName::can_be_without_norms) can be without.
    #[serde(default)]
    pub norms: Norms,
    /// How the images were prepared that the model was trained on, where that is known.
    #[serde(default)]
    pub preparation: Option<Preparation>,
    /// What finds things in the place of a classifier; `None` for a classifier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detector: Option<DetectorConfig>,
    /// What a task has on a frozen base, and which base that is; `None` for a model that is nobody's task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adapter: Option<AdapterConfig>,
}

impl ModelConfig {
    /// The model as its data set asks for it, with seed 0.
    pub fn new(name: ModelName) -> Self {
        let entry = name.entry();
        Self {
            num_classes: entry.classes,
            in_channels: entry.input[0],
            seed: 0,
            variant: Variant::default(),
            norms: Norms::default(),
            preparation: None,
            detector: None,
            adapter: None,
            name,
        }
    }

    /// Changes the number of classes.
    pub fn with_num_classes(self, num_classes: usize) -> Self {
        Self { num_classes, ..self }
    }

    /// Changes the channels of an image.
    pub fn with_in_channels(self, in_channels: usize) -> Self {
        Self { in_channels, ..self }
    }

    /// Changes the seed of the initial weights.
    pub fn with_seed(self, seed: u64) -> Self {
        Self { seed, ..self }
    }

    /// Changes what is done where the authors' code departs from the paper.
    pub fn with_variant(self, variant: Variant) -> Self {
        Self { variant, ..self }
    }

    /// Changes which [batch norms](Self::norms) the blocks that share filters have.
    pub fn with_norms(self, norms: Norms) -> Self {
        Self { norms, ..self }
    }

    /// Makes a [detector](crate::detector) of it.
    pub fn with_detector(self, detector: DetectorConfig) -> Self {
        Self { detector: Some(detector), ..self }
    }

    /// The dense parent: the same network with ordinary convolutions, and all batch norms; of a detector,
    /// with those in its head too.
    pub fn dense(&self) -> Self {
        let detector = self.detector.clone();
        Self {
            name: self.name.dense(),
            norms: Norms::All,
            detector: detector.map(|detector| detector.with_head(HeadKind::Dense)),
            ..self.clone()
        }
    }

    /// Says how the images are prepared that the model is trained on.
    pub fn with_preparation(self, preparation: Preparation) -> Self {
        Self { preparation: Some(preparation), ..self }
    }

    /// Height and width of an image: of a detector its input; else as the model was trained on them, where that is
    /// [known](Self::preparation), else those of the data set that the model is named after.
    ///
    /// ```
    /// use cobasis_zoo::{ModelConfig, Preparation};
    ///
    /// let config = ModelConfig::new("cifar10/resnet20".parse()?);
    /// assert_eq!(config.image(), [32, 32]);
    /// let trained_on = Preparation {
    ///     dataset: "folder".to_string(),
    ///     classes: Vec::new(),
    ///     size: 48,
    ///     resize: 55,
    ///     mean: vec![0.5; 3],
    ///     std: vec![0.25; 3],
    /// };
    /// assert_eq!(config.with_preparation(trained_on).image(), [48, 48]);
    /// # Ok::<(), cobasis_zoo::ModelNameError>(())
    /// ```
    pub fn image(&self) -> [usize; 2] {
        if let Some(detector) = &self.detector {
            return detector.input;
        }
        let [_, height, width] = self.name.entry().input;
        self.preparation.as_ref().map_or([height, width], |images| [images.size; 2])
    }

    /// The network of the authors' code: their [variant](Variant::Authors) of those networks in
    /// which it differs from the paper's.
    pub fn as_authors(self) -> Self {
        match (&self.name.entry().architecture, self.name.sharing()) {
            (Architecture::DenseNet(_), Some(_)) => self.with_variant(Variant::Authors),
            _ => self,
        }
    }
}
