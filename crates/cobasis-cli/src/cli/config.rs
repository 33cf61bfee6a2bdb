//! `cobasis config`.

use std::process::ExitCode;

use cobasis_cli::Error;
use cobasis_train::config::{Config, explain, schema};

use super::config_args::{load, no_such};
use super::output::{print, print_json, print_raw, table, tell};
use super::program::program;
use super::{Outcome, embedded};

/// Lists, shows, checks and explains configurations.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Lists the configurations that are built into the program: name, model, epochs, description; and
    /// the comparisons, with the command that runs them.
    #[command(after_help = "Example:
  cobasis config list")]
    List,
    /// Prints a built-in configuration, as a starting point for your own.
    #[command(after_help = "Example:
  cobasis config show cifar100.toml > mine.toml")]
    Show {
        /// Name of the configuration, from `cobasis config list`.
        name: String,
    },
    /// Checks configuration files: keys, types, ranges, and combinations of keys.
    #[command(after_help = "Example:
  cobasis config check configs/*.toml configs/*/*.toml --set train.epochs=2")]
    Check {
        /// Configuration files: paths, files under configs/, or names of built-in ones.
        #[arg(required = true, value_name = "FILE")]
        files: Vec<String>,
        /// Override a key in each configuration, such as train.epochs=2; may be repeated.
        #[arg(long, value_name = "KEY=VALUE")]
        set: Vec<String>,
    },
    /// Explains a key or a section: meaning, type and default.
    #[command(after_help = "Examples:
  cobasis config explain ortho.lambda
  cobasis config explain schedule")]
    Explain {
        /// A dotted key, such as optimizer.lr, or the name of a section.
        #[arg(value_name = "KEY")]
        key: String,
    },
    /// Prints the JSON schema of a configuration, for editors.
    #[command(after_help = "Example:
  cobasis config schema > cobasis.schema.json")]
    Schema,
}

pub(crate) fn run(command: Command) -> Outcome {
    match command {
        Command::List => print(&list()?),
        Command::Show { name } => return show(&name),
        Command::Check { files, set } => return check(&files, &set),
        Command::Explain { key } => print(&explain(&key)?),
        Command::Schema => print_json(&schema()),
    }
    Ok(ExitCode::SUCCESS)
}

/// A line for each configuration that is part of the program.
fn list() -> Result<String, Error> {
    let rows = embedded::names().map(|name| {
        let text = embedded::text(name).unwrap_or_default();
        let config = Config::parse_with(name, text, &[])?;
        Ok(vec![
            name.to_string(),
            if config.awaits_file() { "that of --init".to_string() } else { config.model },
            config.train.epochs.to_string(),
            embedded::title(text),
        ])
    });
    let head = ["configuration", "model", "epochs", "description"].map(String::from).to_vec();
    let rows = std::iter::once(Ok(head)).chain(rows).collect::<Result<Vec<_>, Error>>()?;
    let comparisons = embedded::comparisons().map(|name| {
        let text = embedded::text(name).unwrap_or_default();
        vec![name.to_string(), format!("{} compare {name}", program()), embedded::title(text)]
    });
    let head = ["comparison", "command", "description"].map(String::from).to_vec();
    let comparisons: Vec<Vec<String>> = std::iter::once(head).chain(comparisons).collect();
    Ok(format!("{}\n\n{}", table(&rows, &[1, 3]), table(&comparisons, &[1, 2])))
}

fn show(name: &str) -> Outcome {
    match embedded::text(name) {
        Some(text) => print_raw(text.trim_end()),
        None => return Err(Error::Usage(no_such(name))),
    }
    Ok(ExitCode::SUCCESS)
}

/// A line for each file; the exit code is that of the last error.
fn check(files: &[String], set: &[String]) -> Outcome {
    let mut code = ExitCode::SUCCESS;
    for file in files {
        match load(file, set) {
            Ok(config) if config.awaits_file() => {
                print(&format!("{file}: ok, the model of init.from"));
            }
            Ok(config) => print(&format!("{file}: ok, {}", config.model)),
            Err(error) => {
                tell(&format!("error: {}", error.line()));
                code = ExitCode::from(error.exit_code());
            }
        }
    }
    Ok(code)
}
