//! Ctrl-C and the polite requests to end.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

/// The signals that came since [`Signals::listen`].
#[derive(Clone, Debug, Default)]
pub(crate) struct Signals {
    /// The number of the last one, 0 for none.
    last: Arc<AtomicUsize>,
}

impl Signals {
    /// From now on the first Ctrl-C or request to end is only noted; the second one ends the
    /// process at once. A terminal that is closed (SIGHUP) and what schedulers send before the time
    /// is up (SIGUSR1) are only noted: both may come twice, and before a request to end.
    pub(crate) fn listen() -> Self {
        let signals = Self::default();
        let noted = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            // Where the system refuses, the signal ends the process as usual, and the checkpoint is
            // the last one written. What is registered first runs first.
            let _ = flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&noted))
                .and_then(|_| flag::register(signal, Arc::clone(&noted)))
                .and_then(|_| signals.note(signal));
        }
        #[cfg(unix)]
        for signal in [signal_hook::consts::SIGHUP, signal_hook::consts::SIGUSR1] {
            if !is_ignored(signal) {
                let _ = signals.note(signal);
            }
        }
        signals
    }

    fn note(&self, signal: i32) -> std::io::Result<signal_hook::SigId> {
        let number = signal.unsigned_abs() as usize;
        flag::register_usize(signal, Arc::clone(&self.last), number)
    }

    /// Whether one came.
    pub(crate) fn came(&self) -> bool {
        self.last.load(Ordering::Relaxed) != 0
    }

    /// The exit code of a process that a signal ended, 128 and its number: 130 for Ctrl-C, 143 for a
    /// request to end, which another process of the run got where this one got no signal.
    pub(crate) fn exit_code(&self) -> ExitCode {
        let signal = u8::try_from(self.last.load(Ordering::Relaxed)).unwrap_or_default();
        let signal = if signal == 0 { SIGTERM.unsigned_abs() as u8 } else { signal };
        ExitCode::from(128 + signal.min(127))
    }
}

/// Whether whoever started the process wants it to outlive a signal, as `nohup` does. Systems other
/// than Linux do not tell.
#[cfg(unix)]
fn is_ignored(signal: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
    ignored.is_some_and(|mask| mask >> (signal - 1) & 1 == 1)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn rust_programs_ignore_broken_pipes_and_no_request_to_end() {
        assert!(is_ignored(signal_hook::consts::SIGPIPE));
        assert!(!is_ignored(SIGTERM));
    }
}
