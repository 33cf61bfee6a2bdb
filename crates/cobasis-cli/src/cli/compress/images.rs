//! The images that a compression looks at: some of the training images, and the test images.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use burn::tensor::{Device, Tensor};
use cobasis_cli::Error;
use cobasis_data::{
    DatasetName, ImageSet, Loader, Split, Target, View, holds_images, take_images, unlabelled,
};
use cobasis_train::classes::fitted;
use cobasis_train::evaluate::evaluate;
use cobasis_train::memory::Maps;
use cobasis_train::preparation::{of_dataset, of_set};
use cobasis_train::tensors;
use cobasis_zoo::{Model, ModelConfig, Preparation};
use serde::Serialize;

use crate::cli::image_source::{ImageSource, dataset_of};

/// Training images that are looked at unless told otherwise.
const IMAGES: usize = 500;
/// Images at a time, where memory allows it.
const BATCH: usize = 100;
/// Threads that decode images ahead.
const WORKERS: usize = 1;

/// Images for a compression.
pub(super) struct Images {
    /// The data set, or the folder.
    pub(super) name: String,
    /// Those that errors are weighted by, on the processor, `[batch, channels, height, width]` each.
    batches: Vec<Tensor<4>>,
    /// How many they are.
    pub(super) count: usize,
    /// How they are prepared, with their classes, where they have labels.
    pub(super) preparation: Option<Preparation>,
    /// Those that accuracies are measured on; none where images have no labels.
    test: Option<ImageSet>,
}

/// How often a model is right, before and after.
#[derive(Clone, Copy, Debug, Serialize)]
pub(super) struct Judged {
    /// Test images.
    pub(super) images: usize,
    /// Top-1 accuracy of the dense network, in percent.
    pub(super) before: f64,
    /// Of the network that was made of it.
    pub(super) after: f64,
}

impl Images {
    /// Those of a data set, or those in a folder of image files.
    pub(super) fn load(
        model: &ModelConfig,
        data: Option<&Path>,
        dataset: Option<DatasetName>,
        wanted: Option<usize>,
        device: &Device,
    ) -> Result<Self, Error> {
        if let Some(dir) = data.filter(|dir| dataset.is_none() && holds_images(dir)) {
            let Preparation { size, resize, mean, std, .. } = preparation(model)?;
            let set = unlabelled(&[dir], View { size, resize }, [&mean, &std])?;
            return Self::of(dir.display().to_string(), set, wanted, None, model, device);
        }
        let ImageSource { dataset, source } =
            ImageSource::of(model, dataset, data.map(Into::into))?;
        let fit = fitted(model, source.load(Split::Test)?).map_err(Error::Usage)?;
        if let Some(warning) = fit.warning {
            log::warn!("{warning}");
        }
        let train = source.load(Split::Train)?;
        let train = match &model.preparation {
            Some(images) => train.normalised_by(&images.mean, &images.std)?,
            None => train,
        };
        Self::of(dataset.to_string(), train, wanted, Some(fit.set), model, device)
    }

    fn of<T: Target>(
        name: String,
        set: ImageSet<T>,
        wanted: Option<usize>,
        test: Option<ImageSet>,
        model: &ModelConfig,
        device: &Device,
    ) -> Result<Self, Error> {
        let all = set.len();
        let count = match wanted {
            None => IMAGES.min(all),
            Some(count) if count <= all => count,
            Some(count) => {
                return Err(Error::Usage(format!(
                    "--images: expected at most the {all} images of {name}, got {count}"
                )));
            }
        };
        let [_, height, width] = set.shape();
        let batch = Maps::of(model, [height, width]).batch(BATCH.min(count))?;
        let loader = Loader::in_order(Arc::new(take_images(&set, count)?), batch, WORKERS)?;
        let mut batches = Vec::new();
        let mut count = 0;
        for batch in loader.epoch(0) {
            let batch = batch?;
            count += batch.labels.len();
            batches.push(tensors::images(&batch, device));
        }
        let preparation = test.as_ref().map(of_set);
        Ok(Self { name, batches, count, preparation, test })
    }

    /// Those that errors are weighted by, batch after batch.
    pub(super) fn batches(&self) -> impl Iterator<Item = Tensor<4>> + '_ {
        self.batches.iter().cloned()
    }

    /// Judges both networks on the test images, where there are any.
    pub(super) fn judge(&self, dense: &Model, made: &Model) -> Result<Option<Judged>, Error> {
        let Some(test) = &self.test else { return Ok(None) };
        let [_, height, width] = test.shape();
        let batch = Maps::of(&made.config, [height, width]).batch(BATCH.min(test.len()))?;
        let loader = Loader::in_order(Arc::new(test.clone()), batch, WORKERS)?;
        let score = |model: &Model| -> Result<(usize, f64), Error> {
            let whole = evaluate(model, &loader, |_| ControlFlow::Continue(()))?;
            let Some(whole) = whole else { unreachable!("nothing breaks it off") };
            if !whole.loss.is_finite() {
                let problem = "the outputs are not finite (NaN or infinity)";
                return Err(Error::Usage(format!("{}: {problem}", model.config.name)));
            }
            Ok((whole.images, whole.top1))
        };
        let ((images, before), (_, after)) = (score(dense)?, score(made)?);
        Ok(Some(Judged { images, before, after }))
    }
}

/// How images are prepared: as the model's file says, else as those of the data set in its name.
fn preparation(model: &ModelConfig) -> Result<Preparation, Error> {
    match &model.preparation {
        Some(known) => Ok(known.clone()),
        None => Ok(of_dataset(dataset_of(model)?, model.image()[0])),
    }
}
