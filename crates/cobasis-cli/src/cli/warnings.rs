//! What the library logs as warnings, on standard error.

use log::{Level, LevelFilter, Log, Metadata, Record};

use super::output::warn;

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
            warn(&record.args().to_string());
        }
    }

    fn flush(&self) {}
}
