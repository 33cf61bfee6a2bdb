//! What further tasks of a finished run came to.

use std::path::Path;

use burn::tensor::Device;
use cobasis_zoo::files::open_task;
use cobasis_zoo::{Model, load};

use super::{TaskLoaders, best_name, last_name};
use crate::config::Config;
use crate::error::Error;
use crate::evaluate::{Score, judge_from};
use crate::metrics::Scores;
use crate::run_dir::{EpochMetrics, EpochSummary, RunDirError, TaskSummary};
use crate::train::{Progress, Watch};

/// The tasks of a finished run, judged by their test sets; `None` if the watch broke off.
pub(crate) fn results<S: Scores>(
    config: &Config,
    loaders: &TaskLoaders,
    progress: &Progress<S>,
    (directory, device): (&Path, &Device),
    watch: &mut impl Watch<S>,
) -> Result<Option<Vec<TaskSummary>>, Error> {
    let mut tasks = Vec::new();
    let last_epoch = progress.history.last().map_or(0, |last| last.epoch);
    let best_epoch = progress.best().map_or(last_epoch, |best| best.epoch);
    for (index, task) in config.tasks.iter().enumerate() {
        let own = loaders.of(index);
        let row = |epoch: usize| -> EpochMetrics {
            let mut rows = progress.joint.of_epoch(epoch);
            let row = rows.find(|row| row.task == task.name);
            row.map(|row| row.metrics.clone()).unwrap_or_default()
        };
        let files = [
            ("last.safetensors".to_string(), last_name(&task.name), last_epoch),
            ("best.safetensors".to_string(), best_name(&task.name), best_epoch),
        ];
        let mut judged = Vec::new();
        for (base, file, epoch) in files {
            let Some(test) = &own.test else {
                judged.push(EpochSummary::on_test::<Score>(&row(epoch)));
                continue;
            };
            let model = opened(directory, &base, &file, device)?;
            let score =
                judge_from(Score::default(), &model, test, |images| watch.evaluated(images))?;
            let Some(score) = score else {
                return Ok(None);
            };
            if !score.is_finite() {
                return Err(Error::NotFinite { epoch, images: "test" });
            }
            judged.push(EpochSummary::on_both(&row(epoch), &score));
        }
        let [last, best] = [judged.remove(0), judged.remove(0)];
        let (best_on_test, best_on_val) = match own.test {
            Some(_) => (None, Some(best)),
            None => (Some(best), None),
        };
        tasks.push(TaskSummary {
            name: task.name.clone(),
            adapter: task.adapter.clone(),
            weight: task.weight,
            dataset: task.data.name.to_string(),
            split: task.data.split,
            train_images: own.train.num_images(),
            val_images: own.test.as_ref().map(|_| own.val.num_images()),
            test_images: own.test.as_ref().unwrap_or(&own.val).num_images(),
            params: own_parameters(&opened(
                directory,
                "last.safetensors",
                &last_name(&task.name),
                device,
            )?),
            last,
            best_on_test,
            best_on_val,
        });
    }
    Ok(Some(tasks))
}

/// Whether the tasks of the best model are there.
pub(crate) fn check_files(
    config: &Config,
    directory: &Path,
    epoch: usize,
) -> Result<(), RunDirError> {
    for task in &config.tasks {
        let file = best_name(&task.name);
        if opened(directory, "best.safetensors", &file, &Device::flex()).is_err() {
            return Err(RunDirError::BestLost { path: directory.join(file), epoch });
        }
    }
    Ok(())
}

/// The model of two files of a run, with a task.
fn opened(directory: &Path, base: &str, task: &str, device: &Device) -> Result<Model, Error> {
    let base = load(directory.join(base), device)?;
    Ok(open_task(base, directory.join(task))?.0)
}

/// The trainable parameters that are a task's own.
fn own_parameters(model: &Model) -> u64 {
    model.adapter_count().map_or(0, |count| count.adapter() + count.head)
}
