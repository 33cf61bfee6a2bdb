//! From a path or a name to a checked configuration.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use cobasis_data::regular::{MAX_TEXT, read_text};
use cobasis_data::text_file::without_mark;
use strsim::normalized_levenshtein;
use toml::Table;

use super::Config;
use super::error::{ConfigError, place};
use super::moved::{rename, rename_aloud};
use super::overrides::apply_set;

/// The configuration that the program trains with when it is given none.
pub const DIGITS: &str = include_str!("../../assets/digits.toml");

/// Directories below the search directory that a suggestion is looked for in.
const SEARCH_DEPTH: usize = 3;
/// The most bytes of a path that a suggestion is looked for.
const MAX_PATH: usize = 4096;

impl Config {
    /// [`Config::load_with`] without overrides.
    ///
    /// # Errors
    /// As [`Config::load_with`].
    pub fn load(path_or_name: &str, search: &Path) -> Result<Self, ConfigError> {
        Self::load_with(path_or_name, search, &[])
    }

    /// Reads the file at `path_or_name`, or the one of that name under `search` (the `configs/`
    /// directory), applies the `--set` texts, and checks everything.
    ///
    /// # Errors
    /// The first fault: of the file alone, of a `--set` text, then of both together.
    pub fn load_with(
        path_or_name: &str,
        search: &Path,
        sets: &[String],
    ) -> Result<Self, ConfigError> {
        let (path, text) = find(path_or_name, search)?;
        let file = path.display().to_string();
        let mut table = parse(&file, &text)?;
        rename_aloud(&mut table, &file)?;
        Self::with_sets(&file, table, sets)
    }

    /// Reads the text of the file `file`, applies the `--set` texts, and checks everything. What a
    /// run of before has written down is understood without a word.
    ///
    /// # Errors
    /// As [`Config::load_with`].
    pub fn parse_with(file: &str, text: &str, sets: &[String]) -> Result<Self, ConfigError> {
        let mut table = parse(file, text)?;
        rename(&mut table).map_err(|err| err.in_place(file))?;
        Self::with_sets(file, table, sets)
    }

    fn with_sets(file: &str, mut table: Table, sets: &[String]) -> Result<Self, ConfigError> {
        Self::from_table(&table).map_err(|err| err.in_place(file))?;
        apply_set(&mut table, sets)?;
        // What is wrong from here on may lie in the file, in an override, or between them.
        let both =
            sets.iter().fold(file.to_owned(), |both, text| format!("{both} {}", place(text)));
        let checked = Self::from_table(&table).and_then(|config| {
            config.check()?;
            Ok(config)
        });
        checked.map_err(|err| err.in_place(&both))
    }
}

fn find(path_or_name: &str, search: &Path) -> Result<(PathBuf, String), ConfigError> {
    let mut places = vec![PathBuf::from(path_or_name), search.join(path_or_name)];
    places.dedup();
    for path in &places {
        match read_text(path, MAX_TEXT) {
            Ok(text) => return Ok((path.clone(), text)),
            Err(err) if absent(err.kind()) => {}
            Err(err) => {
                let file = path.display().to_string();
                return Err(ConfigError::of(&file, format!("cannot be read: {err}")));
            }
        }
    }
    let places: Vec<_> = places.iter().map(|path| path.display().to_string()).collect();
    let mut problem = format!("no such configuration file; looked for {}", places.join(" and "));
    if let Some(near) = nearest_file(path_or_name, search) {
        problem.push_str(&format!("; did you mean {near}?"));
    }
    Err(ConfigError::of(path_or_name, problem))
}

/// A directory is no configuration either: `cifar100` may be one beside `cifar100.toml`.
fn absent(kind: ErrorKind) -> bool {
    use ErrorKind::{IsADirectory, NotADirectory, NotFound};
    matches!(kind, NotFound | IsADirectory | NotADirectory)
}

pub(super) fn parse(file: &str, text: &str) -> Result<Table, ConfigError> {
    let text = without_mark(text);
    text.parse::<Table>().map_err(|err| {
        let place = match err.span() {
            Some(span) => {
                let (line, column) = line_column(text, span.start);
                format!("{file}:{line}:{column}")
            }
            None => file.to_owned(),
        };
        ConfigError::of(&place, format!("not valid TOML: {}", err.message()))
    })
}

/// Line and column, both from 1, the column in characters, of a byte position.
fn line_column(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}

