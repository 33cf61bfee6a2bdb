//! What a model is trained for.

mod classify;
mod detect;

use std::sync::Arc;

use burn::tensor::{Device, Tensor};
use cobasis_zoo::Model;

pub use classify::Classification;
pub use detect::Detection;

use crate::config::Config;
use crate::data::{Batch, DataError, Dataset, ImageSet, Loader, LoaderConfig, SetInfo};
use crate::error::Error;
use crate::metrics::Scores;
use crate::train::Recipe;

/// What is known of an image, for a task.
pub type TargetOf<T> = <<T as Task>::Score as Scores>::Target;

/// What a model is trained for: which targets its images have, what is minimised, and what tells how
/// good it is. The penalty, the optimizer and the loop know nothing of it.
pub trait Task: Sized + Sync + 'static {
    /// What the numbers of an epoch are made of, and which targets it is about.
    type Score: Scores;

    /// The task as a recipe has it, on the autodiff device.
    fn new(recipe: &Recipe, device: &Device) -> Self;

    /// Learns from a teacher too, which is on the same device off its autodiff side, and says as much
    /// of an image as the model.
    fn with_teacher(self, teacher: Model) -> Self;

    /// The images with their targets.
    ///
    /// # Errors
    ///
    /// Where the configuration names none, or the files can't be used.
    fn load(config: &Config) -> Result<Dataset<TargetOf<Self>>, Error>;

    /// What gives batches of the training images. Unless told otherwise, images are changed as the
    /// loader's configuration has it.
    ///
    /// # Errors
    ///
    /// Where images can't be changed so.
    fn loader(
        set: Arc<ImageSet<TargetOf<Self>>>,
        loader: LoaderConfig,
        _config: &Config,
    ) -> Result<Loader<TargetOf<Self>>, DataError> {
        Loader::new(set, loader)
    }

    /// What judges images of a set of which this is true, before it has seen any.
    fn score(_config: &Config, info: &SetInfo) -> Self::Score {
        Self::Score::of(info)
    }

    /// A batch through the model and the losses. `key` is what the task may draw from: the seed, the epoch
    /// and its step, both counted from 1, and the number of the batch in the step.
    fn terms(&self, model: &Model, batch: &Batch<TargetOf<Self>>, key: [u64; 4]) -> Terms;
}

/// What a batch came to, all of it part of the graph. Losses are means over the images, or over what the
/// task counts in them.
pub struct Terms {
    /// What the model says of the images, `[batch, …]`.
    pub output: Tensor<2>,
    /// What is minimised, penalty and teacher aside.
    pub loss: Tensor<1>,
    /// What a teacher adds to the loss.
    pub taught: Option<Tensor<1>>,
    /// Whether the loss is the first of the score's, which the host knows with more digits.
    pub plain: bool,
}
