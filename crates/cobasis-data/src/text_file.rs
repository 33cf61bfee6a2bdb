//! Texts as editors and other systems write them.

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

/// The text that the bytes of a file are, without a byte order mark.
///
/// # Errors
///
/// Where they are no text in UTF-8, in words.
pub fn decode(bytes: Vec<u8>) -> Result<String, &'static str> {
    if UTF_16.iter().any(|mark| bytes.starts_with(mark)) {
        return Err("expected text in UTF-8, got UTF-16; save it as UTF-8");
    }
    let text = String::from_utf8(bytes).map_err(|_| "expected text in UTF-8")?;
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
        assert_eq!(decode(b"\xef\xbb\xbfant".to_vec()), Ok("ant".to_string()));
        let utf_16 = decode(b"\xff\xfea\0n\0t\0".to_vec()).expect_err("must be refused");
        assert!(utf_16.contains("got UTF-16"), "{utf_16}");
        assert!(decode(b"caf\xe9".to_vec()).is_err());
    }
}
