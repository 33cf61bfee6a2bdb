//! The images of further tasks, and their batches step by step.

use std::collections::BTreeMap;

use crate::config::{Config, ConfigError, place};
use crate::data::{Batch, DataError, Epoch, Loader};
use crate::error::Error;
use crate::memory::Maps;
use crate::train::loaders::Loaders;
use crate::train::{Classification, DataIdentity, Task};
use cobasis_zoo::ModelConfig;

/// The images of all further tasks, in the order of the configuration.
pub(crate) struct TaskLoaders(Vec<(String, Loaders)>);

impl TaskLoaders {
    /// Reads them, each by its own protocol.
    pub(crate) fn load(config: &Config) -> Result<Self, Error> {
        let tasks = config.tasks.iter().enumerate().map(|(index, task)| {
            let of_task = config.of_task(index);
            let data = Classification::load(&of_task)?;
            Ok((task.name.clone(), Loaders::new::<Classification>(&of_task, data)?))
        });
        Ok(Self(tasks.collect::<Result<_, Error>>()?))
    }

    /// Those of the task of this index.
    pub(crate) fn of(&self, index: usize) -> &Loaders {
        &self.0[index].1
    }

    /// Refuses images that the model does not take and, on a processor, steps that can't fit into memory.
    pub(crate) fn check(
        &self,
        config: &Config,
        model: &ModelConfig,
        is_processor: bool,
    ) -> Result<(), Error> {
        for (index, (name, loaders)) in self.0.iter().enumerate() {
            let set = loaders.train.set();
            let [channels, height, width] = set.shape();
            if channels != model.in_channels {
                let (at, expected) = (place(index), model.in_channels);
                let hint = match (channels, expected) {
                    (1, 3) => "; channels = 3 in its data gives grey images three equal channels",
                    _ => "",
                };
                let problem = format!(
                    "the images of task {name:?} ({}) have {channels} channels, and {} takes images of \
                     {expected}{hint}",
                    set.info().name,
                    model.name
                );
                return Err(ConfigError::at(format!("{at}.data.name"), problem).into());
            }
            if is_processor {
                let batches = [&loaders.train, &loaders.val].map(Loader::batch_size);
                let model = model.clone().with_num_classes(set.num_classes());
                Maps::of(&model, [height, width]).check_run(config, batches)?;
            }
        }
        Ok(())
    }

    /// What tells the tasks' images from others, by the tasks' names.
    pub(crate) fn identities(&self) -> BTreeMap<String, DataIdentity> {
        let identity =
            |(name, loaders): &(String, Loaders)| (name.clone(), DataIdentity::of(loaders));
        self.0.iter().map(identity).collect()
    }

    /// The batches from the step on that follows `steps` steps of the whole run: a batch of every task a step. They
    /// are a function of the run's seed and the step.
    pub(crate) fn batches_from(&self, steps: usize) -> TaskBatches {
        let batches = |(_, loaders): &(String, Loaders)| {
            let (epoch, number) =
                (steps / loaders.train.num_batches(), steps % loaders.train.num_batches());
            // Epochs are counted from 1, as the main task's.
            let batches = loaders.train.epoch_from(epoch + 1, number);
            Endless { loader: loaders.train.clone(), epoch: epoch + 1, batches }
        };
        TaskBatches(self.0.iter().map(batches).collect())
    }
}

/// Batches of every task, step by step, without an end.
pub(crate) struct TaskBatches(Vec<Endless>);

/// The batches of one task, epoch after epoch.
struct Endless {
    loader: Loader,
    epoch: usize,
    batches: Epoch,
}

impl TaskBatches {
    /// A batch of every task.
    pub(crate) fn next(&mut self) -> Result<Vec<Batch>, DataError> {
        self.0.iter_mut().map(Endless::next).collect()
    }
}

impl Endless {
    fn next(&mut self) -> Result<Batch, DataError> {
        loop {
            if let Some(batch) = self.batches.next() {
                return batch;
            }
            // No set is empty, so that every epoch has a batch.
            self.epoch += 1;
            self.batches = self.loader.epoch(self.epoch);
        }
    }
}
