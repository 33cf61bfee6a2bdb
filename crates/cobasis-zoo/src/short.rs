//! Texts that come from files, as messages of one line quote them.

/// Characters of a text that a message shows.
const MAX_TEXT: usize = 120;
/// Entries of a list that a message shows.
const MAX_ENTRIES: usize = 8;

/// A text without what would break the line, its end cut off where it is long.
pub(crate) fn shortened(text: &str) -> String {
    let start = text.chars().take(MAX_TEXT);
    let mut short: String =
        start.map(|letter| if letter.is_control() { '\u{fffd}' } else { letter }).collect();
    if text.chars().nth(MAX_TEXT).is_some() {
        short.push('…');
    }
    short
}

/// A text in quotation marks, as Rust writes it, its end cut off where it is long.
pub(crate) fn quoted(text: &str) -> String {
    match text.char_indices().nth(MAX_TEXT) {
        Some((end, _)) => format!("{:?}…", &text[..end]),
        None => format!("{text:?}"),
    }
}

/// The first of some texts, each quoted, and how many others there are.
pub(crate) fn listed<T: AsRef<str>>(texts: &[T]) -> String {
    let shown = texts.iter().take(MAX_ENTRIES).map(|text| quoted(text.as_ref()));
    let shown = shown.collect::<Vec<_>>().join(", ");
    match texts.len().saturating_sub(MAX_ENTRIES) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// A shape as Rust writes it; of one with too many dimensions, the first ones.
pub(crate) fn shape(shape: &[usize]) -> String {
    match shape.get(..MAX_ENTRIES) {
        Some(start) if start.len() < shape.len() => {
            format!("{start:?}… of {} dimensions", shape.len())
        }
        _ => format!("{shape:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_lists_and_shapes_become_short_ones_on_one_line() {
        let long = "é\n".repeat(100_000);
        for text in [shortened(&long), quoted(&long)] {
            assert!(text.len() < 1000 && !text.contains('\n') && text.ends_with('…'), "{text}");
        }
        assert_eq!((&*shortened("a b"), &*quoted("a\"b")), ("a b", "\"a\\\"b\""));
        let numbers: Vec<String> = (0..10).map(|number| number.to_string()).collect();
        assert_eq!(listed(&numbers[..2]), "\"0\", \"1\"");
        assert!(listed(&numbers).ends_with("\"7\" and 2 more"), "{}", listed(&numbers));
        assert_eq!(shape(&[2, 3]), "[2, 3]");
        assert_eq!(shape(&[1; 99]), "[1, 1, 1, 1, 1, 1, 1, 1]… of 99 dimensions");
    }
}
