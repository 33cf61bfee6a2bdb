//! What a run that is not finished has left so far.

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

use super::lock::LOCK;
use super::metrics::parse_metrics_csv;
use super::record::{check_judged, config};
use super::{DIVERGED, EpochMetrics, RunDirError};
use crate::config::Config;

/// A run that is going on or was interrupted.
#[derive(Clone, Debug)]
pub struct UnfinishedRun {
    /// The directory.
    pub path: PathBuf,
    /// What it was told to do.
    pub config: Config,
    /// The epochs that are done, maybe none.
    pub history: Vec<EpochMetrics>,
    /// Whether a process trains in the directory now.
    pub running: bool,
    /// Whether it ended because training diverged.
    pub diverged: bool,
    /// Whether the last line of `metrics.csv` was left out, because it is damaged or not whole.
    pub cut: bool,
}

impl UnfinishedRun {
    /// Reads what there is of a run. All it needs is the configuration; without `metrics.csv` no epoch
    /// is done.
    ///
    /// # Errors
    /// When a file is damaged. The last line of `metrics.csv` may be: it is left out.
    pub fn read(path: &Path) -> Result<Self, RunDirError> {
        let config = config(path)?;
        let metrics = path.join("metrics.csv");
        let written = match metrics.try_exists() {
            Ok(false) => Vec::new(),
            _ => fs::read(&metrics).map_err(|error| RunDirError::damaged(&metrics, error))?,
        };
        let (history, cut) = whole_rows(&String::from_utf8_lossy(&written))
            .map_err(|problem| RunDirError::damaged(&metrics, problem))?;
        check_judged(&metrics, &history)?;
        let running = Self::is_running(path);
        let diverged = !running && path.join(DIVERGED).exists();
        Ok(Self { path: path.to_owned(), config, history, running, diverged, cut })
    }

    /// Whether a process trains in a directory: it holds the lock. Where the system has no such locks, a
    /// run is taken to be interrupted.
    pub fn is_running(path: &Path) -> bool {
        // Shared, so that several may look at once.
        let locked = File::open(path.join(LOCK)).map(|lock| lock.try_lock_shared());
        matches!(locked, Ok(Err(TryLockError::WouldBlock)))
    }

    /// `running: epoch 3 of 10`, the epoch at hand.
    pub fn state(&self) -> String {
        let (done, epochs) = (self.history.len(), self.config.train.epochs);
        format!("{}: epoch {} of {epochs}", self.word(), (done + 1).min(epochs))
    }

    /// `running`, `diverged` or `interrupted`.
    pub fn word(&self) -> &'static str {
        match (self.running, self.diverged) {
            (true, _) => "running",
            (false, true) => "diverged",
            (false, false) => "interrupted",
        }
    }
}

/// The epochs of a table, and whether its last line was left out: without an end it may be cut within a
/// number, and with one it may be damaged.
fn whole_rows(text: &str) -> Result<(Vec<EpochMetrics>, bool), String> {
    let end = |text: &str| text.rfind('\n').map_or(0, |end| end + 1);
    let (whole, rest) = text.split_at(end(text));
    if !rest.is_empty() {
        return Ok((rows(whole)?, true));
    }
    rows(whole).map(|rows| (rows, false)).or_else(|problem| {
        let before = &whole[..end(whole.trim_end_matches('\n'))];
        if before.is_empty() { Err(problem) } else { Ok((rows(before)?, true)) }
    })
}

/// The epochs of a table, from the first on.
fn rows(text: &str) -> Result<Vec<EpochMetrics>, String> {
    let rows = parse_metrics_csv(text)?;
    match rows.iter().enumerate().find(|(index, row)| row.epoch != index + 1) {
        None => Ok(rows),
        Some((index, row)) => {
            Err(format!("row {}: expected epoch {0}, got {}", index + 1, row.epoch))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run_dir::RunDir;

    const HEAD: &str = "epoch,lr,val_top1\n";

    fn run(metrics: Option<&str>) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let config = "model = \"digits/resnet14\"\ndata.name = \"digits\"\ntrain.epochs = 3\n";
        fs::write(dir.path().join("config.toml"), config).unwrap();
        if let Some(metrics) = metrics {
            fs::write(dir.path().join("metrics.csv"), format!("{HEAD}{metrics}")).unwrap();
        }
        dir
    }

    #[test]
    fn epochs_are_those_that_were_written_whole() {
        for (metrics, state, cut) in [
            (None, "interrupted: epoch 1 of 3", false),
            (Some(""), "interrupted: epoch 1 of 3", false),
            (Some("1,0.1,50.0\n"), "interrupted: epoch 2 of 3", false),
            (Some("1,0.1,50.0\n2,0.1,5"), "interrupted: epoch 2 of 3", true),
            (Some("1,0.1,50.0\n2,0"), "interrupted: epoch 2 of 3", true),
            (Some("1,0.1,50.0\n2,x,1.0\n"), "interrupted: epoch 2 of 3", true),
            (Some("1,0.1,50.0\n22,0.1,1.0\n"), "interrupted: epoch 2 of 3", true),
            (Some("x\n"), "interrupted: epoch 1 of 3", true),
            (Some("1,0.1,5.0\n2,0.1,6.0\n3,0.1,7.0\n"), "interrupted: epoch 3 of 3", false),
        ] {
            let dir = run(metrics);
            let read = UnfinishedRun::read(dir.path()).unwrap();
            assert_eq!((read.state().as_str(), read.cut), (state, cut), "{metrics:?}");
        }
        let dir = run(None);
        fs::write(dir.path().join("metrics.csv"), "epoch,lr,va").unwrap();
        let read = UnfinishedRun::read(dir.path()).unwrap();
        assert_eq!((read.history.len(), read.cut), (0, true));
    }

    #[test]
    fn damage_before_the_last_line_is_told() {
        for metrics in ["1,x,1.0\n2,0.1,1.0\n", "1,0.1\n2,0.1,1.0\n", "2,0.1,1.0\n3,0.1,1.0\n"] {
            let dir = run(Some(metrics));
            let error = UnfinishedRun::read(dir.path()).unwrap_err();
            assert!(error.is_user_error() && error.to_string().contains("row 1"), "{error}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_run_is_running_while_a_process_holds_its_lock() {
        let dir = run(None);
        let held = RunDir::open(Some(dir.path()), "digits/resnet14").unwrap();
        let read = || UnfinishedRun::read(dir.path()).unwrap();
        assert_eq!(read().state(), "running: epoch 1 of 3");
        held.record_divergence("the loss is NaN");
        assert_eq!(read().state(), "running: epoch 1 of 3");
        drop(held);
        assert_eq!(read().state(), "diverged: epoch 1 of 3");
        let again = RunDir::open(Some(dir.path()), "digits/resnet14").unwrap();
        again.forget_divergence();
        drop(again);
        assert_eq!(read().state(), "interrupted: epoch 1 of 3");
    }
}
