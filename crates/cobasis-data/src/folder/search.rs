//! The search for images below the folder of a class.

use std::collections::{BTreeMap, HashSet};
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use crate::error::DataError;

/// Endings of the files that are images, in lower case.
const IMAGES: &[&str] = &["jfif", "jpe", "jpeg", "jpg", "png", "webp"];
/// Endings of images that are not read, in lower case.
const OTHER_IMAGES: &[&str] = &[
    "apng", "arw", "avif", "bmp", "cr2", "dcm", "dib", "dng", "exr", "gif", "hdr", "heic", "heif",
    "ico", "j2k", "jp2", "jpx", "jxl", "nef", "pbm", "pgm", "pnm", "ppm", "psd", "qoi", "svg",
    "tga", "tif", "tiff",
];
/// What systems and programs leave in folders beside names that begin with a dot, in lower case.
const CLUTTER: &[&str] = &["__macosx", "desktop.ini", "thumbs.db"];
/// Folders below a class folder are searched this deep.
const MAX_DEPTH: usize = 16;

/// What the search of a folder came upon beside images.
#[derive(Default)]
pub(crate) struct Found {
    /// Images of formats that are not read: how many of each ending.
    others: BTreeMap<String, usize>,
    /// Links that lead to a folder seen before, or nowhere, and folders too deep: how many, and the
    /// first.
    lost: (usize, PathBuf),
}

impl Found {
    /// Appends the images in a folder, such as that of a class, and the folders below, in the order
    /// of their names, relative to that folder.
    ///
    /// # Errors
    ///
    /// Where a folder can't be listed: images would be missing without a word.
    pub(crate) fn collect(
        &mut self,
        class: &Path,
        names: &mut Vec<Box<Path>>,
    ) -> Result<(), DataError> {
        // A folder is searched once, which ends loops of links.
        let mut seen = HashSet::new();
        self.search(class, class, 0, &mut seen, names)
    }

    fn search(
        &mut self,
        class: &Path,
        folder: &Path,
        depth: usize,
        seen: &mut HashSet<PathBuf>,
        names: &mut Vec<Box<Path>>,
    ) -> Result<(), DataError> {
        let real = fs::canonicalize(folder).map_err(DataError::io(folder))?;
        // A link to a folder above would make all other classes part of this one.
        let above =
            depth > 0 && fs::canonicalize(class).is_ok_and(|class| class.starts_with(&real));
        if above || depth > MAX_DEPTH || !seen.insert(real) {
            self.lose(folder);
            return Ok(());
        }
        for (path, is_dir) in entries(folder)? {
            if is_dir {
                self.search(class, &path, depth + 1, seen, names)?;
                continue;
            }
            let ending = path.extension().map(|ending| ending.to_string_lossy().to_lowercase());
            let is = |endings: &[&str]| ending.as_deref().is_some_and(|e| endings.contains(&e));
            if is(IMAGES) {
                // It may be a link to nowhere: an unreadable image, which the loader will tell.
                names.push(path.strip_prefix(class).unwrap_or(&path).into());
            } else if is(OTHER_IMAGES) {
                *self.others.entry(ending.unwrap_or_default()).or_default() += 1;
            } else if path.is_symlink() && !path.exists() {
                self.lose(&path);
            }
        }
        Ok(())
    }

    /// Counts what leads in circles or nowhere, and keeps the first.
    fn lose(&mut self, path: &Path) {
        let (count, first) = &mut self.lost;
        if *count == 0 {
            *first = path.to_path_buf();
        }
        *count += 1;
    }

    pub(crate) fn warn(&self, root: &Path) {
        let root = root.display();
        if let Some(others) = self.describe_others() {
            log::warn!("{root}: left out {others}: not read");
        }
        if let (count @ 1.., first) = &self.lost {
            let first = first.display();
            log::warn!(
                "{root}: {count} links or folders lead in circles or nowhere, such as {first}; \
                 left out"
            );
        }
    }

    /// The images of formats that are not read, as `3 .gif, 2 .bmp`: the most frequent first.
    pub(super) fn describe_others(&self) -> Option<String> {
        let mut others: Vec<_> = self.others.iter().collect();
        others.sort_by_key(|&(_, &count)| std::cmp::Reverse(count));
        let others: Vec<String> =
            others.iter().map(|(ending, count)| format!("{count} .{ending}")).collect();
        (!others.is_empty()).then(|| others.join(", "))
    }
}

/// Whether a folder holds image files itself, and not only in folders below.
pub fn holds_images(folder: &Path) -> bool {
    let is_image = |path: &Path| {
        let ending = path.extension().map(|ending| ending.to_string_lossy().to_lowercase());
        ending.is_some_and(|ending| IMAGES.contains(&ending.as_str()))
    };
    entries(folder).is_ok_and(|all| all.iter().any(|(path, is_dir)| !is_dir && is_image(path)))
}

/// Whether a name is one of those that tools leave in folders: hidden, or known.
fn is_clutter(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b".")
        || CLUTTER.contains(&name.to_string_lossy().to_lowercase().as_str())
}

/// The paths in a folder, sorted by name, and whether each is a folder or a link to one; without what
/// tools leave there.
pub(super) fn entries(folder: &Path) -> Result<Vec<(PathBuf, bool)>, DataError> {
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(DataError::io(folder))? {
        let entry = entry.map_err(DataError::io(folder))?;
        if is_clutter(&entry.file_name()) {
            continue;
        }
        let (path, kind) = (entry.path(), entry.file_type().map_err(DataError::io(folder))?);
        // Only links are asked where they lead: a million files would take their time.
        let is_dir = if kind.is_symlink() { path.is_dir() } else { kind.is_dir() };
        paths.push((path, is_dir));
    }
    paths.sort();
    Ok(paths)
}
