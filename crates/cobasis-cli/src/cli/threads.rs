//! The threads that compute, started before anything is computed: a machine that has none left says
//! so, instead of a panic in the middle of a layer.

use std::num::NonZero;
use std::{env, fs, thread};

use cobasis_cli::Error;

use super::ranks::on_this_machine;

/// How many threads are wanted, as rayon knows it.
const WANTED: &str = "RAYON_NUM_THREADS";
/// More is a slip: each thread has a stack, and shares of work below a certain size are no gain.
const MAX_THREADS: usize = 1024;

/// Starts as many threads as there are cores, or as `RAYON_NUM_THREADS` says. Processes that a launcher has started
/// here share the cores, unless it has given each its own.
pub(super) fn start() -> Result<(), Error> {
    let wanted = wanted(env::var(WANTED).ok().as_deref())?;
    let started = rayon::ThreadPoolBuilder::new().num_threads(wanted).build_global();
    let what = format!("{wanted} threads to compute with");
    started.map_err(|error| refused(&what, &error.to_string()))
}

/// The number of threads that a text asks for: without one, a thread for each core.
fn wanted(text: Option<&str>) -> Result<usize, Error> {
    let cores = || {
        let cores = thread::available_parallelism().map_or(1, NonZero::get);
        if is_bound() { cores } else { (cores / on_this_machine()).max(1) }
    };
    match text.map(str::trim) {
        None | Some("" | "0") => Ok(cores()),
        Some(text) => match text.parse() {
            Ok(threads) if threads <= MAX_THREADS => Ok(threads),
            _ => {
                let text = cobasis_data::text::shortened(text);
                let problem = format!("expected 1 to {MAX_THREADS} threads, got {text:?}");
                Err(Error::Usage(format!(
                    "{WANTED}: {problem}; this machine has {} cores",
                    cores()
                )))
            }
        },
    }
}

/// Whether this process may run on some of the machine's cores only. Systems other than Linux do not tell.
fn is_bound() -> bool {
    let online = fs::read_to_string("/sys/devices/system/cpu/online").unwrap_or_default();
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let allowed = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
    allowed.is_some_and(|allowed| allowed.trim() != online.trim())
}

/// That threads could not be started.
pub(super) fn refused(what: &str, problem: &str) -> Error {
    cobasis_train::Error::Machine(reason(what, problem)).into()
}

/// Why threads could not be started, with the limits that there are.
pub(super) fn reason(what: &str, problem: &str) -> String {
    let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let limit = |name: &str| {
        let line = limits.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next().filter(|limit| *limit != "unlimited").map(str::to_owned)
    };
    let known = [
        limit("Max processes").map(|limit| format!("ulimit -u allows {limit} of them")),
        limit("Max address space").map(|limit| format!("ulimit -v allows {limit} bytes")),
    ];
    let known: Vec<String> = known.into_iter().flatten().collect();
    let known = if known.is_empty() { String::new() } else { format!("; {}", known.join(", ")) };
    format!("cannot start {what}: {problem}{known}; {WANTED}=1 takes the fewest")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_threads_are_bounded() {
        assert!(wanted(None).is_ok_and(|threads| threads >= 1));
        assert_eq!(wanted(Some("0")).ok(), wanted(None).ok());
        assert_eq!(wanted(Some("3")).ok(), Some(3));
        for text in ["99999999", "-1", "many", "99999999999999999999999999"] {
            let error = wanted(Some(text)).expect_err("must be refused");
            assert_eq!(error.exit_code(), 2);
            let line = error.line();
            let expected = "RAYON_NUM_THREADS: expected 1 to 1024 threads, got ";
            assert!(line.starts_with(expected), "{line}");
        }
    }
}
