//! The files of a data set out of a `tar.gz` archive that may be hostile.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, BufReader, Read, Seek};
use std::path::{Component, Path, PathBuf};

use flate2::read::GzDecoder;
use tar::{Archive, Entry, EntryType};

use super::super::cifar::Layout;
use super::error::FetchError;

/// Largest text file of class names, in bytes.
const MAX_NAMES: u64 = 1 << 16;
/// What an archive may have beside the files that are wanted, in bytes.
const MAX_REST: u64 = 1 << 22;

/// Unpacks the files of `layout` from `archive` to its folder in `dir`. Only files that the data
/// set has are written, under names that are known beforehand.
pub(super) fn unpack(
    archive: &mut File,
    path: &Path,
    layout: &Layout,
    dir: &Path,
) -> Result<(), FetchError> {
    let staging = dir.join(format!(".{}.unpacking", layout.folder));
    // What an interrupted try left.
    let _ = fs::remove_dir_all(&staging);
    fs::create_dir(&staging).map_err(FetchError::io(&staging, "create the directory"))?;
    let unpacked = Unpack { path, layout, staging: &staging }.run(archive);
    let installed = unpacked.and_then(|()| install(&staging, &dir.join(layout.folder)));
    installed.inspect_err(|_| {
        // The first error is the one to tell.
        let _ = fs::remove_dir_all(&staging);
    })
}

struct Unpack<'a> {
    path: &'a Path,
    layout: &'a Layout,
    staging: &'a Path,
}

impl Unpack<'_> {
    fn run(&self, archive: &mut File) -> Result<(), FetchError> {
        let damaged = |error: io::Error| self.refuse(format!("a damaged archive: {error}"));
        archive.rewind().map_err(FetchError::io(self.path, "read the file"))?;
        let wanted: u64 = self.layout.files().map(|(_, bytes)| bytes).sum();
        let unpacked = GzDecoder::new(BufReader::new(archive)).take(wanted + MAX_REST);
        let mut archive = Archive::new(unpacked);
        let mut written = HashSet::new();
        for entry in archive.entries().map_err(damaged)? {
            let entry = entry.map_err(damaged)?;
            if let Some((name, bytes)) = self.wanted(&entry)? {
                if !written.insert(name.clone()) {
                    return Err(self.refuse(format!("has {name} twice")));
                }
                self.write(entry, &name, bytes)?;
            }
        }
        match self.layout.files().find(|(name, _)| !written.contains(*name)) {
            None => Ok(()),
            Some((name, _)) => {
                Err(self
                    .refuse(format!("expected {}/{name}, which is not there", self.layout.folder)))
            }
        }
    }

    /// The name and size of an entry that is a file of the data set; none for other harmless ones.
    fn wanted(&self, entry: &Entry<'_, impl Read>) -> Result<Option<(String, u64)>, FetchError> {
        let path = entry.path().map_err(|error| self.refuse(error.to_string()))?;
        let normal = |part: &Component| matches!(part, Component::Normal(_) | Component::CurDir);
        if !path.components().all(|part| normal(&part)) {
            return Err(self.refuse(format!("{} leads out of the archive", path.display())));
        }
        match entry.header().entry_type() {
            EntryType::Regular | EntryType::Continuous => {}
            EntryType::Directory | EntryType::XGlobalHeader => return Ok(None),
            kind => {
                let problem = format!("{} is neither file nor folder but {kind:?}", path.display());
                return Err(self.refuse(problem));
            }
        }
        let path: PathBuf = path.components().filter(|part| *part != Component::CurDir).collect();
        let Ok(name) = path.strip_prefix(self.layout.folder) else {
            return Ok(None);
        };
        let (name, bytes) = (name.to_string_lossy().into_owned(), entry.size());
        if let Some((_, expected)) = self.layout.files().find(|(file, _)| *file == name) {
            if bytes != expected {
                let problem = format!("{name}: expected {expected} bytes, got {bytes}");
                return Err(self.refuse(problem));
            }
            return Ok(Some((name, bytes)));
        }
        let is_names = name == self.layout.names_file && bytes <= MAX_NAMES;
        Ok(is_names.then_some((name, bytes)))
    }

    fn write(&self, mut entry: impl Read, name: &str, bytes: u64) -> Result<(), FetchError> {
        let path = self.staging.join(name);
        let mut file = File::create_new(&path).map_err(FetchError::io(&path, "create the file"))?;
        let mut buffer = vec![0; 1 << 16];
        let mut left = bytes;
        while left > 0 {
            let read = entry.read(&mut buffer);
            let read = read.map_err(|error| self.refuse(format!("a damaged archive: {error}")))?;
            if read == 0 {
                return Err(self.refuse(format!("ends within {name}")));
            }
            let written = io::Write::write_all(&mut file, &buffer[..read]);
            written.map_err(FetchError::io(&path, "write the file"))?;
            left = left.saturating_sub(read as u64);
        }
        file.sync_all().map_err(FetchError::io(&path, "write the file"))
    }

    fn refuse(&self, problem: String) -> FetchError {
        FetchError::Archive { path: self.path.to_path_buf(), problem }
    }
}

/// Moves the files to the folder where they are looked for, each at once, or all at once where the
/// folder is not there yet.
fn install(staging: &Path, folder: &Path) -> Result<(), FetchError> {
    let failed = |action| FetchError::io(folder, action);
    if !folder.exists() {
        return fs::rename(staging, folder).map_err(failed("move the files"));
    }
    for entry in fs::read_dir(staging).map_err(failed("list the files"))? {
        let entry = entry.map_err(failed("list the files"))?;
        let moved = fs::rename(entry.path(), folder.join(entry.file_name()));
        moved.map_err(failed("move the files"))?;
    }
    fs::remove_dir(staging).map_err(failed("remove the temporary directory"))
}
