//! What a finished run has left, read again.

use std::fs;
use std::path::{Path, PathBuf};

use cobasis_data::regular::{MAX_TABLE, read_text};

use super::metrics::parse_metrics_csv;
use super::{CONFIG, DIVERGED, EpochMetrics, RESULT as SUMMARY, RunDirError, Summary};
use crate::config::Config;
use crate::metrics::{AP, TOP1};

/// Directories that runs are looked for in: one, those in it, and those in these.
const DEPTH: usize = 3;

/// What a finished run has left in its directory, models aside.
#[derive(Clone, Debug)]
pub struct RunRecord {
    /// The directory.
    pub path: PathBuf,
    /// What it was told to do.
    pub config: Config,
    /// What came out.
    pub summary: Summary,
    /// Its epochs, at least one.
    pub history: Vec<EpochMetrics>,
}

impl RunRecord {
    /// The directories of runs that `path` stands for: itself, or those in it (the runs of several
    /// seeds or settings) or in its directories (those of several seeds for each setting), in the order
    /// of their names.
    ///
    /// # Errors
    /// When there are none.
    pub fn find(path: &Path) -> Result<Vec<PathBuf>, RunDirError> {
        let mut level = vec![path.to_owned()];
        for _ in 0..DEPTH {
            let is_run = |path: &PathBuf| path.join(CONFIG).is_file();
            let runs: Vec<PathBuf> = level.iter().filter(|path| is_run(path)).cloned().collect();
            if !runs.is_empty() {
                return Ok(runs);
            }
            let entries = level.iter().flat_map(|path| fs::read_dir(path).into_iter().flatten());
            level = entries.flatten().map(|entry| entry.path()).collect();
            level.sort();
        }
        Err(RunDirError::NoRun { path: path.to_owned() })
    }

    /// Whether the run in a directory is finished.
    pub fn is_finished(path: &Path) -> bool {
        path.join(SUMMARY).is_file()
    }

    /// Whether the run in a directory ended because training diverged.
    pub(crate) fn has_diverged(path: &Path) -> bool {
        path.join(DIVERGED).is_file()
    }

    /// The configuration of the run in a directory, finished or not.
    ///
    /// # Errors
    /// When it cannot be read.
    pub(crate) fn config(path: &Path) -> Result<Config, RunDirError> {
        config(path)
    }

    /// Reads the record of a run.
    ///
    /// # Errors
    /// When the run is not finished, or its files are damaged, missing, or not of one run.
    pub fn read(path: &Path) -> Result<Self, RunDirError> {
        let config = config(path)?;
        let metrics = path.join("metrics.csv");
        let summary = path.join(SUMMARY);
        if !Self::is_finished(path) {
            return Err(RunDirError::Unfinished { path: path.to_owned() });
        }
        let history = parse_metrics_csv(&text(&metrics)?)
            .map_err(|problem| RunDirError::damaged(&metrics, problem))?;
        let read: Summary = serde_json::from_str(&text(&summary)?)
            .map_err(|error| RunDirError::damaged(&summary, error))?;
        let last = history.last().map_or(0, |metrics| metrics.epoch);
        let epochs = match &read.stopped_early {
            Some(stop) => stop.epoch.min(config.train.epochs),
            None => config.train.epochs,
        };
        if history.len() != epochs || last != history.len() {
            let problem = format!(
                "expected a row for each of {epochs} epochs, got {} rows, the last of epoch {last}",
                history.len(),
            );
            return Err(RunDirError::damaged(&metrics, problem));
        }
        check_judged(&metrics, &history)?;
        let expected = (config.model.as_str(), config.seed, last);
        let got = (read.model.as_str(), read.seed, read.last.epoch);
        if got != expected {
            let problem = format!(
                "expected model, seed and last epoch of the run, {expected:?}, got {got:?}"
            );
            return Err(RunDirError::damaged(&summary, problem));
        }
        Ok(Self { path: path.to_owned(), config, summary: read, history })
    }
}

/// The configuration of the run in a directory.
pub(super) fn config(path: &Path) -> Result<Config, RunDirError> {
    let path = path.join(CONFIG);
    Ok(Config::parse_with(&path.display().to_string(), &text(&path)?, &[])?)
}

/// Refuses epochs, those of a file, without the number that judges them.
pub(super) fn check_judged(file: &Path, history: &[EpochMetrics]) -> Result<(), RunDirError> {
    let judged = history.first().map(|first| first.columns.judged_by("val"));
    match history.iter().all(|metrics| Some(metrics.columns.judged_by("val")) == judged) {
        true if judged != Some(None) => Ok(()),
        _ => {
            let problem = format!("expected a column val_{} or val_{}", TOP1.name, AP.name);
            Err(RunDirError::damaged(file, problem))
        }
    }
}

