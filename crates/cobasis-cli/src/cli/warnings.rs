//! Warnings and notes, on standard error: what libraries log, and this program.

use std::io::{IsTerminal, Write, stderr};

use log::{Level, LevelFilter, Log, Metadata, Record};

/// Erases the progress bar of the line, which is drawn again with its next step.
const ERASE_LINE: &str = "\r\x1b[2K";

struct Warnings;

/// Shows warnings and notes from now on.
pub(super) fn show() {
    // Fails only where somebody else shows them already.
    if log::set_logger(&Warnings).is_ok() {
        log::set_max_level(LevelFilter::Info);
    }
}

impl Log for Warnings {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        // Others' libraries warn about what users of this program can't change.
        metadata.level() <= Level::Info && metadata.target().starts_with("cobasis")
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            let mut stderr = stderr().lock();
            let erase = if stderr.is_terminal() { ERASE_LINE } else { "" };
            let text = record.args().to_string().replace(['\n', '\r'], " ");
            let what = if record.level() == Level::Info { "note" } else { "warning" };
            // Nothing is left to do when even a warning can't be printed.
            let _ = writeln!(stderr, "{erase}{what}: {text}");
        }
    }

    fn flush(&self) {}
}
