//! The directory one training run writes to, never one that another run has written.

mod checkpoints;
mod checksums;
mod error;
mod events;
mod gradient_flow;
mod init;
mod lock;
mod metrics;
mod provenance;
mod record;
mod summary;
mod tasks;
#[cfg(test)]
mod tests;
mod unfinished;
mod write;

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use checkpoints::Checkpoints;
pub(crate) use checkpoints::position;
pub(crate) use checksums::{CheckedFiles, sha256_of_file, sums, sums_name};
pub use error::RunDirError;
pub(crate) use events::write_events;
pub use gradient_flow::{
    BasisFlow, BasisGradient, BasisParts, gradient_flow_csv, parse_gradient_flow_csv,
};
pub use init::{Classifier, InitRecord};
pub use metrics::{EpochMetrics, metrics_csv};
pub use provenance::Provenance;
pub use record::{RunRecord, text};
pub use summary::{EarlyStop, EpochSummary, Summary};
pub(crate) use tasks::tasks_csv;
pub use tasks::{TaskEpoch, TaskSummary};
pub use unfinished::UnfinishedRun;
pub use write::write_json;
pub(crate) use write::write_text;

use cobasis_data::regular::{MAX_TEXT, read_text};
use lock::{LOCK, Lock};
use serde::Serialize;
use write::write;

/// Parent of the runs that are not given a directory, below the working directory.
const DEFAULT_PARENT: &str = "runs";
/// The file that makes a directory a run's: the first one written.
const CONFIG: &str = "config.toml";
/// The result, written at the end.
const RESULT: &str = "summary.json";
/// Says why training diverged, in the directory of a run that did.
const DIVERGED: &str = "diverged.txt";

/// How the names of unfinished files begin.
const WRITTEN: &[&str] = &[
    ".config.toml.",
    ".data.json.",
    ".init.json.",
    ".metrics.csv.",
    ".tasks.csv.",
    ".gradient_flow.csv.",
    ".events.out.tfevents.",
    ".summary.json.",
    ".last.",
    ".last-",
    ".best.",
    ".best-",
    ".epoch-",
];

/// A directory that belongs to this run alone.
#[derive(Debug)]
pub struct RunDir {
    path: PathBuf,
    /// `None` where another process of the same run holds it, and writes.
    lock: Option<Arc<Lock>>,
}

impl RunDir {
    /// Opens the directory of a run: `out`, new, empty, or with a run to resume; or a new
    /// `runs/<model>-<number>` with the next free number. Parents are made.
    ///
    /// What interrupted writes have left in it is removed.
    ///
    /// # Errors
    /// When `out` is a file, a directory with something else in it, or one that another process
    /// trains in; or cannot be made.
    pub fn open(out: Option<&Path>, model: &str) -> Result<Self, RunDirError> {
        let path = match out {
            Some(out) => open_at(out)?,
            None => Self::create_numbered(Path::new(DEFAULT_PARENT), model)?,
        };
        let lock = Some(Arc::new(Lock::take(&path)?));
        remove_temporaries(&path)?;
        Ok(Self { path, lock })
    }

    /// The directory of a run that another process has opened, to read from.
    pub(crate) fn of_other(path: PathBuf) -> Self {
        Self { path, lock: None }
    }

    /// Whether a directory has a run.
    pub(crate) fn has_run(directory: &Path) -> bool {
        directory.join(CONFIG).is_file()
    }

    /// Makes a directory for several runs of a model: `out`, or a new numbered one as
    /// [`open`](Self::open) makes it.
    ///
    /// # Errors
    /// When it is a file or a single run's, or cannot be made.
    pub fn parent(out: Option<&Path>, model: &str) -> Result<PathBuf, RunDirError> {
        match out {
            Some(out) if out.is_file() => Err(RunDirError::NotADirectory { path: out.to_owned() }),
            Some(out) if out.join(CONFIG).is_file() => {
                Err(RunDirError::OneRun { path: out.to_owned() })
            }
            Some(out) => {
                let made = fs::create_dir_all(out);
                made.map_err(RunDirError::io(out, "create the directory"))?;
                Ok(out.to_owned())
            }
            None => Self::create_numbered(Path::new(DEFAULT_PARENT), model),
        }
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the directory is still this run's.
    ///
    /// # Errors
    /// [`RunDirError::Gone`] when it was removed, moved or emptied, or another run lives there.
    pub fn check(&self) -> Result<(), RunDirError> {
        self.lock.as_ref().map_or(Ok(()), |lock| lock.check())
    }

    /// The configuration of the run that the directory holds; `None` for a new one.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn config(&self) -> Result<Option<String>, RunDirError> {
        let path = self.path.join(CONFIG);
        match read_text(&path, MAX_TEXT) {
            Ok(text) => Ok(Some(text)),
            Err(err) if err.kind() == ErrorKind::NotFound => Ok(None),
            Err(err) => Err(RunDirError::io(&path, "read the file")(err)),
        }
    }

