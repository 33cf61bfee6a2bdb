//! The search for images below the folder of a class.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::error::DataError;

/// Endings of the files that are images, in lower case.
const IMAGES: &[&str] = &["jpeg", "jpg", "png"];
/// Endings of images that are not read, in lower case.
const OTHER_IMAGES: &[&str] = &["avif", "bmp", "gif", "pgm", "ppm", "tif", "tiff", "webp"];
/// Folders below a class folder are searched this deep.
const MAX_DEPTH: usize = 16;

/// What the search of a folder came upon beside images.
#[derive(Default)]
pub(crate) struct Found {
    /// Images of formats that are not read: how many, and the first.
    others: (usize, PathBuf),
    /// Links that lead to a folder seen before, or nowhere, and folders too deep.
    lost: (usize, PathBuf),
}

impl Found {
    /// Appends the images in a folder, such as that of a class, and the folders below, in the order
    /// of their names, relative to that folder.
    pub(crate) fn collect(&mut self, class: &Path, names: &mut Vec<Box<Path>>) {
        // A folder is searched once, which ends loops of links.
        let mut seen = HashSet::new();
        self.search(class, class, 0, &mut seen, names);
    }

    fn search(
        &mut self,
        class: &Path,
        folder: &Path,
        depth: usize,
        seen: &mut HashSet<PathBuf>,
        names: &mut Vec<Box<Path>>,
    ) {
        let real = fs::canonicalize(folder);
        let entries = entries(folder);
        let (Ok(real), Ok(entries)) = (real, entries) else {
            return count(&mut self.lost, folder);
        };
        // A link to a folder above would make all other classes part of this one.
        let above =
            depth > 0 && fs::canonicalize(class).is_ok_and(|class| class.starts_with(&real));
        if above || depth > MAX_DEPTH || !seen.insert(real) {
            return count(&mut self.lost, folder);
        }
        for (path, is_dir) in entries {
            if is_dir {
                self.search(class, &path, depth + 1, seen, names);
                continue;
            }
            let ending = path.extension().map(|ending| ending.to_string_lossy().to_lowercase());
            let is = |endings: &[&str]| ending.as_deref().is_some_and(|e| endings.contains(&e));
            if is(IMAGES) {
                // It may be a link to nowhere: an unreadable image, which the loader will tell.
                names.push(path.strip_prefix(class).unwrap_or(&path).into());
            } else if is(OTHER_IMAGES) {
                count(&mut self.others, &path);
            } else if path.is_symlink() && !path.exists() {
                count(&mut self.lost, &path);
            }
        }
    }

    pub(crate) fn warn(&self, root: &Path) {
        let root = root.display();
        if let (count @ 1.., first) = &self.others {
            let first = first.display();
            log::warn!(
                "{root}: {count} images are neither JPEG nor PNG, such as {first}; left out"
            );
        }
        if let (count @ 1.., first) = &self.lost {
            let first = first.display();
            log::warn!(
                "{root}: {count} links or folders lead in circles or nowhere, such as {first}; \
                 left out"
            );
        }
    }
}

/// Counts a path and keeps the first.
fn count((count, first): &mut (usize, PathBuf), path: &Path) {
    if *count == 0 {
        *first = path.to_path_buf();
    }
    *count += 1;
}

/// The paths in a folder, sorted by name, and whether each is a folder or a link to one.
pub(super) fn entries(folder: &Path) -> Result<Vec<(PathBuf, bool)>, DataError> {
    let failed = |source| DataError::Io { path: folder.to_path_buf(), source };
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let (path, kind) = (entry.path(), entry.file_type().map_err(failed)?);
        // Only links are asked where they lead: a million files would take their time.
        let is_dir = if kind.is_symlink() { path.is_dir() } else { kind.is_dir() };
        paths.push((path, is_dir));
    }
    paths.sort();
    Ok(paths)
}
