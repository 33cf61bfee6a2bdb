//! Files that are there whole or not at all.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File, Metadata, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// Links that are followed one after the other, as many as Linux follows.
const LINKS: usize = 40;
/// Bytes of a file's name that its temporary file's begins with: names have at most 255.
const STEM: usize = 200;

/// Writes a file that is there whole or not at all: to a temporary file beside it, to the disk,
/// then renamed.
///
/// A link stays, and the file that it leads to is replaced, which keeps its permissions. What an
/// earlier write to the same file left behind when it was killed goes.
///
/// # Errors
///
/// When a step fails, and when something is there that is no regular file: a folder, a device, a
/// pipe. What was there before stays, and the temporary file goes.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let (target, before) = place(path)?;
    remove_leftovers(&target);
    let (mut file, temporary) = create_beside(&target, before.is_some())?;
    let written = file
        .write_all(bytes)
        .and_then(|()| before.map_or(Ok(()), |before| become_as(&file, &before)))
        .and_then(|()| file.sync_all())
        .and_then(|()| fs::rename(&temporary, &target));
    written.inspect_err(|_| {
        // The first error is the one to tell.
        let _ = fs::remove_file(&temporary);
    })
}

/// Finds out whether [`write_atomic`] can write a file, before the work whose result it is to have, and leaves
/// everything as it was.
///
/// # Errors
///
/// What would stop it.
pub fn can_write(path: &Path) -> io::Result<()> {
    let target = place(path)?.0;
    let (_file, temporary) = create_beside(&target, true)?;
    fs::remove_file(temporary)
}

/// Where a file is to be, and what is there now.
fn place(path: &Path) -> io::Result<(PathBuf, Option<Metadata>)> {
    let target = followed(path)?;
    match fs::metadata(&target) {
        Ok(metadata) if metadata.is_dir() => Err(ErrorKind::IsADirectory.into()),
        Ok(metadata) if !metadata.is_file() => Err(no_file()),
        Ok(metadata) => Ok((target, Some(metadata))),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok((target, None)),
        Err(error) => Err(error),
    }
}

fn no_file() -> io::Error {
    io::Error::new(ErrorKind::InvalidInput, "not a regular file")
}

/// Where the links at a path lead, whether something is there or not.
fn followed(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..LINKS {
        let linked = fs::symlink_metadata(&path).is_ok_and(|metadata| metadata.is_symlink());
        if !linked {
            return Ok(path);
        }
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let parent = fs::canonicalize(parent.unwrap_or(Path::new(".")))?;
        // The links there are open files of a process, such as /dev/stdout; to replace what they
        // lead to would take it from under whoever writes to it.
        if parent.starts_with("/proc") {
            return Err(no_file());
        }
        path = parent.join(fs::read_link(&path)?);
    }
    // The system has its own words for links without end.
    fs::metadata(&path).map(|_| path)
}

/// Makes a temporary file beside `target`, since a rename is atomic only within a file system. It
/// is locked, so that nobody takes it for a leftover. A private one is nobody else's to read.
fn create_beside(target: &Path, private: bool) -> io::Result<(File, PathBuf)> {
    static WRITES: AtomicU64 = AtomicU64::new(0);
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    if private {
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    }
    #[cfg(not(unix))]
    let _ = private;
    loop {
        let mut name = stem(target);
        let write = WRITES.fetch_add(1, Ordering::Relaxed);
        name.push(format!("{}-{write}.tmp", std::process::id()));
        let path = target.with_file_name(name);
        let file = options.open(&path)?;
        // Whoever cleans up may have been faster. File systems without locks are not cleaned up.
        let busy = matches!(file.try_lock(), Err(TryLockError::WouldBlock));
        if !busy && fs::symlink_metadata(&path).is_ok() {
            return Ok((file, path));
        }
    }
}

/// Removes temporary files of `target` that no process is writing. What can't be removed stays: it
/// is in nobody's way.
fn remove_leftovers(target: &Path) {
    let stem = stem(target);
    let parent = target.parent().filter(|parent| !parent.as_os_str().is_empty());
    let entries = fs::read_dir(parent.unwrap_or(Path::new(".")));
    for entry in entries.into_iter().flatten().flatten() {
        let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
        if is_file && is_temporary(&entry.file_name(), &stem) {
            let free = File::open(entry.path()).is_ok_and(|file| file.try_lock().is_ok());
            if free {
                let _ = fs::remove_file(entry.path());
            }
        }
    }
}

/// How the names of the temporary files of `target` begin: `.NAME.`.
fn stem(target: &Path) -> OsString {
    let name = target.file_name().unwrap_or_default();
    let mut stem = OsString::from(".");
    if name.len() <= STEM {
        stem.push(name);
    } else {
        let text = name.to_string_lossy();
        let end = (0..=STEM).rev().find(|&end| text.is_char_boundary(end)).unwrap_or_default();
        stem.push(&text[..end]);
    }
    stem.push(".");
    stem
}

/// Whether a name is `STEM` and then `PID-WRITE.tmp`.
fn is_temporary(name: &OsStr, stem: &OsStr) -> bool {
    let digits = |text: &[u8]| !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    let rest = name.as_encoded_bytes().strip_prefix(stem.as_encoded_bytes());
    let numbers = rest.and_then(|rest| rest.strip_suffix(b".tmp"));
    let dash = numbers.and_then(|numbers| numbers.iter().position(|&byte| byte == b'-'));
    match (numbers, dash) {
        (Some(numbers), Some(dash)) => digits(&numbers[..dash]) && digits(&numbers[dash + 1..]),
        _ => false,
    }
}

