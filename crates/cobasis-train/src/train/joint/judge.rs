//! Judging further tasks after an epoch.

use cobasis_zoo::Model;

use super::{Joint, JointProgress, TaskLoaders};
use crate::config::Config;
use crate::error::Error;
use crate::evaluate::Score;
use crate::run_dir::TaskEpoch;
use crate::train::Watch;
use crate::train::ranks::{Ranks, judge_together};

/// What an epoch came to for every further task, on its own images; `None` if the watch broke off. `base` is the
/// network that is judged.
pub(crate) fn judge_tasks<S>(
    config: &Config,
    ranks: &Ranks,
    (joint, base): (&Joint, &Model),
    loaders: &TaskLoaders,
    (progress, epoch): (&JointProgress, usize),
    watch: &mut impl Watch<S>,
) -> Result<Option<Vec<TaskEpoch>>, Error> {
    let mut rows = Vec::new();
    for (index, task) in config.tasks.iter().enumerate() {
        let model = joint.judged(index, base);
        let (score, loader) = (Score::default(), &loaders.of(index).val);
        let evaluated = |images| watch.evaluated(images);
        let val = judge_together(ranks, score, &model, loader, evaluated)?;
        let Some(val) = val else {
            return Ok(None);
        };
        if !crate::metrics::Scores::is_finite(&val) {
            return Err(Error::NotFinite { epoch, images: "validation" });
        }
        let train = progress.partial.get(index).copied().unwrap_or_default();
        rows.push(TaskEpoch::new(epoch, &task.name, &train, &val));
    }
    Ok(Some(rows))
}
