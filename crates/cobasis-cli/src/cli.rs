//! The command line: arguments in, text or JSON out, errors as one line and an exit code.

mod bench;
mod config;
mod config_args;
mod confusion;
mod data;
mod data_dir;
mod deploy;
mod eval;
mod export;
mod import;
mod live;
mod model_file;
mod models;
mod output;
mod parity;
mod predict;
mod progress;
mod reference;
mod report;
mod signals;
mod sweep;
mod train;
mod warnings;

#[cfg(test)]
mod documentation;

use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Parser, Subcommand};
use cobasis_cli::Error;

/// Convolutional networks that share one orthonormal filter basis per stage: train, evaluate,
/// inspect.
#[derive(Debug, Parser)]
#[command(name = "cobasis", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Train(train::Args),
    Eval(eval::Args),
    Predict(predict::Args),
    Import(import::Args),
    Export(export::Args),
    Deploy(deploy::Args),
    Report(report::Args),
    Parity(parity::Args),
    #[command(subcommand)]
    Config(config::Command),
    #[command(subcommand)]
    Bench(bench::Command),
    #[command(subcommand)]
    Models(models::Command),
    #[command(subcommand)]
    Data(data::Command),
    Reference(reference::Args),
}

/// Runs the program.
pub(crate) fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return refuse(&error),
    };
    warnings::show();
    let result = match cli.command {
        Command::Train(args) => train::run(args),
        Command::Eval(args) => eval::run(args),
        Command::Predict(args) => predict::run(args),
        Command::Import(args) => import::run(args),
        Command::Export(args) => export::run(args),
        Command::Deploy(args) => deploy::run(args),
        Command::Report(args) => report::run(args),
        Command::Parity(args) => parity::run(args),
        Command::Config(command) => config::run(command),
        Command::Bench(command) => bench::run(command),
        Command::Models(command) => models::run(command),
        Command::Data(command) => data::run(command),
        Command::Reference(args) => reference::run(args),
    };
    result.unwrap_or_else(|error| {
        eprintln!("error: {}", error.line());
        ExitCode::from(error.exit_code())
    })
}

/// What every command comes to.
type Outcome = Result<ExitCode, Error>;

/// Shows help where it was asked for, and otherwise one line instead of clap's paragraph.
fn refuse(error: &clap::Error) -> ExitCode {
    let asked = [ErrorKind::DisplayHelp, ErrorKind::DisplayVersion];
    let missing = ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand;
    if asked.contains(&error.kind()) || error.kind() == missing {
        // Nothing is left to do when even help can't be printed.
        let _ = error.print();
        return if error.kind() == missing { ExitCode::from(2) } else { ExitCode::SUCCESS };
    }
    let text = error.to_string();
    let told = text.lines().map(str::trim).take_while(|line| !line.starts_with("Usage:"));
    let told: Vec<&str> =
        told.filter(|line| !line.is_empty() && !line.starts_with("For more information")).collect();
    eprintln!("{}", told.join(" "));
    ExitCode::from(2)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn scripts_may_use_the_old_name_of_no_live() {
        assert!(Cli::try_parse_from(["cobasis", "train", "--no-tui"]).is_ok());
        let train = Cli::command().find_subcommand("train").cloned();
        let help = train.map(|mut train| train.render_long_help().to_string()).unwrap_or_default();
        assert!(help.contains("--no-live") && !help.contains("no-tui"), "{help}");
    }

    #[test]
    fn every_command_shows_an_example() {
        fn check(command: &clap::Command) {
            if command.has_subcommands() {
                command.get_subcommands().for_each(check);
            } else if command.get_name() != "help" {
                let help = command.clone().render_long_help().to_string();
                assert!(help.contains("cargo xtask "), "{}: {help}", command.get_name());
            }
        }
        check(&Cli::command());
    }
}
