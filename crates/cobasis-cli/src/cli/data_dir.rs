//! Where the files of a data set are: where they are said to be, or in the cache, or on the net.

use std::env;
use std::io::{IsTerminal, stderr, stdin};
use std::path::{Path, PathBuf};
#[cfg(feature = "fetch")]
use std::sync::{Arc, Mutex, PoisonError};

use cobasis_cli::Error;
#[cfg(feature = "fetch")]
use cobasis_data::fetch::Progress;
use cobasis_data::fetch::{Archive, cache_dir};
use cobasis_train::config::DataConfig;
#[cfg(feature = "fetch")]
use indicatif::{DecimalBytes, FormattedDuration, ProgressBar, ProgressState};

#[cfg(feature = "fetch")]
use super::live::{Part, live_line, percent};
use super::output::ask;
use super::program::program;

/// The directory of a data set's files. They are downloaded where they are absent and the
/// configuration, the flag `download` or, in a terminal, the user allows it.
pub(super) fn data_dir(data: &DataConfig, download: bool) -> Result<Option<PathBuf>, Error> {
    let given = data.dir.clone();
    let cached = cache_dir().map(|cache| cache.join(data.name.as_str()));
    let Some(archive) = Archive::of(data.name) else {
        // Others may have been put into the cache by hand.
        return Ok(given.or(cached.filter(|dir| dir.is_dir())));
    };
    let Some(dir) = given.clone().or(cached) else {
        return Ok(None);
    };
    // A given directory may do with some of the files, and the loader says best what is missing.
    if archive.is_in(&dir) || (given.is_some() && dir.is_dir() && !(download || data.download)) {
        return Ok(Some(dir));
    }
    if !(download || data.download || agreed(&archive, &dir)) {
        if given.is_some() {
            return Ok(given);
        }
        let (name, megabytes) = (data.name, megabytes(&archive));
        let dir = dir.display();
        return Err(Error::Usage(format!(
            "{name}: no directory given and not in {dir}; give --data DIR, or download it \
             ({megabytes} MB) with \"{} data fetch {name}\" or --download",
            program()
        )));
    }
    fetch(&archive, &dir)?;
    Ok(Some(dir))
}

/// Downloads and unpacks an archive to `dir`, and shows how far it is.
#[cfg(feature = "fetch")]
pub(super) fn fetch(archive: &Archive, dir: &Path) -> Result<(), Error> {
    let doing = Doing::default();
    let shown = doing.clone();
    let bar = live_line(archive.bytes.unwrap_or(0), move |state| shown.parts(state));
    let fetched = archive.fetch(dir, &mut |progress| show(&bar, &doing, progress));
    bar.finish_and_clear();
    Ok(fetched?)
}

#[cfg(not(feature = "fetch"))]
pub(super) fn fetch(archive: &Archive, _: &Path) -> Result<(), Error> {
    let url = &archive.url;
    Err(Error::Usage(format!("{url}: this program was built without downloads (feature fetch)")))
}

/// What is being done, other than downloading.
#[cfg(feature = "fetch")]
#[derive(Clone, Default)]
struct Doing(Arc<Mutex<String>>);

#[cfg(feature = "fetch")]
impl Doing {
    fn set(&self, text: impl Into<String>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = text.into();
    }

    /// The parts of the live line.
    fn parts(&self, state: &ProgressState) -> Vec<Part> {
        let doing = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let mut parts = vec![Part::new(0, percent(state))];
        if !doing.is_empty() {
            parts.push(Part::new(1, doing));
        }
        let (done, all) = (state.pos(), state.len().unwrap_or_default());
        parts.push(Part::new(3, format!("{} of {}", DecimalBytes(done), DecimalBytes(all))));
        parts.push(Part::new(4, format!("{}/s", DecimalBytes(state.per_sec() as u64))));
        parts.push(Part::new(2, format!("{} left", FormattedDuration(state.eta()))));
        parts
    }
}

#[cfg(feature = "fetch")]
fn show(bar: &ProgressBar, doing: &Doing, progress: Progress) {
    match progress {
        Progress::Downloading { done, total } => {
            if let Some(total) = total {
                bar.set_length(total);
            }
            if bar.position() == 0 && done > 0 {
                // An earlier try's share is not this one's speed.
                bar.set_position(done);
                bar.reset_eta();
            }
            doing.set("");
            bar.set_position(done);
        }
        Progress::Retrying { problem } => doing.set(format!("{problem}, retrying")),
        Progress::Checking => doing.set("checking"),
        Progress::Unpacking => doing.set("unpacking"),
    }
    bar.tick();
}

/// Asks in a terminal whether to download; never where nobody would answer.
fn agreed(archive: &Archive, dir: &Path) -> bool {
    if env::var_os("CI").is_some() || !stdin().is_terminal() || !stderr().is_terminal() {
        return false;
    }
    let (dir, megabytes) = (dir.display(), megabytes(archive));
    ask(&format!("download {} ({megabytes} MB) to {dir}? [y/N] ", archive.url));
    let mut answer = String::new();
    // Who can't answer does not agree.
    stdin().read_line(&mut answer).is_ok() && answer.trim().eq_ignore_ascii_case("y")
}

fn megabytes(archive: &Archive) -> u64 {
    (archive.bytes.unwrap_or(0) + 500_000) / 1_000_000
}
