//! Files of further tasks: those of a run's directory, and those of its checkpoints.

use std::collections::BTreeMap;

use cobasis_zoo::Model;
use cobasis_zoo::Task as OwnPart;
use cobasis_zoo::files::{FileProblem, task_from_bytes, task_to_bytes};

use super::Joint;
use super::tasks::adapted;
use crate::config::Config;
use crate::error::Error;
use crate::train::parameter_ids::{parameter_ids, with_parameter_ids};

/// A file's name and its bytes.
pub(crate) type Named = (String, Vec<u8>);

/// The identities of tensors by their paths.
type Ids = BTreeMap<String, u64>;

/// The file in a run's directory of the last epoch's task of this name.
pub(crate) fn last_name(task: &str) -> String {
    format!("last-{task}.safetensors")
}

/// That of the best epoch.
pub(crate) fn best_name(task: &str) -> String {
    format!("best-{task}.safetensors")
}

/// The file in a checkpoint of a task, as it is trained.
fn trained_name(task: &str) -> String {
    format!("task-{task}.safetensors")
}

/// That of its moving average.
fn average_name(task: &str) -> String {
    format!("ema-{task}.safetensors")
}

/// All files that a checkpoint may have for tasks: of each, as it is trained, and its average.
pub(crate) fn checkpoint_names(config: &Config) -> Vec<[String; 2]> {
    let names =
        config.tasks.iter().map(|task| [trained_name(&task.name), average_name(&task.name)]);
    names.collect()
}

impl Joint {
    /// The files of a checkpoint of this model and its average.
    pub(crate) fn to_files(
        &self,
        model: &Model,
        average: Option<&Model>,
    ) -> Result<Vec<Named>, FileProblem> {
        let mut files = Vec::new();
        for task in &self.tasks {
            files.push((trained_name(&task.name), bytes(model, &task.own)?));
            let own = task.ema.as_ref().and_then(|ema| ema.model.as_ref());
            if let (Some(base), Some(own)) = (average, own) {
                files.push((average_name(&task.name), bytes(base, own)?));
            }
        }
        Ok(files)
    }
}

/// The files of the tasks that are judged and kept, on the model that is: the tasks' names and the bytes.
pub(crate) fn published(joint: &Joint, judged: &Model) -> Result<Vec<Named>, FileProblem> {
    let tasks = joint.tasks.iter().map(|task| {
        let average = task.ema.as_ref().and_then(|ema| ema.model.as_ref());
        Ok((task.name.clone(), bytes(judged, average.unwrap_or(&task.own))?))
    });
    tasks.collect()
}

/// The file of a task on exactly this base.
fn bytes(base: &Model, own: &OwnPart) -> Result<Vec<u8>, FileProblem> {
    task_to_bytes(&adapted(base, &own.clone().on(base)))
}

/// The identities of the tasks' own tensors in hexadecimal, by the tasks' names and the tensors' paths.
pub(crate) fn parameters(
    joint: &Joint,
    model: &Model,
) -> BTreeMap<String, BTreeMap<String, String>> {
    let of_task = |own: &OwnPart| -> BTreeMap<String, String> {
        let ids = parameter_ids(&adapted(model, own)).into_iter();
        let own = ids.filter(|(path, _)| is_own(path));
        own.map(|(path, id)| (path, format!("{id:x}"))).collect()
    };
    joint.tasks.iter().map(|task| (task.name.clone(), of_task(&task.own))).collect()
}

/// Whether a tensor is a task's, by its path.
fn is_own(path: &str) -> bool {
    path.starts_with("adapter.") || path.starts_with("head.")
}

/// The tasks of a checkpoint: on its model and its average, whose tensors have these identities; `ids` are those of
/// the tasks' own, and `file` gives the files.
///
/// # Errors
///
/// The name of a file and what is wrong with it.
pub(crate) fn read<'a>(
    config: &Config,
    (model, average): (&Model, Option<&Model>),
    model_ids: &Ids,
    ids: &BTreeMap<String, Ids>,
    file: impl Fn(&str) -> Option<&'a [u8]>,
) -> Result<Joint, String> {
    let read = |name: &str, base: &Model, ids: &Ids| -> Result<OwnPart, String> {
        let bytes = file(name).ok_or_else(|| format!("{name} is missing"))?;
        let opened = task_from_bytes(base.clone(), bytes);
        let (model, _) = opened.map_err(|problem| format!("{name}: {problem}"))?;
        let mut all = model_ids.clone();
        all.extend(ids.iter().map(|(path, id)| (path.clone(), *id)));
        let known = with_parameter_ids(model, &all);
        let known = known.ok_or_else(|| format!("{name}: the parameters do not match the task"))?;
        Ok(known.into_task())
    };
    let none = Ids::new();
    let (mut own, mut averages) = (Vec::new(), Vec::new());
    for task in &config.tasks {
        let ids = ids.get(&task.name).unwrap_or(&none);
        own.push(read(&trained_name(&task.name), model, ids)?);
        averages.push(match average {
            Some(base) => Some(read(&average_name(&task.name), base, ids)?),
            None => None,
        });
    }
    let joint = Joint::of(config, model, own);
    let mut joint = joint.map_err(|error: Error| error.line())?;
    for (task, average) in joint.tasks.iter_mut().zip(averages) {
        if let Some(ema) = &mut task.ema {
            ema.model = average;
        }
    }
    Ok(joint)
}
