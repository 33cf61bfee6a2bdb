//! What ends the program before its time: memory or threads that the machine does not have, and faults
//! of its own. Each is one line and exit code 1.

use std::io::{IsTerminal, Write, stderr};
use std::panic::{self, AssertUnwindSafe, PanicHookInfo};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;
use std::{env, fs};

use cobasis_data::text::{printable, shortened_to};
use cobasis_train::machine::free_memory;

use super::live::is_live;
use super::output::ERASE_LINE;
use super::threads;

/// Characters of the text of a panic.
const SHOWN: usize = 1000;
/// How long a second thread without memory leaves the first one to end the program.
const PATIENCE: Duration = Duration::from_secs(2);

/// What the last panic said. Panics that are caught, such as those of decoders, are nobody's concern.
static LAST: Mutex<String> = Mutex::new(String::new());

/// Runs the program and tells of a panic on one line.
pub(super) fn run(program: fn() -> ExitCode) -> ExitCode {
    let backtrace = env::var_os("RUST_BACKTRACE").is_some();
    let before = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        let text = text(info);
        if backtrace && shortage(&text).is_none() {
            before(info);
        }
        *LAST.lock().unwrap_or_else(PoisonError::into_inner) = text;
    }));
    panic::catch_unwind(AssertUnwindSafe(program)).unwrap_or_else(|_| {
        let text = LAST.lock().unwrap_or_else(PoisonError::into_inner);
        let erase = if is_live() { ERASE_LINE } else { "" };
        // Nothing is left to do when even that can't be said.
        let _ = writeln!(stderr(), "{erase}error: {}", told(&text));
        ExitCode::FAILURE
    })
}

/// The message of a panic, and where it was.
fn text(info: &PanicHookInfo<'_>) -> String {
    let message = info.payload_as_str().unwrap_or("without a message");
    match info.location() {
        Some(place) => format!("{message} ({}:{})", place.file(), place.line()),
        None => message.to_owned(),
    }
}

/// What a panic means to a user.
fn told(panic: &str) -> String {
    shortage(panic).unwrap_or_else(|| {
        let panic = printable(&shortened_to(panic, SHOWN));
        let version = env!("CARGO_PKG_VERSION");
        format!("internal error, please report it: {panic} (cobasis {version})")
    })
}

/// What a panic tells of that the machine lacks, if it does. By their texts, since panics of libraries
/// have nothing else.
fn shortage(panic: &str) -> Option<String> {
    let of = |texts: [&str; 2]| texts.iter().any(|text| panic.to_lowercase().contains(text));
    if of(["failed to spawn thread", "threadpoolbuilderror"]) {
        // `Os { code: 11, kind: WouldBlock, message: "…" }`
        let reason = panic.split_once("message: \"").and_then(|(_, rest)| rest.split_once('"'));
        return Some(threads::reason("a thread", reason.map_or(panic, |(reason, _)| reason)));
    }
    let free = || free_memory().map(|free| format!("; {free}")).unwrap_or_default();
    let panic = printable(&shortened_to(panic, SHOWN));
    of(["capacity overflow", "out of memory"]).then(|| format!("out of memory: {panic}{}", free()))
}

/// Says that there is no more memory, and ends the program. Takes none.
pub(crate) fn out_of_memory(bytes: usize) -> ! {
    static ENDING: AtomicBool = AtomicBool::new(false);
    if ENDING.swap(true, Ordering::SeqCst) {
        // Another thread is at it; or it is this one, which the end needs memory for.
        thread::sleep(PATIENCE);
        std::process::abort();
    }
    let mut line = [0; 512];
    let length = {
        let mut rest = &mut line[..];
        let erase = if stderr().is_terminal() { ERASE_LINE } else { "" };
        // Longer lines are cut, and a line that can't be written is nobody's help.
        let _ = write!(
            rest,
            "{erase}error: out of memory: {} MiB more were asked for",
            bytes.div_ceil(1 << 20)
        );
        if let Some(used) = held() {
            let _ = write!(rest, ", {} MiB are in use", used >> 20);
        }
        let _ = writeln!(
            rest,
            "; a smaller batch (train.batch, --batch) or size takes less, and ulimit -v may allow more"
        );
        512 - rest.len()
    };
    let _ = stderr().write_all(&line[..length]);
    std::process::exit(1)
}

/// The address space of this process, in bytes, read without memory.
fn held() -> Option<u64> {
    let mut text = [0; 64];
    let length = std::io::Read::read(&mut fs::File::open("/proc/self/statm").ok()?, &mut text);
    let pages = std::str::from_utf8(&text[..length.ok()?]).ok()?;
    let pages: u64 = pages.split(' ').next()?.parse().ok()?;
    // Of the sizes that pages have, the usual one.
    Some(pages * 4096)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn panics_are_told_by_what_they_mean() {
        let os = "Os { code: 11, kind: WouldBlock, message: \"Resource temporarily unavailable\" }";
        let threads = told(&format!("failed to spawn thread: {os} (lib.rs:1)"));
        let expected = "cannot start a thread: Resource temporarily unavailable;";
        assert!(threads.starts_with(expected), "{threads}");
        assert!(
            told("capacity overflow (raw_vec.rs:25)").starts_with("out of memory: capacity ov")
        );
        let fault = told("index out of bounds\n\u{1b}[1m (a.rs:7)");
        let expected =
            "internal error, please report it: index out of bounds\\n\\u{1b}[1m (a.rs:7)";
        assert!(fault.starts_with(expected), "{fault}");
    }
}
