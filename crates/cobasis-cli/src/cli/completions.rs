//! `cobasis completions`.

use std::process::ExitCode;

use clap::CommandFactory;
use clap_complete::{Shell, generate};

use super::output::print_raw;
use super::{Cli, Outcome};

/// Prints shell completions.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  cobasis completions bash > ~/.local/share/bash-completion/completions/cobasis
  cobasis completions zsh > ~/.zfunc/_cobasis
  cobasis completions fish > ~/.config/fish/completions/cobasis.fish")]
pub(crate) struct Args {
    /// The shell.
    shell: Shell,
}

pub(crate) fn run(args: Args) -> Outcome {
    let mut script = Vec::new();
    generate(args.shell, &mut Cli::command(), "cobasis", &mut script);
    print_raw(String::from_utf8_lossy(&script).trim_end());
    Ok(ExitCode::SUCCESS)
}
