//! Lists the shipped configurations, so that the program has them where there is no clone.

use std::env;
use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

fn main() -> io::Result<()> {
    let package = PathBuf::from(variable("CARGO_MANIFEST_DIR"));
    // A link to the repository's folder, so that a packaged crate has the files too; where git
    // makes no links, the folder itself.
    let places = ["configs", "../../configs"];
    let place = places.into_iter().find(|place| package.join(place).is_dir());
    let place = place.ok_or(io::ErrorKind::NotFound)?;
    let root = fs::canonicalize(package.join(place))?;
    // Relative to the package, here and in the list: clones may have their target folder in common, and what
    // was made in one is then used in another.
    println!("cargo::rerun-if-changed={place}");
    let mut files = Vec::new();
    collect(&root, &mut files)?;
    files.sort();
    let mut list = String::from("[\n");
    for file in files {
        let name = file.strip_prefix(&root).unwrap_or(&file).display().to_string();
        let name = name.replace('\\', "/");
        let path = format!("/{place}/{name}");
        // What can't be written to a string can't be written at all.
        let _ = writeln!(
            list,
            "    ({name:?}, include_str!(concat!(env!(\"CARGO_MANIFEST_DIR\"), {path:?}))),"
        );
    }
    list.push(']');
    fs::write(Path::new(&variable("OUT_DIR")).join("configs.rs"), list)
}

/// The configuration files below a folder.
fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "toml") {
            files.push(path);
        }
    }
    Ok(())
}

/// A variable that cargo sets for every build script.
fn variable(name: &str) -> String {
    env::var(name).unwrap_or_default()
}
