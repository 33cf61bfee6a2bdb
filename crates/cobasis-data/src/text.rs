//! Texts of others in messages: short, on one line, and without anything that moves a cursor.

/// Characters of a value that a message shows.
const SHOWN: usize = 60;

/// A text with its control characters, line breaks among them, written out (`\n`, `\u{1b}`), as are
/// those that turn the direction of what follows: a name can neither break a line nor talk to a
/// terminal.
pub fn printable(text: &str) -> String {
    let mut printable = String::with_capacity(text.len());
    for c in text.chars() {
        match c.is_control() || is_invisible(c) {
            true => printable.extend(c.escape_default()),
            false => printable.push(c),
        }
    }
    printable
}

/// A value as a message shows it: its first 60 characters and how many there are of longer ones.
pub fn shortened(text: &str) -> String {
    shortened_to(text, SHOWN)
}

/// A text cut to so many characters, with how many there were.
pub fn shortened_to(text: &str, characters: usize) -> String {
    match text.char_indices().nth(characters) {
        None => text.to_owned(),
        Some((end, _)) => {
            let rest = &text[end..];
            let all = characters + rest.chars().count();
            format!("{}… ({all} characters)", &text[..end])
        }
    }
}

/// A text whose words of more than so many characters, such as a value in the middle of a message, are
/// [`shortened`], so that the reason after them is still there.
pub fn short_words(text: &str, longest: usize) -> String {
    let short = |word: &str| match word.char_indices().nth(longest) {
        None => word.to_owned(),
        Some(_) => shortened(word),
    };
    text.split(' ').map(short).collect::<Vec<_>>().join(" ")
}

/// Marks of direction and of no width, which show something else than what is there.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_move_a_cursor_is_written_out() {
        for (text, shown) in [
            ("a cat, ein Hund, 猫 ± ‖ …", "a cat, ein Hund, 猫 ± ‖ …"),
            ("a\nb\r\tc", "a\\nb\\r\\tc"),
            ("\x1b[2J\x07", "\\u{1b}[2J\\u{7}"),
            ("\u{9b}2J\u{7f}", "\\u{9b}2J\\u{7f}"),
            ("gpj.\u{202e}exe", "gpj.\\u{202e}exe"),
        ] {
            assert_eq!(printable(text), shown);
        }
    }

    #[test]
    fn long_values_say_how_long_they_are() {
        assert_eq!(shortened("short"), "short");
        assert_eq!(shortened(&"x".repeat(60)), "x".repeat(60));
        let long = shortened(&"é".repeat(1_000_000));
        assert_eq!(long, format!("{}… (1000000 characters)", "é".repeat(60)));
        assert_eq!(shortened_to("abc", 1), "a… (3 characters)");
        let text = format!("path {} is  wrong", "x".repeat(100_000));
        let short = format!("path {}… (100000 characters) is  wrong", "x".repeat(60));
        assert_eq!(short_words(&text, 200), short);
        assert_eq!(short_words(&text, 100_000), text);
    }
}
