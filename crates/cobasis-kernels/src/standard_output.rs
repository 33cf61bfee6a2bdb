//! Whether the program was started with a standard output.

use std::sync::atomic::{AtomicBool, Ordering};

static CLOSED: AtomicBool = AtomicBool::new(false);

/// Whether standard output was closed (`>&-`) when the program was started.
///
/// Rust opens `/dev/null` in its place before `main`, where it is like one that was asked for; so this
/// is looked at before. Always false on systems other than Linux.
pub fn was_closed() -> bool {
    CLOSED.load(Ordering::Relaxed)
}

#[cfg(target_os = "linux")]
mod before_main {
    use std::ffi::c_int;
    use std::sync::atomic::Ordering;

    use super::CLOSED;

    /// `F_GETFD`, which fails for a descriptor that is not open.
    const GET_FLAGS: c_int = 1;

    unsafe extern "C" {
        fn fcntl(descriptor: c_int, command: c_int, ...) -> c_int;
    }

    extern "C" fn look() {
        // SAFETY: asking for a descriptor's flags changes nothing, and it may be closed.
        let flags = unsafe { fcntl(1, GET_FLAGS) };
        CLOSED.store(flags == -1, Ordering::Relaxed);
    }

    /// What the system calls before the program's own start.
    // SAFETY: the section holds pointers to functions of this kind; `look` needs nothing of Rust's
    // runtime, which is not there yet.
    #[used]
    #[unsafe(link_section = ".init_array")]
    static LOOK: extern "C" fn() = look;
}
