//! Files that are read whole: regular ones, and only up to a size.
//!
//! Opening a named pipe waits for its writer, and a device such as `/dev/zero` never ends; neither
//! is what anybody means by a configuration or a model.

use std::fs::{self, File, FileType};
use std::io::{self, Read};
use std::path::Path;

use super::text_file::decode;

/// The most bytes of a configuration, a list of names, or another text that people write.
pub const MAX_TEXT: u64 = 1 << 20;
/// The most bytes of a table or a summary that programs write.
pub const MAX_TABLE: u64 = 1 << 28;

/// Opens a regular file, or what a link leads to, without waiting.
///
/// # Errors
///
/// What the system says, or what kind of file it is that was found in place of a regular one.
pub fn open(path: &Path) -> io::Result<File> {
    let kind = fs::metadata(path)?.file_type();
    if kind.is_dir() {
        return Err(io::Error::from(io::ErrorKind::IsADirectory));
    }
    if !kind.is_file() {
        let problem = format!("expected a regular file, got {}", name(kind));
        return Err(io::Error::new(io::ErrorKind::InvalidInput, problem));
    }
    File::open(path)
}

/// The bytes of a regular file of at most `max` bytes.
///
/// # Errors
///
/// As [`open`], and where there are more bytes than that, of which none is kept.
pub fn read(path: &Path, max: u64) -> io::Result<Vec<u8>> {
    let file = open(path)?;
    let length = file.metadata()?.len();
    // Files of the system say that they are empty, and others may grow meanwhile.
    let mut bytes = Vec::new();
    if length <= max {
        file.take(max + 1).read_to_end(&mut bytes)?;
    }
    match length.max(bytes.len() as u64) {
        got if got > max => {
            let problem = format!("expected at most {max} bytes, got {got} or more");
            Err(io::Error::new(io::ErrorKind::InvalidInput, problem))
        }
        _ => Ok(bytes),
    }
}

/// The text of a regular file of at most `max` bytes, without a byte order mark.
///
/// # Errors
///
/// As [`read`], and where the bytes are not UTF-8.
pub fn read_text(path: &Path, max: u64) -> io::Result<String> {
    let invalid = |problem| io::Error::new(io::ErrorKind::InvalidData, problem);
    decode(read(path, max)?).map_err(invalid)
}

/// What people call a file of this type.
#[cfg(unix)]
fn name(kind: FileType) -> &'static str {
    use std::os::unix::fs::FileTypeExt;
    if kind.is_fifo() {
        "a pipe"
    } else if kind.is_socket() {
        "a socket"
    } else {
        "a device"
    }
}

#[cfg(not(unix))]
fn name(_: FileType) -> &'static str {
    "something else"
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(path: &Path) -> String {
        read(path, 10).expect_err("must be refused").to_string()
    }

    #[test]
    fn files_are_read_up_to_a_size() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("file");
        fs::write(&path, "0123456789").expect("written");
        assert_eq!(read_text(&path, 10).expect("a text"), "0123456789");
        assert_eq!(
            read(&path, 9).expect_err("too long").to_string(),
            "expected at most 9 bytes, got 10 or more"
        );
        fs::write(&path, [0xff]).expect("written");
        assert_eq!(
            read_text(&path, 10).expect_err("no text").to_string(),
            "expected text in UTF-8"
        );
        assert_eq!(open(dir.path()).expect_err("no file").kind(), io::ErrorKind::IsADirectory);
        assert_eq!(open(&dir.path().join("x")).expect_err("none").kind(), io::ErrorKind::NotFound);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn pipes_are_not_waited_for_and_devices_not_read() {
        let dir = tempfile::tempdir().expect("a directory");
        let pipe = dir.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status().expect("mkfifo");
        assert!(made.success());
        assert_eq!(refusal(&pipe), "expected a regular file, got a pipe");
        assert_eq!(refusal(Path::new("/dev/zero")), "expected a regular file, got a device");
        // A file without a length of its own ends at the bound all the same.
        assert!(refusal(Path::new("/proc/cpuinfo")).starts_with("expected at most 10 bytes"));
        let socket = dir.path().join("socket");
        let _listening = std::os::unix::net::UnixListener::bind(&socket).expect("a socket");
        assert_eq!(refusal(&socket), "expected a regular file, got a socket");
    }
}
