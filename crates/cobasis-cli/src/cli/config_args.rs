//! The arguments that choose a configuration.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use cobasis_cli::Error;
use cobasis_train::config::{Choice, Config, DIGITS};

use super::data_dir::data_dir;

/// Where configs are looked for that are not where they were said to be; `cargo xtask` sets it to
/// the checkout's `configs`, whatever the working directory.
const CONFIGS: &str = "COBASIS_CONFIGS";

/// A configuration, changed, and where its data are.
#[derive(Debug, clap::Args)]
pub(super) struct ConfigArgs {
    /// Configuration file, looked for as given, then under configs/.
    #[arg(long, value_name = "FILE")]
    config: Option<String>,
    /// Changes a value of the configuration, by its dotted key; may be repeated.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Directory of the data set's files [default: where `data fetch` puts them].
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

impl ConfigArgs {
    /// The configuration with these keys and values over it, checked, and with the directory of its data.
    pub(super) fn load(&self, choices: &[Choice], download: bool) -> Result<Config, Error> {
        let choices = choices.iter().map(|(key, value)| format!("{key}={value}"));
        let sets: Vec<String> = self.set.iter().cloned().chain(choices).collect();
        let mut config = match &self.config {
            Some(name) => Config::load_with(name, Path::new(&configs()), &sets)?,
            None => Config::parse_with("the built-in digits.toml", DIGITS, &sets)?,
        };
        if let Some(data) = &self.data {
            config.data.dir = Some(data.clone());
        }
        config.check()?;
        config.data.dir = data_dir(&config.data, download)?;
        Ok(config)
    }
}

/// Where configurations are looked for.
pub(super) fn configs() -> OsString {
    env::var_os(CONFIGS).unwrap_or_else(|| "configs".into())
}
