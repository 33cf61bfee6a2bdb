//! `cobasis bench`: how fast the parts of the program are on this machine.

mod data;

use super::Outcome;

/// Measures parts of the program on this machine.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    Data(data::Args),
}

pub(crate) fn run(command: Command) -> Outcome {
    match command {
        Command::Data(args) => data::run(args),
    }
}
