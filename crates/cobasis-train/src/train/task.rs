//! What a model is trained for.

mod classify;
mod detect;

use burn::tensor::{Device, Tensor};
use cobasis_zoo::Model;

pub use classify::Classification;

use crate::data::{Batch, DataError, Dataset, Source};
use crate::metrics::Scores;
use crate::train::Recipe;

/// What is known of an image, for a task.
pub type TargetOf<T> = <<T as Task>::Score as Scores>::Target;

/// What a model is trained for: which targets its images have, what is minimised, and what tells how
/// good it is. The penalty, the optimizer and the loop know nothing of it.
pub trait Task: Sized + 'static {
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
    /// Those of [`Source::load`].
    fn load(source: &Source) -> Result<Dataset<TargetOf<Self>>, DataError>;

    /// A batch through the model and the losses. `key` is what the task may draw from.
    fn terms(&self, model: &Model, batch: &Batch<TargetOf<Self>>, key: [u64; 4]) -> Terms;
}

/// What a batch came to, all of it part of the graph. Losses are means over the images.
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
