//! `cobasis config`.

use std::path::Path;
use std::process::ExitCode;

use cobasis_cli::Error;
use cobasis_train::config::{Config, explain, schema};

use super::Outcome;
use super::config_args::configs;
use super::output::{print, print_json, tell};

/// Checks configurations, and says what their keys mean.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Checks configuration files: keys, types, ranges, and how they fit together.
    #[command(after_help = "Example:
  cargo xtask config check configs/*.toml configs/*/*.toml --set train.epochs=2")]
    Check {
        /// Configuration files, looked for as given, then under configs/.
        #[arg(required = true, value_name = "FILE")]
        files: Vec<String>,
        /// Changes a value of each configuration, by its dotted key; may be repeated.
        #[arg(long, value_name = "KEY=VALUE")]
        set: Vec<String>,
    },
    /// Says what a key or a section is for, its type and its default.
    #[command(after_help = "Examples:
  cargo xtask config explain ortho.lambda
  cargo xtask config explain schedule")]
    Explain {
        /// A dotted key, or the name of a section.
        #[arg(value_name = "KEY")]
        key: String,
    },
    /// Prints the JSON schema of a configuration, for editors.
    #[command(after_help = "Example:
  cargo xtask config schema > cobasis.schema.json")]
    Schema,
}

pub(crate) fn run(command: Command) -> Outcome {
    match command {
        Command::Check { files, set } => return check(&files, &set),
        Command::Explain { key } => print(&explain(&key)?),
        Command::Schema => print_json(&schema()),
    }
    Ok(ExitCode::SUCCESS)
}

/// A line for each file; the exit code is that of the last error.
fn check(files: &[String], set: &[String]) -> Outcome {
    let mut code = ExitCode::SUCCESS;
    for file in files {
        match Config::load_with(file, Path::new(&configs()), set) {
            Ok(config) => print(&format!("{file}: ok, {}", config.model)),
            Err(error) => {
                let error = Error::from(error);
                tell(&format!("error: {}", error.line()));
                code = ExitCode::from(error.exit_code());
            }
        }
    }
    Ok(code)
}
