//! The SHA-256 of each file of a directory, in a file of the form that `sha256sum --check` reads.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind, Read};
use std::path::Path;

use cobasis_data::regular::{self, MAX_TEXT};
use sha2::{Digest, Sha256};

/// The file that lists the others.
const SUMS: &str = "SHA256SUMS";

/// The most bytes of a file of a checkpoint, an optimizer's with two numbers for each weight.
const MAX_FILE: u64 = 8 << 30;

/// Files of a directory, in memory, as they were checked.
#[derive(Debug)]
pub(crate) struct CheckedFiles {
    files: BTreeMap<String, Vec<u8>>,
    has_sums: bool,
}

impl CheckedFiles {
    /// Reads the files of a directory and checks each, before any is looked into: those that
    /// `SHA256SUMS` lists or, where there is none, those of the given names that are there.
    ///
    /// # Errors
    /// What is wrong with a file, which is named.
    pub(crate) fn read(directory: &Path, names: &[&str]) -> Result<Self, String> {
        let sums = match regular::read(&directory.join(SUMS), MAX_TEXT) {
            Ok(bytes) => Some(parse(&bytes, names).ok_or_else(|| format!("{SUMS}: damaged"))?),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(format!("{SUMS}: {error}")),
        };
        let mut files = BTreeMap::new();
        for name in names {
            match (regular::read(&directory.join(name), MAX_FILE), &sums) {
                (Ok(bytes), Some(sums)) => {
                    let listed = sums.get(*name).ok_or_else(|| format!("{name}: not in {SUMS}"))?;
                    if *listed != hash(&bytes) {
                        return Err(format!("{name}: damaged, its SHA-256 is not that of {SUMS}"));
                    }
                    files.insert(name.to_string(), bytes);
                }
                (Ok(bytes), None) => {
                    files.insert(name.to_string(), bytes);
                }
                (Err(error), sums) if error.kind() == ErrorKind::NotFound => {
                    if sums.as_ref().is_some_and(|sums| sums.contains_key(*name)) {
                        return Err(format!("{name}: {error}"));
                    }
                }
                (Err(error), _) => return Err(format!("{name}: {error}")),
            }
        }
        Ok(Self { files, has_sums: sums.is_some() })
    }

    /// Whether the files were checked against sums.
    pub(crate) fn has_sums(&self) -> bool {
        self.has_sums
    }

    /// The bytes of a file; `None` where it is not there.
    pub(crate) fn get(&self, name: &str) -> Option<&[u8]> {
        self.files.get(name).map(Vec::as_slice)
    }
}

/// `SHA256SUMS` for files of these names and bytes.
pub(crate) fn sums<'a>(files: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> String {
    files.into_iter().map(|(name, bytes)| format!("{}  {name}\n", hash(bytes))).collect()
}

/// The name of the file that [`sums`] is for.
pub(crate) fn sums_name() -> &'static str {
    SUMS
}

/// A line for each file, and nothing else.
fn parse(bytes: &[u8], names: &[&str]) -> Option<BTreeMap<String, String>> {
    let mut sums = BTreeMap::new();
    let lines = str::from_utf8(bytes).ok()?.strip_suffix('\n')?;
    for line in lines.split('\n') {
        let (hash, name) = line.split_once("  ")?;
        let known = names.contains(&name) && hash.len() == 64;
        let new = sums.insert(name.to_string(), hash.to_string()).is_none();
        if !(known && new) {
            return None;
        }
    }
    Some(sums)
}

/// The SHA-256 of bytes, in hexadecimal.
fn hash(bytes: &[u8]) -> String {
    hexadecimal(&Sha256::digest(bytes))
}

/// The SHA-256 of a file's bytes, in hexadecimal.
///
/// # Errors
/// If the file can't be read, or is none that ends.
pub(crate) fn sha256_of_file(path: &Path) -> io::Result<String> {
    let (mut file, mut sum) = (regular::open(path)?, Sha256::new());
    let mut part = vec![0; 1 << 20];
    loop {
        match file.read(&mut part)? {
            0 => return Ok(hexadecimal(&sum.finalize())),
            read => sum.update(&part[..read]),
        }
    }
}

fn hexadecimal(digest: &[u8]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const NAMES: [&str; 3] = ["a", "b", "c"];

    /// What is read after a change to two files with sums.
    fn read(change: impl Fn(&Path)) -> Result<CheckedFiles, String> {
        let dir = tempfile::tempdir().unwrap();
        let files: [(&str, &[u8]); 2] = [("a", b"one"), ("b", b"two")];
        files.iter().for_each(|(name, bytes)| fs::write(dir.path().join(name), bytes).unwrap());
        fs::write(dir.path().join(sums_name()), sums(files)).unwrap();
        change(dir.path());
        CheckedFiles::read(dir.path(), &NAMES)
    }

    #[test]
    fn the_sum_of_a_file_is_that_of_sha256sum() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("one");
        std::fs::write(&path, "one").unwrap();
        let one = "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed";
        assert_eq!(sha256_of_file(&path).unwrap(), one);
        assert_eq!(hash(b"one"), one);
    }

    #[test]
    fn whole_files_come_back() {
        // sha256sum of "one"
        let one = "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed  a\n";
        assert_eq!(sums([("a", b"one".as_slice())]), one);
        let files = read(|_| ()).unwrap();
        assert!(files.has_sums());
        let got = ["a", "b", "c"].map(|name| files.get(name));
        assert_eq!(got, [Some(b"one".as_slice()), Some(b"two".as_slice()), None]);
        let files = read(|dir| fs::remove_file(dir.join(sums_name())).unwrap()).unwrap();
        assert!(!files.has_sums() && files.get("a").is_some());
    }

    #[test]
    fn every_damage_is_named() {
        let write = |name: &'static str, text: &'static str| {
            move |dir: &Path| fs::write(dir.join(name), text).unwrap()
        };
        let sums_of = |files: &[(&str, &str)]| sums(files.iter().map(|f| (f.0, f.1.as_bytes())));
        let list = |files: &[(&str, &str)]| {
            let text = sums_of(files);
            move |dir: &Path| fs::write(dir.join(sums_name()), &text).unwrap()
        };
        for (read, said) in [
            (read(write("a", "onf")), "a: damaged, its SHA-256 is not that of SHA256SUMS"),
            (read(write("c", "new")), "c: not in SHA256SUMS"),
            (read(write("SHA256SUMS", "")), "SHA256SUMS: damaged"),
            (read(write("SHA256SUMS", "00  a\n")), "SHA256SUMS: damaged"),
            (read(list(&[("a", "one")])), "b: not in SHA256SUMS"),
            (read(list(&[("a", "one"), ("b", "two"), ("d", "")])), "SHA256SUMS: damaged"),
            (read(list(&[("a", "one"), ("a", "one")])), "SHA256SUMS: damaged"),
            (read(|dir| fs::remove_file(dir.join("b")).unwrap()), "b: No such file"),
            (
                read(|dir| {
                    fs::remove_file(dir.join("b")).unwrap();
                    fs::create_dir(dir.join("b")).unwrap();
                }),
                "b: is a directory",
            ),
        ] {
            let problem = read.unwrap_err();
            assert!(problem.starts_with(said), "{said}: {problem}");
        }
    }
}
