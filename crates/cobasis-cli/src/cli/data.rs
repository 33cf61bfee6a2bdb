//! `cobasis data`.

use std::path::PathBuf;
use std::process::ExitCode;

use cobasis_cli::Error;
use cobasis_data::DatasetName;
use cobasis_data::fetch::{Archive, cache_dir};

use super::Outcome;
use super::data_dir::fetch;
use super::output::print;

/// Downloads data sets.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    Fetch(FetchArgs),
}

/// Downloads a data set, checks its SHA-256, and unpacks it.
///
/// An interrupted download is resumed. Available are cifar10 and cifar100; digits is built into the
/// program, and the others have to be downloaded manually (see docs/data.md).
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  cobasis data fetch cifar10
  cobasis data fetch cifar100 --dir DIR --url http://mirror/cifar-100-binary.tar.gz")]
pub(crate) struct FetchArgs {
    /// Data set: cifar10 or cifar100.
    name: DatasetName,
    /// Directory to unpack to [default: the one that `cobasis train` looks in, in the user's
    /// cache].
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// URL of the archive [default: the authors' site].
    #[arg(long, value_name = "URL", value_parser = parse_url)]
    url: Option<String>,
    /// SHA-256 of the archive, if it was repacked [default: that of the authors' archive].
    #[arg(long, value_name = "HEX", requires = "url", value_parser = parse_sha256)]
    sha256: Option<String>,
}

pub(crate) fn run(command: Command) -> Outcome {
    match command {
        Command::Fetch(args) => run_fetch(args),
    }
}

fn run_fetch(args: FetchArgs) -> Outcome {
    let FetchArgs { name, dir, url, sha256 } = args;
    let Some(mut archive) = Archive::of(name) else {
        let problem = match name {
            DatasetName::Digits => "built into the program, nothing to download",
            _ => {
                "cannot be downloaded by this program; docs/data.md says where to get it and where \
                 to put it"
            }
        };
        return Err(Error::Usage(format!("{name}: {problem}")));
    };
    if let Some(url) = url {
        archive = archive.with_url(url);
    }
    if let Some(sha256) = sha256 {
        archive = archive.with_sha256(&sha256);
    }
    let cached = || Some(cache_dir()?.join(name.as_str()));
    let Some(dir) = dir.or_else(cached) else {
        return Err(Error::Usage("no home directory for a cache; give --dir DIR".to_string()));
    };
    let was_there = archive.is_in(&dir);
    fetch(&archive, &dir)?;
    let how = if was_there { "is already in" } else { "is now in" };
    print(&format!("{name} {how} {}", dir.display()));
    Ok(ExitCode::SUCCESS)
}

fn parse_url(text: &str) -> Result<String, String> {
    let known = ["http://", "https://"].iter().any(|scheme| text.starts_with(scheme));
    known.then(|| text.to_string()).ok_or("expected http:// or https://".to_string())
}

fn parse_sha256(text: &str) -> Result<String, String> {
    let is_digest = text.len() == 64 && text.bytes().all(|digit| digit.is_ascii_hexdigit());
    is_digest.then(|| text.to_string()).ok_or("expected 64 hexadecimal digits".to_string())
}
