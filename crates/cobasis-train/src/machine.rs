//! What a measurement depends on beside the program.

mod memory;

use std::fs;
use std::num::NonZero;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;

use crate::date::iso;

use memory::kibibytes;
pub use memory::{Free, free_memory};

/// The machine that a measurement was made on.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Machine {
    /// The processor as the system names it.
    pub processor: String,
    /// Its cores that this program may use.
    pub cores: usize,
}

impl Machine {
    /// This one.
    pub fn this() -> Self {
        let known = fs::read_to_string("/proc/cpuinfo").ok().and_then(|text| {
            let line = text.lines().find(|line| line.starts_with("model name"))?;
            Some(line.split_once(':')?.1.trim().to_owned())
        });
        Self {
            processor: known.unwrap_or_else(|| std::env::consts::ARCH.to_owned()),
            cores: thread::available_parallelism().map_or(1, NonZero::get),
        }
    }
}

/// The time, as `2026-11-23T06:58:10Z`.
pub fn now() -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    iso(now.map_or(0, |time| time.as_secs()))
}

/// The largest peak that the system was made to forget, in bytes.
static FORGOTTEN: AtomicU64 = AtomicU64::new(0);

/// The most memory that this process ever held, in bytes; `None` where the system does not tell.
pub fn peak_memory() -> Option<u64> {
    let since = held_at_most()?;
    Some(since.max(FORGOTTEN.load(Ordering::Relaxed)))
}

/// The most memory that this process holds while it does some work, in bytes, beside what the work
/// gives; `None` where the system tells of whole lives of processes only. What other threads do
/// meanwhile counts too.
pub fn peak_during<T>(work: impl FnOnce() -> T) -> (T, Option<u64>) {
    if let Some(before) = peak_memory() {
        FORGOTTEN.fetch_max(before, Ordering::Relaxed);
    }
    // Linux: from here on, VmHWM counts anew from what is held now.
    let anew = fs::write("/proc/self/clear_refs", "5").is_ok();
    let result = work();
    let peak = anew.then(held_at_most);
    (result, peak.flatten())
}

/// The most memory that this process held since the system counts.
fn held_at_most() -> Option<u64> {
    kibibytes(&fs::read_to_string("/proc/self/status").ok()?, "VmHWM:")
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_peak_is_that_of_the_work_and_an_earlier_one_is_not_lost() {
        const BYTES: u64 = 1 << 28;
        // Touched, so that the system has to give it.
        let held = |bytes: u64| std::hint::black_box(vec![1u8; bytes as usize]).len();
        let (_, large) = peak_during(|| held(BYTES));
        let (_, small) = peak_during(|| held(BYTES / 64));
        let (Some(large), Some(small)) = (large, small) else {
            eprintln!("skipped: the system does not forget peaks");
            return;
        };
        // Other tests of this process take some meanwhile.
        assert!(small + BYTES / 2 < large, "{small} {large}");
        assert!(peak_memory() >= Some(large));
    }
}