/// Gives a file the permissions and, where the system allows it, the owner of another.
fn become_as(file: &File, before: &Metadata) -> io::Result<()> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::{MetadataExt, fchown};
        let now = file.metadata()?;
        if (now.uid(), now.gid()) != (before.uid(), before.gid()) {
            // Only the system's administrator may give files away.
            let _ = fchown(file, Some(before.uid()), Some(before.gid()));
        }
    }
    file.set_permissions(before.permissions())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tempfile::TempDir;

    fn folder() -> TempDir {
        tempfile::tempdir().expect("a folder")
    }

    fn names(folder: &TempDir) -> Vec<String> {
        let entries = fs::read_dir(folder.path()).expect("a folder").flatten();
        let mut names: Vec<String> =
            entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_of_any_name_is_made_and_replaced() {
        let folder = folder();
        for name in ["a".to_string(), "ö".repeat(127), "x".repeat(255)] {
            let path = folder.path().join(&name);
            for text in ["one", "two"] {
                write_atomic(&path, text.as_bytes()).expect("written");
                assert_eq!(fs::read_to_string(&path).expect("a file"), text);
            }
        }
        assert_eq!(names(&folder).len(), 3);
    }

    #[test]
    fn what_a_killed_write_left_goes_and_nothing_else() {
        let folder = folder();
        for name in [".a.7-0.tmp", ".a.b.7-0.tmp", ".a.x-0.tmp", "a.7-0.tmp", ".ab.7-0.tmp"] {
            fs::write(folder.path().join(name), "half").expect("written");
        }
        let busy = File::create(folder.path().join(".a.8-0.tmp")).expect("a file");
        busy.lock().expect("locked");
        write_atomic(&folder.path().join("a"), b"whole").expect("written");
        let left = [".a.8-0.tmp", ".a.b.7-0.tmp", ".a.x-0.tmp", ".ab.7-0.tmp", "a", "a.7-0.tmp"];
        assert_eq!(names(&folder), left);
    }

    #[test]
    fn a_folder_is_refused() {
        let folder = folder();
        let error = write_atomic(folder.path(), b"text").expect_err("refused");
        assert_eq!(error.kind(), ErrorKind::IsADirectory);
    }

    #[test]
    fn what_can_be_written_is_known_before_and_nothing_changes() {
        let folder = folder();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("a"), "before").expect("written");
        can_write(&at("a")).expect("can be replaced");
        can_write(&at("b")).expect("can be made");
        assert_eq!(fs::read_to_string(at("a")).expect("a file"), "before");
        for (path, kind) in [
            (folder.path().to_owned(), ErrorKind::IsADirectory),
            (at("none/c"), ErrorKind::NotFound),
            (at("a/c"), ErrorKind::NotADirectory),
        ] {
            assert_eq!(can_write(&path).expect_err("refused").kind(), kind, "{path:?}");
        }
        assert_eq!(names(&folder), ["a"]);
    }

    #[cfg(unix)]
    #[test]
    fn permissions_are_kept() {
        use std::os::unix::fs::PermissionsExt;
        let folder = folder();
        let path = folder.path().join("a");
        for mode in [0o600, 0o640, 0o444, 0o777] {
            fs::write(&path, "before").expect("written");
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("set");
            write_atomic(&path, b"after").expect("written");
            let now = fs::metadata(&path).expect("a file").permissions().mode();
            assert_eq!(now & 0o7777, mode);
            fs::remove_file(&path).expect("removed");
        }
        // A new one has those that any new file has.
        fs::write(folder.path().join("other"), "").expect("written");
        write_atomic(&path, b"new").expect("written");
        let [new, other] = ["a", "other"].map(|name| {
            fs::metadata(folder.path().join(name)).expect("a file").permissions().mode()
        });
        assert_eq!(new, other);
    }

    #[cfg(unix)]
    #[test]
    fn links_stay_and_what_they_lead_to_is_replaced() {
        use std::os::unix::fs::symlink;
        let folder = folder();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("far")).expect("a folder");
        symlink("second", at("first")).expect("a link");
        symlink(at("far/file"), at("second")).expect("a link");
        for text in ["new", "newer"] {
            write_atomic(&at("first"), text.as_bytes()).expect("written");
            assert_eq!(fs::read_to_string(at("far/file")).expect("a file"), text);
        }
        for link in ["first", "second"] {
            assert!(fs::symlink_metadata(at(link)).expect("there").is_symlink(), "{link}");
        }
        symlink("loop", at("loop")).expect("a link");
        write_atomic(&at("loop"), b"text").expect_err("links without end");
        symlink("nowhere/file", at("lost")).expect("a link");
        let error = write_atomic(&at("lost"), b"text").expect_err("no such folder");
        assert_eq!(error.kind(), ErrorKind::NotFound);
    }

    #[cfg(unix)]
    #[test]
    fn devices_pipes_and_sockets_are_refused_and_stay() {
        use std::os::unix::net::UnixListener;
        let folder = folder();
        let socket = folder.path().join("socket");
        let _listener = UnixListener::bind(&socket).expect("a socket");
        let link = folder.path().join("null");
        std::os::unix::fs::symlink("/dev/null", &link).expect("a link");
        for path in [&socket, &link, Path::new("/dev/null"), Path::new("/dev/stdout")] {
            let error = write_atomic(path, b"text").expect_err("refused");
            let text = (error.kind(), error.to_string());
            assert_eq!(text, (ErrorKind::InvalidInput, "not a regular file".into()), "{path:?}");
        }
        assert!(!fs::metadata("/dev/null").expect("the device").is_file());
        assert_eq!(names(&folder), ["null", "socket"]);
    }
}
