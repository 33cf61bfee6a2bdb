//! Text files as systems write them.

use std::fs;
use std::io;
use std::path::Path;

/// What some editors put at the start of a text in UTF-8: a byte order mark.
const MARK: char = '\u{feff}';
/// How a text in UTF-16 begins, with either order of its bytes.
const UTF_16: [[u8; 2]; 2] = [[0xff, 0xfe], [0xfe, 0xff]];

/// The text without the byte order mark that it may begin with.
pub fn without_mark(text: &str) -> &str {
    text.strip_prefix(MARK).unwrap_or(text)
}

/// The lines of a text, without the spaces around them; empty ones are none.
pub fn lines(text: &str) -> impl Iterator<Item = &str> {
    without_mark(text).lines().map(str::trim).filter(|line| !line.is_empty())
}

/// The text of a file, without a byte order mark.
///
/// # Errors
///
/// Where the file can't be read, and where it is no text in UTF-8.
pub fn read(path: &Path) -> io::Result<String> {
    let bytes = fs::read(path)?;
    let invalid = |problem| io::Error::new(io::ErrorKind::InvalidData, problem);
    if UTF_16.iter().any(|mark| bytes.starts_with(mark)) {
        return Err(invalid("expected a text in UTF-8, got UTF-16; save it as UTF-8"));
    }
    let text = String::from_utf8(bytes).map_err(|_| invalid("expected a text in UTF-8"))?;
    Ok(without_mark(&text).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_carriage_returns_and_empty_lines_are_no_part_of_names() {
        let names = lines("\u{feff}ant\r\n\r\n bee \r\ncat").collect::<Vec<_>>();
        assert_eq!(names, ["ant", "bee", "cat"]);
    }

    #[test]
    fn texts_of_notepad_are_read_or_told_apart() {
        let dir = tempfile::tempdir().expect("a folder");
        let path = dir.path().join("names.txt");
        let said = |bytes: &[u8]| {
            fs::write(&path, bytes).expect("written");
            read(&path).map_err(|error| error.to_string())
        };
        assert_eq!(said(b"\xef\xbb\xbfant"), Ok("ant".to_string()));
        let utf_16 = said(b"\xff\xfea\0n\0t\0").expect_err("must be refused");
        assert!(utf_16.contains("got UTF-16"), "{utf_16}");
        assert!(said(b"caf\xe9").is_err());
    }
}