/// The file below `search` with the name most like the one wanted, as it would be written.
fn nearest_file(wanted: &str, search: &Path) -> Option<String> {
    if wanted.len() > MAX_PATH {
        return None;
    }
    let mut files = Vec::new();
    list(search, "", SEARCH_DEPTH, &mut files);
    // Directory order is arbitrary; the suggestion should not be.
    files.sort();
    // People leave out the directory or the ending.
    let wanted = wanted.trim_end_matches(".toml");
    let likeness = |file: &String| {
        let path = file.trim_end_matches(".toml");
        let name = path.rsplit_once('/').map_or(path, |(_, name)| name);
        normalized_levenshtein(wanted, path).max(normalized_levenshtein(wanted, name))
    };
    files.into_iter().rev().max_by(|a, b| likeness(a).total_cmp(&likeness(b)))
}

fn list(dir: &Path, at: &str, depth: usize, files: &mut Vec<String>) {
    // A directory that cannot be read has nothing to suggest.
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let name = format!("{at}{}", entry.file_name().to_string_lossy());
        let path = entry.path();
        if path.is_dir() {
            if depth > 0 {
                list(&path, &format!("{name}/"), depth - 1, files);
            }
        } else if name.ends_with(".toml") {
            files.push(name);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tempfile::TempDir;

    fn configs() -> TempDir {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("cifar10")).unwrap();
        for name in ["cifar10/resnet20.toml", "cifar10/resnet32-s16u1.toml", "cifar100.toml"] {
            fs::write(dir.path().join(name), "train.batch = 3\n").unwrap();
        }
        dir
    }

    fn refused(name: &str, dir: &TempDir, sets: &[&str]) -> String {
        let sets: Vec<_> = sets.iter().map(|set| set.to_string()).collect();
        let shown = Config::load_with(name, dir.path(), &sets);
        let shown = shown.unwrap_err().to_string();
        assert!(!shown.contains('\n'), "{shown}");
        shown.replace(dir.path().to_str().unwrap(), "configs")
    }

    #[test]
    fn a_path_or_a_name_is_found() {
        let dir = configs();
        let by_name = Config::load("cifar10/resnet20.toml", dir.path()).unwrap();
        let path = dir.path().join("cifar10/resnet20.toml");
        let by_path = Config::load(path.to_str().unwrap(), Path::new("nowhere")).unwrap();
        assert_eq!((by_name.train.batch, by_path.train.batch), (3, 3));
    }

    #[test]
    fn a_missing_file_lists_the_places_and_the_nearest() {
        let dir = configs();
        for (name, near) in [
            ("cifar10/resnet21.toml", "cifar10/resnet20.toml"),
            ("cifar10/resnet32-s16u2", "cifar10/resnet32-s16u1.toml"),
            ("resnet20", "cifar10/resnet20.toml"),
            ("cifar10", "cifar100.toml"),
        ] {
            let expected = format!(
                "{name}: no such configuration file; looked for {name} and configs/{name}; \
                 did you mean {near}?"
            );
            assert_eq!(refused(name, &dir, &[]), expected);
        }
        let empty = tempfile::tempdir().unwrap();
        assert!(refused("a.toml", &empty, &[]).ends_with("looked for a.toml and configs/a.toml"));
    }

    #[test]
    fn faults_of_the_file_name_it_and_syntax_its_line_and_column() {
        let dir = configs();
        let bad = |text: &[u8]| {
            fs::write(dir.path().join("bad.toml"), text).unwrap();
            refused("bad.toml", &dir, &[])
        };
        assert!(bad(b"seed = 1\n  \xc3\xa9 = \n").starts_with("configs/bad.toml:2:3: not valid"));
        assert!(bad(b"seed = 1\nmodel = \n").starts_with("configs/bad.toml:2:9: not valid TOML: "));
        assert!(bad(b"seed = 1\nseed = 2").starts_with("configs/bad.toml:2:1: not valid TOML: "));
        assert!(bad(b"seed = \xff").starts_with("configs/bad.toml: cannot be read: "));
        let long = bad(&[b'#'; MAX_TEXT as usize + 1]);
        assert!(
            long.ends_with("cannot be read: expected at most 1048576 bytes, got 1048577 or more")
        );
        assert_eq!(
            bad(b"[optimizer]\nlrr = 1"),
            "configs/bad.toml: optimizer.lrr: unknown key; did you mean optimizer.lr?"
        );
        assert_eq!(
            bad(b"model = 'wrong'"),
            "configs/bad.toml: model: unknown model \"wrong\"; run `cobasis models list` to see all models"
        );
    }

    #[test]
    fn faults_between_file_and_overrides_name_both() {
        let dir = configs();
        let shown = refused("cifar100.toml", &dir, &["data.name=cifar100", "seed=1"]);
        assert_eq!(
            shown,
            "configs/cifar100.toml --set data.name=cifar100 --set seed=1: data.name: \
             model cifar10/resnet32-s16u1 is for \"cifar10\", got \"cifar100\""
        );
        assert!(refused("cifar100.toml", &dir, &["seed=x"]).starts_with("--set seed=x: seed: "));
    }
}
