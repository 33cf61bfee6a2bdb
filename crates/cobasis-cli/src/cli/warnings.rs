//! What the library logs as warnings, on standard error.

use std::io::{Write, stderr};

use log::{Level, LevelFilter, Log, Metadata, Record};

use super::live::is_live;

/// Erases the live line, which is drawn again with its next step.
const ERASE_LINE: &str = "\r\x1b[2K";

struct Warnings;

/// Shows warnings from now on.
pub(super) fn show() {
    // Fails only where somebody else shows them already.
    if log::set_logger(&Warnings).is_ok() {
        log::set_max_level(LevelFilter::Warn);
    }
}

impl Log for Warnings {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        // Libraries warn about what users of this program can't change.
        metadata.level() <= Level::Warn && metadata.target().starts_with("cobasis")
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            let mut stderr = stderr().lock();
            let erase = if is_live() { ERASE_LINE } else { "" };
            let text = record.args().to_string().replace(['\n', '\r'], " ");
            // Nothing is left to do when even a warning can't be printed.
            let _ = writeln!(stderr, "{erase}warning: {text}");
        }
    }

    fn flush(&self) {}
}
