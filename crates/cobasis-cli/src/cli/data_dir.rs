//! Where the files of a data set are: where they are said to be, or in the cache, or on the net.

use std::env;
use std::io::{IsTerminal, stderr, stdin};
use std::path::{Path, PathBuf};

use cobasis_cli::Error;
use cobasis_data::fetch::{Archive, FetchError, Progress, cache_dir};
use cobasis_train::config::DataConfig;
use indicatif::ProgressBar;

use super::output::ask;
use super::progress::bar;

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
             ({megabytes} MB) with \"cargo xtask data fetch {name}\" or --download"
        )));
    }
    fetch(&archive, &dir)?;
    Ok(Some(dir))
}

/// Downloads and unpacks an archive to `dir`, and shows how far it is.
pub(super) fn fetch(archive: &Archive, dir: &Path) -> Result<(), FetchError> {
    let bar = bar(
        archive.bytes.unwrap_or(0),
        "{bar:24} {percent:>3} %  {msg}{bytes} of {total_bytes}  {bytes_per_sec}, {eta} left",
    );
    let fetched = archive.fetch(dir, &mut |progress| show(&bar, progress));
    bar.finish_and_clear();
    fetched
}

fn show(bar: &ProgressBar, progress: Progress) {
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
            bar.set_message("");
            bar.set_position(done);
        }
        Progress::Retrying { problem } => bar.set_message(format!("{problem}, again: ")),
        Progress::Checking => bar.set_message("checking "),
        Progress::Unpacking => bar.set_message("unpacking "),
    }
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
