//! The images of a run, by the protocol that its configuration names.

use std::sync::Arc;

use crate::config::{Config, Protocol};
use crate::data::{
    DataError, Dataset, ImageSet, Loader, LoaderConfig, Target, hold_out, take_images,
};
use crate::error::Error;
use crate::metrics::Scores;
use crate::train::Task;

/// The images of a run.
pub(crate) struct Loaders<T = u16> {
    /// What is trained on.
    pub(crate) train: Loader<T>,
    /// What judges every epoch.
    pub(crate) val: Loader<T>,
    /// What judges the result, where that is something else.
    pub(crate) test: Option<Loader<T>>,
}

impl<T: Target> Loaders<T> {
    /// The images of a data set, as the configuration has them.
    pub(crate) fn new<K>(config: &Config, data: Dataset<T>) -> Result<Self, Error>
    where
        K: Task,
        K::Score: Scores<Target = T>,
    {
        let check = |set: &ImageSet<T>, what: &str| match K::Score::problem(set.targets()) {
            Some([expected, got]) => {
                let [what, expected, got] = [what, expected, got].map(String::from);
                let set = set.info().name.clone();
                Err(DataError::Inconsistent { set, what, expected, got })
            }
            None => Ok(()),
        };
        let judge = |set: ImageSet<T>| -> Result<Loader<T>, Error> {
            check(&set, "images that judge")?;
            let (batch, workers) = (config.train.eval_batch, config.data.workers);
            Ok(Loader::in_order(Arc::new(set), batch, workers)?)
        };
        let (train, val, test) = match (config.data.split, data.val) {
            (Protocol::Paper, _) => (data.train, judge(data.test)?, None),
            (Protocol::TrainVal, Some(val)) => (data.train, judge(val)?, Some(judge(data.test)?)),
            (Protocol::TrainVal, None) => {
                let (train, val) = hold_out(&data.train, config.data.val_images)?;
                (train, judge(val)?, Some(judge(data.test)?))
            }
        };
        let train = match config.data.train_images {
            Some(count) => take_images(&train, count)?,
            None => train,
        };
        check(&train, "images to learn from")?;
        let loader = LoaderConfig {
            // A batch can't hold more than there is.
            batch_size: config.train.batch.min(train.len()),
            shuffle: true,
            augment: config.data.augment(),
            seed: config.seed,
            workers: config.data.workers,
        };
        Ok(Self { train: K::loader(Arc::new(train), loader, config)?, val, test })
    }

    /// Steps of an epoch.
    pub(crate) fn steps(&self, config: &Config) -> usize {
        let steps = self.train.num_batches().div_ceil(config.train.accumulate);
        steps.min(config.train.max_steps.unwrap_or(usize::MAX))
    }
}
