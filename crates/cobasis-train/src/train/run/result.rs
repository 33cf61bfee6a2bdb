//! What a finished run comes to.

use std::path::Path;

use cobasis_zoo::files::{FileError, from_bytes, to_bytes};
use cobasis_zoo::{Model, load};

use super::Run;
use crate::config::TrainConfig;
use crate::data::regular::{MAX_TABLE, read_text};
use crate::date::iso;
use crate::error::Error;
use crate::metrics::Scores;
use crate::run_dir::{EarlyStop, EpochSummary, Summary};
use crate::train::optimizer::decay_factor;
use crate::train::ranks::judge_together;
use crate::train::{Progress, Task, Watch};

/// The peak memory that the summary of a finished run has, in bytes.
pub(super) fn recorded_peak(directory: &Path) -> Option<u64> {
    let text = read_text(&directory.join("summary.json"), MAX_TABLE).ok()?;
    let summary: serde_json::Value = serde_json::from_str(&text).ok()?;
    summary.get("peak_bytes")?.as_u64()
}

impl<T: Task> Run<'_, T> {
    /// The last and the best epoch, judged by the test set; `None` if the watch broke off.
    pub(super) fn epochs(
        &self,
        progress: &Progress<T::Score>,
        watch: &mut impl Watch<T::Score>,
    ) -> Result<Option<[EpochSummary; 2]>, Error> {
        let last = progress.history.last().cloned().unwrap_or_default();
        let best = progress.best().unwrap_or(&last);
        let Some(test) = &self.loaders.test else {
            return Ok(Some([&last, best].map(EpochSummary::on_test::<T::Score>)));
        };
        let mut judged = |name: &str, epoch: usize| -> Result<_, Error> {
            let model = self.model_of_first(name)?;
            let score = T::score(self.config, test.set().info());
            let evaluated = |images| watch.evaluated(images);
            match judge_together(self.ranks, score, &model, test, evaluated)? {
                Some(score) if !score.is_finite() => {
                    Err(Error::NotFinite { epoch, images: "test" })
                }
                score => Ok(score),
            }
        };
        let Some(on_last) = judged("last.safetensors", last.epoch)? else {
            return Ok(None);
        };
        let Some(on_best) = judged("best.safetensors", best.epoch)? else {
            return Ok(None);
        };
        Ok(Some([EpochSummary::on_both(&last, &on_last), EpochSummary::on_both(best, &on_best)]))
    }

    /// The model of a file of the directory, which the first rank reads for all.
    fn model_of_first(&self, name: &str) -> Result<Model, Error> {
        let path = self.directory.path().join(name);
        let own = match self.ranks.leads() {
            true => Some(load(&path, &self.device)?),
            false => None,
        };
        let bytes = || own.as_ref().filter(|_| self.ranks.count() > 1).map(to_bytes);
        let bytes = self.ranks.of_first(|| bytes().unwrap_or_default())?;
        match own {
            Some(model) => Ok(model),
            None => Ok(from_bytes(&bytes, &self.device)
                .map_err(|problem| FileError::new(&path, problem))?),
        }
    }

    /// Why a finished run has fewer epochs than it was to have.
    fn early_stop(&self, progress: &Progress<T::Score>) -> Option<EarlyStop> {
        let TrainConfig { epochs, patience, .. } = self.config.train;
        let done = progress.history.len();
        let patience = patience.filter(|_| done < epochs)?;
        Some(EarlyStop::new::<T::Score>(done, epochs, patience))
    }

    /// What it was computed on, with commas between several.
    fn devices(&self) -> String {
        let names: Vec<String> =
            self.config.train.devices.iter().map(ToString::to_string).collect();
        match self.further.is_empty() {
            true => self.name.to_string(),
            false => names.join(","),
        }
    }

    /// The run in short.
    pub(super) fn summary(
        &self,
        progress: &Progress<T::Score>,
        [last, best]: [EpochSummary; 2],
        params: u64,
        command: &str,
    ) -> Summary {
        let (config, loaders) = (self.config, &self.loaders);
        let on_test = loaders.test.is_none();
        let (best_on_test, best_on_val) =
            if on_test { (Some(best), None) } else { (None, Some(best)) };
        Summary {
            model: config.model.clone(),
            dataset: config.data.name.to_string(),
            split: config.data.split,
            train_images: loaders.train.num_images(),
            val_images: (!on_test).then(|| loaders.val.num_images()),
            test_images: loaders.test.as_ref().unwrap_or(&loaders.val).num_images(),
            params,
            weight_decay_scale: config.optimizer.weight_decay_scale,
            weight_decay_factor: decay_factor(&config.optimizer, &self.model),
            inference_params: None,
            inference_macs: None,
            seed: config.seed,
            init: progress.init.clone(),
            device: self.devices(),
            version: env!("CARGO_PKG_VERSION").to_string(),
            command: command.to_string(),
            started: iso(progress.started_unix),
            started_unix: progress.started_unix,
            seconds: progress.seconds,
            provenance: self.provenance.clone().at_end(),
            stopped_early: self.early_stop(progress),
            last,
            best_on_test,
            best_on_val,
            tasks: Vec::new(),
        }
    }
}