/// The text of a file that a run has.
///
/// # Errors
/// When it cannot be read.
pub fn text(path: &Path) -> Result<String, RunDirError> {
    read_text(path, MAX_TABLE).map_err(|error| RunDirError::damaged(path, error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run_dir::{Provenance, metrics_csv};

    /// Writes a run of one epoch whose last file is changed.
    fn read(change: impl Fn(&Path)) -> Result<RunRecord, String> {
        let dir = tempfile::tempdir().unwrap();
        let config = "model = \"digits/resnet14\"\ndata.name = \"digits\"\ntrain.epochs = 1\n";
        fs::write(dir.path().join(CONFIG), config).unwrap();
        let mut metrics = EpochMetrics { epoch: 1, ..EpochMetrics::default() };
        metrics.columns.push("val_top1", 97.5);
        fs::write(dir.path().join("metrics.csv"), metrics_csv(&[metrics])).unwrap();
        let summary = r#"{"model": "digits/resnet14", "dataset": "digits", "split": "paper",
            "train_images": 2, "test_images": 1, "params": 3, "seed": 0, "device": "flex",
            "version": "0.1.0", "command": "", "started": "", "started_unix": 0, "seconds": 1.5,
            "last": {"epoch": 1, "train_cross_entropy": 1.0, "test_cross_entropy": 1.0,
            "test_top1": 97.5, "test_top5": 100.0}}"#;
        fs::write(dir.path().join("summary.json"), summary).unwrap();
        change(dir.path());
        RunRecord::read(dir.path()).map_err(|error| {
            assert!(error.is_user_error(), "{error}");
            error.to_string().replace(&dir.path().display().to_string(), "RUN")
        })
    }

    #[test]
    fn a_run_comes_back() {
        let run = read(|_| ()).unwrap();
        let top1 = (run.history[0].value("val_top1"), run.summary.last.value("test_top1"));
        assert_eq!(top1, (97.5, 97.5));
        assert_eq!(run.summary.provenance, Provenance::default());
    }

    #[test]
    fn numbers_are_those_of_the_text() {
        // Without its feature `float_roundtrip`, serde_json reads these a step off.
        for text in ["99.72222222222223", "0.42027780400000003"] {
            let read: f64 = serde_json::from_str(text).unwrap();
            assert_eq!(Ok(read), text.parse());
        }
    }

    #[test]
    fn what_is_damaged_or_missing_is_named() {
        let write = |name: &'static str, text: &'static str| {
            move |path: &Path| fs::write(path.join(name), text).unwrap()
        };
        let gone =
            |name: &'static str| move |path: &Path| fs::remove_file(path.join(name)).unwrap();
        for (error, said) in [
            (read(gone("summary.json")), "RUN: the run is not finished"),
            (
                read(gone("metrics.csv")),
                "RUN/metrics.csv: cannot be read as part of a run: No such",
            ),
            (read(write("metrics.csv", "epoch\n")), "got 0 rows"),
            (read(write("metrics.csv", "epoch,lr\n1\n")), "row 1: expected 2 fields, got 1"),
            (read(write("metrics.csv", "epoch,lr\n1,x\n")), "row 1: lr: expected a number, got"),
            (
                read(write("metrics.csv", "epoch,lr\n1,0.1\n")),
                "expected a column val_top1 or val_ap",
            ),
            (read(write("metrics.csv", "lr\n0.1\n")), "row 1: expected a column epoch"),
            (
                read(write("summary.json", "{")),
                "RUN/summary.json: cannot be read as part of a run: EOF",
            ),
            (read(write(CONFIG, "model = 3\n")), "RUN/config.toml: model: expected"),
            (read(write(CONFIG, "data.name = \"cifar10\"\ntrain.epochs = 1\n")), "model, seed"),
        ] {
            let error = error.unwrap_err();
            assert!(error.contains(said) && !error.contains('\n'), "{said}: {error}");
        }
    }

    #[test]
    fn runs_are_found_in_their_parent() {
        let dir = tempfile::tempdir().unwrap();
        assert!(matches!(RunRecord::find(dir.path()), Err(RunDirError::NoRun { .. })));
        for seed in ["seed-2", "seed-1"] {
            fs::create_dir(dir.path().join(seed)).unwrap();
            fs::write(dir.path().join(seed).join(CONFIG), "").unwrap();
        }
        let found = RunRecord::find(dir.path()).unwrap();
        assert_eq!(found, ["seed-1", "seed-2"].map(|seed| dir.path().join(seed)));
        assert_eq!(RunRecord::find(&found[0]).unwrap(), found[..1]);
        let above = tempfile::tempdir().unwrap();
        fs::create_dir_all(above.path().join("lr=1/seed-0")).unwrap();
        fs::write(above.path().join("lr=1/seed-0").join(CONFIG), "").unwrap();
        fs::write(above.path().join("sweep.csv"), "").unwrap();
        let found = RunRecord::find(above.path()).unwrap();
        assert_eq!(found, [above.path().join("lr=1/seed-0")]);
    }
}
