//! `cobasis man`.

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::CommandFactory;
use clap_mangen::{Man, generate_to};
use cobasis_cli::Error;

use super::output::print_raw;
use super::{Cli, Outcome};

/// Prints the manual page, or writes one for each command.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  cobasis man > cobasis.1
  cobasis man --out ~/.local/share/man/man1")]
pub(crate) struct Args {
    /// Existing directory to write one page per command to.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

pub(crate) fn run(args: Args) -> Outcome {
    let failed = |error: io::Error| Error::Usage(format!("manual page: {error}"));
    match args.out {
        Some(dir) => generate_to(Cli::command(), dir).map_err(failed)?,
        None => {
            let mut page = Vec::new();
            Man::new(Cli::command()).render(&mut page).map_err(failed)?;
            print_raw(String::from_utf8_lossy(&page).trim_end());
        }
    }
    Ok(ExitCode::SUCCESS)
}
