//! Warnings and notes, on standard error: what libraries log, and this program; of each kind a few, and
//! how many more.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, PoisonError};

use cobasis_data::text::{printable, short_words, shortened_to};
use log::{Level, LevelFilter, Log, Metadata, Record};

use super::output::tell_over_live;

/// Warnings of a kind that are shown.
const SHOWN: usize = 20;
/// Characters of a warning, and of a word in it.
const LENGTH: usize = 1000;
const WORD: usize = 300;

/// How many warnings there were of each kind, and the first.
static COUNTS: LazyLock<Mutex<Counts>> = LazyLock::new(Mutex::default);

struct Warnings;

/// Shows warnings and notes from now on.
pub(super) fn show() {
    // Fails only where somebody else shows them already.
    if log::set_logger(&Warnings).is_ok() {
        log::set_max_level(LevelFilter::Info);
    }
}

/// Says how many warnings were not shown, at the end.
pub(super) fn summarize() {
    for line in COUNTS.lock().unwrap_or_else(PoisonError::into_inner).hidden() {
        warn(&line);
    }
}

/// Warnings by kind. One place in the code makes warnings of one kind.
#[derive(Default)]
struct Counts(HashMap<Kind, (usize, String)>);

/// File and line of what warns.
type Kind = (String, u32);

impl Counts {
    /// Counts a warning, and tells whether it is to be shown.
    fn add(&mut self, kind: Kind, text: &str) -> bool {
        let (count, _) = self.0.entry(kind).or_insert_with(|| (0, text.to_owned()));
        *count += 1;
        *count <= SHOWN
    }

    /// A line for each kind of which not all were shown.
    fn hidden(&mut self) -> Vec<String> {
        let mut hidden: Vec<_> = self.0.drain().filter(|(_, (count, _))| *count > SHOWN).collect();
        hidden.sort();
        let line = |(_, (count, first)): (Kind, (usize, String))| {
            format!("and {} more like the first of them: {first}", count - SHOWN)
        };
        hidden.into_iter().map(line).collect()
    }
}

/// Warns of something, on one line.
pub(super) fn warn(text: &str) {
    show_line("warning", text);
}

fn show_line(what: &str, text: &str) {
    let text = short_words(&text.replace(['\n', '\r'], " "), WORD);
    tell_over_live(&format!("{what}: {}", printable(&shortened_to(&text, LENGTH))));
}

impl Log for Warnings {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        // Others' libraries warn about what users of this program can't change.
        metadata.level() <= Level::Info && metadata.target().starts_with("cobasis")
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            let kind = (record.file().unwrap_or_default().to_owned(), record.line().unwrap_or(0));
            let text = record.args().to_string();
            if COUNTS.lock().unwrap_or_else(PoisonError::into_inner).add(kind, &text) {
                show_line(if record.level() == Level::Info { "note" } else { "warning" }, &text);
            }
        }
    }

    fn flush(&self) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn twenty_warnings_of_a_kind_are_shown_and_the_others_counted() {
        let mut counts = Counts::default();
        let kind = |line| ("a.rs".to_owned(), line);
        let shown =
            (0..9_959).filter(|i| counts.add(kind(1), &format!("no images of {i}"))).count();
        assert!((0..20).all(|_| counts.add(kind(2), "other")));
        assert_eq!(shown, 20);
        assert_eq!(counts.hidden(), ["and 9939 more like the first of them: no images of 0"]);
        assert!(counts.hidden().is_empty());
    }
}
