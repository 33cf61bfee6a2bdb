//! The command line: arguments in, text or JSON out, errors as one line and an exit code.

mod adapt;
mod bench;
mod class_list;
mod compare;
mod completions;
mod compress;
mod config;
mod config_args;
mod confusion;
mod data;
mod data_dir;
mod deploy;
mod detector;
mod embedded;
mod eval;
mod evaluated;
mod export;
mod guard;
mod head_filters;
mod image_source;
mod import;
mod live;
mod man;
mod model_file;
mod models;
mod output;
mod parity;
mod predict;
mod program;
mod progress;
mod ranks;
mod reference;
mod report;
mod signals;
mod sweep;
mod threads;
mod train;
mod warnings;

#[cfg(test)]
mod documentation;

use std::io::{IsTerminal, stderr, stdout};
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{Parser, Subcommand};
use cobasis_cli::Error;
use cobasis_data::text::{printable, short_words, shortened_to};
use output::{lost, print, tell};

/// Characters of a line about the command line, and of a word in it.
const SHOWN: usize = 1000;
const WORD: usize = 200;

pub(crate) use guard::out_of_memory;

/// Trains, evaluates and inspects convolutional networks whose layers share one orthonormal filter
/// basis per stage.
#[derive(Debug, Parser)]
#[command(name = "cobasis", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Train(train::Args),
    Adapt(adapt::Args),
    Compare(compare::Args),
    Eval(eval::Args),
    Predict(predict::Args),
    Import(import::Args),
    Export(export::Args),
    Compress(compress::Args),
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
    Completions(completions::Args),
    Man(man::Args),
    Reference(reference::Args),
}

impl Command {
    /// Whether it computes, with all threads.
    fn computes(&self) -> bool {
        use Command::{
            Adapt, Compare, Compress, Deploy, Eval, Export, Import, Parity, Predict, Train,
        };
        matches!(
            self,
            Train(_)
                | Adapt(_)
                | Compare(_)
                | Eval(_)
                | Predict(_)
                | Import(_)
                | Export(_)
                | Compress(_)
                | Deploy(_)
                | Parity(_)
        )
    }
}

/// Runs the program.
pub(crate) fn main() -> ExitCode {
    guard::run(command)
}

fn command() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return arrived(refuse(&error)),
    };
    warnings::show();
    let threads = match cli.command.computes() {
        true => threads::start(),
        false => Ok(()),
    };
    let result = threads.and_then(|()| run(cli.command));
    warnings::summarize();
    let code = result.unwrap_or_else(|error| {
        tell(&format!("error: {}", error.line()));
        ExitCode::from(error.exit_code())
    });
    arrived(code)
}

fn run(command: Command) -> Outcome {
    match command {
        Command::Train(args) => train::run(args),
        Command::Adapt(args) => match ranks::check_alone("adapt") {
            Ok(()) => adapt::run(args),
            Err(quiet) => Ok(quiet.0),
        },
        Command::Compare(args) => compare::run(args),
        Command::Eval(args) => eval::run(args),
        Command::Predict(args) => predict::run(args),
        Command::Import(args) => import::run(args),
        Command::Export(args) => export::run(args),
        Command::Compress(args) => compress::run(args),
        Command::Deploy(args) => deploy::run(args),
        Command::Report(args) => report::run(args),
        Command::Parity(args) => parity::run(args),
        Command::Config(command) => config::run(command),
        Command::Bench(command) => bench::run(command),
        Command::Models(command) => models::run(command),
        Command::Data(command) => data::run(command),
        Command::Completions(args) => completions::run(args),
        Command::Man(args) => man::run(args),
        Command::Reference(args) => reference::run(args),
    }
}

/// The exit code of a command, once it is known whether what it printed arrived.
fn arrived(code: ExitCode) -> ExitCode {
    match lost() {
        Some(error) => {
            tell(&format!("error: standard output: {}", reason(&error)));
            // An error, or the signal that ended a run, says more.
            if code == ExitCode::SUCCESS { ExitCode::FAILURE } else { code }
        }
        None => code,
    }
}

/// The system's words for an error, without its number.
fn reason(error: &std::io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error ").next().unwrap_or_default().to_string()
}

/// What every command comes to.
type Outcome = Result<ExitCode, Error>;

/// Shows help where it was asked for, and otherwise one line instead of clap's paragraph.
fn refuse(error: &clap::Error) -> ExitCode {
    let asked = [ErrorKind::DisplayHelp, ErrorKind::DisplayVersion];
    let missing = ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand;
    if asked.contains(&error.kind()) || error.kind() == missing {
        help(error);
        return if error.kind() == missing { ExitCode::from(2) } else { ExitCode::SUCCESS };
    }
    let text = error.to_string();
    let told = text.lines().map(str::trim).take_while(|line| !line.starts_with("Usage:"));
    let told: Vec<&str> =
        told.filter(|line| !line.is_empty() && !line.starts_with("For more information")).collect();
    let told = printable(&shortened_to(&short_words(&told.join(" "), WORD), SHOWN));
    match text.split('\'').nth(1).and_then(habit) {
        Some(instead) => tell(&format!("{told}; use {instead}")),
        None => tell(&told),
    }
    ExitCode::from(2)
}

/// What to give in the place of an option that other programs have.
fn habit(option: &str) -> Option<&'static str> {
    Some(match option {
        "--lr" | "--learning-rate" => "--set optimizer.lr=…",
        "--epochs" => "--set train.epochs=…",
        "--batch-size" | "-b" => "--set train.batch=…",
        "--momentum" => "--set optimizer.momentum=…",
        "--weight-decay" | "--wd" => "--set optimizer.weight_decay=…",
        "--workers" | "--num-workers" | "-j" => "--set data.workers=…",
        "--resume" => "the command of the run, with --out set to its directory",
        _ => return None,
    })
}

/// Prints help where clap would, coloured on a terminal.
fn help(error: &clap::Error) {
    let text = error.render().to_string();
    let on_stderr = error.use_stderr();
    let terminal = if on_stderr { stderr().is_terminal() } else { stdout().is_terminal() };
    if terminal {
        // Nothing is left to do when a terminal is gone.
        let _ = error.print();
    } else if on_stderr {
        tell(text.trim_end());
    } else {
        print(text.trim_end_matches('\n'));
    }
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
                assert!(help.contains("cobasis "), "{}: {help}", command.get_name());
            }
        }
        check(&Cli::command());
    }
}
