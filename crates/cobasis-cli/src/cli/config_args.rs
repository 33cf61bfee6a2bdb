//! The arguments that choose a configuration.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use cobasis_cli::Error;
use cobasis_data::DatasetName;
use cobasis_data::regular::{MAX_TEXT, read_text};
use cobasis_train::config::{Choice, Comparison, Config, ConfigError, DIGITS};

use super::data_dir::data_dir;
use super::embedded;
use super::program::program;

/// Where configs are looked for that are not where they were said to be; `cargo xtask` sets it to
/// the checkout's `configs`, whatever the working directory.
const CONFIGS: &str = "COBASIS_CONFIGS";

/// The model of the built-in configuration, which the model of a file takes the place of.
const DIGITS_MODEL: &str = "model = \"digits/resnet14-s8u1\"\n";

/// A configuration, changed, and where its data are.
#[derive(Debug, clap::Args)]
pub(super) struct ConfigArgs {
    /// Configuration file: a path, a file under configs/, or one built into the program (see
    /// `cobasis config list`).
    #[arg(long, value_name = "FILE")]
    config: Option<String>,
    /// Override a configuration key, such as train.epochs=2; may be repeated.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Directory of the data set [default: where `cobasis data fetch` puts it].
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

impl ConfigArgs {
    /// What is to be said where changes are made to another configuration than they may be meant for.
    pub(super) fn note(&self) -> Option<String> {
        let is_other = |set: &String| {
            let key = set.split('=').next().unwrap_or_default().trim();
            ["model", "data.name"].contains(&key)
        };
        let changed = self.config.is_none() && self.set.iter().any(is_other);
        changed.then(|| {
            format!(
                "without --config, --set changes the built-in digits.toml, not the defaults (see \
                 {} config show digits.toml)",
                program()
            )
        })
    }

    /// The configuration with these keys and values over it, and a file to start from, checked, and with
    /// the directory of its data.
    pub(super) fn load(
        &self,
        start: Option<&Path>,
        choices: &[Choice],
        download: bool,
    ) -> Result<Config, Error> {
        let choices = choices.iter().map(|(key, value)| format!("{key}={value}"));
        let init = start.map(init).transpose()?;
        let sets = self.set.iter().cloned().chain(init).chain(choices);
        let sets: Vec<String> = sets.collect();
        let starts = |set: &String| set.trim_start().starts_with("init.from");
        let mut config = match &self.config {
            Some(name) => load(name, &sets)?,
            None if sets.iter().any(starts) => {
                let text = DIGITS.replacen(DIGITS_MODEL, "", 1);
                Config::parse_with("the built-in digits.toml", &text, &sets)?
            }
            None => Config::parse_with("the built-in digits.toml", DIGITS, &sets)?,
        };
        if let Some(data) = &self.data {
            config.data.dir = Some(data.clone());
        }
        if let (DatasetName::Digits, Some(dir)) = (config.data.name, &config.data.dir) {
            return Err(Error::Usage(format!(
                "--data {}: the digits are built into the program and need no directory; for other \
                 images give --set data.name=NAME (cifar10, folder, …) and a model for them, or a \
                 --config",
                dir.display()
            )));
        }
        config.check()?;
        config.data.dir = data_dir(&config.data, download)?;
        for (index, task) in config.tasks.iter_mut().enumerate() {
            if let (DatasetName::Digits, Some(_)) = (task.data.name, &task.data.dir) {
                let problem = "the digits are built into the program and need no directory";
                return Err(ConfigError::at(format!("tasks[{index}].data.dir"), problem).into());
            }
            task.data.dir = data_dir(&task.data, download)?;
        }
        Ok(config)
    }
}

/// `--init FILE` as `--set` has it.
fn init(file: &Path) -> Result<String, Error> {
    match file.to_str() {
        // In quotes, which TOML escapes as JSON does: a name may look like a number.
        Some(file) => Ok(format!("init.from={}", serde_json::Value::from(file))),
        None => Err(Error::Usage(format!("--init {}: expected a UTF-8 path", file.display()))),
    }
}

/// The configuration in a file, or of this name among the shipped ones, changed by `sets`.
pub(super) fn load(name: &str, sets: &[String]) -> Result<Config, Error> {
    if let Ok((place, text)) = text_of(name)
        && Comparison::is_one(&text)
    {
        return Err(Error::Usage(format!(
            "{place}: this is a comparison; run it with {} compare {name}",
            program()
        )));
    }
    let folder = configs();
    let folder = Path::new(&folder);
    // A directory is no configuration: `cifar100` lies beside `cifar100.toml`.
    let is_there = |path: &Path| path.exists() && !path.is_dir();
    if is_there(Path::new(name)) || is_there(&folder.join(name)) {
        return Ok(Config::load_with(name, folder, sets)?);
    }
    match embedded::text(name) {
        Some(text) => Ok(Config::parse_with(&format!("built-in {name}"), text, sets)?),
        // The folder's names are the better guess where it is there.
        None if folder.is_dir() => Ok(Config::load_with(name, folder, sets)?),
        None => Err(Error::Usage(no_such(name))),
    }
}

/// The place and the text of a file that is not a configuration of a run: a path, a file of this name
/// among the shipped ones, or one built into the program.
pub(super) fn text_of(name: &str) -> Result<(String, String), Error> {
    let folder = configs();
    for path in [PathBuf::from(name), Path::new(&folder).join(name)] {
        if path.exists() && !path.is_dir() {
            let place = path.display().to_string();
            return match read_text(&path, MAX_TEXT) {
                Ok(text) => Ok((place, text)),
                Err(error) => Err(Error::Usage(format!("{place}: cannot be read: {error}"))),
            };
        }
    }
    match embedded::text(name) {
        Some(text) => Ok((format!("built-in {name}"), text.to_string())),
        None => {
            let places = format!("{name} and {}", Path::new(&folder).join(name).display());
            Err(Error::Usage(format!("{name}: no such file; looked for {places}")))
        }
    }
}

/// What to say of a name that is no configuration.
pub(super) fn no_such(name: &str) -> String {
    let problem = format!(
        "{name}: no such configuration file; `cobasis config list` lists the built-in ones"
    );
    match embedded::nearest_name(name) {
        Some(near) => format!("{problem}; did you mean {near}?"),
        None => problem,
    }
}

/// Where configurations are looked for.
fn configs() -> OsString {
    env::var_os(CONFIGS).unwrap_or_else(|| "configs".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_files_model_takes_the_place_of_the_built_in_one() {
        let loaded = |init: Option<&str>, set: &[&str]| {
            let set = set.iter().map(|set| set.to_string()).collect();
            let chosen = ConfigArgs { config: None, set, data: None };
            chosen.load(init.map(Path::new), &[], false).expect("a configuration")
        };
        assert_eq!(loaded(None, &[]).model, "digits/resnet14-s8u1");
        assert_eq!(loaded(Some("3"), &[]).model, "");
        assert_eq!(loaded(None, &["init.from=a"]).model, "");
        assert_eq!(loaded(Some("a"), &["model=digits/resnet14"]).model, "digits/resnet14");
        let config = loaded(Some("a \"b\".pth"), &[]);
        assert_eq!(config.init.from, Some(PathBuf::from("a \"b\".pth")));
    }
}
