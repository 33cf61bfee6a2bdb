//! What decides a training step, beside the batch and its place in the run.

use crate::config::{
    AugmentConfig, Config, DetectConfig, DistillConfig, OptimizerConfig, OrthoConfig, RanksConfig,
};

/// What decides a training step, beside the batch and its place in the run.
#[derive(Clone, Debug, PartialEq)]
pub struct Recipe {
    /// Seed of the initial weights and of every draw of a step.
    pub seed: u64,
    /// Epochs of the run: of some, the last ones are trained otherwise.
    pub epochs: usize,
    /// How gradients change weights, clipping included.
    pub optimizer: OptimizerConfig,
    /// The penalty and the constraint on bases.
    pub ortho: OrthoConfig,
    /// How ranks are found, in a model whose name leaves them open.
    pub ranks: RanksConfig,
    /// The epochs after which such a model is cut.
    pub epochs_before_cut: usize,
    /// Share of the moving average of the weights that a step keeps; 0 = no average.
    pub ema: f64,
    /// Whether the gradients of the bases are measured.
    pub gradient_flow: bool,
    /// Share of a label that goes to all classes alike.
    pub label_smoothing: f64,
    /// Share of the features that a step drops before the classifier.
    pub dropout: f64,
    /// Changes to whole batches.
    pub augment: AugmentConfig,
    /// How a teacher is listened to, where there is one.
    pub distill: DistillConfig,
    /// What a detector minimises, for the task that is about those.
    pub detect: DetectConfig,
}

impl From<&Config> for Recipe {
    fn from(config: &Config) -> Self {
        Self {
            seed: config.seed,
            epochs: config.train.epochs,
            optimizer: config.optimizer.clone(),
            ortho: config.ortho.clone(),
            ranks: config.ranks.clone(),
            epochs_before_cut: config.ranks.epochs_before_cut(config.train.epochs),
            ema: config.train.ema,
            gradient_flow: config.train.gradient_flow,
            label_smoothing: config.train.label_smoothing,
            dropout: config.train.dropout,
            augment: config.augment.clone(),
            distill: config.distill.clone(),
            detect: config.detect.clone(),
        }
    }
}

/// That of the default configuration.
impl Default for Recipe {
    fn default() -> Self {
        Self::from(&Config::default())
    }
}
