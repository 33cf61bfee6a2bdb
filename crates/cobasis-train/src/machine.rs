//! What a measurement depends on beside the program.

use std::fs;
use std::num::NonZero;
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;

use crate::date::iso;

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

/// The most memory that this process ever held, in bytes; `None` where the system does not tell.
pub fn peak_memory() -> Option<u64> {
    kibibytes("/proc/self/status", "VmHWM:")
}

/// The memory that is free for programs to take, in bytes; `None` where the system does not tell.
pub fn free_memory() -> Option<u64> {
    kibibytes("/proc/meminfo", "MemAvailable:")
}

/// The bytes that a line of a file of the system tells in kibibytes.
fn kibibytes(path: &str, label: &str) -> Option<u64> {
    let text = fs::read_to_string(path).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(label))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(1024 * kibibytes)
}
