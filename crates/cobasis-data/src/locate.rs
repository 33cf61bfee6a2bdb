//! Finds the directory in which the files of a data set lie.

use std::path::{Path, PathBuf};

use super::error::DataError;

/// The directory that has all `files` of the data set `set`: `dir` itself, or the folder `folder`
/// inside it, which is what unpacking the published archive makes.
pub(crate) fn locate(
    set: &str,
    dir: Option<&Path>,
    folder: &str,
    files: &[&str],
) -> Result<PathBuf, DataError> {
    let set = set.to_string();
    let all = || files.iter().map(|file| file.to_string()).collect();
    let Some(dir) = dir else {
        return Err(DataError::DirectoryNotGiven { set, files: all() });
    };
    if !dir.is_dir() {
        return Err(DataError::NotADirectory { set, dir: dir.to_path_buf(), files: all() });
    }
    let places = vec![dir.to_path_buf(), dir.join(folder)];
    let has = |place: &Path, file: &str| place.join(file).is_file();
    // A directory with some of the files is the one that is meant, and its gaps are the news.
    let Some(place) = places.iter().find(|place| files.iter().any(|file| has(place, file))) else {
        return Err(DataError::MissingFiles { set, files: all(), looked_in: places });
    };
    let absent = files.iter().filter(|file| !has(place, file)).map(|file| file.to_string());
    let absent: Vec<String> = absent.collect();
    if absent.is_empty() {
        return Ok(place.clone());
    }
    Err(DataError::MissingFiles { set, files: absent, looked_in: vec![place.clone()] })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tempfile::{TempDir, tempdir};

    use super::*;

    /// A directory with the given empty files, some of them in its folder `toy-bin`.
    fn dir(files: &[&str]) -> TempDir {
        let dir = tempdir().expect("a temporary directory");
        fs::create_dir(dir.path().join("toy-bin")).expect("a folder");
        files.iter().for_each(|file| fs::write(dir.path().join(file), []).expect("a file"));
        dir
    }

    /// The place of the files `a` and `b` in `dir`, or the message that says why there is none.
    fn place(dir: &TempDir) -> String {
        let place = locate("toy", Some(dir.path()), "toy-bin", &["a", "b"]);
        let text =
            place.map_or_else(|error| error.to_string(), |place| place.display().to_string());
        text.replace(&dir.path().display().to_string(), "DIR")
    }

    #[test]
    fn both_places_are_searched() {
        assert_eq!(place(&dir(&["a", "b"])), "DIR");
        assert_eq!(place(&dir(&["toy-bin/a", "toy-bin/b"])), "DIR/toy-bin");
    }

    #[test]
    fn missing_files_are_named_with_the_places_searched() {
        assert_eq!(place(&dir(&[])), "toy: missing a, b, looked in DIR and DIR/toy-bin");
        assert_eq!(place(&dir(&["b"])), "toy: missing a, looked in DIR");
        assert_eq!(place(&dir(&["toy-bin/a"])), "toy: missing b, looked in DIR/toy-bin");
    }

    #[test]
    fn a_missing_directory_is_named_with_the_files_wanted() {
        let message = |dir: Option<&str>| {
            let place = locate("toy", dir.map(Path::new), "toy-bin", &["a", "b"]);
            place.expect_err("must be refused").to_string()
        };
        let expected = "toy: no/such is not a directory, expected one that holds a, b";
        assert_eq!(message(Some("no/such")), expected);
        let expected =
            "toy: no directory given (--data DIR, data.dir), expected one that holds a, b";
        assert_eq!(message(None), expected);
    }
}
