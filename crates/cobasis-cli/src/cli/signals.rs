//! Ctrl-C and the polite request to end.

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
    /// process at once.
    pub(crate) fn listen() -> Self {
        let signals = Self::default();
        let noted = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM] {
            // Where the system refuses, the signal ends the process as usual, and the checkpoint is
            // the last one written. What is registered first runs first.
            let _ = flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&noted))
                .and_then(|_| flag::register(signal, Arc::clone(&noted)))
                .and_then(|_| {
                    let number = signal.unsigned_abs() as usize;
                    flag::register_usize(signal, Arc::clone(&signals.last), number)
                });
        }
        signals
    }

    /// Whether one came.
    pub(crate) fn came(&self) -> bool {
        self.last.load(Ordering::Relaxed) != 0
    }

    /// The exit code of a process that a signal ended: 130 for Ctrl-C, 143 for a request to end.
    pub(crate) fn exit_code(&self) -> ExitCode {
        let signal = u8::try_from(self.last.load(Ordering::Relaxed)).unwrap_or_default();
        ExitCode::from(128 + signal.min(127))
    }
}