    /// Makes this a run's directory.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write_config(&self, text: &str) -> Result<(), RunDirError> {
        self.write_atomic(CONFIG, text.as_bytes())
    }

    /// The run's checkpoints.
    pub fn checkpoints(&self) -> Checkpoints {
        Checkpoints::locked(self.path.join("checkpoints"), self.lock.clone())
    }

    /// Writes a file of this directory whole or not at all; see [`cobasis_zoo::files::write_atomic`].
    ///
    /// # Errors
    /// When the file cannot be written; it is named, and what was there before stays. When the
    /// directory is no longer this run's.
    pub fn write_atomic(&self, name: &str, bytes: &[u8]) -> Result<(), RunDirError> {
        self.check()?;
        // That the directory went just now says more than that a file in it could not be written.
        write(&self.path.join(name), bytes).map_err(|error| self.check().err().unwrap_or(error))
    }

    /// Notes that the run ended because training diverged, in these words. Where that can't be written,
    /// the run is one that was interrupted.
    pub(crate) fn record_divergence(&self, problem: &str) {
        if let Err(error) = self.write_atomic(DIVERGED, format!("{problem}\n").as_bytes()) {
            log::warn!("{error}");
        }
    }

    /// Takes the note back: the run goes on.
    pub(crate) fn forget_divergence(&self) {
        // Usually there is none.
        let _ = fs::remove_file(self.path.join(DIVERGED));
    }

    /// Takes the result back: the run becomes longer than it was. Before the configuration says so, so
    /// that there is never a result of another one.
    pub(crate) fn forget_result(&self) -> Result<(), RunDirError> {
        self.check()?;
        let path = self.path.join(RESULT);
        match fs::remove_file(&path) {
            Err(err) if err.kind() != ErrorKind::NotFound => {
                Err(RunDirError::io(&path, "remove the file")(err))
            }
            _ => Ok(()),
        }
    }

    /// Writes a value as JSON, as [`write_atomic`](Self::write_atomic) does.
    ///
    /// # Errors
    /// Those of [`write_json`], and when the directory is no longer this run's.
    pub fn write_json(&self, name: &str, value: &impl Serialize) -> Result<(), RunDirError> {
        self.check()?;
        write_json(&self.path.join(name), value)
            .map_err(|error| self.check().err().unwrap_or(error))
    }

    fn create_numbered(parent: &Path, model: &str) -> Result<PathBuf, RunDirError> {
        let name = file_name(model);
        fs::create_dir_all(parent).map_err(RunDirError::io(parent, "create the directory"))?;
        let mut number = last_number(parent, &name)? + 1;
        loop {
            let path = parent.join(format!("{name}-{number:03}"));
            match fs::create_dir(&path) {
                Ok(()) => return Ok(path),
                // Another run was faster: only the system's answer settles whose number it is.
                Err(err) if err.kind() == ErrorKind::AlreadyExists => number += 1,
                Err(err) => return Err(RunDirError::io(&path, "create the run directory")(err)),
            }
        }
    }
}

/// Makes `out`, or accepts it as it is: empty, or with a run in it.
fn open_at(out: &Path) -> Result<PathBuf, RunDirError> {
    create_parents(out)?;
    let path = out.to_owned();
    match fs::create_dir(out) {
        Ok(()) => return Ok(path),
        Err(err) if err.kind() != ErrorKind::AlreadyExists => {
            return Err(RunDirError::io(out, "create the run directory")(err));
        }
        Err(_) if !out.is_dir() => return Err(RunDirError::NotADirectory { path }),
        Err(_) => {}
    }
    let entries = fs::read_dir(out).map_err(RunDirError::io(out, "list the run directory"))?;
    // A run killed in its first moment has left nothing else.
    let empty =
        entries.flatten().all(|entry| is_temporary(&entry.path()) || entry.file_name() == LOCK);
    if empty || out.join(CONFIG).is_file() { Ok(path) } else { Err(RunDirError::NotEmpty { path }) }
}

/// Removes what writes that were killed have left.
fn remove_temporaries(dir: &Path) -> Result<(), RunDirError> {
    let entries = match fs::read_dir(dir) {
        Err(err) if err.kind() == ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(RunDirError::io(dir, "list the directory"))?,
    };
    for path in entries.flatten().map(|entry| entry.path()).filter(|path| is_temporary(path)) {
        let removed = match path.is_dir() {
            true => fs::remove_dir_all(&path),
            false => fs::remove_file(&path),
        };
        removed.map_err(RunDirError::io(&path, "remove a file that was not finished"))?;
    }
    Ok(())
}

/// `.NAME.….tmp`, as [`cobasis_zoo::files::write_atomic`] and [`Checkpoints`] name what they have
/// not finished; of names that a run writes, so that nobody else's file is mistaken for one.
fn is_temporary(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.ends_with(".tmp") && WRITTEN.iter().any(|written| name.starts_with(written))
}

fn create_parents(path: &Path) -> Result<(), RunDirError> {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => {
            fs::create_dir_all(parent).map_err(RunDirError::io(parent, "create the directory"))
        }
        _ => Ok(()),
    }
}

/// The model's name as a file name: no separators, nothing a shell would mind.
fn file_name(model: &str) -> String {
    let keep = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    model.chars().map(|c| if keep(c) { c } else { '-' }).collect()
}

/// The highest number in use, 0 for none. Gaps stay gaps, so that numbers follow time.
fn last_number(parent: &Path, name: &str) -> Result<u32, RunDirError> {
    let entries = fs::read_dir(parent).map_err(RunDirError::io(parent, "list the directory"))?;
    let numbers = entries.flatten().filter_map(|entry| {
        let entry = entry.file_name();
        let digits = entry.to_str()?.strip_prefix(name)?.strip_prefix('-')?;
        // More than six digits is somebody's own name, a date perhaps.
        let counts = digits.len() <= 6 && digits.bytes().all(|digit| digit.is_ascii_digit());
        if counts { digits.parse().ok() } else { None }
    });
    Ok(numbers.max().unwrap_or(0))
}
